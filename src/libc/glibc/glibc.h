/* The glibc personality: the loader's side of the private contract with libc.so.6.
 *
 * The guest's own ld-linux is mapped as a support library whose _start never runs: its variables are where libc
 * looks for what a loader must tell it. All offsets come from a profile chosen by build-id. */
#ifndef LDX_LIBC_GLIBC_GLIBC_H
#define LDX_LIBC_GLIBC_GLIBC_H

#include "libc/glibc/profile.h"
#include "namespace/object.h"
#include "tls/tls.h"

struct glibc_state {
  const struct glibc_profile *profile; /* NULL: the program has no glibc */
  struct ldx_object *ld, *libc;
  char *ro, *global; /* _rtld_global_ro, _rtld_global */
  /* Each thread's area of restartable sequences: from the thread pointer to it; how much of it is in use. */
  int64_t rseq_offset;
  uint32_t rseq_size; /* 0: this build knows none */
  /* Builds whose libc catches the loader's errors by code of its own want them raised by libc too; else NULL. */
  void (*create_exception)(void *exception, const char *object, const char *text);
  void (*signal_exception)(int code, void *exception, const char *occasion);
};

/* What the process is, in the words of libc. */
struct glibc_process {
  int argc;
  char **argv, **envp;
  const Elf64_auxv_t *auxv;
  void *stack_end;
  uint64_t pagesize, clktck, hwcap, hwcap2, minsigstksz, fpucw;
  const char *platform;
  const unsigned char *random;
  bool secure, exec_stack, bind_now;
  uint32_t debug_mask; /* LD_DEBUG, in the system loader's numbers */
  int debug_fd;
  struct ldx_object *vdso;
  const struct ldx_tls *tls;
};

/* Functions of the loader behind the pointers of _rtld_global_ro; 0 leaves the guest's. */
struct glibc_services {
  uintptr_t lookup_symbol_x, open, close, catch_error, error_free, tls_get_addr_soft, find_object, debug_printf,
      readonly_area, libc_freeres;
};

/* Finds the profile for a pair of ld-linux and libc; false when none fits (state unchanged), or another one than that
 * of the loader chosen before. */
bool glibc_choose(struct glibc_state *g, struct ldx_object *ld, struct ldx_object *libc);
/* The same while no libc is there yet. */
bool glibc_choose_loader(struct glibc_state *g, struct ldx_object *ld);
/* Errors go through a pointer that ldx can set, whichever libc of the process raises them. */
bool glibc_catches_errors(const struct glibc_state *g);

/* Size of what the libc keeps from the thread pointer up, and its alignment. */
size_t glibc_tcb_size(const struct glibc_state *g);

/* Start-up, after the layout of TLS: where the area of restartable sequences stands. */
void glibc_place_rseq(struct glibc_state *g, struct ldx_tls *t, const Elf64_auxv_t *auxv, char *const *envp);

/* An object's struct link_map: call when facts about it change. */
void glibc_fill_map(const struct glibc_state *g, struct ldx_object *o);
void glibc_note_init(const struct glibc_state *g, struct ldx_object *o);
/* The namespace's list and libc, and the number of namespaces. */
void glibc_sync_namespace(const struct glibc_state *g, const struct ldx_namespace *ns);

/* Before any code of the guest runs: variables of ld-linux. */
void glibc_set_globals(const struct glibc_state *g, const struct glibc_process *p);
/* Whether threads get executable stacks. */
void glibc_set_stack_flags(const struct glibc_state *g, bool exec);
/* Tunables from GLIBC_TUNABLES and their environment aliases, before ld-linux initialises itself. A privileged
 * process obeys none of them, and those that its children must not obey either are taken out of the environment. */
void glibc_set_tunables(const struct glibc_state *g, struct ldx_heap *heap, char **envp, bool secure);
/* Builds without a relocation that initialises ld-linux: by its own start-up code, which reads tunables and CPU. */
void glibc_start_loader(const struct glibc_state *g, const struct glibc_process *p);
/* One line each: name, value, bounds. */
void glibc_print_tunables(const struct glibc_state *g, int fd);
/* After relocation of ld-linux, before any resolver runs. */
void glibc_redirect(const struct glibc_state *g, const struct glibc_services *s);
/* After ld-linux initialised itself: it measures the signal frame too, and the larger value is right. */
void glibc_settle(const struct glibc_state *g, uint64_t minsigstksz);
/* The main thread's descriptor at `tcb` (zeroed memory), and its registration with the kernel. */
void glibc_init_main_thread(const struct glibc_state *g, char *tcb, const struct glibc_process *p);
/* What libc knows of a thread; false for one that has ended. The stack as pthread_getattr_np tells it: 0 for the
 * first thread, whose stack is the process's. */
struct glibc_thread {
  int32_t tid;
  uintptr_t stack_low, stack_high;
  bool is_first;
};
bool glibc_read_thread(const struct glibc_state *g, const char *tcb, struct glibc_thread *out);
/* A thread of ldx's own: as much as code needs that any libc of the process runs on it. */
void glibc_init_own_thread(const struct glibc_state *g, char *tcb);
/* A libc's tables of character classes are found by thread: for the calling one. */
void glibc_init_ctype(const struct glibc_state *g, const struct ldx_object *libc);
/* After constructors may run: libc's own early initialisation. */
void glibc_early_init(const struct glibc_state *g, struct ldx_object *libc, bool initial);
/* Executable stacks for all threads; 0 or an errno value. */
int glibc_make_stacks_executable(const struct glibc_state *g);
/* The size of static TLS that libc cuts out of new threads' stacks; false: this build, or the kernel, does not let it
 * change. */
bool glibc_can_set_static_tls(const struct glibc_state *g);
bool glibc_set_static_tls(const struct glibc_state *g, size_t size);
void glibc_set_tls(const struct glibc_state *g, const struct ldx_tls *tls);
/* Live thread_local destructors pin an object. */
size_t glibc_tls_dtor_count(const struct glibc_state *g, const struct ldx_object *o);

#endif
