// Unwinding through functions that are made at run time, whoever does it and why.
#include "frames.h"

#include <sys/mman.h>
#include <ucontext.h>

static ldx_jit *jit;
static int destroyed;
struct guard {
  ~guard() { destroyed++; }
};

static void throws() {
  guard g;
  throw 42;
}
static void nothing() {}

// --- exceptions -----------------------------------------------------------------------------------------------

static void catch_through(caller f) {
  int caught = 0;
  destroyed = 0;
  try {
    f(throws);
  } catch (int value) {
    caught = value;
  }
  SAME(caught, 42);
  SAME(destroyed, 1);
}

static void thrown() {
  jit = make_jit("libjit-frames.so", 0);
  catch_through(new_plain(jit));
  catch_through(new_pointer(jit));
  caller unpublished = (caller)put_code(jit, PLAIN_CODE, sizeof PLAIN_CODE);
  SAME(stage_plain(jit, (void *)unpublished), 0);
  CHECK(!function_found((void *)unpublished));
  SAME(ldx_jit_discard(jit), 0);
  SAME(stage_plain(jit, (void *)unpublished), 0);
  SAME(ldx_jit_publish(jit), 0);
  catch_through(unpublished);
}

static caller chain[1000];
static int depth;
static void descend() {
  guard g;
  if (depth == 1000)
    throw 42;
  chain[depth++](descend);
}
static void thrown_deep() {
  jit = make_jit("libjit-frames.so", 0);
  for (int i = 0; i < 1000; i++)
    chain[i] = i % 3 == 0 ? new_plain(jit) : new_pointer(jit);
  int caught = 0;
  try {
    descend();
  } catch (int value) {
    caught = value;
  }
  SAME(caught, 42);
  SAME(destroyed, 1001);
}

// Personality routine, LSDA and landing pad are the function's own.
static void caught_within() {
  jit = make_jit("libjit-frames.so", 0);
  caller f = new_catches(jit), g = new_catches(jit, false);
  for (int i = 0; i < 3; i++) {
    SAME(f(throws), 42);
    SAME(g(throws), 42);
    SAME(f(nothing), 0);
    SAME(g(nothing), 0);
  }
  SAME(f([] { throw 7; }), 7);
  int other = 0;
  try {
    f([] { throw 1.5; }); // no int: it goes on
  } catch (double) {
    other = 1;
  }
  SAME(other, 1);
}

static ldx_jit *second;
static void other_objects() {
  jit = make_jit("libjit-frames.so", 0);
  second = make_jit("libjit-others.so", LDX_JIT_GLOBAL);
  static caller inner;
  inner = new_catches(second);
  caller outer = new_plain(jit);
  outer([] { SAME(inner(throws), 42); });
  SAME(ldx_jit_delete(second), 0);
  catch_through(outer);
}

// --- lookups --------------------------------------------------------------------------------------------------

static void found() {
  jit = make_jit("libjit-frames.so", 0);
  char *begin = (char *)ldx_jit_alloc(jit, 256, 16, LDX_JIT_CODE);
  CHECK(!function_found(begin));
  for (int i = 0; i < 4; i++)
    SAME(stage_plain(jit, begin + i * 64, 32), 0);
  SAME(ldx_jit_publish(jit), 0);
  for (int i = -64; i < 320; i++) {
    bool covered = i >= 0 && i < 256 && i % 64 < 32;
    CHECK(function_found(begin + i) == (covered ? begin + i / 64 * 64 : nullptr));
  }
  SAME(ldx_jit_free(jit, begin), 0);
  for (int i = 0; i < 256; i++)
    CHECK(!function_found(begin + i));
}

// The same place: with frames, without any, with others.
static void used_again() {
  jit = make_jit("libjit-frames.so", 0);
  void *first = nullptr;
  new_plain(jit);
  for (int i = 0; i < 300; i++) {
    size_t size = i % 2 ? sizeof PLAIN_CODE : sizeof POINTER_CODE;
    void *f = put_code(jit, i % 2 ? PLAIN_CODE : POINTER_CODE, size);
    CHECK(!function_found(f));
    if (i % 3 == 0)
      SAME(i % 2 ? stage_plain(jit, f) : ldx_jit_frame(jit, f, size, LDX_JIT_FRAME_POINTER), 0);
    SAME(ldx_jit_publish(jit), 0);
    CHECK(function_found(f) == (i % 3 == 0 ? f : nullptr));
    if (i % 3 == 0)
      catch_through((caller)f);
    first = first ? first : f;
    CHECK(f == first); // what this case is about
    SAME(ldx_jit_free(jit, f), 0);
    CHECK(!function_found(f));
  }
}

