// Unwinding while others publish, free and use the same addresses again: nobody waits, and nobody sees half of it.
#include "frames.h"

#include <sys/time.h>
#include <ucontext.h>

enum { BLOCKS = 200 };

static ldx_jit *jit;
static int rounds; // of changes
static bool ending;
static bool goes_on() { return !__atomic_load_n(&ending, __ATOMIC_ACQUIRE); }

static uint32_t random_below(uint32_t *state, uint32_t n) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state % n;
}

// Functions come and go, in no order: batches of a few, blocks of other sizes at addresses that were used before.
static void change_all(uint32_t seed) {
  void *blocks[BLOCKS] = {};
  for (int i = 0; i < rounds && checks_failed == 0; i++) {
    for (uint32_t k = random_below(&seed, 5); k; k--) {
      void **b = &blocks[random_below(&seed, BLOCKS)];
      if (*b)
        SAME(ldx_jit_free(jit, *b), 0);
      *b = ldx_jit_alloc(jit, 16 + random_below(&seed, 300), 16, LDX_JIT_CODE);
      MUST(*b);
      memcpy(ldx_jit_writable(jit, *b), PLAIN_CODE, sizeof PLAIN_CODE);
      if (random_below(&seed, 4))
        SAME(stage_plain(jit, *b), 0);
    }
    SAME(ldx_jit_publish(jit), 0);
  }
  for (void *b : blocks)
    if (b)
      SAME(ldx_jit_free(jit, b), 0);
}
static void *changes(void *seed) {
  change_all((uint32_t)(uintptr_t)seed);
  return NULL;
}

template <size_t N> static void in_threads(void *(*const (&functions)[N])(void *)) {
  pthread_t threads[N];
  for (size_t i = 0; i < N; i++)
    MUST(!pthread_create(&threads[i], NULL, functions[i], (void *)(i + 1)));
  change_all(99);
  __atomic_store_n(&ending, true, __ATOMIC_RELEASE);
  for (pthread_t t : threads)
    pthread_join(t, NULL);
}

static caller stays[8];
static void begin(uint32_t flags = LDX_JIT_QUIET) {
  rounds = flags ? 10000 : 1000;
  jit = make_jit("libjit-races.so", flags);
  for (int i = 0; i < 8; i++)
    stays[i] = i % 2 ? new_plain(jit) : new_pointer(jit);
}

static void throws() { throw 42; }
static void *throwing(void *) {
  for (unsigned i = 0; goes_on(); i++) {
    int caught = 0;
    try {
      stays[i % 8](throws);
    } catch (int value) {
      caught = value;
    }
    SAME(caught, 42);
  }
  return NULL;
}

// Functions that are made, thrown through and freed, while others are.
static void *making(void *) {
  while (goes_on()) {
    caller f = new_plain(jit), g = new_catches(jit);
    int caught = 0;
    try {
      f(throws);
    } catch (int value) {
      caught = value;
    }
    SAME(caught, 42);
    SAME(g(throws), 42);
    SAME(ldx_jit_free(jit, (void *)f), 0);
    SAME(ldx_jit_free(jit, (void *)g), 0);
  }
  return NULL;
}

static void thrown() {
  begin();
  in_threads({throwing, throwing, making, changes});
}
static void thrown_shown() { // debuggers are told all of it
  begin(0);
  in_threads({throwing, throwing, making, changes});
}

// The search table by program headers, read as libgcc read it before it had _dl_find_object: each entry leads to an
// FDE for its code, or to one without code, and none is out of order.
struct header {
  unsigned char encodings[4];
  int32_t eh_frame;
  uint32_t count;
  struct {
    int32_t start, fde;
  } at[];
};
static int read_table(struct dl_phdr_info *info, size_t, void *pc) {
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) &ph = info->dlpi_phdr[i];
    if (ph.p_type != PT_GNU_EH_FRAME || info->dlpi_addr != ((const link_map *)jit)->l_addr)
      continue;
    const header *h = (const header *)(info->dlpi_addr + *(volatile const uint64_t *)&ph.p_vaddr);
    uint32_t count = __atomic_load_n(&h->count, __ATOMIC_ACQUIRE), found = 0;
    SAME(memcmp(h->encodings, "\x01\x1b\x03\x3b", 4), 0);
    for (uint32_t k = 0; k < count; k++) {
      if (k % 50 == 25) // slow readers
        sched_yield();
      CHECK(k == 0 || h->at[k - 1].start < h->at[k].start);
      uintptr_t start = (uintptr_t)h + h->at[k].start,
                fde = (uintptr_t)h + __atomic_load_n(&h->at[k].fde, __ATOMIC_ACQUIRE);
      uint64_t size = __atomic_load_n((uint64_t *)(fde + 16), __ATOMIC_ACQUIRE);
      CHECK(size == 0 || *(uint64_t *)(fde + 8) == start);
      found += size && start == (uintptr_t)pc;
    }
    SAME(found, 1);
    return 1;
  }
  return 0;
}
static void *reading_tables(void *) {
  while (goes_on())
    for (caller f : stays)
      SAME(dl_iterate_phdr(read_table, (void *)f), 1);
  return NULL;
}

