/*
 * Runs one command after another under ptrace and says how each ended, and in whose code.
 *
 * Request, one line on stdin: fields divided by US (0x1f):
 *   loader image path, RLIMIT_AS, RLIMIT_NOFILE (0: as it is), call to fail (0: none), its errno, argv...
 * Answer: one line "KIND NUMBER WHERE OFFSET IMAGE CALL OUTLEN ERRLEN", then OUTLEN + ERRLEN bytes.
 *   KIND   exit, signal, running (used the CPU for the whole time limit), blocked (slept for the whole time limit)
 *   WHERE  loader: in the loader's image; loader-jump: the loader called or entered an address that is not code;
 *          guest: elsewhere; none: ended by itself; exec: the kernel refused the program
 *   CALL   number of the system call that was made to fail, or -1
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/user.h>
#include <sys/wait.h>

enum { MAX_WORDS = 32, MAX_REQUEST = 16384, MAX_TEXT = 4096, OUTPUT_LIMIT = 1 << 20, SAMPLES = 16 };

/* The time limit is CPU time, so that a busy machine makes no hangs; a sleeper is judged by the clock. */
enum { LIMIT_SECONDS = 5, LONGEST_SECONDS = 120 };

struct request {
  const char *image;
  rlim_t address_space, files;
  long failing_call, failing_errno;
  char *argv[MAX_WORDS];
};

struct place {
  const char *where;
  uint64_t offset;
  char image[64];
};

struct outcome {
  const char *kind;
  int number;
  struct place place;
  long failed_call;
};

struct output {
  int out, err;
};

struct mapping {
  uint64_t start, end, offset;
  char mode[5], path[512];
};

static _Noreturn void die(const char *what) {
  perror(what);
  exit(2);
}

/* --- the tried process -------------------------------------------------------------------------------------- */

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

/* --- where it stands ---------------------------------------------------------------------------------------- */

static bool read_mapping(FILE *maps, struct mapping *m) {
  char line[1024];
  if (fgets(line, sizeof line, maps) == NULL)
    return false;
  m->path[0] = 0;
  return sscanf(line, "%lx-%lx %4s %lx %*s %*s %511[^\n]", &m->start, &m->end, m->mode, &m->offset, m->path) >= 4;
}

static bool find_mapping(pid_t child, uint64_t address, struct mapping *found) {
  char name[64];
  snprintf(name, sizeof name, "/proc/%d/maps", child);
  FILE *maps = fopen(name, "r");
  if (maps == NULL)
    return false;
  bool hit = false;
  while (!hit && read_mapping(maps, found))
    hit = found->start <= address && address < found->end;
  fclose(maps);
  return hit;
}

static bool is_code(const struct mapping *m) { return m->mode[2] == 'x'; }

static bool in_loader(pid_t child, const char *image, uint64_t address) {
  struct mapping m;
  return find_mapping(child, address, &m) && strcmp(m.path, image) == 0;
}

static bool in_loader_code(pid_t child, const char *image, uint64_t address) {
  struct mapping m;
  return find_mapping(child, address, &m) && is_code(&m) && strcmp(m.path, image) == 0;
}

/*
 * At an address that is no code. Called by the loader: the return address lies in the loader. Entered by the loader:
 * the stack is the fresh one (argc on top) and %rdx is the loader's exit function, as the ABI of process entry says.
 */
static bool loader_went_there(pid_t child, const char *image, const struct user_regs_struct *regs) {
  errno = 0;
  uint64_t top = (uint64_t)ptrace(PTRACE_PEEKDATA, child, regs->rsp, 0);
  if (errno != 0)
    return false;
  bool entered = top > 0 && top < MAX_WORDS && in_loader(child, image, regs->rdx);
  return entered || in_loader_code(child, image, top);
}

