/* Signals, other stacks, jumps out of handlers. */
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static __thread int depth = 3;
static volatile sig_atomic_t count, on_other;
static sigjmp_buf back;
static char other[64 * 1024];

static void counted(int sig, siginfo_t *info, void *context) {
  (void)context;
  char here;
  count += sig == SIGUSR1 && info->si_pid == getpid() && depth == 3;
  on_other = &here >= other && &here < other + sizeof other;
}

static void fault(int sig, siginfo_t *info, void *context) {
  (void)context;
  siglongjmp(back, sig == SIGSEGV && info->si_addr == (void *)16 ? 2 : 1);
}

static void ticked(int sig) {
  (void)sig;
  Dl_info i;
  count += dladdr((void *)ticked, &i) && dlsym(RTLD_DEFAULT, "malloc");
}

int main(void) {
  struct sigaction a = {.sa_sigaction = counted, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  stack_t s = {.ss_sp = other, .ss_size = sizeof other};
  sigaltstack(&s, NULL);
  sigaction(SIGUSR1, &a, NULL);
  for (int i = 0; i < 10; i++)
    raise(SIGUSR1);
  printf("%d signals, on the other stack %d\n", count, on_other);
  a.sa_sigaction = fault;
  sigaction(SIGSEGV, &a, NULL);
  int r = sigsetjmp(back, 1);
  if (r == 0)
    *(volatile int *)16 = 1;
  printf("came back with %d\n", r);
  count = 0;
  signal(SIGALRM, ticked);
  ualarm(500, 500);
  while (count < 50)
    free(malloc(100));
  ualarm(0, 0);
  puts("ticked");
  fflush(stdout);
  abort();
}
