/* The file of launch caches: what searches have found, and what that depends on. Little-endian; all of it is checked
 * before it is believed.
 *
 *   header | directory: one slot a record | records
 *
 * A record is what starts of one program with one group of settings have learnt: witnesses (folders and files as they
 * were; all of them must still be so), entries (a request and its answer), texts. Texts are named by their offset
 * in the record's texts; 0 is none.
 *
 * This file knows bytes only: no system call, no search. tools/ldx-cache shares it. */
#ifndef LDX_SEARCH_CACHE_FILE_H
#define LDX_SEARCH_CACHE_FILE_H

#include "base/heap.h"
#include "base/span.h"
#include "search/digest.h"

#define LDX_CACHE_MAGIC "LDXCACHE"
enum {
  LDX_CACHE_VERSION = 1,
  LDX_CACHE_MAX_RECORDS = 256,   /* the oldest go */
  LDX_CACHE_MAX_SIZE = 64 << 20, /* bytes */
  LDX_CACHE_MAX_WITNESSES = 2048,
  LDX_CACHE_MAX_ENTRIES = 1 << 16,
  LDX_CACHE_KEY_SIZE = 48,
};

struct ldx_cache_header {
  char magic[8];
  uint32_t version, records;
  uint64_t size; /* of the file */
  uint64_t sum;  /* of header (with 0 here) and directory */
};
struct ldx_cache_slot {
  uint64_t id, offset, size, sum;
  int64_t written; /* seconds since 1970 */
};
struct ldx_cache_record {
  uint32_t witnesses, entries, texts;     /* counts; bytes */
  uint32_t program, settings, ldx_unused; /* texts */
};

/* What stat tells of a file, as far as it tells versions of it apart. The device's number does not count: it differs
 * from one start of the system, and from one computer, to the next. */
struct ldx_file_state {
  uint64_t ino, size;
  int64_t mtime, ctime;
  uint32_t mtime_ns, ctime_ns;
};

enum ldx_witness_kind {
  LDX_WITNESS_ABSENT = 1, /* stat fails, with `error` */
  LDX_WITNESS_FOLDER,     /* has the names that it had */
  LDX_WITNESS_FILE,       /* is as it was */
  LDX_WITNESS_CPU,        /* can do what `path` says in words */
};
struct ldx_cache_witness {
  uint32_t path, kind, error, ldx_unused;
  struct ldx_file_state state;
};

/* How a found file is known again. */
enum ldx_key_kind {
  LDX_KEYED_BY_STATE = 1, /* inode, size and times: struct ldx_file_state */
  LDX_KEYED_BY_BUILD_ID,
  LDX_KEYED_BY_CONTENT, /* struct ldx_digest */
  LDX_KEYED_BY_SONAME,  /* digest of soname and version definitions */
  LDX_KEYED_BY_TOOL,    /* what a tool says */
};
struct ldx_file_key {
  uint32_t kind, size;
  uint8_t at[LDX_CACHE_KEY_SIZE];
};
struct ldx_cache_entry {
  struct ldx_digest context; /* of the request: search_context.c */
  uint32_t name, from;       /* texts: what was asked for, and by whom first */
  uint32_t path;             /* text; 0: there is none, and error says why */
  uint32_t error;
  struct ldx_file_key key;
};

/* The first bytes of a file, 8-byte aligned: header and directory, or all of it. */
struct ldx_cache_view {
  struct ldx_span file;
  uint32_t records;
  const struct ldx_cache_slot *slots;
};
/* A record's, checked: all counts are in bounds, all text offsets are valid, texts end. */
struct ldx_record_view {
  const struct ldx_cache_slot *slot; /* NULL: none */
  const struct ldx_cache_record *head;
  const struct ldx_cache_witness *witnesses;
  const struct ldx_cache_entry *entries;
  const char *texts;
};

/* Enough of a file for header and directory. */
enum { LDX_CACHE_HEAD = 32 + 40 * LDX_CACHE_MAX_RECORDS };

/* NULL, or what is wrong. */
const char *ldx_cache_open(struct ldx_span start, uint64_t file_size, struct ldx_cache_view *out);
/* The record's bytes are read from where the slot says, 8-byte aligned. */
const char *ldx_record_open(const struct ldx_cache_slot *slot, struct ldx_span bytes, struct ldx_record_view *out);
bool ldx_record_is_of(const struct ldx_record_view *r, const char *program, const char *settings);
/* For a view of all of the file. */
const char *ldx_cache_read(const struct ldx_cache_view *v, uint32_t index, struct ldx_record_view *out);
/* The record of that program and those settings; false: there is none that is sound. */
bool ldx_cache_find(const struct ldx_cache_view *v, const char *program, const char *settings,
                    struct ldx_record_view *out);
uint64_t ldx_cache_id(const char *program, const char *settings);
static inline const char *ldx_record_text(const struct ldx_record_view *r, uint32_t at) {
  return at ? r->texts + at : NULL;
}

/* A record under construction. */
struct ldx_draft {
  struct ldx_heap *heap;
  struct ldx_cache_witness *witnesses;
  struct ldx_cache_entry *entries;
  char *texts;
  size_t witness_count, witness_room, entry_count, entry_room, text_size, text_room;
  bool failed; /* out of memory, or too large: good for nothing */
};
uint32_t ldx_draft_text(struct ldx_draft *d, const char *text);
/* A witness of the same path stays as it is. */
void ldx_draft_witness(struct ldx_draft *d, const char *path, const struct ldx_cache_witness *w);
/* An entry of the same request is replaced. False: it was there just so. path NULL: there is none, and e->error says
 * why. */
bool ldx_draft_entry(struct ldx_draft *d, const struct ldx_cache_entry *e, const char *name, const char *from,
                     const char *path);
/* Adds what a record has and the draft has not. */
void ldx_draft_merge(struct ldx_draft *d, const struct ldx_record_view *r);
/* Whether the two know a path differently. */
bool ldx_draft_conflicts(const struct ldx_draft *d, const struct ldx_record_view *r);
void ldx_draft_free(struct ldx_draft *d);

/* A new file (heap): the sound records of `old` (may be empty) but the one of that program and those settings, and
 * behind them the draft (NULL: none). NULL: no memory. */
void *ldx_cache_write(struct ldx_heap *heap, const struct ldx_cache_view *old, struct ldx_draft *d,
                      const char *program, const char *settings, int64_t now, size_t *size);

#endif