// All records, one behind the other: a valid CIE or FDE at every moment, and an end.
static int walk_records(struct dl_phdr_info *info, size_t, void *) {
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) &ph = info->dlpi_phdr[i];
    if (ph.p_type != PT_GNU_EH_FRAME || info->dlpi_addr != ((const link_map *)jit)->l_addr)
      continue;
    const header *h = (const header *)(info->dlpi_addr + *(volatile const uint64_t *)&ph.p_vaddr);
    const char *begin = (const char *)&h->eh_frame + h->eh_frame;
    unsigned found = 0;
    for (const char *p = begin;;) {
      uint32_t size = __atomic_load_n((uint32_t *)p, __ATOMIC_ACQUIRE),
               id = __atomic_load_n((uint32_t *)(p + 4), __ATOMIC_ACQUIRE);
      if (size == 0)
        break;
      CHECK(size >= 16 && size % 4 == 0 && size < 4096);
      if (id) {
        CHECK(id <= (size_t)(p + 4 - begin));
        const uint32_t *cie = (const uint32_t *)(p + 4 - id);
        CHECK(cie[1] == 0 && (char)cie[2] == 1);
        uint64_t length = __atomic_load_n((uint64_t *)(p + 16), __ATOMIC_ACQUIRE);
        for (caller f : stays)
          found += length && *(uint64_t *)(p + 8) == (uint64_t)f;
      }
      p += 4 + size;
      if (checks_failed)
        return 1;
    }
    SAME(found, 8);
    return 1;
  }
  return 0;
}
static void *walking_records(void *) {
  while (goes_on())
    SAME(dl_iterate_phdr(walk_records, NULL), 1);
  return NULL;
}
static void tables() {
  begin();
  in_threads({reading_tables, walking_records, changes});
}

static void *looking_up(void *) {
  while (goes_on()) {
    for (caller f : stays)
      CHECK(function_found((char *)f + 2) == (void *)f);
    CHECK(!function_found((char *)stays[7] - (1 << 20))); // of other memory
  }
  return NULL;
}
static void lookups() {
  begin();
  in_threads({looking_up, looking_up, changes});
}

// A profiler: signals arrive in functions that run, in the unwinder, in publish.
static int unwound;
static void *trace_bottom;
static void on_profile(int, siginfo_t *, void *context) {
  void *trace[64];
  int n = backtrace(trace, 64);
  uintptr_t pc = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
  for (caller f : stays)
    if (pc - (uintptr_t)f < sizeof PLAIN_CODE) {
      bool found = false;
      for (int i = 0; i < n; i++)
        found = found || (uintptr_t)trace[i] - (uintptr_t)trace_bottom < 1024;
      CHECK(found);
      __atomic_add_fetch(&unwound, 1, __ATOMIC_RELAXED);
    }
}
static void nothing() {}
__attribute__((noinline)) static void *calling(void *) {
  while (goes_on())
    for (caller f : stays)
      f(nothing);
  return NULL;
}
static void profiles() {
  begin();
  void *trace[4];
  backtrace(trace, 4); // libgcc is loaded for it
  trace_bottom = (void *)calling;
  struct sigaction action = {};
  action.sa_sigaction = on_profile;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(SIGPROF, &action, NULL);
  struct itimerval often = {{0, 1000}, {0, 1000}};
  setitimer(ITIMER_PROF, &often, NULL);
  in_threads({calling, calling, making});
  ending = false;
  pthread_t thread; // there was a signal in a function, however fast all of that was
  MUST(!pthread_create(&thread, NULL, calling, NULL));
  while (!__atomic_load_n(&unwound, __ATOMIC_RELAXED))
    sched_yield();
  __atomic_store_n(&ending, true, __ATOMIC_RELEASE);
  pthread_join(thread, NULL);
  const struct itimerval never = {};
  setitimer(ITIMER_PROF, &never, NULL);
}

static void *objects_come_and_go(void *) {
  while (goes_on()) {
    ldx_jit *other = make_jit("libjit-others.so", 0);
    caller f = new_catches(other);
    SAME(f(throws), 42);
    SAME(ldx_jit_delete(other), 0);
  }
  return NULL;
}
static void objects() {
  begin();
  in_threads({throwing, looking_up, objects_come_and_go});
}

static void waits() {
  for (;;)
    pause();
}
static void *under(void *f) {
  ((caller)f)(waits);
  return NULL;
}
static void *canceling(void *) {
  for (unsigned i = 0; goes_on(); i++) {
    pthread_t thread;
    void *result = NULL;
    MUST(!pthread_create(&thread, NULL, under, (void *)stays[i % 8]));
    pthread_cancel(thread);
    pthread_join(thread, &result);
    CHECK(result == PTHREAD_CANCELED);
  }
  return NULL;
}
static void canceled() {
  begin();
  in_threads({canceling, canceling, changes});
}

CASES({"thrown", thrown}, {"thrown-shown", thrown_shown}, {"tables", tables}, {"lookups", lookups},
      {"profiles", profiles}, {"objects", objects}, {"canceled", canceled})
