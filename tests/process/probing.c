/* A profiler's signal asks, a thousand times a second, what lies at an address, and walks over all that is loaded,
 * while libraries come and go on this thread and on another. Every answer is checked. */
#include <dlfcn.h>
#include <ldx/state.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static const char *file;
static int rounds;
static volatile uintptr_t inside; /* of the library, while this thread has it open */
static volatile sig_atomic_t wrong;
static volatile unsigned long asked, hits, walks;

static int check(void *ctx, const struct ldx_object_info *i) {
  ldx_id *last = ctx;
  if (i->id <= *last || i->high <= i->low || !i->path || !i->phnum || !i->phdr)
    wrong = 2;
  *last = i->id;
  return 0;
}

static int check_namespace(void *ctx, const struct ldx_namespace_info *i) {
  (void)ctx;
  if (!i->objects)
    wrong = 3;
  return 0;
}

static void handler(int signal) {
  struct ldx_object_info i = {.size = sizeof i};
  uintptr_t at = inside;
  ldx_id last = 0;
  (void)signal;
  if (ldx_find_address((void *)handler, &i) || *i.path)
    wrong = 1;
  if (at) {
    int r = ldx_find_address((void *)at, &i);
    if (r || at < i.low || at >= i.high || !strstr(i.path, "libblocks") || strncmp((char *)i.low, "\177ELF", 4))
      wrong = 4;
    hits++;
  }
  if (ldx_find_object_by_id(i.id, &i) && at)
    wrong = 5;
  if (ldx_each_object(-1, check, &last) || !last || ldx_each_namespace(check_namespace, NULL))
    wrong = 6;
  walks++;
  asked++;
}

static void *other(void *arg) {
  for (int i = 0; i < rounds / 4 && !wrong; i++) {
    void *h = dlopen(arg, RTLD_NOW);
    if (!h || dlclose(h))
      wrong = 7;
  }
  return NULL;
}

int main(int argc, char **argv) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
  struct itimerval every = {{0, 1000}, {0, 1000}};
  pthread_t t;
  if (argc < 4)
    return 1;
  file = argv[1];
  rounds = atoi(argv[3]);
  sigaction(SIGPROF, &action, NULL);
  setitimer(ITIMER_PROF, &every, NULL);
  pthread_create(&t, NULL, other, argv[2]);
  for (int i = 0; i < rounds && !wrong; i++) {
    void *h = dlopen(file, RTLD_NOW);
    if (!h)
      return fprintf(stderr, "%s\n", dlerror()), 1;
    inside = (uintptr_t)dlsym(h, "value");
    inside = 0;
    if (i % 500 == 0) { /* until a signal has come in this very moment */
      unsigned long before = hits;
      for (inside = (uintptr_t)dlsym(h, "value"); hits == before && !wrong;)
        ;
      inside = 0;
    }
    if (dlclose(h))
      return 1;
  }
  pthread_join(t, NULL);
  setitimer(ITIMER_PROF, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
  printf("wrong=%d asked=%d hits=%d\n", (int)wrong, asked >= 20, hits >= 20);
  return wrong;
}
