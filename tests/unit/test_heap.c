/* The loader's heap: zeroed, aligned, reused; under threads, signals, fork and lack of memory. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/span.h"
#include "unit.h"

/* Sizes around every limit that the heap could have. */
static const size_t sizes[] = {0,    1,    15,    16,    17,    31,     32,     33,     48,     100,    1000,
                               4080, 4096, 10000, 65520, 65536, 131072, 262127, 262128, 262129, 300000, 5000000};

static bool all_zero(const uint8_t *p, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (p[i])
      return false;
  return true;
}

static void gives_zeroed_aligned_blocks(void **state) {
  struct ldx_heap h = {0};
  uint8_t *blocks[LDX_COUNT(sizes)];
  for (int round = 0; round < 3; round++) {
    for (size_t i = 0; i < LDX_COUNT(sizes); i++) {
      blocks[i] = ldx_heap_alloc(&h, sizes[i]);
      assert_non_null(blocks[i]);
      assert_int_equal((uintptr_t)blocks[i] % 16, 0);
      assert_true(all_zero(blocks[i], sizes[i]));
      memset(blocks[i], 0xa0 + (int)i, sizes[i]);
    }
    for (size_t i = 0; i < LDX_COUNT(sizes); i++) {
      for (size_t k = 0; k < sizes[i]; k++) /* no block overlaps another */
        if (blocks[i][k] != 0xa0 + i)
          fail_msg("block of %zu bytes damaged at %zu", sizes[i], k);
      ldx_heap_free(&h, blocks[i]);
    }
  }
}

static void gives_any_alignment(void **state) {
  struct ldx_heap h = {0};
  for (size_t align = 1; align <= 1 << 21; align *= 2)
    for (size_t i = 0; i < LDX_COUNT(sizes); i++) {
      uint8_t *p = ldx_heap_alloc_aligned(&h, sizes[i], align);
      assert_non_null(p);
      assert_int_equal((uintptr_t)p % align, 0);
      assert_true(all_zero(p, sizes[i]));
      memset(p, 0xff, sizes[i]);
      ldx_heap_free(&h, p);
    }
}

static void reuses_freed_blocks(void **state) {
  struct ldx_heap h = {0};
  void *a = ldx_heap_alloc(&h, 100), *b = ldx_heap_alloc(&h, 100);
  assert_ptr_not_equal(a, b);
  ldx_heap_free(&h, a);
  assert_ptr_equal(ldx_heap_alloc(&h, 90), a);
  void *c = ldx_heap_alloc_aligned(&h, 100, 64);
  ldx_heap_free(&h, c);
  assert_ptr_equal(ldx_heap_alloc_aligned(&h, 100, 64), c);
  ldx_heap_free(&h, NULL);
}

static unsigned maps, unmaps;

static long count_maps(long nr, long a, long b, long c) {
  maps += nr == SYS_mmap;
  unmaps += nr == SYS_munmap;
  return STUB_PASS;
}

static void gives_large_blocks_back(void **state) {
  struct ldx_heap h = {0};
  maps = unmaps = 0;
  stub_on_syscall(count_maps);
  for (int i = 0; i < 10; i++)
    ldx_heap_free(&h, ldx_heap_alloc(&h, 1 << 20));
  for (int i = 0; i < 10; i++)
    ldx_heap_free(&h, ldx_heap_alloc_aligned(&h, 1 << 20, 1 << 16));
  stub_on_syscall(NULL);
  assert_int_equal(maps, 20);
  assert_int_equal(unmaps, 20);
}

/* Small blocks come from the first memory without asking the kernel. */
static void lives_on_its_first_memory(void **state) {
  _Alignas(64) static char memory[8192];
  struct ldx_heap h = {0};
  ldx_heap_seed(&h, memory, sizeof memory);
  maps = 0;
  stub_on_syscall(count_maps);
  for (int i = 0; i < 64; i++) {
    char *p = ldx_heap_alloc(&h, 100);
    assert_in_range((uintptr_t)p, (uintptr_t)memory, (uintptr_t)memory + sizeof memory - 100);
    assert_true(all_zero((uint8_t *)p, 100));
  }
  assert_int_equal(maps, 0);
  assert_non_null(ldx_heap_alloc(&h, 100));
  stub_on_syscall(NULL);
  assert_int_equal(maps, 1);
}

static long no_memory(long nr, long a, long b, long c) { return nr == SYS_mmap ? -ENOMEM : STUB_PASS; }

