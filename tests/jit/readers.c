/* Readers without a lock: dlsym, dladdr and dl_iterate_phdr while another thread binds, grows, unbinds and deletes;
 * also from a signal handler. Never a wrong answer. */
#include "jit_test.h"
#include <sys/time.h>

enum { FIXED = 64, CHURNED = 4000 };
static ldx_jit *jit;
static void *fixed[FIXED];
static void *churned[CHURNED][2]; /* the two places that each function has by turns */
static const char *path;
static bool ending;
static unsigned long handled, looked, found;

static unsigned next(unsigned *seed) {
  *seed = *seed * 1103515245 + 12345;
  return *seed >> 8;
}

static void look_fixed(unsigned k) {
  char name[32];
  Dl_info info;
  snprintf(name, sizeof name, "fixed_%u", k);
  if (dlsym(RTLD_DEFAULT, name) != fixed[k])
    wrong(__FILE__, __LINE__, "%s is not found", name);
  if (dlsym(jit, name) != fixed[k])
    wrong(__FILE__, __LINE__, "%s is not found in its object", name);
  if (!dladdr((char *)fixed[k] + 3, &info) || info.dli_saddr != fixed[k] || strcmp(info.dli_sname, name) ||
      strcmp(info.dli_fname, path))
    wrong(__FILE__, __LINE__, "the address of %s is not found", name);
}

static void look_churned(unsigned k) {
  char name[32];
  snprintf(name, sizeof name, "churned_%u", k);
  void *at = dlsym(k % 2 ? RTLD_DEFAULT : (void *)jit, name);
  if (at && at != churned[k][0] && at != churned[k][1])
    wrong(__FILE__, __LINE__, "%s is at %p, not at %p or %p", name, at, churned[k][0], churned[k][1]);
  __atomic_add_fetch(&found, at != NULL, __ATOMIC_RELAXED);
}

static void look_around(unsigned k) {
  char name[32];
  Dl_info info;
  snprintf(name, sizeof name, "churned_%u", k);
  for (int i = 0; i < 2; i++) {
    if (!dladdr((char *)churned[k][i] + 5, &info) || strcmp(info.dli_fname, path))
      wrong(__FILE__, __LINE__, "the address of %s is in no object", name);
    else if (info.dli_sname && (strcmp(info.dli_sname, name) || info.dli_saddr != churned[k][i]))
      wrong(__FILE__, __LINE__, "the address of %s is called %s", name, info.dli_sname);
  }
}

static void *reader(void *arg) {
  unsigned seed = (unsigned)(uintptr_t)arg;
  while (!__atomic_load_n(&ending, __ATOMIC_ACQUIRE)) {
    look_fixed(next(&seed) % FIXED);
    look_churned(next(&seed) % CHURNED);
    look_around(next(&seed) % CHURNED);
    __atomic_add_fetch(&looked, 1, __ATOMIC_RELAXED);
  }
  return NULL;
}

/* What fails makes a text for dlerror, which no libc does in a handler. */
static void handler(int number) {
  static unsigned seed = 99;
  int saved = errno;
  (void)number;
  look_fixed(next(&seed) % FIXED);
  look_around(next(&seed) % CHURNED);
  __atomic_add_fetch(&handled, 1, __ATOMIC_RELAXED);
  errno = saved;
}

static void prepare(void) {
  jit = make_jit("libjit-read.so", LDX_JIT_GLOBAL);
  path = map_of(jit)->l_name;
  char name[32];
  for (int i = 0; i < FIXED; i++) {
    snprintf(name, sizeof name, "fixed_%d", i);
    fixed[i] = publish_function(jit, name, i);
  }
  for (int i = 0; i < CHURNED; i++)
    for (int k = 0; k < 2; k++)
      churned[i][k] = returns(jit, i);
}

/* One batch: some functions come, move or go. */
static void one_batch(unsigned *seed, int8_t *place /* -1: unbound */) {
  char name[32];
  for (unsigned n = 1 + next(seed) % 40; n; n--) {
    unsigned k = next(seed) % CHURNED;
    snprintf(name, sizeof name, "churned_%u", k);
    if (place[k] >= 0 && next(seed) % 3 == 0) {
      SAME(ldx_jit_unbind(jit, name, NULL), 0);
      place[k] = -1;
    } else {
      place[k] = next(seed) % 2;
      SAME(bind_function(jit, name, churned[k][place[k]]), 0);
    }
  }
  SAME(ldx_jit_publish(jit), 0);
}

/* Many come and go at once: tables grow. */
static void many_more(unsigned count, bool come) {
  static void *at;
  char name[32];
  if (!at)
    at = returns(jit, 0);
  for (unsigned i = 0; i < count; i++) {
    snprintf(name, sizeof name, "growing_%u", i);
    if (come)
      SAME(bind_function(jit, name, at), 0);
    else
      SAME(ldx_jit_unbind(jit, name, NULL), 0);
  }
  SAME(ldx_jit_publish(jit), 0);
}

static void work(void) {
  static int8_t place[CHURNED];
  unsigned seed = 5;
  memset(place, -1, sizeof place);
  for (unsigned round = 0; round < 12 && !checks_failed; round++) {
    for (int i = 0; i < 60; i++)
      one_batch(&seed, place);
    many_more(200u + 1500 * round, true);
    many_more(200u + 1500 * round, false);
  }
  for (unsigned k = 0; k < CHURNED; k++) {
    char name[32];
    snprintf(name, sizeof name, "churned_%u", k);
    CHECK(find(jit, name) == (place[k] < 0 ? NULL : churned[k][place[k]]));
  }
}

