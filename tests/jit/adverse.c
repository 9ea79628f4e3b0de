/* Calls at the wrong moment: from a resolver that publishing calls, in a handler of a signal that interrupts
 * publishing, in a child that libc's fork did not make; data that the program has protected; extreme sizes. */
#include "jit_test.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

static void *open_library(const char *name, int mode) {
  char path[64];
  snprintf(path, sizeof path, "./%s", name);
  void *library = dlopen(path, mode);
  MUST(library);
  return library;
}
static int call(void *library, const char *name) {
  function *f = (function *)find(library, name);
  MUST(f);
  return f();
}

/* --- a resolver that publishing calls ----------------------------------------------------------------------- */

static ldx_jit *jit;
static void *library, *target;
static void (*in_resolver)(void);

static void *resolve(void) {
  void (*run)(void) = in_resolver;
  in_resolver = NULL;
  if (run)
    run();
  return target;
}

static void *put_resolver(void) {
  unsigned char code[] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0}; /* mov $resolve,%rax; jmp *%rax */
  void *(*resolver)(void) = resolve;
  memcpy(code + 2, &resolver, sizeof resolver);
  return put_code(jit, code, sizeof code);
}

static void bind_many(const char *prefix) {
  for (int i = 0; i < 300; i++) {
    char name[32];
    snprintf(name, sizeof name, "%s%d", prefix, i);
    SAME(bind_function(jit, name, target), in_resolver ? -EBUSY : 0);
  }
}

static void publish_with(void (*run)(void)) {
  jit = make_jit("libjit-resolves.so", LDX_JIT_GLOBAL);
  void *at = put_resolver(), *other = put_resolver();
  target = returns(jit, 1);
  SAME(bind_as(jit, "jit_answer", NULL, at, 12, STT_GNU_IFUNC, 0), 0);
  SAME(ldx_jit_publish(jit), 0);
  library = open_library("libjit-user-now.so", RTLD_NOW);
  SAME(call(library, "call_answer"), 1);
  target = returns(jit, 2);
  SAME(bind_as(jit, "jit_answer", NULL, other, 12, STT_GNU_IFUNC, 0), 0);
  bind_many("later");
  in_resolver = run;
  SAME(ldx_jit_publish(jit), 0);
  CHECK(!in_resolver);
}

static void change_it(void) {
  in_resolver = change_it; /* bind_many knows by it */
  bind_many("more");
  in_resolver = NULL;
  SAME(ldx_jit_unbind(jit, "later1", NULL), -EBUSY);
  SAME(ldx_jit_publish(jit), -EBUSY);
  SAME(ldx_jit_discard(jit), -EBUSY);
  SAME(ldx_jit_free(jit, target), -EBUSY);
  CHECK(!ldx_jit_alloc(jit, 1, 1, LDX_JIT_CODE));
}
static void resolver_changes(void) {
  publish_with(change_it);
  SAME(call(library, "call_answer"), 2);
  CHECK(find(jit, "later299") == target);
  CHECK(found_nowhere(jit, "more1"));
  bind_many("again");
  SAME(ldx_jit_publish(jit), 0);
  SAME(call(jit, "again299"), 2);
}

static void close_all(void) {
  SAME(dlclose(library), 0);
  SAME(ldx_jit_delete(jit), 0);
}
static void resolver_closes(void) {
  size_t objects = loaded_objects(), files = memory_file_mappings();
  publish_with(close_all);
  SAME(loaded_objects(), objects);
  SAME(memory_file_mappings(), files);
}

/* --- a signal within a change ------------------------------------------------------------------------------- */

static function *call_lazily;
static uintptr_t *slot;
static long steps, at_step;
static int called;
static volatile bool stepping;

