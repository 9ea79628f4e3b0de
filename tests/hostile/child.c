/* Starts the process that is tried. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "trial.h"

enum { OUTPUT_LIMIT = 1 << 20 };
#define MAPPING_AREA 0x7ff000000000ull
#define DISTANCE (4ull << 30)

static void set_limit(int what, rlim_t value) {
  struct rlimit limit = {value, value};
  if (setrlimit(what, &limit) != 0)
    die("setrlimit");
}

/* The same addresses every time; unreadable files are unreadable even for root; no core files, no endless output. */
static _Noreturn void become_program(const struct request *request, struct output output) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  personality(ADDR_NO_RANDOMIZE);
  prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE);
  prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH);
  set_limit(RLIMIT_CORE, 0);
  set_limit(RLIMIT_FSIZE, OUTPUT_LIMIT);
  setsid();
  int null = open("/dev/null", O_RDONLY);
  if (null < 0 || dup2(null, 0) < 0 || dup2(output.out, 1) < 0 || dup2(output.err, 2) < 0)
    _exit(125);
  for (int fd = 3; fd < 64; ++fd)
    close(fd);
  char *const *argv = request->argv;
  while (strchr(argv[0], '=') != NULL)
    putenv(*argv++);
  ptrace(PTRACE_TRACEME, 0, 0, 0);
  execv(argv[0], argv);
  dprintf(2, "exec: %s\n", strerror(errno));
  _exit(126);
}

pid_t start_child(const struct request *request, struct output output) {
  pid_t child = fork();
  if (child < 0)
    die("fork");
  if (child == 0)
    become_program(request, output);
  return child;
}

static void lower_limit(pid_t child, int what, rlim_t value) {
  struct rlimit limit = {value, value};
  if (value != 0 && prlimit(child, what, &limit, NULL) != 0)
    die("prlimit");
}

/* Makes the stopped process execute one system call, at the place where it stands. */
static void inject_call(pid_t child, long number, const uint64_t arguments[6]) {
  struct user_regs_struct before, call;
  int status;
  ptrace(PTRACE_GETREGS, child, 0, &before);
  call = before;
  call.rax = (uint64_t)number;
  call.rdi = arguments[0], call.rsi = arguments[1], call.rdx = arguments[2];
  call.r10 = arguments[3], call.r8 = arguments[4], call.r9 = arguments[5];
  long code = ptrace(PTRACE_PEEKTEXT, child, before.rip, 0);
  ptrace(PTRACE_POKETEXT, child, before.rip, (code & ~0xffffl) | 0x050f); /* syscall */
  ptrace(PTRACE_SETREGS, child, 0, &call);
  ptrace(PTRACE_SINGLESTEP, child, 0, 0);
  if (waitpid(child, &status, __WALL) != child || !WIFSTOPPED(status))
    die("system call in the child");
  ptrace(PTRACE_POKETEXT, child, before.rip, code);
  ptrace(PTRACE_SETREGS, child, 0, &before);
}

/* The kernel would map libraries right below the loader, and any pointer a little too large would point into it:
 * space in between makes the loader's code as hard to hit by accident as address randomisation does. */
static void keep_distance(pid_t child) {
  struct mapping m;
  if (find_mapping_after(child, MAPPING_AREA, &m))
    inject_call(child, SYS_mmap,
                (uint64_t[]){m.start - DISTANCE, DISTANCE, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, (uint64_t)-1, 0});
}

/* What is limited from here on does not hinder the kernel in starting the loader. */
void prepare_child(pid_t child, const struct request *request) {
  ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC);
  if (request->address_space == 0)
    keep_distance(child);
  lower_limit(child, RLIMIT_AS, request->address_space);
  lower_limit(child, RLIMIT_NOFILE, request->files);
}
