/* Starts the process that is tried. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/capability.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

#include "trial.h"

enum { OUTPUT_LIMIT = 1 << 20 };

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
  ptrace(PTRACE_TRACEME, 0, 0, 0);
  execv(request->argv[0], request->argv);
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

/* What is limited from here on does not hinder the kernel in starting the loader. */
void prepare_child(pid_t child, const struct request *request) {
  ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC);
  lower_limit(child, RLIMIT_AS, request->address_space);
  lower_limit(child, RLIMIT_NOFILE, request->files);
}