static const char *last_part(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static struct place locate(pid_t child, const char *image) {
  struct place place = {.where = "guest", .image = "-"};
  struct user_regs_struct regs;
  struct mapping m;
  if (ptrace(PTRACE_GETREGS, child, 0, &regs) != 0)
    return place;
  place.offset = regs.rip;
  bool mapped = find_mapping(child, regs.rip, &m);
  if (mapped) {
    place.offset = regs.rip - m.start + m.offset;
    snprintf(place.image, sizeof place.image, "%.63s", m.path[0] ? last_part(m.path) : "anonymous");
  }
  if (mapped && strcmp(m.path, image) == 0)
    place.where = "loader";
  else if ((!mapped || !is_code(&m)) && loader_went_there(child, image, &regs))
    place.where = "loader-jump";
  for (char *c = place.image; *c; ++c)
    if (*c == ' ')
      *c = '_';
  return place;
}

/* --- hangs -------------------------------------------------------------------------------------------------- */

static double seconds(clockid_t clock) {
  struct timespec now;
  return clock_gettime(clock, &now) == 0 ? (double)now.tv_sec + (double)now.tv_nsec * 1e-9 : 0;
}

static double cpu_seconds(pid_t child) {
  clockid_t clock;
  return clock_getcpuclockid(child, &clock) == 0 ? seconds(clock) : 0;
}

struct watch {
  double begin, last_cpu, last_change;
};

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

/* Looks at a hanging process several times: once in the loader's code is enough to blame the loader. */
static struct place sample(pid_t child, const char *image) {
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

/* Waits for the next stop or end; false when the process hangs (then *kind says how). */
static bool wait_change(pid_t child, struct watch *watch, int *status, const char **kind) {
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

/* --- one trial ---------------------------------------------------------------------------------------------- */

static bool is_fatal(int signal) {
  switch (signal) {
  case SIGSEGV:
  case SIGBUS:
  case SIGILL:
  case SIGFPE:
  case SIGABRT:
  case SIGTRAP:
  case SIGSYS:
  case SIGXFSZ:
    return true;
  default:
    return false;
  }
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

static void lower_limit(pid_t child, int what, rlim_t value) {
  struct rlimit limit = {value, value};
  if (value != 0 && prlimit(child, what, &limit, NULL) != 0)
    die("prlimit");
}

/* The process stands after a successful execve: what is limited from here on does not hinder the kernel. */
static void prepare(pid_t child, const struct request *request) {
  ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
  lower_limit(child, RLIMIT_AS, request->address_space);
  lower_limit(child, RLIMIT_NOFILE, request->files);
}

static void stop_hanging(pid_t child, const char *kind, const char *image, struct outcome *outcome) {
  outcome->kind = kind;
  outcome->place = sample(child, image);
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
  double begin = seconds(CLOCK_MONOTONIC);
  struct watch watch = {begin, 0, begin};
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
      prepare(child, request);
    } else if (signal == (SIGTRAP | 0x80)) {
      at_system_call(child, request->image, &injection);
    } else {
      deliver = signal;
      if (is_fatal(signal))
        outcome.place = locate(child, request->image);
    }
    ptrace(injection.wanted ? PTRACE_SYSCALL : PTRACE_CONT, child, 0, deliver);
  }
  outcome.failed_call = injection.call;
  return outcome;
}

static size_t text_of(int fd, char *text) {
  ssize_t length = pread(fd, text, MAX_TEXT, 0);
  if (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0)
    die("output");
  return length < 0 ? 0 : (size_t)length;
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
  pid_t child = fork();
  if (child < 0)
    die("fork");
  if (child == 0)
    become_program(request, output);
  struct outcome outcome = follow(child, request);
  kill(-child, SIGKILL); /* whatever it started; it was the leader of its session */
  answer(&outcome, output);
}

static bool parse(char *line, struct request *request) {
  char *words[MAX_WORDS + 5];
  int count = 0;
  line[strcspn(line, "\n")] = 0;
  for (char *word; count < MAX_WORDS + 4 && (word = strsep(&line, "\x1f")) != NULL;)
    words[count++] = word;
  if (count < 6)
    return false;
  *request = (struct request){words[0],
                              strtoul(words[1], NULL, 0),
                              strtoul(words[2], NULL, 0),
                              strtol(words[3], NULL, 0),
                              strtol(words[4], NULL, 0),
                              {NULL}};
  for (int i = 5; i < count; ++i)
    request->argv[i - 5] = words[i];
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