// What was collected goes with its code.
static void freed_before_publish() {
  jit = make_jit("libjit-frames.so", 0);
  void *f = put_code(jit, PLAIN_CODE, sizeof PLAIN_CODE);
  SAME(stage_plain(jit, f), 0);
  SAME(ldx_jit_free(jit, f), 0);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(!function_found(f));
}

static void deleted() {
  jit = make_jit("libjit-frames.so", 0);
  caller f = new_plain(jit);
  CHECK(function_found((void *)f) == (void *)f);
  SAME(ldx_jit_delete(jit), 0);
  CHECK(!function_found((void *)f));
}

// As libgcc does it where there is no _dl_find_object: the search table by program headers.
struct header {
  unsigned char encodings[4];
  int32_t eh_frame;
  uint32_t count;
  struct {
    int32_t start, fde;
  } at[];
};
struct by_headers {
  uintptr_t pc;
  const void *handle;
  uintptr_t start;
  uint32_t count;
};
static int search_headers(struct dl_phdr_info *info, size_t, void *arg) {
  by_headers *s = (by_headers *)arg;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) &ph = info->dlpi_phdr[i];
    if (ph.p_type != PT_GNU_EH_FRAME || info->dlpi_addr != ((const link_map *)s->handle)->l_addr)
      continue;
    const header *h = (const header *)(info->dlpi_addr + ph.p_vaddr);
    SAME(memcmp(h->encodings, "\x01\x1b\x03\x3b", 4), 0);
    s->count = h->count;
    CHECK(ph.p_memsz >= sizeof *h + h->count * sizeof h->at[0]);
    for (uint32_t k = 0; k < h->count; k++) {
      CHECK(k == 0 || h->at[k - 1].start < h->at[k].start);
      uintptr_t start = (uintptr_t)h + h->at[k].start, of[3];
      memcpy(of, (const char *)h + h->at[k].fde, sizeof of); // length and CIE, begin, size
      CHECK(of[2] == 0 || of[1] == start);
      if (s->pc - start < of[2])
        s->start = start;
    }
    return 1;
  }
  return 0;
}
static uintptr_t found_by_headers(const void *pc, uint32_t *count = nullptr) {
  by_headers s = {(uintptr_t)pc, jit, 0, 0};
  SAME(dl_iterate_phdr(search_headers, &s), 1);
  if (count)
    *count = s.count;
  return s.start;
}

static void headers() {
  jit = make_jit("libjit-frames.so", 0);
  uint32_t count;
  found_by_headers(nullptr, &count);
  SAME(count, 0);
  char *at[400];
  for (int i = 0; i < 400; i++)
    at[i] = (char *)put_code(jit, PLAIN_CODE, sizeof PLAIN_CODE);
  for (int i = 0; i < 400; i++) { // in no order
    SAME(stage_plain(jit, at[i * 7 % 400]), 0);
    if (i % 3 == 0)
      SAME(ldx_jit_publish(jit), 0);
  }
  SAME(ldx_jit_publish(jit), 0);
  found_by_headers(nullptr, &count);
  SAME(count, 400);
  for (int i = 0; i < 400; i += 2)
    SAME(ldx_jit_free(jit, at[i]), 0);
  for (int i = 0; i < 400; i++) {
    uintptr_t start = i % 2 ? (uintptr_t)at[i] : 0;
    SAME(found_by_headers(at[i]), start);
    SAME(found_by_headers(at[i] + sizeof PLAIN_CODE - 1), start);
    SAME(found_by_headers(at[i] + sizeof PLAIN_CODE), 0);
    SAME(function_found(at[i]), start);
  }
}

// The interface that unwinders are built on, and that has no other users: GLIBC_2.35.
struct find_object {
  unsigned long long flags;
  void *start, *end;
  struct link_map *map;
  void *eh_frame;
  unsigned long long reserved[7];
};
static void find_objects() {
  int (*find)(void *, find_object *) = (int (*)(void *, find_object *))dlsym(RTLD_DEFAULT, "_dl_find_object");
  MUST(find);
  jit = make_jit("libjit-frames.so", 0);
  char *f = (char *)new_plain(jit);
  find_object o = {};
  SAME(find(f + 3, &o), 0);
  CHECK(o.map == (struct link_map *)jit && o.start <= f && f < o.end && o.flags == 0);
  const header *h = (const header *)o.eh_frame;
  SAME(memcmp(h->encodings, "\x01\x1b\x03\x3b", 4), 0);
  SAME(h->count, 1);
  SAME((uintptr_t)h + h->at[0].start, f);
  SAME(find(f + sizeof PLAIN_CODE, &o), 0); // of the object, but nothing is known of it
  CHECK(o.map == (struct link_map *)jit);
  SAME(((const header *)o.eh_frame)->count, 0);
  SAME(find((char *)o.start - 1, &o), -1);
}

