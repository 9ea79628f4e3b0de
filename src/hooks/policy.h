/* The policy: what tools can do in code, said in a JSON file (docs/policy.md). Text becomes plain data here; the
 * loader acts on it.
 *
 * Several files make one policy: of a scalar the later one counts, lists are appended (a list whose first element is
 * "!replace" begins anew). Every rule knows its place, `where`, as "FILE:LINE:COLUMN".
 *
 * Ownership: everything belongs to the policy and lives as long. Threads: a finished policy is never written again.
 * Zero, or NULL, always means "not given". A glob that is not given stands for "*". */
#ifndef LDX_HOOKS_POLICY_H
#define LDX_HOOKS_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/heap.h"
#include "base/span.h"

#define LDX_POLICY_SECTION ".ldx.policy"
/* In the dynamic section of a program that has the section; its value means nothing. tools/ldx-policy puts it there,
 * so that ldx need not look for a section in programs that have none. */
#define LDX_DT_POLICY 0x6c647870
#define LDX_POLICY_FOLDER "/etc/ldx"

enum { LDX_POLICY_MAX_SIZE = 1 << 20, LDX_POLICY_MAX_DEPTH = 16, LDX_POLICY_MAX_TOKENS = 1 << 17 };

enum ldx_switch { LDX_SWITCH_UNSET, LDX_SWITCH_OFF, LDX_SWITCH_ON };

/* The values of each enum stand in the order of its words in the schema, from 1. */
enum ldx_on_fault { LDX_FAULT_REPORT = 1, LDX_FAULT_DISABLE, LDX_FAULT_ABORT };
enum ldx_on_conflict { LDX_CONFLICT_ERROR = 1, LDX_CONFLICT_FIRST, LDX_CONFLICT_LAST, LDX_CONFLICT_CHAIN };
enum ldx_algorithm {
  LDX_SEARCH_GLIBC = 1,
  LDX_SEARCH_MUSL,
  LDX_SEARCH_DEPTH_FIRST,
  LDX_SEARCH_FROZEN,
  LDX_SEARCH_STORE,
  LDX_SEARCH_ORIGIN_CACHE,
  LDX_SEARCH_TOOL, /* text: its name */
};
enum ldx_when { LDX_WHEN_NAME = 1, LDX_WHEN_PATH, LDX_WHEN_DIR, LDX_WHEN_SEARCH, LDX_WHEN_SONAME };
enum ldx_provider_kind { LDX_PROVIDE_FILE = 1, LDX_PROVIDE_MEMFD, LDX_PROVIDE_SECTION }; /* text: path, section */
enum ldx_key { LDX_KEY_PATH = 1, LDX_KEY_BUILD_ID, LDX_KEY_CONTENT, LDX_KEY_SONAME, LDX_KEY_TOOL /* text: name */ };
enum ldx_log { LDX_LOG_FD = 1 /* number */, LDX_LOG_FILE /* text: path */, LDX_LOG_STDERR };
enum ldx_allow { LDX_ALLOW_SHA256 = 1, LDX_ALLOW_BUILD_ID, LDX_ALLOW_PATH /* text: hex digits, or a glob */ };

/* One of the enums above, and what follows the colon of its word. */
struct ldx_policy_choice {
  uint32_t is;
  int32_t number;
  const char *text, *where;
};
struct ldx_policy_text {
  const char *text, *where;
};
/* An order: `first` comes before `second`. */
struct ldx_policy_pair {
  const char *first, *second, *where;
};

#define LDX_POLICY_LIST(type)                                                                                        \
  struct {                                                                                                           \
    type *at;                                                                                                        \
    uint32_t count, room;                                                                                            \
  }
typedef LDX_POLICY_LIST(struct ldx_policy_text) ldx_policy_texts;
typedef LDX_POLICY_LIST(struct ldx_policy_pair) ldx_policy_pairs;

struct ldx_policy_tool {
  const char *where;
  const char *path, *name; /* path always */
  ldx_policy_texts before, after, args, events;
  int64_t priority, watchdog_ms;
  uint8_t in_app;    /* enum ldx_switch */
  uint32_t on_fault; /* enum ldx_on_fault */
};

struct ldx_policy_when {
  const char *where;
  uint32_t kind;                 /* enum ldx_when, always */
  const char *match, *from, *ns; /* globs; match always */
};
struct ldx_policy_rewrite {
  const char *where;
  struct ldx_policy_when when;
  const char *to, *why; /* to always; ldx_policy_substitute */
};
struct ldx_policy_deny {
  const char *where;
  const char *match, *from, *ns, *why; /* match always */
  int64_t error;                       /* errno value */
};
struct ldx_policy_provide {
  const char *where;
  const char *name;              /* a glob; always */
  struct ldx_policy_choice from; /* enum ldx_provider_kind, always */
};
struct ldx_policy_io {
  const char *where;
  ldx_policy_texts paths, files;
  const char *provider; /* always */
};
struct ldx_policy_bind {
  const char *where;
  const char *sym, *version, *caller, *definer, *to; /* sym and to always */
};
struct ldx_policy_namespace {
  const char *where;
  const char *name; /* always */
  ldx_policy_texts share;
  uint8_t isolate, global; /* enum ldx_switch */
};
struct ldx_policy_ifunc {
  const char *where;
  const char *sym, *choose; /* always */
};

struct ldx_policy_file {
  uint64_t dev, ino;
};

