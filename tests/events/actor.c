/* A program that does what its words say, and tells how it went:
 *   open=LIB now=LIB close   dlopen (lazily, at once), dlclose of the latest
 *   spaces=LIB               dlmopen into a new namespace, and dlclose
 *   sym=NAME                 dlsym(RTLD_DEFAULT); syms=N: so many of it
 *   late=PATH,ARGS           ldx_tool_load
 *   history                  numbers of the history that the program itself can read
 *   threads=LIB              four threads that open and close it, again and again
 *   set-handler, handlers    its own handler of SIGSEGV is there still
 *   exit-handler             a handler of SIGSEGV that ends the program with status 7
 *   fault-meanwhile=LIB      opens it while another thread faults, and recovers by its own handler
 *   die                      of a fault
 *   fork                     a child that opens and closes nothing, and tells how it ended */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ldx/event.h>
#include <ldx/tool.h>

#pragma weak ldx_tool_load
#pragma weak ldx_history
#pragma weak ldx_history_lost

static void *opened;

static void open_one(const char *name, int mode) {
  opened = dlopen(name, mode);
  printf("open %s: %s\n", name, opened ? "yes" : dlerror());
}

static void open_space(const char *name) {
  void *handle = dlmopen(LM_ID_NEWLM, name, RTLD_NOW);
  printf("space %s: %s\n", name, handle ? "yes" : dlerror());
  if (handle)
    dlclose(handle);
}

static void look_up(const char *name, long times) {
  void *p = NULL;
  while (times--)
    p = dlsym(RTLD_DEFAULT, name);
  printf("sym %s: %s\n", name, p ? "yes" : "no");
}

static void note_number(void *ctx, const struct ldx_event *e) {
  uint64_t *seen = ctx;
  if (seen[1] && e->seq != seen[1] + 1)
    printf("gap before %lu\n", e->seq);
  if (!seen[0])
    seen[0] = e->seq;
  seen[1] = e->seq;
}

static void read_history(void) {
  uint64_t seen[2] = {0};
  uint64_t next = ldx_history(0, note_number, seen);
  printf("history %lu to %lu, next %lu, lost %lu\n", seen[0], seen[1], next, ldx_history_lost());
}

static void *open_often(void *name) {
  for (int i = 0; i < 50; i++) {
    void *handle = dlopen(name, RTLD_NOW);
    if (!handle)
      exit(3);
    dlclose(handle);
  }
  return NULL;
}

static void open_in_threads(char *name) {
  pthread_t t[4];
  for (int i = 0; i < 4; i++)
    if (pthread_create(&t[i], NULL, open_often, name))
      exit(3);
  for (int i = 0; i < 4; i++)
    pthread_join(t[i], NULL);
  printf("threads: done\n");
}

static sigjmp_buf back;
static volatile int handled;

static void on_fault(int signal, siginfo_t *info, void *context) {
  char mark;
  stack_t now;
  sigaltstack(NULL, &now);
  handled = info->si_addr == (void *)48 && (now.ss_flags & SS_ONSTACK) &&
            (uintptr_t)&mark - (uintptr_t)now.ss_sp < now.ss_size;
  siglongjmp(back, 1);
}

static const struct sigaction own = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND};

static void check_handlers(void) {
  struct sigaction now;
  sigaction(SIGSEGV, NULL, &now);
  enum { SA_RESTORER_ = 0x04000000 };
  int kept = now.sa_sigaction == own.sa_sigaction && (now.sa_flags & ~SA_RESTORER_) == own.sa_flags;
  printf("handler: %s\n", kept ? "kept" : now.sa_handler == SIG_DFL ? "default" : "another");
}

static void *fault_soon(void *arg) {
  static char stack[65536];
  const stack_t there = {.ss_sp = stack, .ss_size = sizeof stack};
  const struct timespec t = {0, 100000000};
  sigaltstack(&there, NULL);
  nanosleep(&t, NULL);
  if (!sigsetjmp(back, 1))
    *(volatile int *)48 = 1;
  return NULL;
}

static void fault_meanwhile(const char *name) {
  pthread_t t;
  sigaction(SIGSEGV, &own, NULL);
  pthread_create(&t, NULL, fault_soon, NULL);
  open_one(name, RTLD_NOW);
  pthread_join(t, NULL);
  printf("fault: %s\n", handled ? "handled" : "not as it should be");
  check_handlers(); /* SA_RESETHAND: it is gone */
}

static void end_well(int signal) { _exit(7); }

static void fork_once(void) {
  fflush(stdout);
  pid_t child = fork();
  int status;
  if (!child) {
    if (ldx_history)
      read_history();
    fflush(stdout);
    _exit(0);
  }
  waitpid(child, &status, 0);
  printf("child: %d\n", status);
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    char *word = argv[i], *value = strchr(word, '=');
    if (value)
      *value++ = '\0';
    if (!strcmp(word, "open"))
      open_one(value, RTLD_LAZY);
    else if (!strcmp(word, "now"))
      open_one(value, RTLD_NOW);
    else if (!strcmp(word, "close"))
      printf("close: %d\n", dlclose(opened));
    else if (!strcmp(word, "spaces"))
      open_space(value);
    else if (!strcmp(word, "sym"))
      look_up(value, 1);
    else if (!strcmp(word, "syms"))
      look_up("malloc", atol(value));
    else if (!strcmp(word, "late"))
      printf("late: %d\n", ldx_tool_load(value));
    else if (!strcmp(word, "history"))
      read_history();
    else if (!strcmp(word, "threads"))
      open_in_threads(value);
    else if (!strcmp(word, "handlers"))
      check_handlers();
    else if (!strcmp(word, "set-handler"))
      sigaction(SIGSEGV, &own, NULL);
    else if (!strcmp(word, "exit-handler"))
      signal(SIGSEGV, end_well);
    else if (!strcmp(word, "fault-meanwhile"))
      fault_meanwhile(value);
    else if (!strcmp(word, "fork"))
      fork_once();
    else if (!strcmp(word, "die"))
      setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}), fflush(stdout), *(volatile int *)48 = 1;
    else
      return 2;
  }
  return 0;
}