// --- backtrace() ----------------------------------------------------------------------------------------------

enum { DEPTH = 64 };
static void *trace[DEPTH];
static int traced;
static void take_trace() { traced = backtrace(trace, DEPTH); }

static bool is_in_trace(const void *function, size_t size) {
  for (int i = 0; i < traced; i++)
    if ((uintptr_t)trace[i] - 1 - (uintptr_t)function < size)
      return true;
  return false;
}

static void backtraces() {
  jit = make_jit("libjit-frames.so", LDX_JIT_GLOBAL);
  static caller inner;
  inner = new_pointer(jit);
  caller outer = new_plain(jit);
  SAME(bind_as(jit, "traced_inner", NULL, (void *)inner, sizeof POINTER_CODE, STT_FUNC, 0), 0);
  SAME(bind_as(jit, "traced_outer", NULL, (void *)outer, sizeof PLAIN_CODE, STT_FUNC, 0), 0);
  SAME(ldx_jit_publish(jit), 0);
  outer([] { inner(take_trace); });
  CHECK(is_in_trace((void *)outer, sizeof PLAIN_CODE) && is_in_trace((void *)inner, sizeof POINTER_CODE));
  CHECK(is_in_trace((void *)backtraces, 4096));
  char **names = backtrace_symbols(trace, traced);
  int first = -1, last = -1;
  for (int i = 0; i < traced; i++) {
    if (strstr(names[i], "(traced_inner+0x6)"))
      first = i;
    if (strstr(names[i], "(traced_outer+0x6)"))
      last = i;
  }
  CHECK(first > 0 && last > first);
  free(names);
}

// --- every instruction ----------------------------------------------------------------------------------------

static uintptr_t step_low, step_high, stop_at;
static size_t stop_size;
static int steps, lost;
static void on_step(int, siginfo_t *, void *context) {
  uintptr_t pc = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
  if (pc - step_low >= step_high - step_low)
    return;
  steps++;
  take_trace();
  if (!is_in_trace((void *)stop_at, stop_size))
    lost++;
}

static void set_trap(bool on) {
  unsigned long flags;
  asm volatile("pushfq; pop %0" : "=r"(flags));
  flags = on ? flags | 0x100 : flags & ~0x100ul;
  asm volatile("push %0; popfq" ::"r"(flags) : "cc");
}

// From each instruction of the function its caller's caller is found.
__attribute__((noinline)) static void step_through(const void *f, size_t size, int instructions) {
  struct sigaction action = {};
  action.sa_sigaction = on_step;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGTRAP, &action, NULL);
  take_trace(); // libgcc is loaded for it
  step_low = (uintptr_t)f;
  step_high = step_low + size;
  steps = lost = 0;
  set_trap(true);
  ((caller)f)(nothing);
  set_trap(false);
  SAME(steps, instructions);
  SAME(lost, 0);
}

static void stepped() {
  jit = make_jit("libjit-frames.so", 0);
  stop_at = (uintptr_t)step_through;
  stop_size = 1024;
  step_through((void *)new_plain(jit), sizeof PLAIN_CODE, 4);
  step_through((void *)new_pointer(jit), sizeof POINTER_CODE, 5);
  static const unsigned char variants[][16] = {
      {0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x8b, 0xec, 0xff, 0xd7, 0xc9, 0xc3}, // endbr64, another mov, leave
      {0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x20, 0xff, 0xd7, 0xc9, 0xc3}, // sub $32,%rsp
  };
  static const int counts[] = {6, 6};
  for (int i = 0; i < 2; i++) {
    void *f = put_code(jit, variants[i], 12);
    SAME(ldx_jit_frame(jit, f, 12, LDX_JIT_FRAME_POINTER), 0);
    SAME(ldx_jit_publish(jit), 0);
    step_through(f, 12, counts[i]);
  }
  void *leaf = put_code(jit, LEAF_CODE, sizeof LEAF_CODE);
  SAME(ldx_jit_frame(jit, leaf, sizeof LEAF_CODE, LDX_JIT_FRAME_LEAF), 0);
  SAME(ldx_jit_publish(jit), 0);
  step_through(leaf, sizeof LEAF_CODE, 2);
}

