/* ldx-measure: runs commands and prints what each run cost, one line a run, for compare.py.
 *
 *   ldx-measure time ROUNDS -- COMMAND [-- COMMAND]...   INDEX STATUS WALL_NS USER_US SYS_US MINOR MAJOR
 *   ldx-measure syscalls -- COMMAND [-- COMMAND]...      INDEX STATUS TOTAL NUMBER:COUNT...
 *
 * COMMAND is FILE ARGV0 ARGS...: the file to execute and the words it gets. Commands take turns, so that
 * whatever slows the machine down slows all of them down. Their output is thrown away. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* After the libc's own headers: <linux/ptrace.h> alone has PTRACE_GET_SYSCALL_INFO's struct in older ones. */
#include <linux/ptrace.h>

enum { MAX_COMMANDS = 16, MAX_SYSCALL = 1024 };

struct command {
  char *file, **argv;
};

static void die(const char *what) {
  fprintf(stderr, "ldx-measure: %s: %s\n", what, strerror(errno));
  exit(2);
}

/* --- time --- */

static pid_t start(const struct command *command, const posix_spawn_file_actions_t *actions) {
  pid_t pid;
  errno = posix_spawn(&pid, command->file, actions, NULL, command->argv, environ);
  if (errno)
    die(command->file);
  return pid;
}

static uint64_t now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static void time_once(unsigned index, const struct command *command, const posix_spawn_file_actions_t *actions) {
  int status;
  struct rusage used;
  uint64_t begin = now();
  pid_t pid = start(command, actions);
  while (wait4(pid, &status, 0, &used) < 0)
    if (errno != EINTR)
      die("wait4");
  uint64_t wall = now() - begin;
  printf("%u %d %lu %ld %ld %ld %ld\n", index, status, (unsigned long)wall,
         used.ru_utime.tv_sec * 1000000 + used.ru_utime.tv_usec,
         used.ru_stime.tv_sec * 1000000 + used.ru_stime.tv_usec, used.ru_minflt, used.ru_majflt);
}

static void time_all(const struct command *commands, unsigned count, unsigned rounds) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  for (unsigned round = 0; round < rounds; round++)
    for (unsigned i = 0; i < count; i++) {
      unsigned index = (i + round) % count; /* each goes first in turn */
      time_once(index, &commands[index], &actions);
    }
  posix_spawn_file_actions_destroy(&actions);
}

/* --- syscalls --- */

struct tally {
  unsigned long total, by_number[MAX_SYSCALL];
};

static pid_t start_traced(const struct command *command) {
  pid_t pid = fork();
  if (pid < 0)
    die("fork");
  if (pid)
    return pid;
  int in = open("/dev/null", O_RDONLY), out = open("/dev/null", O_WRONLY);
  if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || close(in) || close(out) ||
      ptrace(PTRACE_TRACEME, 0, 0, 0) < 0 || raise(SIGSTOP))
    _exit(126);
  execve(command->file, command->argv, environ);
  _exit(127);
}

static void count_entry(pid_t pid, struct tally *tally) {
  struct ptrace_syscall_info info;
  if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) < 0 || info.op != PTRACE_SYSCALL_INFO_ENTRY)
    return;
  tally->total++;
  tally->by_number[info.entry.nr < MAX_SYSCALL ? info.entry.nr : MAX_SYSCALL - 1]++;
}

/* What a stop of a traced thread means; the signal to go on with. */
static int handle_stop(pid_t pid, int status, bool *counting, struct tally *tally) {
  int signal = WSTOPSIG(status);
  if (signal == (SIGTRAP | 0x80)) {
    if (*counting)
      count_entry(pid, tally);
    return 0;
  }
  if (status >> 16 == PTRACE_EVENT_EXEC)
    *counting = true; /* from here on it is the program, and its loader */
  bool event = status >> 16 != 0, attached = signal == SIGSTOP;
  return event || attached ? 0 : signal;
}

static void count_once(unsigned index, const struct command *command) {
  static const long follow = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                             PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
  struct tally tally = {0};
  bool counting = false;
  int status, result = 0;
  pid_t first = start_traced(command), pid;
  if (waitpid(first, &status, 0) != first || !WIFSTOPPED(status) || ptrace(PTRACE_SETOPTIONS, first, 0, follow) < 0 ||
      ptrace(PTRACE_SYSCALL, first, 0, 0) < 0)
    die("ptrace");
  while ((pid = waitpid(-1, &status, __WALL)) > 0) {
    if (!WIFSTOPPED(status)) {
      if (pid == first)
        result = status;
      continue;
    }
    int signal = handle_stop(pid, status, &counting, &tally);
    if (ptrace(PTRACE_SYSCALL, pid, 0, signal) < 0 && errno != ESRCH)
      die("ptrace");
  }
  printf("%u %d %lu", index, result, tally.total);
  for (unsigned i = 0; i < MAX_SYSCALL; i++)
    if (tally.by_number[i])
      printf(" %u:%lu", i, tally.by_number[i]);
  putchar('\n');
}

/* --- command line --- */

static unsigned parse_commands(char **words, struct command *commands) {
  unsigned count = 0;
  while (*words && !strcmp(*words, "--") && count < MAX_COMMANDS) {
    *words++ = NULL; /* ends the command before */
    if (!words[0] || !words[1])
      return 0;
    commands[count++] = (struct command){words[0], words + 1};
    while (*words && strcmp(*words, "--"))
      words++;
  }
  return *words ? 0 : count;
}

int main(int argc, char **argv) {
  struct command commands[MAX_COMMANDS];
  bool timing = argc > 2 && !strcmp(argv[1], "time"), counting = argc > 1 && !strcmp(argv[1], "syscalls");
  unsigned rounds = timing ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
  unsigned count = timing || counting ? parse_commands(argv + (timing ? 3 : 2), commands) : 0;
  if (count == 0 || rounds == 0) {
    fputs("Usage: ldx-measure time ROUNDS -- FILE ARGV0 [ARG...] [-- FILE ARGV0 [ARG...]]...\n"
          "       ldx-measure syscalls -- FILE ARGV0 [ARG...] [-- FILE ARGV0 [ARG...]]...\n",
          stderr);
    return 2;
  }
  if (timing)
    time_all(commands, count, rounds);
  for (unsigned i = 0; counting && i < count; i++)
    count_once(i, &commands[i]);
  return 0;
}
