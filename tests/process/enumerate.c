/* Asks for the state of itself and prints it; dl_iterate_phdr, /proc and pthread_getattr_np say what is true. */
#include <dlfcn.h>
#include <inttypes.h>
#include <ldx/state.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS = 3 };

static pthread_barrier_t barrier;
static struct {
  long tid;
  void *low, *high;
  int *block;
} facts[THREADS + 1];
static int *(*value)(void);

static int fail(const char *what) {
  printf("WRONG %s\n", what);
  exit(1);
}

static void note(int i) {
  pthread_attr_t attr;
  size_t size;
  if (pthread_getattr_np(pthread_self(), &attr) || pthread_attr_getstack(&attr, &facts[i].low, &size))
    fail("pthread_getattr_np");
  facts[i].high = (char *)facts[i].low + size;
  facts[i].tid = syscall(SYS_gettid);
  pthread_attr_destroy(&attr);
}

static void *stay(void *arg) {
  int i = (int)(intptr_t)arg;
  note(i);
  if (i != 2) /* one of them never uses the library's storage */
    facts[i].block = value();
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  return NULL;
}

static int raw(void *arg) {
  while (*(volatile int *)arg)
    usleep(1000);
  return 0;
}

/* --- objects: as many, the same, in the same places ------------------------------------------------------ */

static int found;
static int real_object(struct dl_phdr_info *p, size_t size, void *arg) {
  struct ldx_object_info info = {.size = sizeof info}, again = {.size = sizeof again};
  uintptr_t end = 0;
  (void)size, (void)arg;
  for (int i = 0; i < p->dlpi_phnum; i++)
    if (p->dlpi_phdr[i].p_type == PT_LOAD && !end)
      end = p->dlpi_addr + p->dlpi_phdr[i].p_vaddr;
  if (ldx_find_address((void *)end, &info))
    fail(p->dlpi_name);
  if (info.base != p->dlpi_addr || info.phdr != p->dlpi_phdr || info.phnum != p->dlpi_phnum ||
      strcmp(info.path, p->dlpi_name) || info.tls_module != p->dlpi_tls_modid)
    fail("object by address");
  if (ldx_find_object_by_id(info.id, &again) || again.base != info.base || again.link_map != info.link_map)
    fail("object by number");
  found++;
  return 0;
}

static int count_object(void *ctx, const struct ldx_object_info *i) {
  static ldx_id last;
  (void)ctx;
  if (i->id <= last)
    fail("order of objects");
  last = i->id;
  printf("object path=%s soname=%s flags=%u build=%zu\n", i->path, i->soname ? i->soname : "-", i->flags,
         i->build_id_size);
  found--;
  return 0;
}

static void objects(void) {
  struct ldx_object_info info = {.size = sizeof info}, little = {.size = 24};
  found = 0;
  dl_iterate_phdr(real_object, NULL);
  if (ldx_each_object(0, count_object, NULL) || found)
    fail("number of objects");
  if (ldx_find_address(&info, &info) != -2 || ldx_find_object_by_id(1u << 30, &info) != -2)
    fail("what is not there");
  if (ldx_find_address((void *)objects, &little) || little.size != 24 || little.name)
    fail("a struct of an older time");
}

/* --- threads --------------------------------------------------------------------------------------------- */

static int threads_seen, unknown;
static ldx_id ids[THREADS + 1];
static int one_thread(void *ctx, const struct ldx_thread_info *t) {
  (void)ctx;
  if (!t->id) {
    unknown++;
    return 0;
  }
  for (int i = 0; i <= THREADS; i++)
    if (facts[i].tid == t->tid) {
      if (t->stack_low != (uintptr_t)facts[i].low || t->stack_high != (uintptr_t)facts[i].high)
        printf("stack of %d: %#lx-%#lx, not %p-%p\n", i, t->stack_low, t->stack_high, facts[i].low, facts[i].high),
            fail("stack");
      ids[i] = t->id;
      threads_seen++;
      return 0;
    }
  return fail("a thread that does not exist");
}

static int one_block(void *ctx, const struct ldx_tls_info *b) {
  const struct ldx_object_info *library = ctx;
  for (int i = 0; i <= THREADS && b->object == library->id; i++)
    if (ids[i] == b->thread) {
      if ((b->block != NULL) != (facts[i].block != NULL) || b->is_static || b->module != library->tls_module)
        fail("block");
      if (b->block && (facts[i].block < (int *)b->block || facts[i].block >= (int *)((char *)b->block + b->bytes)))
        fail("place of block");
      found++;
    }
  return 0;
}

static int stop(void *ctx, const struct ldx_thread_info *t) {
  (void)t;
  ++*(int *)ctx;
  return 5;
}

int main(int argc, char **argv) {
  static char stack[65536] __attribute__((aligned(64)));
  static volatile int wait = 1;
  pthread_t t[THREADS];
  struct ldx_object_info library = {.size = sizeof library};
  void *h = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
  int calls = 0;
  if (!h)
    return fprintf(stderr, "%s\n", dlerror()), 1;
  value = (int *(*)(void))dlsym(h, "value");
  pthread_barrier_init(&barrier, NULL, THREADS + 1);
  note(0);
  for (int i = 0; i < THREADS; i++)
    pthread_create(&t[i], NULL, stay, (void *)(intptr_t)(i + 1));
  pthread_barrier_wait(&barrier);
  int tid = clone(raw, stack + sizeof stack,
                  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, (void *)&wait);
  if (tid < 0)
    return 1;
  objects();
  if (ldx_each_thread(one_thread, NULL) || threads_seen != THREADS + 1 || unknown != 1)
    printf("%d known, %d unknown\n", threads_seen, unknown), fail("number of threads");
  found = 0;
  if (ldx_find_address((void *)value, &library) || ldx_each_tls(one_block, &library) || found != THREADS + 1)
    fail("blocks");
  if (ldx_each_thread(stop, &calls) != 5 || calls != 1)
    fail("a walk that is ended");
  wait = 0;
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < THREADS; i++)
    pthread_join(t[i], NULL);
  puts("right");
  return 0;
}