/* Once at an instruction of the loader, then no more. */
static void on_step(int signal, siginfo_t *info, void *context) {
  enum { TRAP_FLAG = 0x100 };
  (void)signal, (void)info;
  if (stepping && ++steps < at_step)
    return;
  if (stepping)
    called = call_lazily();
  stepping = false;
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static uintptr_t *slot_of(void *of, const char *name) {
  const struct link_map *map = map_of(of);
  const Elf64_Rela *r = NULL;
  const Elf64_Sym *symbols = NULL;
  const char *strings = NULL;
  size_t size = 0;
  for (const Elf64_Dyn *d = map->l_ld; d->d_tag != DT_NULL; d++) {
    r = d->d_tag == DT_JMPREL ? (const Elf64_Rela *)d->d_un.d_ptr : r;
    symbols = d->d_tag == DT_SYMTAB ? (const Elf64_Sym *)d->d_un.d_ptr : symbols;
    strings = d->d_tag == DT_STRTAB ? (const char *)d->d_un.d_ptr : strings;
    size = d->d_tag == DT_PLTRELSZ ? d->d_un.d_val : size;
  }
  for (size_t i = 0; i < size / sizeof *r; i++)
    if (!strcmp(strings + symbols[ELF64_R_SYM(r[i].r_info)].st_name, name))
      return (uintptr_t *)(map->l_addr + r[i].r_offset);
  return NULL;
}

/* A call that is bound late in the midst of publishing; afterwards it must still follow. */
static bool interrupted_at(long step, int was, int is) {
  SAME(bind_function(jit, "jit_answer", returns(jit, is)), 0);
  steps = 0;
  at_step = step;
  called = -1;
  stepping = true;
  __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
  int r = ldx_jit_publish(jit);
  __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
  SAME(r, 0);
  if (called < 0)
    return false;
  CHECK(called == was || called == is);
  SAME(call_lazily(), is);
  return true;
}
static void interrupted(void) {
  enum { STRIDE = 61 };
  jit = make_jit("libjit-interrupted.so", LDX_JIT_GLOBAL | LDX_JIT_QUIET);
  publish_function(jit, "jit_answer", 0);
  library = open_library("libjit-user-lazy.so", RTLD_LAZY);
  call_lazily = (function *)find(library, "call_answer");
  slot = slot_of(library, "jit_answer");
  MUST(call_lazily && slot);
  const uintptr_t unbound = *slot;
  const struct sigaction a = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
  MUST(!sigaction(SIGTRAP, &a, NULL));
  int n = 0;
  bool hit = true;
  SAME(call_lazily(), 0);
  for (long step = 1; hit; step += STRIDE) {
    *slot = unbound;
    hit = interrupted_at(step, n, n + 1);
    publish_function(jit, "jit_answer", n += 2);
    if (hit)
      SAME(call_lazily(), n);
  }
  stepping = false;
  CHECK(n > 20);
}

/* --- children ----------------------------------------------------------------------------------------------- */

/* The memory is its parent's: it cannot change anything. */
static void change_in_child(void) {
  void *f = find(jit, "f");
  SAME(((function *)f)(), 1);
  CHECK(!ldx_jit_alloc(jit, 16, 16, LDX_JIT_CODE));
  SAME(bind_function(jit, "g", f), -ENOMEM);
  SAME(ldx_jit_unbind(jit, "f", NULL), -ENOMEM);
  SAME(ldx_jit_publish(jit), -ENOMEM);
  SAME(ldx_jit_free(jit, f), -ENOMEM);
  SAME(ldx_jit_delete(jit), 0);
  jit = make_jit("libjit-of-child.so", 0); /* its own */
  SAME(((function *)publish_function(jit, "h", 5))(), 5);
  _exit(checks_failed ? 97 : 0);
}
static void fork_by_kernel(void) {
  pid_t child = (pid_t)syscall(SYS_fork);
  if (child == 0)
    change_in_child();
  int status = -1;
  MUST(waitpid(child, &status, 0) == child);
  SAME(status, 0);
  SAME(call(jit, "f"), 1);
  CHECK(found_nowhere(jit, "g"));
}
static void *sleep_on(void *arg) {
  pause();
  return arg;
}
static void kernel_fork(void) {
  jit = make_jit("libjit-kernel-fork.so", 0);
  publish_function(jit, "f", 1);
  fork_by_kernel();
  pthread_t thread;
  MUST(!pthread_create(&thread, NULL, sleep_on, NULL));
  fork_by_kernel();
  SAME(((function *)publish_function(jit, "g", 2))(), 2);
  SAME(STATUS_OF(SAME(call(jit, "g"), 2); publish_function(jit, "g", 3); SAME(call(jit, "g"), 3)), 0);
  SAME(call(jit, "g"), 2);
}

/* --- memory ------------------------------------------------------------------------------------------------- */

/* Pointers in data that the program itself protects stay as they are. */
static void protected_data(void) {
  jit = make_jit("libjit-protected.so", LDX_JIT_GLOBAL);
  publish_function(jit, "jit_answer", 1);
  void *counter = ldx_jit_alloc(jit, 4, 4, LDX_JIT_DATA);
  SAME(bind_as(jit, "jit_counter", NULL, counter, 4, STT_OBJECT, 0), 0);
  SAME(ldx_jit_publish(jit), 0);
  library = open_library("libjit-user-data.so", RTLD_NOW);
  void *page = (void *)((uintptr_t)find(library, "pointer_to_answer") & -4096ul);
  MUST(!mprotect(page, 4096, PROT_READ));
  publish_function(jit, "jit_answer", 2);
  SAME(call(library, "call_by_pointer"), 1);
  MUST(!mprotect(page, 4096, PROT_READ | PROT_WRITE));
  publish_function(jit, "jit_answer", 3);
  SAME(call(library, "call_by_pointer"), 3);
}

/* Symbols that say more than is there, and at the first and last addresses. */
static void extremes(void) {
  jit = make_jit("libjit-extremes.so", 0);
  char *f = returns(jit, 3);
  struct link_map *map = map_of(jit);
  const size_t sizes[] = {-1ul, 1ul << 63, 1ul << 32, (1ul << 32) - 1, 1ul << 31, -4096ul};
  void *const places[] = {(void *)-1l, (void *)1, map->l_ld, (void *)map->l_addr, (char *)map->l_addr - 1};
  size_t before = resident();
  Dl_info info;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    SAME(bind_as(jit, "f", NULL, f, sizes[i], STT_FUNC, 0), 0);
    SAME(ldx_jit_publish(jit), 0);
    SAME(call(jit, "f"), 3);
    CHECK(dladdr(f, &info) && info.dli_saddr == f);
  }
  CHECK(resident() - before < 8 * 1024);
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    SAME(bind_as(jit, "at", NULL, places[i], 8, STT_OBJECT, 0), 0);
    SAME(bind_as(jit, "jump", NULL, places[i], -1ul, STT_FUNC, LDX_JIT_FOLLOWS), 0);
    SAME(ldx_jit_publish(jit), 0);
    CHECK(find(jit, "at") == places[i]);
    CHECK(!ldx_jit_writable(jit, places[i]));
    SAME(ldx_jit_free(jit, places[i]), -EINVAL);
  }
  SAME(ldx_jit_delete(jit), 0);
}

CASES({"resolver-changes", resolver_changes}, {"resolver-closes", resolver_closes}, {"interrupted", interrupted},
      {"kernel-fork", kernel_fork}, {"protected-data", protected_data}, {"extremes", extremes})
