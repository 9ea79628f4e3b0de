/* Asks a running process what ldx knows of it, and brings tools into it. See src/loader/control.h for the other side.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "inject.h"

static const char help[] =
    "Usage: ldx-ctl PID COMMAND [ARGUMENTS]\n"
    "\n"
    "Asks a process that ldx started, or changes what tools do in it. The process goes on running; if it has no\n"
    "control thread yet (started with LDX_CTL=1 or --ctl), it is stopped for a moment to make one, which needs the\n"
    "right to trace it, and the thread goes when nobody asks for five seconds.\n"
    "\n"
    "  dump                    all of its state as JSON: objects, namespaces, threads, thread-local storage, tools\n"
    "  history [FROM]          the events kept, from number FROM on, as JSON, one a line\n"
    "  tools                   the tools in their order: name, state, file, calls, time\n"
    "  tool load PATH[,ARG...] brings a tool in: it hears of what happens from now on\n"
    "  tool disable NAME       takes away all that the tool has asked for; its code stays\n"
    "  save OBJECT FILE        writes an object made at run time, by its name or its path, as an ELF file\n"
    "  ping                    whether it answers\n"
    "\n"
    "Examples:\n"
    "  ldx-ctl $(pidof server) dump | python3 -m json.tool\n"
    "  ldx-ctl 4711 tool load ./libldx-trace.so,out=/tmp/trace.json\n"
    "  ldx-ctl 4711 save jit-code saved.so && objdump -d saved.so\n"
    "\n"
    "Exit status: 0 done, 1 refused by the process, 2 cannot be asked.\n";

static int connect_to(pid_t pid) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  int n = snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "ldx/%d", pid);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && !connect(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n)))
    return fd;
  int error = errno;
  if (fd >= 0)
    close(fd);
  errno = error;
  return -1;
}

/* Somebody else may listen under that name: the kernel knows who does. */
static bool is_process(int fd, pid_t pid) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) && peer.pid == pid;
}

/* A thread whose socket the program has closed is about to open another one. */
static int connect_soon(pid_t pid) {
  enum { TRIES = 400, PAUSE = 5000 /* microseconds */ };
  int fd = connect_to(pid);
  for (int i = 0; i < TRIES && fd < 0 && errno == ECONNREFUSED; i++) {
    usleep(PAUSE);
    fd = connect_to(pid);
  }
  return fd;
}

static int open_control(pid_t pid, const char **why) {
  int fd = connect_to(pid);
  if (fd < 0) {
    if (inject_control(pid, why))
      return -1;
    fd = connect_soon(pid);
  }
  if (fd < 0)
    *why = strerror(errno);
  else if (!is_process(fd, pid)) {
    *why = "another process answers in its name";
    close(fd);
    fd = -1;
  }
  return fd;
}

static bool send_all(int fd, const char *p, size_t n) {
  while (n) {
    ssize_t w = send(fd, p, n, MSG_NOSIGNAL);
    if (w <= 0)
      return false;
    p += w;
    n -= (size_t)w;
  }
  return true;
}

enum { NO_ANSWER = -1 };

static int print_text(FILE *in) {
  char buf[65536];
  size_t n;
  while ((n = fread(buf, 1, sizeof buf, in)))
    fwrite(buf, 1, n, stdout);
  return fflush(stdout) ? 2 : 0;
}

/* The file is opened when all of it is there. */
static int write_file(const char *path, const char *bytes, size_t size) {
  FILE *out = fopen(path, "we");
  bool ok = out && fwrite(bytes, 1, size, out) == size;
  if (out && fclose(out))
    ok = false;
  if (!ok)
    fprintf(stderr, "ldx-ctl: %s: %s\n", path, strerror(errno));
  return ok ? 0 : 2;
}

/* The first line of the answer is the number of bytes. */
static int save_bytes(FILE *in, const char *path) {
  size_t size = 0;
  char *bytes = fscanf(in, "%zu", &size) == 1 && getc(in) == '\n' ? malloc(size) : NULL;
  int status = 2;
  if (bytes && fread(bytes, 1, size, in) == size)
    status = write_file(path, bytes, size);
  else
    fprintf(stderr, "ldx-ctl: %s: the answer is cut off\n", path);
  free(bytes);
  return status;
}

/* The first line tells how it went; the rest is the answer, printed or, with a path, saved. */
static int take_answer(int fd, pid_t pid, const char *path) {
  FILE *in = fdopen(fd, "r");
  char *line = NULL;
  size_t room = 0;
  int status = NO_ANSWER;
  if (in && getline(&line, &room, in) > 0) {
    if (!strcmp(line, "ok\n")) {
      status = path ? save_bytes(in, path) : print_text(in);
    } else {
      status = 1;
      fprintf(stderr, "ldx-ctl: %d: %s", pid, strncmp(line, "error: ", 7) ? line : line + 7);
    }
  }
  free(line);
  if (in)
    fclose(in);
  return status;
}

/* The thread may go, or find its socket closed by the program, in the very moment: then nobody has read the request,
 * and it can be sent again. */
static int ask(pid_t pid, const char *line, size_t n, const char *path, const char **why) {
  int fd = open_control(pid, why);
  if (fd < 0)
    return NO_ANSWER;
  *why = "no answer";
  if (send_all(fd, line, n))
    return take_answer(fd, pid, path);
  close(fd);
  return NO_ANSWER;
}

/* path: where the answer goes; NULL: it is printed. */
static int request(pid_t pid, int argc, char **argv, const char *path) {
  char line[4096] = "";
  size_t n = 0;
  for (int i = 0; i < argc; i++) {
    int w = snprintf(line + n, sizeof line - n, "%s%s", i ? " " : "", argv[i]);
    if (strchr(argv[i], '\n') || w < 0 || (size_t)w + 2 > sizeof line - n) {
      fprintf(stderr, "ldx-ctl: request too long\n");
      return 2;
    }
    n += (size_t)w;
  }
  line[n++] = '\n';
  const char *why;
  int status = ask(pid, line, n, path, &why);
  if (status == NO_ANSWER)
    status = ask(pid, line, n, path, &why);
  if (status == NO_ANSWER)
    fprintf(stderr, "ldx-ctl: %d: %s\n", pid, why);
  return status == NO_ANSWER ? 2 : status;
}

int main(int argc, char **argv) {
  if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
    fputs(help, stdout);
    return 0;
  }
  char *end;
  long pid = argc > 2 ? strtol(argv[1], &end, 10) : 0;
  if (pid <= 0 || *end) {
    fprintf(stderr, "ldx-ctl: a process number and a command are needed; see ldx-ctl --help\n");
    return 2;
  }
  bool saves = !strcmp(argv[2], "save");
  if (saves && argc != 5) {
    fprintf(stderr, "ldx-ctl: save needs an object and a file; see ldx-ctl --help\n");
    return 2;
  }
  return request((pid_t)pid, argc - (saves ? 3 : 2), argv + 2, saves ? argv[4] : NULL);
}
