/* The program's threads: their TLS, and how much of it is static.
 *
 * A libc cuts static TLS out of each new thread's stack, as much as its loader says. ldx says little (as the system
 * loader does) until the program makes its first thread, and then much: a library that is loaded later and wants
 * static TLS finds room. Threads whose stack is the program's own and small get little still. */
#include "loader/threads.h"

#include <errno.h>
#include <string.h>

#include "base/sys.h"
#include "loader/error.h"
#include "loader/load.h"
#include "loader/tell_thread.h"

enum { STATIC_TLS_FOR_THREADS = 64 * 1024, STACK_SHARE = 128 };

void *ldx_tls_get_addr(const struct ldx_tls_index *ti) {
  const union ldx_dtv *dtv = ldx_thread_dtv();
  if (__builtin_expect(dtv[0].counter == ldx_self.tls.generation, 1)) {
    void *p = dtv[ti->module].pointer.val;
    if (__builtin_expect(p != LDX_TLS_UNALLOCATED, 1))
      return (char *)p + ti->offset;
  }
  return ldx_tls_get_addr_slow(ti);
}

void *ldx_tls_get_addr_slow(const struct ldx_tls_index *ti) {
  void *p = ldx_tls_address(&ldx_self.tls, ti->module);
  if (!p)
    ldx_die_text("%s: cannot allocate memory for thread-local data: ABORT", ldx_self.program_name);
  return (char *)p + ti->offset;
}

static uintptr_t get_addr(uintptr_t ti) { return (uintptr_t)ldx_tls_get_addr_slow((const struct ldx_tls_index *)ti); }

void *ldx_tlsdesc_slow(const struct ldx_tls_index *ti) {
  bool foreign = ldx_self.tls.alloc || ldx_tls_watch.wanted();
  return foreign ? (void *)ldx_call_keeping_vectors(&ldx_self.cpu, get_addr, (uintptr_t)ti)
                 : ldx_tls_get_addr_slow(ti);
}

/* _dl_tls_get_addr_soft(link_map): the block, or NULL when the thread has none yet. */
void *ldx_guest_tls_soft(struct ldx_object *o) {
  return o->tls.modid ? ldx_tls_peek(&ldx_self.tls, o->tls.modid) : NULL;
}

void ldx_tls_static_info(size_t *size, size_t *align) {
  *size = ldx_self.tls.static_size;
  *align = ldx_self.tls.static_align;
}

/* The least that libc can have been told. */
static size_t least_size(const struct ldx_tls *t) {
  size_t small = ldx_tls_small_size(t);
  return t->least_size > small ? t->least_size : small;
}

/* What libc has taken from the stack: known for threads that the program makes, not for those of libc's own. */
static size_t room_of_new(const struct ldx_tls *t) {
  const struct ldx_thread *self = ldx_thread_self();
  return (self && self->creating ? self->creating : least_size(t)) - t->tcb_size;
}

void *ldx_allocate_tls(void *tcb) {
  ldx_watch_forks();
  struct ldx_tls *t = &ldx_self.tls;
  void *raw = NULL, *p = tcb ? tcb : ldx_tls_new_storage(t, &raw);
  if (!p || !ldx_tls_new_dtv(t, p, room_of_new(t))) {
    ldx_delete(raw);
    return NULL;
  }
  ldx_dtv_thread(ldx_tls_dtv_of(t, p))->raw = raw;
  if (ldx_tls_init_thread(t, p))
    return p;
  ldx_tls_free_thread(t, p, true);
  return NULL;
}

/* A stack that is used again. */
void *ldx_allocate_tls_init(void *tcb, bool main_thread) {
  (void)main_thread;
  if (!tcb)
    return NULL;
  ldx_dtv_thread(ldx_tls_dtv_of(&ldx_self.tls, tcb))->room = room_of_new(&ldx_self.tls);
  return ldx_tls_init_thread(&ldx_self.tls, tcb) ? tcb : NULL;
}

void ldx_deallocate_tls(void *tcb, bool dealloc_tcb) { ldx_tls_free_thread(&ldx_self.tls, tcb, dealloc_tcb); }

static bool tell_libc(size_t size) { return glibc_set_static_tls(&ldx_self.glibc, size); }

/* The main thread's block lies in memory that costs nothing while it is not touched: it has room for all that may
 * come. */
