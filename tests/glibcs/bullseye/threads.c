/* libpthread.so.0 and librt.so.1 as libraries of their own: what they and libc tell each other at run time. */
#include <aio.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 40, ROUNDS = 3, FORKERS = 8 };

static __thread int counter = 7;
static __thread char block[3000];
static pthread_key_t key;
static int destroyed, cleaned, done_once;
static sem_t ready;

static void destroy(void *value) { __sync_fetch_and_add(&destroyed, (int)(long)value); }
static void clean(void *unused) {
  (void)unused;
  __sync_fetch_and_add(&cleaned, 1);
}

static void *work(void *arg) {
  counter += (int)(long)arg;
  memset(block, counter, sizeof block);
  pthread_setspecific(key, (void *)1l);
  for (size_t i = 0; i < 100; i++) {
    free(malloc(i * 100 + 1));
    sched_yield();
  }
  return (void *)(long)counter;
}

static void many(void) {
  pthread_t t[THREADS];
  long sum = 0;
  pthread_key_create(&key, destroy);
  for (int round = 0; round < ROUNDS; round++) {
    for (long i = 0; i < THREADS; i++)
      pthread_create(&t[i], NULL, work, (void *)i);
    for (int i = 0; i < THREADS; i++) {
      void *result;
      pthread_join(t[i], &result);
      sum += (long)result;
    }
  }
  printf("sum %ld, destroyed %d, here %d\n", sum, destroyed, counter);
}

static void *blocked(void *arg) {
  pthread_cleanup_push(clean, NULL);
  sem_post(&ready);
  for (;;)
    pause();
  pthread_cleanup_pop(0);
  return arg;
}

static void *leaving(void *arg) {
  pthread_cleanup_push(clean, NULL);
  pthread_exit(arg);
  pthread_cleanup_pop(0);
}

static void ends(void) { /* both unwind, by a libgcc_s that libpthread opens */
  pthread_t t;
  void *result;
  sem_init(&ready, 0, 0);
  pthread_create(&t, NULL, blocked, NULL);
  sem_wait(&ready);
  pthread_cancel(t);
  pthread_join(t, &result);
  printf("cancelled %d, cleaned %d\n", result == PTHREAD_CANCELED, cleaned);
  pthread_create(&t, NULL, leaving, (void *)5l);
  pthread_join(t, &result);
  printf("left with %ld, cleaned %d\n", (long)result, cleaned);
}

static void *forker(void *unused) {
  (void)unused;
  pid_t pid = fork();
  if (!pid) {
    char *p = malloc(1000);
    int ok = p && counter == 7 && dlsym(RTLD_DEFAULT, "cos") == NULL;
    free(p);
    _exit(ok ? 42 : 1);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return (void *)(long)WEXITSTATUS(status);
}

static void forks(void) {
  pthread_t t[FORKERS];
  for (int i = 0; i < FORKERS; i++)
    pthread_create(&t[i], NULL, forker, NULL);
  for (int i = 0; i < FORKERS; i++) {
    void *result;
    pthread_join(t[i], &result);
    printf("child %ld\n", (long)result);
  }
}

static void once(void) { done_once++; }

static void locks(void) {
  pthread_once_t control = PTHREAD_ONCE_INIT;
  pthread_once(&control, once);
  pthread_once(&control, once);
  pthread_mutex_t mutex;
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&mutex, &attr);
  pthread_mutex_lock(&mutex);
  int again = pthread_mutex_lock(&mutex);
  printf("once %d, relock %d, unlock %d\n", done_once, again == EDEADLK, pthread_mutex_unlock(&mutex));
}

static void main_thread(void) {
  pthread_attr_t attr;
  void *stack;
  size_t size;
  int here;
  pthread_getattr_np(pthread_self(), &attr);
  pthread_attr_getstack(&attr, &stack, &size);
  printf("stack %d, ids %d\n", (char *)&here > (char *)stack && (char *)&here < (char *)stack + size,
         setuid(getuid()));
}

static void open_tls(void) {
  void *h = dlopen("libtls.so", RTLD_NOW);
  if (!h) {
    puts(dlerror());
    return;
  }
  int *(*address)(void);
  *(void **)&address = dlsym(h, "address");
  pthread_t t[4];
  printf("libtls %d\n", ++*address());
  for (int i = 0; i < 4; i++)
    pthread_create(&t[i], NULL, (void *(*)(void *))(void *)address, NULL);
  for (int i = 0; i < 4; i++)
    pthread_join(t[i], NULL);
  printf("libtls %d\n", *address());
  printf("closed %d\n", dlclose(h));
}

static void realtime(void) {
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_THREAD};
  event.sigev_notify_function = (void (*)(union sigval))(void *)clean;
  int before = cleaned, made = timer_create(CLOCK_MONOTONIC, &event, &timer);
  struct itimerspec soon = {.it_value.tv_nsec = 1000000};
  timer_settime(timer, 0, &soon, NULL);
  while (!made && __atomic_load_n(&cleaned, __ATOMIC_ACQUIRE) == before)
    usleep(1000);
  char text[8];
  struct aiocb request = {.aio_fildes = open("/proc/self/comm", O_RDONLY), .aio_buf = text, .aio_nbytes = 4};
  const struct aiocb *list[] = {&request};
  aio_read(&request);
  aio_suspend(list, 1, NULL);
  printf("timer %d, read %zd\n", made, aio_return(&request));
}

int main(void) {
  many();
  ends();
  forks();
  locks();
  main_thread();
  open_tls();
  realtime();
  return 3;
}
