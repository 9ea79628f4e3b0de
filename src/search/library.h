/* Library search: from the name in a request to an open file (ld.so(8); the system loader's rules).
 *
 * One struct ldx_library_search holds the settings of the process and what was learnt about folders; it is
 * owned by the process context and used under the writer lock. */
#ifndef LDX_SEARCH_LIBRARY_H
#define LDX_SEARCH_LIBRARY_H

#include "base/diag.h"
#include "base/fds.h"
#include "base/io.h"
#include "namespace/object.h"

struct ldx_isa;

/* First bytes of the file, read once: header and (nearly always) program headers. */
enum { LDX_HEAD_SIZE = 1024 };

struct ldx_library_file {
  int fd;
  char *path;         /* heap; the caller frees */
  const char *source; /* which list had it ("RUNPATH", ...), or "path": a constant; owner: of the list, or NULL */
  const char *owner;
  char *asked;      /* the path before tools changed it (heap), or NULL */
  bool from_memory; /* a tool's bytes: fd is a file in memory */
  bool has_stat;
  struct stat stat; /* when has_stat */
  size_t head_size;
  _Alignas(8) unsigned char head[LDX_HEAD_SIZE];
};

/* How a name without a slash is looked for (algorithms.h). */
enum ldx_search_algorithm {
  LDX_ALGORITHM_USUAL,        /* the system loader's; musl's for a program of musl */
  LDX_ALGORITHM_MUSL,         /* musl's, whatever the program */
  LDX_ALGORITHM_STORE,        /* folders that have all: STORE/NAME */
  LDX_ALGORITHM_ORIGIN_CACHE, /* the nearest etc/ld.so.cache above the object that asks, then as usual */
  LDX_ALGORITHM_FROZEN,       /* nothing but what a record says */
};

struct ldx_guide;

/* Receives what LD_DEBUG=libs tells, one line a call, without the "PID:" prefix and line end. */
typedef void ldx_search_trace(void *arg, const char *line);

struct ldx_library_search {
  struct ldx_heap *heap;
  const char *library_path;        /* LD_LIBRARY_PATH or --library-path; NULL when unset */
  const char *library_path_source; /* how traces call it: "LD_LIBRARY_PATH" or "--library-path" */
  const char *program_path;        /* the program's file when the loader itself opened it; NULL: the kernel did */
  const char *program_name;        /* argv[0]; what traces call the program */
  const char *platform;            /* AT_PLATFORM; NULL when unknown */
  uint64_t hwcap;                  /* AT_HWCAP */
  uint64_t hwcap_mask;             /* LD_HWCAP_MASK; counts when hwcap_mask_set */
  bool hwcap_mask_set;
  const struct ldx_isa *isa;  /* NULL: this CPU's own abilities */
  const char *cache_file;     /* NULL: /etc/ld.so.cache */
  const char *hwcaps_prepend; /* --glibc-hwcaps-prepend */
  const char *hwcaps_mask;    /* --glibc-hwcaps-mask */
  const char *inhibit_rpath;  /* --inhibit-rpath */
  const char *origin_path;    /* LD_ORIGIN_PATH */
  const char *musl_interp;    /* musl's rules are followed, and this is its path; NULL: the system loader's */
  bool secure;                /* AT_SECURE */
  bool inhibit_cache;         /* --inhibit-cache */
  ldx_search_trace *trace;    /* NULL: no trace */
  /* NULL, or auditors are to be asked what to open instead of a candidate (LA_SER_*); NULL: nothing. */
  const char *(*audit)(const struct ldx_object *loader, const char *path, unsigned flag);
  void *trace_arg;
  struct ldx_io *io;            /* NULL: plain system calls */
  struct ldx_fd_batch *closing; /* where files go that are done with; NULL: they are closed at once */

  const struct ldx_guide *guide; /* guide.h; NULL: nobody has a say, and nobody listens */
  enum ldx_search_algorithm algorithm;
  const char *store; /* LDX_ALGORITHM_STORE: its folders, separated by colons */
  bool depth_first;  /* the closure of a load is walked in depth */
  bool keep_origin;  /* $ORIGIN is the folder of the path before tools changed it */

  struct ldx_search_state *state; /* private to search/ */
};

enum ldx_find_result { LDX_FOUND, LDX_NOT_FOUND, LDX_FIND_ERROR };

enum ldx_find_mode {
  LDX_FIND_PLAIN,
  LDX_FIND_PRELOAD, /* named by the environment: under AT_SECURE only set-user-ID files in folders will do */
  LDX_FIND_AUDIT,   /* an auditor: the program's DT_RUNPATH counts too */
};

struct ldx_find_request {
  const char *name;
  struct ldx_object *loader;  /* the object whose DT_NEEDED or dlopen asks; may be NULL */
  struct ldx_object *program; /* main program of the base namespace; NULL before it is known */
  long ns;                    /* id of the namespace the library is meant for */
  enum ldx_find_mode mode;
  uint32_t origin; /* enum ldx_origin of include/ldx/steer.h; only a guide looks at it */
};

/* Opens the library that a request means. A name with a slash is a path, in which $ORIGIN, $LIB and $PLATFORM
 * are expanded when there is a loader. Files of the wrong class or machine are passed over, as the system
 * loader does. Before the program is known only ld.so.cache is searched. Fills *out (fd open, close-on-exec).
 * LDX_NOT_FOUND and LDX_FIND_ERROR leave the message in *diag ("cannot open shared object file" with its
 * errno, "file too short", ...). */
enum ldx_find_result ldx_find(struct ldx_library_search *s, const struct ldx_find_request *r,
                              struct ldx_library_file *out, struct ldx_diag *diag);

/* The same for the loader's own namespace and LDX_FIND_PLAIN. */
enum ldx_find_result ldx_find_library(struct ldx_library_search *s, const char *name, struct ldx_object *loader,
                                      struct ldx_object *program, struct ldx_library_file *out,
                                      struct ldx_diag *diag);

/* What a DT_NEEDED, DT_FILTER or DT_AUXILIARY text of `o` asks for: tokens expanded, also where there is no
 * slash (dlopen's names are not). Refused under AT_SECURE. A heap copy, or NULL with the fault in *diag. */
char *ldx_expand_needed(struct ldx_library_search *s, struct ldx_object *o, const char *text, struct ldx_diag *diag);

/* Start-up, or one dlopen, is over: what is known of ld.so.cache is checked again before its next use. */
void ldx_search_settle(struct ldx_library_search *s);

/* The folder that $ORIGIN means for the object ("" when unknown); kept in object->origin. For an object with a
 * relative name it depends on the working folder: ask when the object is loaded. */
const char *ldx_object_origin(struct ldx_library_search *s, struct ldx_object *o);

/* The folders a library named without slash is searched in for `loader`, in order, for dlinfo
 * RTLD_DI_SERINFO: calls `each` with the folder and its LA_SER_* flag (the system loader reports 0 always). */
void ldx_search_path(struct ldx_library_search *s, struct ldx_object *loader, struct ldx_object *program,
                     void (*each)(void *arg, const char *dir, unsigned flag), void *arg);

/* Prints the part of --help that tells the search path and the hwcaps subfolders, as the system loader does. */
void ldx_search_help(struct ldx_library_search *s, int fd);

/* Frees what search/ keeps for an object (rpath, runpath). */
void ldx_search_forget(struct ldx_library_search *s, struct ldx_object *o);

#endif