struct ldx_policy {
  struct {
    const char *where;
    ldx_policy_pairs edges, remove; /* names of tools */
    uint32_t on_conflict;           /* enum ldx_on_conflict */
  } order;
  struct {
    const char *where;
    struct ldx_policy_choice algorithm;                     /* enum ldx_algorithm */
    ldx_policy_texts rpath, append, prepend, hwcaps, store; /* folders; hwcaps: names */
    uint8_t keep_origin;
  } search;
  struct {
    const char *where;
    ldx_policy_texts tiers;
    struct ldx_policy_choice key; /* enum ldx_key */
    uint8_t readonly, relocs;
  } cache;
  struct {
    const char *where;
    struct ldx_policy_choice log; /* enum ldx_log */
    ldx_policy_texts types;       /* globs of what ldx_event_name gives */
    int64_t history;              /* a power of two */
  } events;
  struct {
    const char *where;
    LDX_POLICY_LIST(struct ldx_policy_choice) allow_tools; /* enum ldx_allow */
    uint8_t strict, deny_by_default;
  } security;
  struct {
    const char *where;
    uint8_t fork, exec;
  } follow;
  LDX_POLICY_LIST(struct ldx_policy_tool) tools;
  LDX_POLICY_LIST(struct ldx_policy_rewrite) rewrite;
  LDX_POLICY_LIST(struct ldx_policy_deny) deny;
  LDX_POLICY_LIST(struct ldx_policy_provide) provide;
  LDX_POLICY_LIST(struct ldx_policy_io) io;
  LDX_POLICY_LIST(struct ldx_policy_bind) bind;
  LDX_POLICY_LIST(struct ldx_policy_namespace) namespaces;
  LDX_POLICY_LIST(struct ldx_policy_ifunc) ifunc;
  ldx_policy_texts preload, load_order, hwcaps_mask;
  ldx_policy_pairs init_order; /* names: `first` is initialised before `second` */

  /* private */
  uint32_t schema;
  int64_t version;
  ldx_policy_texts include;
  LDX_POLICY_LIST(struct ldx_policy_file) files; /* that were read: each is read once */
  struct ldx_heap *heap;
  struct ldx_policy_block *blocks; /* all memory */
};

/* How policies are read. */
struct ldx_policy_reader {
  struct ldx_heap *heap;
  bool secure; /* AT_SECURE: only what the system's owner has written */
  /* The value of a variable ("HOME"), or NULL when it has none. No function: texts stay as they are written. */
  const char *(*variable)(void *arg, const char *name);
  /* Told of each fault, as "FILE:LINE:COLUMN: text" or "FILE: text". */
  void (*fault)(void *arg, const char *message);
  void *arg;
};

/* NULL: no memory. */
struct ldx_policy *ldx_policy_new(struct ldx_heap *heap);
void ldx_policy_free(struct ldx_policy *p);

/* Each adds to the policy. False: a fault was told, and the policy is good for nothing. */
bool ldx_policy_add_file(struct ldx_policy *p, const struct ldx_policy_reader *r, const char *path);
/* `name` stands for the text in messages; it is also the file that "include" is relative to. */
bool ldx_policy_add_text(struct ldx_policy *p, const struct ldx_policy_reader *r, const char *name, const char *text,
                         size_t size);
/* The section of the program `name`, open as fd. True also when there is none: *found tells. */
bool ldx_policy_add_section(struct ldx_policy *p, const struct ldx_policy_reader *r, const char *name, int fd,
                            bool *found);
/* The checks that need the whole: circles among orders. To be called once, behind the last ldx_policy_add_. */
bool ldx_policy_finish(struct ldx_policy *p, const struct ldx_policy_reader *r);

/* Whether the contents of an open file are to be believed: under AT_SECURE only root's own, that nobody else writes.
 */
bool ldx_policy_may_read(const struct stat *st, bool secure);

/* What the wildcards of a glob stood for: $1 to $9 are the first nine, in order; $0 is all of the text. */
struct ldx_policy_captures {
  const char *text;
  size_t length;
  uint32_t count;
  struct {
    uint32_t start, end;
  } at[9];
};
/* As ldx_glob; NULL matches everything. Where a text can be split several ways, earlier wildcards take as little as
 * they can. */
bool ldx_policy_match(const char *glob, const char *text, struct ldx_policy_captures *out);
/* Replaces $0 to $9 in `to`; $$ is a dollar sign. As snprintf: at most size-1 characters; returns the whole length.
 */
size_t ldx_policy_substitute(const char *to, const struct ldx_policy_captures *c, char *buf, size_t size);

/* The bytes of an ELF file, in memory (base not NULL) or open as fd. */
struct ldx_policy_bytes {
  struct ldx_span span;
  int fd;
  uint64_t size; /* of the file */
};
/* The contents of section `name`, in a new block of the heap, NUL-terminated. 1: found; 0: there is none; -1: *fault
 * says what is wrong with the file. Only what is needed of the section headers is read. */
int ldx_policy_find_section(struct ldx_heap *heap, const struct ldx_policy_bytes *file, const char *name,
                            size_t max_size, char **out, size_t *size, const char **fault);

/* For tools: the policy as JSON text on one line, all files merged, and any JSON text in the usual layout. In a new
 * block of the heap; NULL: no memory. The text must have been accepted before it is formatted. */
char *ldx_policy_write(const struct ldx_policy *p, struct ldx_heap *heap);
char *ldx_policy_format(struct ldx_heap *heap, const char *text, size_t size);

#endif
