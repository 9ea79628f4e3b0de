/* When a process counts as hanging. The limit is CPU time, so that a busy machine makes no hangs; a sleeper is judged
 * by the clock. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "trial.h"

enum { LIMIT_SECONDS = 5, LONGEST_SECONDS = 120, SAMPLES = 16 };

static double seconds(clockid_t clock) {
  struct timespec now;
  return clock_gettime(clock, &now) == 0 ? (double)now.tv_sec + (double)now.tv_nsec * 1e-9 : 0;
}

static double cpu_seconds(pid_t child) {
  clockid_t clock;
  return clock_getcpuclockid(child, &clock) == 0 ? seconds(clock) : 0;
}

/* NULL while the process may go on; else what kind of hang it is. */
static const char *hang_kind(pid_t child, struct watch *watch) {
  double now = seconds(CLOCK_MONOTONIC), cpu = cpu_seconds(child);
  if (cpu > watch->last_cpu)
    watch->last_cpu = cpu, watch->last_change = now;
  if (cpu >= LIMIT_SECONDS || now - watch->begin >= LONGEST_SECONDS)
    return "running";
  if (now - watch->last_change < LIMIT_SECONDS)
    return NULL;
  char name[64], state = 'R';
  snprintf(name, sizeof name, "/proc/%d/stat", child);
  FILE *stat = fopen(name, "r");
  if (stat && fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
    state = 'R';
  if (stat)
    fclose(stat);
  return state == 'R' ? NULL : "blocked";
}

struct place sample_hang(pid_t child, const char *image) {
  struct place place = {.where = "guest", .image = "-"};
  for (int i = 0; i < SAMPLES; ++i) {
    int status;
    kill(child, SIGSTOP);
    if (waitpid(child, &status, __WALL) != child || !WIFSTOPPED(status))
      return place;
    place = locate(child, image);
    if (strcmp(place.where, "loader") == 0)
      return place;
    ptrace(PTRACE_CONT, child, 0, 0);
    usleep(2000);
  }
  return place;
}

struct watch start_watch(void) {
  double now = seconds(CLOCK_MONOTONIC);
  return (struct watch){now, 0, now};
}

bool wait_change(pid_t child, struct watch *watch, int *status, const char **kind) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  for (;;) {
    pid_t got = waitpid(child, status, WNOHANG | __WALL);
    if (got == child)
      return true;
    if (got < 0)
      die("waitpid");
    struct timespec slice = {0, 200000000};
    if (sigtimedwait(&set, NULL, &slice) < 0 && (*kind = hang_kind(child, watch)) != NULL)
      return false;
  }
}
