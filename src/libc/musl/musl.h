/* The musl personality.
 *
 * musl's libc.so is libc and loader in one. It starts itself, by the rules by which the kernel starts an interpreter:
 * the stack tells where a program lies that is mapped already. That program is a stub here. Its thread-local segment
 * is the static block of the whole process, laid out by ldx; its constructor and destructor are ldx's; and it defines
 * what libc's own references bind to elsewhere (the program's copies of variables, another malloc). Nothing else is
 * taken for known: musl's data is never read or written. */
#ifndef LDX_LIBC_MUSL_MUSL_H
#define LDX_LIBC_MUSL_MUSL_H

#include "namespace/object.h"

struct musl_stub;

struct musl_state {
  bool active;             /* the program's libc is musl */
  struct ldx_object *libc; /* NULL until it is loaded */
  struct musl_stub *stub;
  const void *tls;                      /* the static block as new threads get it */
  uintptr_t create_pthread, create_c11; /* libc's own functions that make threads */
  uint64_t words;                       /* of ldx's own: so far below the thread pointer */
};

/* True for a program that names musl as its libc or its interpreter. */
bool musl_is_program(const struct ldx_object *program);
/* True for a library name that musl answers itself, whatever files there are ("libc.musl-x86_64.so.1",
 * "libpthread.so"). */
bool musl_is_own_name(const char *name);
/* True when the object is a libc.so of musl that can start itself. */
bool musl_can_start(const struct ldx_object *libc);

struct musl_export {
  const char *name;
  uintptr_t value;
};

/* What the stub tells. */
struct musl_image {
  const void *tls; /* aligned to tls_align, a multiple of which tls_size is; lives as long as the process */
  uint64_t tls_size, tls_filled, tls_align;
  uint64_t stack_size; /* of threads, when it is larger than usual */
  void (*init)(void), (*fini)(void);
  const struct musl_export *exports;
  uint32_t export_count;
};

/* Builds the stub on the heap; NULL when out of memory. */
struct musl_stub *musl_new_stub(struct ldx_heap *heap, const struct musl_image *image);
const Elf64_Phdr *musl_stub_phdrs(const struct musl_stub *stub, uint64_t *count);

#endif