// The jump that leads to a function which can be replaced.
static void stepped_jump() {
  jit = make_jit("libjit-frames.so", 0);
  stop_at = (uintptr_t)step_through;
  stop_size = 1024;
  void *f = (void *)new_plain(jit);
  SAME(bind_as(jit, "followed", NULL, f, sizeof PLAIN_CODE, STT_FUNC, LDX_JIT_FOLLOWS), 0);
  SAME(ldx_jit_publish(jit), 0);
  char *jump = (char *)find(jit, "followed");
  MUST(jump && jump != f);
  step_through(jump, 16, 2); // endbr64; jmp
}

// --- threads that end -----------------------------------------------------------------------------------------

static caller under;
static int ready[2];
static void waits() {
  guard g;
  char c = 0;
  MUST(write(ready[1], &c, 1) == 1);
  for (;;)
    pause();
}
static void exits() {
  guard g;
  pthread_exit((void *)7);
}
static void *runs(void *function) {
  guard g;
  under((callback)function);
  return NULL;
}

static void canceled() {
  jit = make_jit("libjit-frames.so", 0);
  MUST(!pipe(ready));
  for (int i = 0; i < 6; i++) {
    pthread_t thread;
    void *result = NULL;
    char c;
    under = i % 3 == 0 ? new_plain(jit) : i % 3 == 1 ? new_pointer(jit) : new_catches(jit);
    destroyed = 0;
    if (i < 3) {
      MUST(!pthread_create(&thread, NULL, runs, (void *)waits) && read(ready[0], &c, 1) == 1);
      pthread_cancel(thread);
    } else {
      MUST(!pthread_create(&thread, NULL, runs, (void *)exits));
    }
    pthread_join(thread, &result);
    CHECK(result == (i < 3 ? PTHREAD_CANCELED : (void *)7));
    SAME(destroyed, 2);
  }
}

// lock incl (%rdi); jmp back: somebody may end the thread at each of its instructions.
static const unsigned char SPINS_CODE[] = {0xf0, 0xff, 0x07, 0xeb, 0xfb};
static int spun;
static void *spins(void *f) {
  guard g;
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
  ((void (*)(int *))f)(&spun);
  return NULL;
}
static void canceled_at_once() {
  jit = make_jit("libjit-frames.so", 0);
  void *f = put_code(jit, SPINS_CODE, sizeof SPINS_CODE);
  SAME(ldx_jit_frame(jit, f, sizeof SPINS_CODE, LDX_JIT_FRAME_LEAF), 0);
  SAME(ldx_jit_publish(jit), 0);
  for (int i = 0; i < 20; i++) {
    pthread_t thread;
    void *result = NULL;
    destroyed = 0;
    int before = __atomic_load_n(&spun, __ATOMIC_ACQUIRE);
    MUST(!pthread_create(&thread, NULL, spins, f));
    while (__atomic_load_n(&spun, __ATOMIC_ACQUIRE) == before)
      sched_yield();
    pthread_cancel(thread);
    pthread_join(thread, &result);
    CHECK(result == PTHREAD_CANCELED);
    SAME(destroyed, 1);
  }
}

// --- what is refused ------------------------------------------------------------------------------------------

static void outside() {
  jit = make_jit("libjit-frames.so", 0);
  char *f = (char *)new_plain(jit), *data = (char *)ldx_jit_alloc(jit, 64, 16, LDX_JIT_DATA);
  const char *const places[] = {(const char *)&jit, (const char *)outside, nullptr, f - (1 << 20), data};
  for (const char *at : places) {
    struct { // absolute pointers
      uint32_t cie_size, cie_id;
      unsigned char cie[16];
      uint32_t fde_size, fde_id;
      uintptr_t start, size;
    } frames = {20, 0, {1, 0, 1, 0x78, 16, 0x0c, 7, 8, 0x90, 1}, 20, 28, (uintptr_t)at, 16};
    SAME(ldx_jit_frames(jit, &frames, sizeof frames, NULL), -EINVAL);
    SAME(ldx_jit_frame(jit, at, 16, LDX_JIT_FRAME_LEAF), -EINVAL);
    SAME(ldx_jit_publish(jit), 0);
    CHECK(at == (const char *)outside || !function_found(at));
    frames.start = (uintptr_t)f;
    SAME(ldx_jit_frames(jit, &frames, sizeof frames, NULL), 0);
    SAME(ldx_jit_discard(jit), 0);
  }
  SAME(ldx_jit_frame(jit, f, SIZE_MAX, LDX_JIT_FRAME_LEAF), -EINVAL);
  SAME(ldx_jit_frame(jit, f, sizeof PLAIN_CODE, LDX_JIT_FRAME_POINTER), -EINVAL); // it does not begin so
  SAME(ldx_jit_frame(jit, f, sizeof PLAIN_CODE, (enum ldx_jit_frame)2), -EINVAL);
  SAME(ldx_jit_frames(jit, "\xff\xff\xff\xff\x14\0\0\0\0\0\0\0\0\0\0\0", 16, NULL), -EINVAL); // 64-bit DWARF
  SAME(ldx_jit_frames(jit, "\0\0\0", 4, NULL), 0);                                            // nothing
  SAME(ldx_jit_frames(jit, f, 0, NULL), 0);
}

