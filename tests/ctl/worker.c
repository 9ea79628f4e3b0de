/* Does one thing until its standard input ends, and then says how it went: what a process must not notice is ldx-ctl.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static atomic_bool ended;
static unsigned long wrong;

/* Vector registers and flags in use all the time. */
static void compute(void) {
  double sum = 0;
  for (int i = 1; i <= 1000; i++)
    sum += 1.0 / i;
  if (sum < 7.4854 || sum > 7.4855)
    wrong++;
}

static void *busy(void *arg) {
  while (!atomic_load(&ended))
    compute();
  return arg;
}

static void *loader(void *arg) {
  while (!atomic_load(&ended)) {
    void *h = dlopen(arg, RTLD_NOW);
    if (!h || !dlsym(h, "piece"))
      wrong++;
    if (h)
      dlclose(h);
    free(malloc(100));
  }
  return arg;
}

static bool has_ended(void) {
  struct pollfd p = {0, POLLIN, 0};
  return poll(&p, 1, 0);
}

/* Children that load, of a process with one thread of its own. */
static void fork_all_the_time(const char *library) {
  while (!has_ended()) {
    int status = -1;
    pid_t child = fork();
    if (!child) {
      alarm(20);
      void *h = dlopen(library, RTLD_NOW);
      _exit(!h || !dlsym(h, "piece"));
    }
    if (waitpid(child, &status, 0) != child || status)
      wrong++;
  }
}

static void say_ready(void) {
  puts("ready");
  fflush(stdout);
}

/* As daemons do: whatever is open is closed, and other files get the numbers. Nobody asks meanwhile: no thread's
 * descriptors are safe from that. */
static void close_all(void) {
  enum { LAST = 260 };
  struct stat st;
  for (int fd = 3; fd < LAST; fd++)
    close(fd);
  int own = memfd_create("own", 0);
  for (int fd = 4; fd < LAST; fd++)
    wrong += dup2(own, fd) != fd;          /* whatever the control thread has opened meanwhile */
  wrong += !dlopen("libm.so.6", RTLD_NOW); /* events */
  say_ready();
  while (!has_ended())
    usleep(1000);
  for (int fd = 3; fd < LAST; fd++)
    wrong += fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size;
}

static atomic_int last_value;

static void count(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)context;
  if (info->si_value.sival_int != ++last_value)
    wrong++;
}

/* Each signal comes, in its order, with its value. */
static void get_signals(void) {
  struct sigaction a = {.sa_sigaction = count, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigaction(SIGRTMIN, &a, NULL);
  pid_t child = fork();
  for (int i = 1; !child; i++) {
    usleep(20);
    while (sigqueue(getppid(), SIGRTMIN, (union sigval){.sival_int = i}))
      if (errno != EAGAIN)
        _exit(1);
  }
  while (!has_ended())
    compute();
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  wrong += !last_value;
}

/* A system call that must not be seen to end early. */
static void wait_for_end(void) {
  char c;
  ssize_t n = read(0, &c, 1);
  if (n != 0) {
    wrong++;
    fprintf(stderr, "read: %zd, %s\n", n, strerror(errno));
  }
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "wait";
  pthread_t t[3];
  int threads = 0;
  if (!strcmp(what, "busy"))
    for (; threads < 3; threads++)
      pthread_create(&t[threads], NULL, busy, NULL);
  if (!strcmp(what, "load"))
    for (; threads < 2; threads++)
      pthread_create(&t[threads], NULL, loader, argv[2]);
  if (!strcmp(what, "close"))
    close_all();
  else
    say_ready();
  if (!strcmp(what, "fork"))
    fork_all_the_time(argv[2]);
  if (!strcmp(what, "signals"))
    get_signals();
  if (!strcmp(what, "child")) {
    pid_t child = fork();
    if (!child) {
      printf("%d\n", getpid());
      fflush(stdout);
      wait_for_end();
      _exit(0);
    }
    waitpid(child, NULL, 0);
  }
  if (!strcmp(what, "spin")) { /* the main thread never enters the kernel */
    do
      for (int i = 0; i < 2000; i++)
        compute();
    while (!has_ended());
  }
  if (!strcmp(what, "sleep")) {
    struct timespec t0, t1, d = {0, 800000000}, rest = {0};
    clock_gettime(CLOCK_MONOTONIC, &t0);
    int r = nanosleep(&d, &rest);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    long ms = (t1.tv_sec - t0.tv_sec) * 1000 + (t1.tv_nsec - t0.tv_nsec) / 1000000;
    wrong += r || ms < 800;
  }
  wait_for_end();
  atomic_store(&ended, 1);
  while (threads)
    pthread_join(t[--threads], NULL);
  printf("wrong %lu\n", wrong);
  return wrong != 0;
}
