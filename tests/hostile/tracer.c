/*
 * Runs one command after another under ptrace and says how each ended, and in whose code.
 *
 * Request, one line on stdin: fields divided by US (0x1f):
 *   loader image path, RLIMIT_AS, RLIMIT_NOFILE (0: as it is), call to fail (0: none), its errno,
 *   1 to look into crashes (blame.c; takes seconds), argv...
 * Answer: one line "KIND NUMBER WHERE OFFSET IMAGE CALL OUTLEN ERRLEN", then OUTLEN + ERRLEN bytes.
 *   KIND   exit, signal, running (used the CPU for the whole time limit), blocked (slept for the whole time limit)
 *   WHERE  loader: in the loader's image; loader-jump: the loader called or entered an address that is not code;
 *          guest: elsewhere; none: ended by itself; exec: the kernel refused the program
 *   CALL   number of the system call that was made to fail, or -1
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "trial.h"

enum { MAX_REQUEST = 16384, MAX_TEXT = 4096 };

_Noreturn void die(const char *what) {
  perror(what);
  exit(2);
}

struct injection {
  long wanted, error, seen, call;
  bool inside, failing;
};

/* Counts the system calls that the loader makes; the wanted one is skipped and its result replaced. */
static void at_system_call(pid_t child, const char *image, struct injection *injection) {
  struct user_regs_struct regs;
  if (ptrace(PTRACE_GETREGS, child, 0, &regs) != 0)
    return;
  injection->inside = !injection->inside;
  if (injection->inside) {
    if (!in_loader(child, image, regs.rip) || ++injection->seen != injection->wanted)
      return;
    injection->call = (long)regs.orig_rax;
    injection->failing = true;
    regs.orig_rax = (unsigned long long)-1;
  } else {
    if (!injection->failing)
      return;
    injection->failing = false;
    regs.rax = (unsigned long long)-injection->error;
  }
  ptrace(PTRACE_SETREGS, child, 0, &regs);
}

static void stop_hanging(pid_t child, const char *kind, const char *image, struct outcome *outcome) {
  outcome->kind = kind;
  outcome->place = sample_hang(child, image);
  kill(child, SIGKILL);
  int status;
  while (waitpid(child, &status, __WALL) == child && !WIFEXITED(status) && !WIFSIGNALED(status))
    ptrace(PTRACE_CONT, child, 0, 0);
}

static void note_end(int status, struct outcome *outcome) {
  bool exited = WIFEXITED(status);
  outcome->kind = exited ? "exit" : "signal";
  outcome->number = exited ? WEXITSTATUS(status) : WTERMSIG(status);
  if (exited)
    outcome->place = (struct place){.where = "none", .image = "-"};
}

static struct outcome follow(pid_t child, const struct request *request) {
  struct outcome outcome = {.kind = "exit", .place = {.where = "exec", .image = "-"}, .failed_call = -1};
  struct injection injection = {.wanted = request->failing_call, .error = request->failing_errno, .call = -1};
  struct watch watch = start_watch();
  bool started = false;
  for (;;) {
    int status;
    const char *kind = NULL;
    if (!wait_change(child, &watch, &status, &kind)) {
      stop_hanging(child, kind, request->image, &outcome);
      break;
    }
    if (!WIFSTOPPED(status)) {
      struct place last = outcome.place;
      note_end(status, &outcome);
      if (!started)
        outcome.place = last;
      break;
    }
    int signal = WSTOPSIG(status), deliver = 0;
    if (!started && signal == SIGTRAP) {
      started = true;
      outcome.place.where = "guest";
      prepare_child(child, request);
    } else if (signal == (SIGTRAP | 0x80)) {
      at_system_call(child, request->image, &injection);
    } else if (status >> 16 != PTRACE_EVENT_EXEC) { /* the loader may leave a static program to the kernel */
      deliver = signal;
      /* Before the stop at execve it is the kernel that gives up, half way into the new program. */
      if (is_fatal(signal) && started)
        outcome.place = locate(child, request->image);
    }
    ptrace(injection.wanted ? PTRACE_SYSCALL : PTRACE_CONT, child, 0, deliver);
  }
  outcome.failed_call = injection.call;
  return outcome;
}

/* The end of what was written, from the begin of a line on; what a loader says last is what counts. */
static size_t text_of(int fd, char *text) {
  off_t size = lseek(fd, 0, SEEK_END), skip = size > MAX_TEXT ? size - MAX_TEXT : 0;
  ssize_t length = pread(fd, text, MAX_TEXT, skip);
  if (length < 0 || ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0)
    die("output");
  char *newline = skip ? memchr(text, '\n', (size_t)length) : NULL;
  size_t cut = newline ? (size_t)(newline + 1 - text) : 0;
  memmove(text, text + cut, (size_t)length - cut);
  return (size_t)length - cut;
}

static void answer(const struct outcome *o, struct output output) {
  char out[MAX_TEXT], err[MAX_TEXT];
  size_t outlen = text_of(output.out, out), errlen = text_of(output.err, err);
  printf("%s %d %s %#lx %s %ld %zu %zu\n", o->kind, o->number, o->place.where, (unsigned long)o->place.offset,
         o->place.image[0] ? o->place.image : "-", o->failed_call, outlen, errlen);
  fwrite(out, 1, outlen, stdout);
  fwrite(err, 1, errlen, stdout);
  fflush(stdout);
}

static void try_one(const struct request *request, struct output output) {
  pid_t child = start_child(request, output);
  struct outcome outcome = follow(child, request);
  bool crash = strcmp(outcome.kind, "signal") == 0 && strncmp(outcome.place.where, "loader", 6) == 0;
  if (crash && request->examine && guest_is_to_blame(request))
    outcome.place.where = "guest";
  kill(-child, SIGKILL); /* whatever it started; it was the leader of its session */
  answer(&outcome, output);
}

static bool parse(char *line, struct request *request) {
  enum { FIXED = 6 };
  char *words[FIXED + MAX_WORDS];
  int count = 0;
  line[strcspn(line, "\n")] = 0;
  for (char *word; count < FIXED + MAX_WORDS - 1 && (word = strsep(&line, "\x1f")) != NULL;)
    words[count++] = word;
  if (count <= FIXED)
    return false;
  *request = (struct request){.image = words[0],
                              .address_space = strtoul(words[1], NULL, 0),
                              .files = strtoul(words[2], NULL, 0),
                              .failing_call = strtol(words[3], NULL, 0),
                              .failing_errno = strtol(words[4], NULL, 0),
                              .examine = words[5][0] == '1'};
  memcpy(request->argv, words + FIXED, (size_t)(count - FIXED) * sizeof *words);
  return true;
}

int main(void) {
  static char line[MAX_REQUEST];
  struct output output = {memfd_create("out", MFD_CLOEXEC), memfd_create("err", MFD_CLOEXEC)};
  struct request request;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, NULL); /* so that sigtimedwait() can wait for it */
  if (output.out < 0 || output.err < 0)
    die("memfd_create");
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (!parse(line, &request))
      die("request");
    try_one(&request, output);
  }
  return 0;
}
