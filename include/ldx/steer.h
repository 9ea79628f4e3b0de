/* Steering: a tool changes what is loaded, from where, in which order, and what references bind to.
 *
 * For each library asked for, the steps are, in this order: name -> (is it loaded already?) -> search or paths ->
 * path, for each candidate -> image. In every step all tools are asked in tool order, each one gets what the one
 * before made of it; the policy's rules are a tool named "policy". Each change is kept with the tool's name and its
 * reason, for --explain and for LDX_EV_REWRITTEN. Two tools that change the same thing of one request make a conflict
 * (LDX_EV_TOOL_CONFLICT), which "on_conflict" of the policy decides: chain (the usual: the second sees the first's),
 * first, last, or error. */
#ifndef LDX_STEER_H
#define LDX_STEER_H

#include <ldx/tool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ldx_origin {
  LDX_FROM_PROGRAM = 1, /* the program itself */
  LDX_FROM_NEEDED,
  LDX_FROM_DLOPEN,
  LDX_FROM_PRELOAD,
  LDX_FROM_TOOL,
  LDX_FROM_AUDIT,
};

/* One library asked for. */
struct ldx_request {
  uint32_t size;
  uint32_t origin;  /* enum ldx_origin */
  const char *name; /* as it was asked for */
  ldx_id requester; /* object, 0: none */
  const char *from; /* its path, or the program's name; NULL: none */
  int64_t ns;
};

enum ldx_verdict {
  LDX_PASS,    /* no opinion */
  LDX_CHANGED, /* *out says what instead */
  LDX_DENY,    /* not to be loaded: the request fails with the reason given */
  LDX_STOP,    /* as it is now; later tools are not asked */
};

/* What a step answers with: texts are copied at once. */
struct ldx_answer {
  uint32_t size;
  int32_t error;     /* LDX_DENY: errno value that the message ends with; 0: EACCES */
  const char *text;  /* LDX_CHANGED: the new name or path */
  const char *why;   /* NULL: none given */
  const void *image; /* image: bytes in memory, copied... */
  size_t image_size;
  int32_t fd; /* ...or a file descriptor that ldx closes; -1: none */
};

/* Folders to be searched, as text ("/a:/b"), list by list as the system loader would search them. */
struct ldx_path_list {
  uint32_t size;
  const char *source; /* "RPATH", "LD_LIBRARY_PATH", "RUNPATH", "cache", "system search path" */
  const char *owner;  /* object that has the RPATH or RUNPATH, or NULL */
  const char *folders;
};

/* A search under way, for tools that replace it. Tries one path: 0 when it was opened, else the errno value. After
 * the first success further tries fail with EALREADY. */
typedef struct ldx_search ldx_search;
int ldx_search_try(ldx_search *search, const char *path);
/* What would be searched without this tool: called for each list until `each` returns non-zero. */
int ldx_search_lists(ldx_search *search, int (*each)(void *arg, const struct ldx_path_list *list), void *arg);

struct ldx_file_facts {
  uint32_t size;
  const char *path;
  uint64_t dev, ino, bytes;
  int64_t mtime_sec, mtime_nsec;
  const uint8_t *build_id; /* NULL: none */
  size_t build_id_size;
  const char *soname; /* NULL: none */
};

struct ldx_order_item {
  ldx_id object;
  const char *name, *path;
};

/* What a reference is about to be bound to. */
struct ldx_binding_request {
  uint32_t size;
  uint32_t relocation; /* R_X86_64_ number; 0: dlsym */
  const char *symbol, *version;
  ldx_id from, to;
  const char *from_path, *to_path;
  void *value;
  void **slot;
};

/* A NULL function has no opinion. */
struct ldx_steering {
  uint32_t size;
  enum ldx_verdict (*name)(void *ctx, const struct ldx_request *, struct ldx_answer *out);
  /* One call for each list; LDX_CHANGED: out->text replaces its folders. For source "cache" an empty text switches
   * ld.so.cache off. A tool may add a list of its own: it is asked first with source "" and no folders. */
  enum ldx_verdict (*paths)(void *ctx, const struct ldx_request *, const struct ldx_path_list *,
                            struct ldx_answer *out);
  /* A candidate before it is opened. */
  enum ldx_verdict (*path)(void *ctx, const struct ldx_request *, const char *candidate, struct ldx_answer *out);
  /* The whole algorithm: LDX_CHANGED when ldx_search_try has opened something, LDX_DENY, LDX_STOP for "nowhere",
   * LDX_PASS for the algorithm in force. */
  enum ldx_verdict (*search)(void *ctx, const struct ldx_request *, ldx_search *, struct ldx_answer *out);
  /* Bytes instead of a file. No file is opened then. For a name without a slash it is asked with the name itself
   * first, then with each path that would be tried; where the answer comes is the path of the object. */
  enum ldx_verdict (*image)(void *ctx, const struct ldx_request *, const char *path, struct ldx_answer *out);
  /* Identity of a file, for caches and for "is it loaded already": up to 32 bytes. */
  enum ldx_verdict (*key)(void *ctx, const struct ldx_file_facts *, uint8_t out[32]);
  /* Order of the search scope, and of constructors: permutes items in place. */
  enum ldx_verdict (*scope_order)(void *ctx, int64_t ns, struct ldx_order_item *items, size_t count,
                                  struct ldx_answer *out);
  enum ldx_verdict (*init_order)(void *ctx, int64_t ns, struct ldx_order_item *items, size_t count,
                                 struct ldx_answer *out);
  /* The address that a reference gets: LDX_CHANGED and *value. */
  enum ldx_verdict (*bind)(void *ctx, const struct ldx_binding_request *, void **value, struct ldx_answer *out);
};

/* The table is kept, not copied. One table for each tool: a second call replaces the first; NULL takes it away. */
int ldx_steer(ldx_tool *tool, const struct ldx_steering *steering, void *ctx);

#ifdef __cplusplus
}
#endif
#endif
