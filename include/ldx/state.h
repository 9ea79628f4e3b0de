/* State: what is loaded, which threads run, who has which thread-local block, which tools are there.
 *
 * The ldx_each_ functions show a consistent snapshot and may be called from any thread, also inside callbacks.
 * ldx_find_address and ldx_find_object_by_id take no lock and are async-signal-safe, and so is what the struct they
 * fill points to: it stays readable until the thread has left the signal handler or called into ldx again. Callbacks
 * return 0 to go on; another value ends the walk, and is returned. */
#ifndef LDX_STATE_H
#define LDX_STATE_H

#include <ldx/tool.h>
#include <link.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  LDX_OBJECT_PROGRAM = 1,
  LDX_OBJECT_LOADER = 2, /* ldx */
  LDX_OBJECT_VDSO = 4,
  LDX_OBJECT_PROXY = 8, /* stands for `real` in its namespace */
  LDX_OBJECT_GLOBAL = 16,
  LDX_OBJECT_NODELETE = 32,
  LDX_OBJECT_READY = 64, /* its constructors have run */
  LDX_OBJECT_TOOL = 128, /* a tool, or what one brought along */
  LDX_OBJECT_FROM_MEMORY = 256,
  LDX_OBJECT_RUNTIME = 512, /* made at run time: jit.h */
};

struct ldx_object_info {
  uint32_t size, flags;
  ldx_id id, real, requested_by;
  int64_t ns;
  const char *name;   /* what it was first asked for as */
  const char *path;   /* "" for the program, as in its link_map */
  const char *soname; /* NULL: none */
  const char *reason; /* why this file: "RUNPATH of libx.so.1", ...; NULL: not recorded */
  uintptr_t base, low, high;
  const ElfW(Phdr) * phdr;
  uint32_t phnum, opens;
  const ElfW(Dyn) * dynamic;
  struct link_map *link_map;
  uint64_t tls_module;
  const uint8_t *build_id; /* NULL: none */
  size_t build_id_size;
};

struct ldx_thread_info {
  uint32_t size, tid; /* tid 0: not known */
  ldx_id id;          /* 0: a thread that libc does not know (raw clone) */
  uintptr_t stack_low, stack_high, tcb;
};

struct ldx_tls_info {
  uint32_t size, is_static;
  ldx_id object, thread;
  uint64_t module, bytes, align;
  void *block; /* NULL: not yet allocated */
};

struct ldx_namespace_info {
  uint32_t size, objects;
  int64_t ns;
  uint32_t isolated, of_tool;
};

struct ldx_tool_info {
  uint32_t size, state; /* 0 ready, 1 disabled */
  const char *name, *version, *path;
  const char *why_here; /* which rule put it behind the one before */
  int64_t ns;
  uint64_t events, calls, nanoseconds; /* subscribed to; callbacks made; time in them */
};

int ldx_each_namespace(int (*each)(void *ctx, const struct ldx_namespace_info *), void *ctx);
/* All namespaces: ns -1. */
int ldx_each_object(int64_t ns, int (*each)(void *ctx, const struct ldx_object_info *), void *ctx);
int ldx_each_thread(int (*each)(void *ctx, const struct ldx_thread_info *), void *ctx);
int ldx_each_tls(int (*each)(void *ctx, const struct ldx_tls_info *), void *ctx);
int ldx_each_tool(int (*each)(void *ctx, const struct ldx_tool_info *), void *ctx);

/* The object at an address; -ENOENT: none. */
int ldx_find_address(const void *addr, struct ldx_object_info *out);
int ldx_find_object_by_id(ldx_id id, struct ldx_object_info *out);

#ifdef __cplusplus
}
#endif
#endif