static void with_readers(void (*what)(void), bool signals) {
  pthread_t threads[2];
  for (uintptr_t i = 0; i < 2; i++)
    MUST(!pthread_create(&threads[i], NULL, reader, (void *)(i + 1)));
  if (signals) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 1000}, {0, 1000}};
    MUST(!sigaction(SIGPROF, &action, NULL) && !setitimer(ITIMER_PROF, &often, NULL));
  }
  what();
  if (signals) {
    struct itimerval never = {0};
    setitimer(ITIMER_PROF, &never, NULL);
  }
  __atomic_store_n(&ending, true, __ATOMIC_RELEASE);
  for (int i = 0; i < 2; i++)
    pthread_join(threads[i], NULL);
  CHECK(looked > 0);
}

static void bindings(void) {
  prepare();
  with_readers(work, false);
  CHECK(found > 0);
}
static void with_signals(void) {
  prepare();
  with_readers(work, true);
  CHECK(handled > 0);
}

/* Objects come and go meanwhile; what is found of them is theirs. */
static int see(struct dl_phdr_info *info, size_t size, void *arg) {
  (void)size;
  bool *ours = arg;
  *ours |= !strcmp(info->dlpi_name, path);
  for (int i = 0; i < info->dlpi_phnum; i++)
    if (info->dlpi_phdr[i].p_type == PT_LOAD && (info->dlpi_phdr[i].p_flags & (PF_W | PF_X)) == (PF_W | PF_X))
      wrong(__FILE__, __LINE__, "%s: damaged program headers", info->dlpi_name);
  return 0;
}
static void *walker(void *arg) {
  (void)arg;
  while (!__atomic_load_n(&ending, __ATOMIC_ACQUIRE)) {
    bool ours = false;
    dl_iterate_phdr(see, &ours);
    CHECK(ours);
    Dl_info info;
    void *handle = dlopen("libjit-going.so", RTLD_NOW | RTLD_NOLOAD);
    if (handle) { /* now it stays */
      function *f = (function *)dlsym(handle, "going_function");
      if (f && (f() != 5 || !dladdr((void *)f, &info) || !info.dli_sname || strcmp(info.dli_sname, "going_function")))
        wrong(__FILE__, __LINE__, "a wrong function in an object that is held");
      dlclose(handle);
    }
  }
  return NULL;
}
static void objects_come_and_go(void) {
  for (int i = 0; i < 800 && !checks_failed; i++) {
    ldx_jit *other = make_jit("libjit-going.so", LDX_JIT_GLOBAL);
    void *f = returns(other, 5);
    SAME(bind_function(other, "going_function", f), 0);
    SAME(ldx_jit_publish(other), 0);
    SAME(ldx_jit_delete(other), 0);
    void *still; /* until the other thread has given it back, so that the name is free */
    while ((still = dlopen("libjit-going.so", RTLD_NOW | RTLD_NOLOAD))) {
      dlclose(still);
      sched_yield();
    }
  }
}
static void objects(void) {
  prepare();
  pthread_t thread;
  MUST(!pthread_create(&thread, NULL, walker, NULL));
  with_readers(objects_come_and_go, true);
  pthread_join(thread, NULL);
}

/* Several writers, each with an object of its own and one that they share. */
static ldx_jit *shared;
static void *writer(void *arg) {
  int me = (int)(intptr_t)arg;
  char name[48];
  snprintf(name, sizeof name, "libjit-writer%d.so", me);
  ldx_jit *mine = make_jit(name, LDX_JIT_GLOBAL);
  for (int i = 0; i < 1500 && !checks_failed; i++) {
    snprintf(name, sizeof name, "of_%d_%d", me, i);
    void *f = publish_function(mine, name, i), *g = returns(shared, me * 10000 + i);
    if (find(RTLD_DEFAULT, name) != f)
      wrong(__FILE__, __LINE__, "%s is not found", name);
    snprintf(name, sizeof name, "shared_%d_%d", me, i);
    SAME(bind_function(shared, name, g), 0);
    SAME(ldx_jit_publish(shared), 0); /* also what others have collected */
    if (find(shared, name) != g || ((function *)g)() != me * 10000 + i)
      wrong(__FILE__, __LINE__, "%s is not found", name);
    if (i % 3 == 0) {
      SAME(ldx_jit_unbind(shared, name, NULL), 0);
      SAME(ldx_jit_publish(shared), 0);
      SAME(ldx_jit_free(shared, g), 0);
    }
  }
  SAME(ldx_jit_delete(mine), 0);
  return NULL;
}
static void writers(void) {
  pthread_t threads[3];
  shared = make_jit("libjit-shared.so", 0);
  for (intptr_t i = 0; i < 3; i++)
    MUST(!pthread_create(&threads[i], NULL, writer, (void *)i));
  for (int i = 0; i < 3; i++)
    pthread_join(threads[i], NULL);
  for (int k = 0; k < 3; k++)
    for (int i = 0; i < 1500; i++) {
      char name[48];
      snprintf(name, sizeof name, "shared_%d_%d", k, i);
      CHECK((find(shared, name) != NULL) == (i % 3 != 0));
    }
}

CASES({"bindings", bindings}, {"with-signals", with_signals}, {"objects", objects}, {"writers", writers})