void *ldx_new_main_tls(void) {
  struct ldx_tls *t = &ldx_self.tls;
  char *start = ldx_self.main_tls, *end = start + sizeof ldx_self.main_tls;
  char *tcb = (char *)ldx_align_down((uintptr_t)(end - t->tcb_size), t->static_align);
  void *raw;
  if (t->static_size > (size_t)(end - start) || tcb - (t->static_size - t->tcb_size) < start) {
    tcb = ldx_tls_new_storage(t, &raw);
    start = raw;
  }
  if (!tcb || !ldx_tls_new_dtv(t, tcb, (size_t)(tcb - start)))
    return NULL;
  if (glibc_can_set_static_tls(&ldx_self.glibc))
    t->resize = tell_libc;
  return tcb;
}

/* A share of the usual stack, so that a small limit stays usable. */
static size_t room_for_threads(void) {
  struct {
    uint64_t now, most;
  } limit;
  enum { RLIMIT_STACK_ = 3 };
  if (ldx_self.options.static_tls)
    return ldx_self.options.static_tls;
  if (ldx_sys_failed(LDX_SYS(SYS_prlimit64, 0, RLIMIT_STACK_, 0, &limit, 0, 0)))
    return 0;
  uint64_t share = limit.now / STACK_SHARE;
  return share < STATIC_TLS_FOR_THREADS ? share : STATIC_TLS_FOR_THREADS;
}

/* pthread_attr_t, as far as it has been the same since glibc 2.1 */
struct attributes {
  int32_t scheduling[2], flags;
  size_t guard;
  void *stack;
  size_t stack_size;
  void *rest[2];
};
enum { OWN_STACK = 8, SMALL_STACK = 1024 * 1024 };

typedef int create_function(void *thread, const void *attr, void *(*start)(void *), void *arg);

static int create_with(struct ldx_thread *self, const void *attr, size_t size, void *thread, void *(*start)(void *),
                       void *arg) {
  ldx_tls_begin_thread(&ldx_self.tls, self, size);
  int r = ((create_function *)ldx_self.create_thread)(thread, attr, start, arg);
  ldx_tls_end_thread(&ldx_self.tls, self);
  return r;
}

static int create_thread(void *thread, const void *attr, void *(*start)(void *), void *arg) {
  struct ldx_tls *t = &ldx_self.tls;
  struct ldx_thread *self = ldx_thread_self();
  const struct attributes *given = attr;
  if (!self || !t->resize)
    return ((create_function *)ldx_self.create_thread)(thread, attr, start, arg);
  if (!__atomic_exchange_n(&ldx_self.threaded, true, __ATOMIC_RELAXED))
    ldx_tls_enlarge(t, room_for_threads());
  if (!given || !given->stack_size)
    return create_with(self, attr, 0, thread, start, arg);
  if ((given->flags & OWN_STACK) && given->stack_size < SMALL_STACK)
    return create_with(self, attr, least_size(t), thread, start, arg);
  struct attributes larger = *given; /* the thread gets all the stack it asked for */
  if (!(given->flags & OWN_STACK))
    larger.stack_size += t->static_size - t->least_size;
  return create_with(self, &larger, 0, thread, start, arg);
}

int ldx_pthread_create(void *thread, const void *attr, void *(*start)(void *), void *arg) {
  ldx_watch_start(&start, &arg);
  int r = create_thread(thread, attr, start, arg);
  if (r)
    ldx_forget_start(start, arg);
  return r;
}

int ldx_thrd_create(void *thread, int (*start)(void *), void *arg) {
  void *(*routine)(void *) = (void *(*)(void *))(uintptr_t)start;
  ldx_watch_start(&routine, &arg);
  int r = ((int (*)(void *, void *, void *))ldx_self.create_c11)(thread, routine, arg);
  if (r)
    ldx_forget_start(routine, arg);
  return r;
}

/* A malloc that stands in front of libc's: tools that replace it want to see TLS blocks, as under the system loader.
 */
static struct ldx_object *definer(const char *name, uintptr_t *address) {
  struct ldx_scope_slot *scope[] = {&ldx_self.base.global, NULL};
  struct ldx_sym_request r = {.name = elf_name(name), .from = ldx_self.base.program, .flags = LDX_SYM_NEWEST};
  if (!ldx_find_symbol(scope, &r) || ELF64_ST_TYPE(r.sym->st_info) != STT_FUNC)
    return NULL;
  *address = ldx_symbol_address(r.object, r.sym);
  return r.object;
}

void ldx_choose_tls_memory(void) {
  uintptr_t alloc, release;
  const struct ldx_object *a = definer("malloc", &alloc), *b = definer("free", &release);
  if (!a || a != b || a->overridden)
    return;
  ldx_self.tls.alloc = (void *(*)(size_t))alloc;
  ldx_self.tls.release = (void (*)(void *))release;
}
