#include "stress.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { MAX_THREADS = 64, RESIDENT_ALLOWED = 3072, MAPPINGS_ALLOWED = 40 };

static struct {
  const struct stress_plan *plan;
  double end;
  bool over;
  pthread_t thread[MAX_THREADS];
  bool working[MAX_THREADS];
  int threads;
  uint64_t seed;
} run;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Noreturn void stay_for_debugger(void) {
  signal(SIGABRT, SIG_DFL);
  if (getenv("STRESS_DRIVER"))
    for (;;)
      sleep(1);
  abort();
}

void stress_fault(const char *file, int line, const char *fmt, ...) {
  char text[1000];
  int n = snprintf(text, sizeof text, "FAULT in process %d, thread %d: %s:%d: ", getpid(), gettid(), file, line);
  va_list ap;
  va_start(ap, fmt);
  n += vsnprintf(text + n, sizeof text - (size_t)n - 1, fmt, ap);
  va_end(ap);
  if (n > (int)sizeof text - 2)
    n = sizeof text - 2;
  text[n++] = '\n';
  if (write(2, text, (size_t)n) != n)
    abort();
  stay_for_debugger();
}

static void on_crash(int number, siginfo_t *info, void *context) {
  char text[200];
  const ucontext_t *c = context;
  int n = snprintf(text, sizeof text, "FAULT in process %d, thread %d: signal %d (%s) at %p, address %p\n", getpid(),
                   gettid(), number, sigabbrev_np(number), (void *)c->uc_mcontext.gregs[REG_RIP], info->si_addr);
  if (write(2, text, (size_t)n) != n)
    _exit(number);
  stay_for_debugger();
}

static void watch_crashes(void) {
  const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};
  struct sigaction a = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    sigaction(numbers[i], &a, NULL);
}

struct stress_options stress_begin(int argc, char **argv) {
  struct stress_options o = {2, 2, 1};
  if (argc > 1)
    o.seconds = atof(argv[1]);
  if (argc > 2)
    o.threads = atoi(argv[2]);
  if (argc > 3)
    o.seed = strtoull(argv[3], NULL, 10);
  if (o.seconds <= 0 || o.threads < 1 || o.threads > MAX_THREADS) {
    fprintf(stderr, "usage: %s SECONDS [THREADS [SEED]]; at most %d threads\n", argv[0], MAX_THREADS);
    exit(2);
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  mallopt(M_ARENA_MAX, 2);
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
  watch_crashes();
  return o;
}

uint32_t stress_random(uint64_t *state, uint32_t limit) {
  *state += 0x9e3779b97f4a7c15;
  uint64_t x = *state;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return (uint32_t)((x ^ (x >> 31)) >> 32) % limit;
}

/* Threads and handlers share these words. */
static bool get(const bool *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
static void set(bool *word, bool value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }

bool stress_goes_on(void) {
  if (!get(&run.over) && now() >= run.end)
    set(&run.over, true);
  return !get(&run.over);
}

static void *worker(void *number) {
  int i = (int)(intptr_t)number;
  set(&run.working[i], true);
  run.plan->work(i, run.seed * 1000 + (uint64_t)i);
  set(&run.working[i], false);
  return NULL;
}

static void on_signal(int number, siginfo_t *info, void *context) {
  (void)number, (void)info;
  int saved = errno;
  run.plan->signalled((void *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP]);
  errno = saved;
}

static void *pace(void *unused) {
  (void)unused;
  uint64_t random = run.seed;
  while (stress_goes_on()) {
    int i = (int)stress_random(&random, (uint32_t)run.threads);
    if (get(&run.working[i]))
      pthread_kill(run.thread[i], SIGPROF);
    usleep(1000);
  }
  return NULL;
}

static void one_part(double seconds) {
  pthread_t pacer;
  set(&run.over, false);
  run.end = now() + seconds;
  run.seed++;
  for (intptr_t i = 0; i < run.threads; i++)
    CHECK(!pthread_create(&run.thread[i], NULL, worker, (void *)i), "no thread: %m");
  bool paced = run.plan->signalled && !pthread_create(&pacer, NULL, pace, NULL);
  if (paced) /* before the workers: it signals no thread that is gone */
    pthread_join(pacer, NULL);
  for (int i = 0; i < run.threads; i++)
    pthread_join(run.thread[i], NULL);
  if (run.plan->between)
    run.plan->between();
  malloc_trim(0);
}

int stress_mappings(void) {
  char buffer[16384];
  int n = 0, fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  for (ssize_t got; (got = read(fd, buffer, sizeof buffer)) > 0;)
    for (ssize_t i = 0; i < got; i++)
      n += buffer[i] == '\n';
  close(fd);
  return n;
}

int stress_descriptors(void) {
  int n = 0;
  DIR *d = opendir("/proc/self/fd");
  while (d && readdir(d))
    n++;
  closedir(d);
  return n;
}

long stress_resident(void) {
  long pages = 0, unused;
  FILE *f = fopen("/proc/self/statm", "re");
  if (!f || fscanf(f, "%ld %ld", &unused, &pages) != 2)
    pages = 0;
  if (f)
    fclose(f);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

void stress_run(const struct stress_options *o, const struct stress_plan *p) {
  struct sigaction a = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
  int allowed = p->mappings_allowed ? p->mappings_allowed : MAPPINGS_ALLOWED;
  long resident_allowed = p->resident_allowed ? p->resident_allowed : RESIDENT_ALLOWED;
  run.plan = p;
  run.threads = o->threads;
  run.seed = o->seed * 2;
  if (p->signalled)
    sigaction(SIGPROF, &a, NULL);
  one_part(o->seconds / 3);
  long resident = stress_resident();
  int mappings = stress_mappings(), descriptors = stress_descriptors();
  one_part(o->seconds * 2 / 3);
  long more = stress_resident() - resident;
  int more_mappings = stress_mappings() - mappings, more_descriptors = stress_descriptors() - descriptors;
  printf("memory: %ld KiB in %d mappings, then %+ld KiB, %+d mappings, %+d descriptors\n", resident, mappings, more,
         more_mappings, more_descriptors);
  if (getenv("STRESS_PLAIN")) /* the checker keeps memory of its own */
    return;
  CHECK(more <= resident_allowed, "memory grew from %ld by %ld KiB", resident, more);
  CHECK(more_mappings <= allowed, "mappings grew from %d by %d", mappings, more_mappings);
  CHECK(more_descriptors == 0, "descriptors grew from %d by %d", descriptors, more_descriptors);
}

void stress_wait(int child) {
  int status;
  CHECK(child > 0, "no child: %m");
  while (waitpid(child, &status, 0) < 0)
    CHECK(errno == EINTR, "waitpid: %m");
  CHECK(WIFEXITED(status) && !WEXITSTATUS(status), "child %d ended with wait status %#x", child, (unsigned)status);
}