static void tells_lack_of_memory(void **state) {
  struct ldx_heap h = {0};
  stub_on_syscall(no_memory);
  for (size_t i = 0; i < LDX_COUNT(sizes); i++) {
    assert_null(ldx_heap_alloc(&h, sizes[i]));
    assert_null(ldx_heap_alloc_aligned(&h, sizes[i], 4096));
  }
  stub_on_syscall(NULL);
  assert_non_null(ldx_heap_alloc(&h, 100)); /* it recovers */
}

static void rejects_absurd_sizes(void **state) {
  struct ldx_heap h = {0};
  const size_t absurd[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 15, SIZE_MAX - 16, SIZE_MAX - 4096, SIZE_MAX / 2};
  for (size_t i = 0; i < LDX_COUNT(absurd); i++) {
    assert_null(ldx_heap_alloc(&h, absurd[i]));
    assert_null(ldx_heap_alloc_aligned(&h, absurd[i], 64));
    assert_null(ldx_heap_alloc_aligned(&h, absurd[i], 1 << 20));
  }
}

/* Threads: each keeps some blocks filled with its own pattern, and looks whether that stays. */

static struct ldx_heap shared;

static void *churn(void *seed) {
  uint32_t random = (uint32_t)(uintptr_t)seed;
  struct {
    uint8_t *p;
    size_t size;
    uint8_t fill;
  } slots[32] = {0};
  for (int i = 0; i < 4000; i++) {
    random = random * 1664525 + 1013904223;
    unsigned s = random >> 27;
    for (size_t k = 0; k < slots[s].size; k++)
      if (slots[s].p[k] != slots[s].fill)
        return "a block was damaged";
    ldx_heap_free(&shared, slots[s].p);
    slots[s].size = (random >> 8) % (i % 100 ? 300 : 5000);
    slots[s].fill = (uint8_t)random;
    slots[s].p =
        random & 1 ? ldx_heap_alloc(&shared, slots[s].size) : ldx_heap_alloc_aligned(&shared, slots[s].size, 64);
    if (!slots[s].p || !all_zero(slots[s].p, slots[s].size))
      return "a block was not fresh";
    memset(slots[s].p, slots[s].fill, slots[s].size);
  }
  for (size_t s = 0; s < LDX_COUNT(slots); s++)
    ldx_heap_free(&shared, slots[s].p);
  return NULL;
}

static void serves_threads(void **state) {
  pthread_t threads[4];
  for (uintptr_t i = 0; i < 4; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)(i * 77 + 1)), 0);
  for (int i = 0; i < 4; i++) {
    void *fault;
    pthread_join(threads[i], &fault);
    if (fault)
      fail_msg("%s", (char *)fault);
  }
}

/* A call amid another call of the same thread, at a place where lists are half-changed: as a signal's handler may
 * come, but always there. */

static struct ldx_heap *interrupted;
static unsigned interruptions;

static long interrupt(long nr, long a, long b, long c) {
  static bool inside;
  if (nr != SYS_mmap || inside)
    return STUB_PASS;
  inside = true;
  interruptions++;
  void *old = ldx_heap_alloc(interrupted, 50), *kept = ldx_heap_alloc(interrupted, 60);
  assert_non_null(old);
  assert_non_null(kept);
  memset(old, 1, 50);
  memset(kept, 2, 60);
  ldx_heap_free(interrupted, old);
  ldx_heap_free(interrupted, kept);
  assert_int_equal(interrupted->lock, 1); /* still the interrupted call's */
  inside = false;
  return STUB_PASS;
}

static void may_interrupt_itself(void **state) {
  struct ldx_heap h = {0};
  interrupted = &h;
  interruptions = 0;
  stub_on_syscall(interrupt);
  for (int i = 0; i < 3000; i++) {
    uint8_t *p = ldx_heap_alloc(&h, 1000);
    assert_true(all_zero(p, 1000));
    memset(p, 0xff, 1000);
  }
  stub_on_syscall(NULL);
  assert_true(interruptions > 3);
}

/* A block that is freed while the lock is taken must find its way back to the lists. */
static void *given_away;

static long free_amid_call(long nr, long a, long b, long c) {
  if (nr == SYS_mmap && given_away) {
    ldx_heap_free(interrupted, given_away);
    assert_int_equal(interrupted->lock, 1);
    given_away = NULL;
  }
  return STUB_PASS;
}

static void reuses_what_a_handler_freed(void **state) {
  struct ldx_heap h = {0};
  interrupted = &h;
  void *p = given_away = ldx_heap_alloc(&h, 5000);
  stub_on_syscall(free_amid_call);
  while (given_away)
    assert_non_null(ldx_heap_alloc(&h, 100));
  stub_on_syscall(NULL);
  assert_ptr_equal(ldx_heap_alloc(&h, 5000), p);
}

