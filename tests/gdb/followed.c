// Does what its arguments say, one after the other: a program for a debugger to follow.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static __thread int own_number = 1;
static pthread_barrier_t started;
static void *last;
static char **rest; // the arguments behind the one that is being done

static void act(const char *word);

static void *thread(void *number) {
  int (*set)(int) = last ? (int (*)(int))dlsym(last, "later_set") : NULL;
  own_number = (int)(long)number;
  if (set)
    set(100 * own_number);
  pthread_barrier_wait(&started);
  pause();
  return NULL;
}

static pthread_t run_thread(void *(*function)(void *), void *argument) {
  pthread_t id;
  if (pthread_create(&id, NULL, function, argument))
    abort();
  return id;
}

static void start_threads(const char *count) {
  pthread_barrier_init(&started, NULL, (unsigned)atoi(count) + 1);
  for (long i = 0; i < atoi(count); i++)
    run_thread(thread, (void *)(i + 2));
  pthread_barrier_wait(&started);
}

static int called_back(int n) { return n + own_number; }

static void call(const char *unused) {
  (void)unused;
  int (*f)(int (*)(int), int) = (int (*)(int (*)(int), int))dlsym(last, "later_call");
  printf("called %d\n", f(called_back, 5));
}

// Until a debugger that has attached says so, by a file; the alarm ends what nobody attaches to.
static void await_release(const char *unused) {
  (void)unused;
  puts("waiting");
  alarm(60);
  while (access("released", F_OK))
    usleep(10000);
}

// Numbered libraries, as the benchmark makes them.
static void open_many(const char *count) {
  for (int i = 0; i < atoi(count); i++) {
    char name[64];
    snprintf(name, sizeof name, "./many/lib%d.so", i);
    if (!dlopen(name, RTLD_LAZY))
      exit((puts(dlerror()), 1));
  }
}

static void told(const char *name, void *handle) {
  printf("%s: %s\n", name, handle ? "yes" : "no");
  last = handle ? handle : last;
}

static void open_lazily(const char *name) { told(name, dlopen(name, RTLD_LAZY)); }
static void open_now(const char *name) { told(name, dlopen(name, RTLD_NOW)); }
static void open_space(const char *name) { told(name, dlmopen(LM_ID_NEWLM, name, RTLD_LAZY)); }

static void close_last(const char *unused) {
  (void)unused;
  dlclose(last);
}

static void cycle(const char *count) {
  for (int i = 0; i < atoi(count); i++) {
    void *handle = dlopen("./libgdb-under.so", RTLD_NOW);
    if (!handle || dlclose(handle))
      abort();
  }
}

// Each of them opens another library, again and again, or the same one as others do.
static void *loader(void *number) {
  static const char *const names[] = {"./libgdb-later.so", "./libgdb-under.so", "./libgdb-nested.so"};
  for (int i = 0; i < 4; i++) {
    void *handle = (i & 1) && (long)number == 0 ? dlmopen(LM_ID_NEWLM, names[1], RTLD_NOW)
                                                : dlopen(names[(long)number % 3], RTLD_NOW);
    if (!handle || dlclose(handle))
      abort();
  }
  return NULL;
}

static void start_loaders(const char *count) {
  pthread_t ids[16];
  int n = atoi(count);
  for (long i = 0; i < n; i++)
    ids[i] = run_thread(loader, (void *)i);
  for (int i = 0; i < n; i++)
    pthread_join(ids[i], NULL);
}

static void *open_there(void *name) {
  open_now(name);
  return NULL;
}

static void open_aside(const char *name) { pthread_join(run_thread(open_there, (void *)name), NULL); }

static void fork_child(const char *unused) {
  (void)unused;
  int status;
  pid_t child = fork();
  if (!child) {
    while (*rest)
      act(*rest++);
    puts("child ends");
    exit(4);
  }
  if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 4)
    exit(8);
  while (*rest) // they were the child's
    rest++;
}

static void execute(const char *path) {
  rest[-1] = (char *)path;
  execv(path, rest - 1);
  abort();
}

static void end(const char *unused) {
  (void)unused;
  abort();
}

static void act(const char *word) {
  static const struct {
    const char *name;
    void (*run)(const char *value);
  } acts[] = {
      {"open", open_lazily},
      {"now", open_now},
      {"space", open_space},
      {"close", close_last},
      {"call", call},
      {"cycle", cycle},
      {"many", open_many},
      {"threads", start_threads},
      {"loaders", start_loaders},
      {"aside", open_aside},
      {"fork", fork_child},
      {"exec", execute},
      {"wait", await_release},
      {"abort", end},
  };
  const char *value = strchr(word, '=');
  size_t n = value ? (size_t)(value - word) : strlen(word);
  for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
    if (strlen(acts[i].name) == n && !strncmp(acts[i].name, word, n)) {
      acts[i].run(value ? value + 1 : "");
      return;
    }
  exit(9);
}

int main(int argc, char **argv) {
  (void)argc;
  setvbuf(stdout, NULL, _IOLBF, 0);
  rest = argv + 1;
  while (*rest) {
    const char *word = *rest++;
    act(word);
  }
  getppid(); // where debuggers stop at the end
  return 3;
}