// Bytes end where memory ends; one is wrong at a time.
static void damage(const void *frames, size_t size, const void *where) {
  long page = sysconf(_SC_PAGESIZE);
  char *memory = (char *)mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  MUST(memory != MAP_FAILED && !mprotect(memory + page, page, PROT_NONE));
  int taken = 0, refused = 0;
  unsigned char *bytes = (unsigned char *)memory + page - size;
  memcpy(bytes, frames, size);
  SAME(ldx_jit_frames(jit, bytes, size, where), 0);
  for (size_t i = 0; i < size; i++) {
    for (int v = 1; v < 256; v++) {
      bytes[i] ^= v;
      int r = ldx_jit_frames(jit, bytes, size, where);
      CHECK(r == 0 || r == -EINVAL);
      (r ? refused : taken)++;
      bytes[i] ^= v;
    }
    if (i % 8 == 0)
      SAME(ldx_jit_publish(jit), 0);
    else
      SAME(ldx_jit_discard(jit), 0);
  }
  CHECK(refused > taken / 4 && taken > 0);
  for (size_t n = 1; n < size; n++) { // cut off
    int r = ldx_jit_frames(jit, bytes + size - n, n, where);
    CHECK(r == 0 || r == -EINVAL);
    memmove(bytes + size - n, frames, n);
    r = ldx_jit_frames(jit, bytes + size - n, n, where);
    CHECK(r == 0 || r == -EINVAL);
    memcpy(bytes, frames, size);
  }
  SAME(ldx_jit_discard(jit), 0);
  munmap(memory, 2 * page);
}
static void damaged() {
  jit = make_jit("libjit-frames.so", 0);
  char *plain = (char *)put_code(jit, PLAIN_CODE, sizeof PLAIN_CODE);
  plain_frames f(plain, sizeof PLAIN_CODE, plain);
  damage(f.bytes, sizeof f.bytes, plain);
  size_t size = catches_end - catches_begin, at = catches_frames - catches_begin;
  char *catches = (char *)put_code(jit, catches_begin, size);
  damage(catches_frames, size - at, catches + at);
  SAME(ldx_jit_frames(jit, f.bytes, sizeof f.bytes, plain), 0);
  SAME(ldx_jit_frames(jit, catches_frames, size - at, catches + at), 0);
  SAME(ldx_jit_publish(jit), 0);
  catch_through((caller)plain);
  SAME(((caller)catches)(throws), 42);
}

// --- fork -----------------------------------------------------------------------------------------------------

static void forked() {
  jit = make_jit("libjit-frames.so", 0);
  caller f = new_plain(jit), g = new_catches(jit);
  void *block = (void *)new_pointer(jit);
  SAME(stage_plain(jit, put_code(jit, PLAIN_CODE, sizeof PLAIN_CODE)), 0);
  SAME(STATUS_OF({
         catch_through(f);
         SAME(g(throws), 42);
         SAME(ldx_jit_free(jit, block), 0);
         CHECK(!function_found(block));
         catch_through(new_plain(jit));
       }),
       0);
  CHECK(function_found(block) == block);
  catch_through(f);
  catch_through((caller)block);
  catch_through(new_plain(jit));
}

CASES({"thrown", thrown}, {"thrown-deep", thrown_deep}, {"caught-within", caught_within},
      {"other-objects", other_objects}, {"found", found}, {"used-again", used_again},
      {"freed-before-publish", freed_before_publish}, {"deleted", deleted}, {"headers", headers},
      {"find-objects", find_objects}, {"backtraces", backtraces}, {"stepped", stepped},
      {"stepped-jump", stepped_jump}, {"canceled", canceled}, {"canceled-at-once", canceled_at_once},
      {"outside", outside}, {"damaged", damaged}, {"forked", forked})