/* Nobody will ever release this lock. A heap that waits for it hangs here. */
static void never_waits_for_its_lock(void **state) {
  struct ldx_heap h = {0};
  void *before = ldx_heap_alloc(&h, 100);
  h.lock = 1;
  uint8_t *p = ldx_heap_alloc(&h, 100);
  assert_true(all_zero(p, 100));
  ldx_heap_free(&h, p);
  ldx_heap_free(&h, before);
  assert_int_equal(h.lock, 1);
  h.lock = 0;
  assert_ptr_equal(ldx_heap_alloc(&h, 100), before);
}

/* Real signals, as many as the kernel delivers, at any instruction. */
static void allocate_in_handler(int signal) {
  int saved = errno;
  uint8_t *p = ldx_heap_alloc(&shared, 64);
  if (!p || !all_zero(p, 64))
    abort();
  memset(p, 3, 64);
  ldx_heap_free(&shared, p);
  errno = saved;
}

static bool stop_signals;

static void *send_signals(void *target) {
  while (!__atomic_load_n(&stop_signals, __ATOMIC_RELAXED)) {
    pthread_kill(*(pthread_t *)target, SIGUSR1);
    for (volatile int i = 0; i < 500; i++) /* lets the target get on */
      ;
  }
  return NULL;
}

static void serves_signal_handlers(void **state) {
  struct sigaction action = {.sa_handler = allocate_in_handler}, before;
  sigaction(SIGUSR1, &action, &before);
  pthread_t self = pthread_self(), sender;
  stop_signals = false;
  assert_int_equal(pthread_create(&sender, NULL, send_signals, &self), 0);
  void *fault = NULL;
  for (uintptr_t round = 1; round < 40 && !fault; round++)
    fault = churn((void *)round);
  __atomic_store_n(&stop_signals, true, __ATOMIC_RELAXED);
  pthread_join(sender, NULL);
  sigaction(SIGUSR1, &before, NULL);
  if (fault)
    fail_msg("%s", (char *)fault);
}

/* fork while another call is at work: the child's copy has the lock taken for ever, and its lists half-changed. */
static int child_status;

static long fork_amid_call(long nr, long a, long b, long c) {
  stub_on_syscall(NULL);
  pid_t child = fork();
  if (child) {
    waitpid(child, &child_status, 0);
    return STUB_PASS;
  }
  ldx_heap_after_fork(interrupted);
  _exit(churn((void *)5) ? 1 : 0);
}

static void survives_fork(void **state) {
  memset(&shared, 0, sizeof shared);
  interrupted = &shared;
  child_status = -1;
  ldx_heap_free(&shared, ldx_heap_alloc(&shared, 100));
  stub_on_syscall(fork_amid_call);
  while (child_status == -1)
    assert_non_null(ldx_heap_alloc(&shared, 2000));
  stub_on_syscall(NULL);
  assert_int_equal(child_status, 0);
}

/* Lists as they may be between two instructions of a call. */
static void gives_up_lists_half_changed_by_fork(void **state) {
  struct ldx_heap h = {.lock = 1, .chunk = (char *)LDX_PAGE, .chunk_end = (char *)16};
  for (size_t i = 0; i < LDX_COUNT(h.free_list); i++)
    h.free_list[i] = (void *)16;
  ldx_heap_after_fork(&h);
  for (size_t i = 0; i < LDX_COUNT(sizes); i++)
    assert_true(all_zero(ldx_heap_alloc(&h, sizes[i]), sizes[i]));
}

static void keeps_its_memory_over_a_quiet_fork(void **state) {
  struct ldx_heap h = {0};
  void *p = ldx_heap_alloc(&h, 100);
  ldx_heap_free(&h, p);
  ldx_heap_after_fork(&h);
  assert_ptr_equal(ldx_heap_alloc(&h, 100), p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(gives_zeroed_aligned_blocks),
      CASE(gives_any_alignment),
      CASE(reuses_freed_blocks),
      CASE(gives_large_blocks_back),
      CASE(lives_on_its_first_memory),
      CASE(tells_lack_of_memory),
      CASE(rejects_absurd_sizes),
      CASE(serves_threads),
      CASE(may_interrupt_itself),
      CASE(reuses_what_a_handler_freed),
      CASE(never_waits_for_its_lock),
      CASE(serves_signal_handlers),
      CASE(survives_fork),
      CASE(gives_up_lists_half_changed_by_fork),
      CASE(keeps_its_memory_over_a_quiet_fork),
  };
  return RUN(tests);
}
