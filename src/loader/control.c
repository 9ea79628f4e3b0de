#include "loader/control.h"

#include <ldx/state.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "arch/x86_64/control.h"
#include "base/print.h"
#include "base/sys.h"
#include "loader/dump.h"
#include "loader/jit_save.h"
#include "loader/tools.h"

/* The stack is as large as a program's: tools' code runs on it. */
enum { STACK = 8 << 20, LINE = 4096, PATIENCE = 5000 /* milliseconds until a guest goes again */ };
enum { ABOVE_THE_PROGRAMS = 200 /* descriptors */ };

/* Lies behind the thread's stack. */
struct control {
  uint64_t tcb[8]; /* thread control block until there is a real one */
  void *memory;
  uint64_t guard, pointer_guard; /* of the process: libc's functions compare them */
  bool stays;
  int listener;
  char *thread; /* its real control block */
};

/* An answer on its way. */
struct answer {
  int fd;
  size_t n;
  bool lost; /* nobody reads it */
  char buf[LINE];
};

static void flush(struct answer *a) {
  for (size_t done = 0; done < a->n && !a->lost;) {
    long w = LDX_SYS(SYS_sendto, a->fd, a->buf + done, a->n - done, MSG_NOSIGNAL, 0, 0);
    a->lost = w <= 0 && w != -EINTR;
    done += w > 0 ? (size_t)w : 0;
  }
  a->n = 0;
}

static void put(void *arg, const char *text, size_t n) {
  struct answer *a = arg;
  while (n && !a->lost) {
    size_t room = sizeof a->buf - a->n, part = n < room ? n : room;
    memcpy(a->buf + a->n, text, part);
    a->n += part;
    text += part;
    n -= part;
    if (a->n == sizeof a->buf)
      flush(a);
  }
}

static void say(struct answer *a, const char *text) { put(a, text, strlen(text)); }

static void fail(struct answer *a, const char *text) {
  say(a, "error: ");
  say(a, text);
  say(a, "\n");
}

static int tool_line(void *arg, const struct ldx_tool_info *t) {
  char line[LINE];
  ldx_format(line, sizeof line, "%s\t%s\t%s\tcalls %lu\t%lu ns\n", t->name, t->state ? "disabled" : "ready",
             t->path ? t->path : "", (unsigned long)t->calls, (unsigned long)t->nanoseconds);
  say(arg, line);
  return 0;
}

static void load_tool(struct answer *a, const char *spec) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  if (ldx_load_tool(spec, true, &d)) {
    say(a, "ok\n");
  } else {
    char line[LINE];
    const char *object = d.object ? d.object : "";
    ldx_format(line, sizeof line, "%s%s%s%s%s", object, *object ? ": " : "", d.text ? d.text : "",
               d.error ? ": " : "", d.error ? ldx_errno_text(d.error) : "");
    fail(a, line);
  }
  ldx_diag_clear(&d);
}

static void disable_tool(struct answer *a, const char *name) {
  const struct ldx_tool_order *o = __atomic_load_n(&ldx_self.hooks.order, __ATOMIC_ACQUIRE);
  for (uint32_t i = 0; o && i < o->count; i++)
    if (!strcmp(o->at[i]->name, name) && o->at[i]->object) {
      ldx_hooks_disable(&ldx_self.hooks, o->at[i]);
      say(a, "ok\n");
      return;
    }
  fail(a, "there is no such tool");
}

/* The number of bytes on a line, then the bytes: a file that was cut off is not taken for a whole one. */
static void save(struct answer *a, const char *name) {
  char line[32];
  size_t size;
  char *file = ldx_jit_save(name, &size);
  if (file) {
    ldx_format(line, sizeof line, "ok\n%lu\n", size);
    say(a, line);
    put(a, file, size);
  } else {
    fail(a, size ? "no memory" : "there is no such object made at run time");
  }
  ldx_delete(file);
}

static uint64_t number(const char *p) {
  uint64_t v = 0;
  for (; *p >= '0' && *p <= '9'; p++)
    v = v * 10 + (uint64_t)(*p - '0');
  return v;
}

static bool begins(const char *line, const char *word, const char **rest) {
  size_t n = strlen(word);
  *rest = line + n;
  return !strncmp(line, word, n);
}

static void reply(struct answer *a, const char *line) {
  const char *rest;
  if (!strcmp(line, "ping")) {
    say(a, "ok\n");
  } else if (!strcmp(line, "dump")) {
    say(a, "ok\n");
    ldx_dump_state(put, a);
  } else if (begins(line, "history", &rest)) {
    say(a, "ok\n");
    ldx_dump_history(number(*rest ? rest + 1 : rest), put, a);
  } else if (!strcmp(line, "tools")) {
    say(a, "ok\n");
    ldx_each_tool(tool_line, a);
  } else if (begins(line, "tool load ", &rest)) {
    load_tool(a, rest);
  } else if (begins(line, "tool disable ", &rest)) {
    disable_tool(a, rest);
  } else if (begins(line, "save ", &rest)) {
    save(a, rest);
  } else {
    fail(a, "unknown request");
  }
}

/* Only who could trace the process may ask: of a user who is not root all of it must be his (ptrace(2)). */
static bool may_ask(int fd) {
  enum { PR_GET_DUMPABLE_ = 3 };
  struct ucred peer;
  socklen_t size = sizeof peer;
  uid_t uid[3];
  gid_t gid[3];
  if (ldx_sys_failed(LDX_SYS(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &peer, &size, 0)))
    return false;
  if (peer.uid == 0)
    return true;
  if (ldx_sys_failed(LDX_SYS(SYS_getresuid, &uid[0], &uid[1], &uid[2], 0, 0, 0)) ||
      ldx_sys_failed(LDX_SYS(SYS_getresgid, &gid[0], &gid[1], &gid[2], 0, 0, 0)))
    return false;
  for (int i = 0; i < 3; i++)
    if (uid[i] != peer.uid || gid[i] != peer.gid)
      return false;
  return LDX_SYS(SYS_prctl, PR_GET_DUMPABLE_, 0, 0, 0, 0, 0) == 1;
}

static bool wait_for(int fd, int patience) {
  struct pollfd p = {fd, POLLIN, 0};
  long r;
  while ((r = LDX_SYS(SYS_poll, &p, 1, patience, 0, 0, 0)) == -EINTR)
    ;
  return r > 0;
}

static bool read_line(int fd, char *line) {
  size_t n = 0;
  while (n + 1 < LINE && wait_for(fd, PATIENCE)) {
    long r = sys_read(fd, line + n, LINE - 1 - n);
    if (r <= 0)
      return false;
    n += (size_t)r;
    char *end = memchr(line, '\n', n);
    if (end) {
      *end = '\0';
      return true;
    }
  }
  return false;
}

static void serve(int fd) {
  char line[LINE];
  struct answer a = {.fd = fd};
  bool heard = read_line(fd, line); /* also of those who may not ask: else they would not hear that */
  if (heard && !may_ask(fd))
    fail(&a, "not allowed");
  else if (heard)
    reply(&a, line);
  flush(&a);
  sys_close(fd);
}

static size_t own_name(struct sockaddr_un *a, uint32_t pid) {
  *a = (struct sockaddr_un){.sun_family = AF_UNIX};
  size_t n = ldx_format(a->sun_path + 1, sizeof a->sun_path - 1, "ldx/%u", pid);
  return offsetof(struct sockaddr_un, sun_path) + 1 + n;
}

/* A program that closes all descriptors may have something else there by now. */
static bool is_listener(int fd, uint32_t pid) {
  struct sockaddr_un own, found;
  socklen_t size = sizeof found;
  size_t n = own_name(&own, pid);
  return fd >= 0 && !LDX_SYS(SYS_getsockname, fd, &found, &size, 0, 0, 0) && size == n && !memcmp(&own, &found, n);
}

/* Out of the way of the program's own numbers. */
static long listen_here(void) {
  struct sockaddr_un a;
  size_t n = own_name(&a, (uint32_t)sys_getpid());
  long fd = LDX_SYS(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0, 0, 0);
  if (ldx_sys_failed(fd))
    return fd;
  long high = LDX_SYS(SYS_fcntl, fd, F_DUPFD_CLOEXEC, ABOVE_THE_PROGRAMS, 0, 0, 0);
  if (!ldx_sys_failed(high)) {
    sys_close((int)fd);
    fd = high;
  }
  long r = LDX_SYS(SYS_bind, fd, &a, n, 0, 0, 0);
  if (!ldx_sys_failed(r))
    r = LDX_SYS(SYS_listen, fd, 8, 0, 0, 0, 0);
  if (!ldx_sys_failed(r))
    return fd;
  sys_close((int)fd);
  return r;
}

/* What the program has closed is opened again. */
static bool can_listen(struct control *c) {
  if (is_listener(c->listener, (uint32_t)sys_getpid()))
    return true;
  long r = listen_here();
  ldx_self.control_fd = c->listener = (int)r;
  return !ldx_sys_failed(r);
}

static void serve_all(struct control *c) {
  while (can_listen(c) && wait_for(c->listener, c->stays ? -1 : PATIENCE)) {
    if (!is_listener(c->listener, (uint32_t)sys_getpid()))
      continue;
    long fd = LDX_SYS(SYS_accept4, c->listener, 0, 0, SOCK_CLOEXEC, 0, 0);
    if (fd >= 0)
      serve((int)fd);
    else if (fd != -EINTR && fd != -ECONNABORTED && fd != -EAGAIN)
      return;
  }
}

static void stop_listening(int fd, uint32_t pid) {
  if (is_listener(fd, pid))
    sys_close(fd);
}

/* Thread-local storage as a thread of libc's has it: tools' code runs here. */
static bool become_thread(struct control *c) {
  struct ldx_tls *t = &ldx_self.tls;
  void *raw;
  char *tcb = ldx_tls_new_storage(t, &raw);
  if (!tcb)
    return false;
  *(char **)(tcb + LDX_TCB_SELF) = *(char **)(tcb + LDX_TCB_SELF2) = tcb;
  memcpy(tcb + LDX_TCB_GUARD, &c->guard, 8);
  memcpy(tcb + LDX_TCB_POINTER_GUARD, &c->pointer_guard, 8);
  if (!ldx_tls_new_dtv(t, tcb, (size_t)(tcb - (char *)raw))) {
    ldx_delete(raw);
    return false;
  }
  ldx_dtv_thread(ldx_tls_dtv_of(t, tcb))->raw = raw;
  if (ldx_self.glibc.profile)
    glibc_init_own_thread(&ldx_self.glibc, tcb);
  ldx_set_thread_pointer(&ldx_self.cpu, (uintptr_t)tcb); /* tools are told of its blocks */
  if (!ldx_tls_init_thread(t, tcb)) {
    ldx_set_thread_pointer(&ldx_self.cpu, (uintptr_t)c->tcb);
    ldx_tls_free_thread(t, tcb, true);
    return false;
  }
  c->thread = tcb;
  return true;
}

static void run(void *arg) {
  struct control *c = arg;
  if (ldx_self.musl.active || become_thread(c))
    serve_all(c);
  stop_listening(c->listener, (uint32_t)sys_getpid());
  if (c->thread)
    ldx_tls_tell_gone(&ldx_self.tls, ldx_thread_self());
  ldx_set_thread_pointer(&ldx_self.cpu, (uintptr_t)c->tcb);
  if (c->thread)
    ldx_tls_free_thread(&ldx_self.tls, c->thread, true);
  __atomic_store_n(&ldx_self.controlled, 0, __ATOMIC_RELEASE);
  ldx_end_thread(c->memory, STACK);
}

/* No signal of the program's may end up here; those that single steps and sandboxes are made of are not kept out. */
static long clone_quietly(struct control *c) {
  void **entry = (void **)c - 2; /* the first words of the stack */
  const unsigned long flags =
      CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS;
  uint64_t all = ~(UINT64_C(1) << (SIGTRAP - 1) | UINT64_C(1) << (SIGSYS - 1)), before;
  entry[0] = (void *)run;
  entry[1] = c;
  LDX_SYS(SYS_rt_sigprocmask, SIG_BLOCK, &all, &before, 8, 0, 0);
  long r = ldx_clone_thread(flags, entry, c->tcb);
  LDX_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, 8, 0, 0);
  return r;
}

static long start(bool stays) {
  uint32_t pid = (uint32_t)sys_getpid();
  if (__atomic_exchange_n(&ldx_self.controlled, pid, __ATOMIC_ACQ_REL) == pid)
    return -EALREADY;
  ldx_watch_forks();
  long m = sys_mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), r = m;
  if (!ldx_sys_failed(m)) {
    sys_mprotect((void *)m, LDX_PAGE, PROT_NONE); /* where it ends */
    struct control *c = (struct control *)(m + STACK - (long)ldx_align_up(sizeof *c, 64));
    char *tp = (char *)ldx_thread_pointer();
    *c = (struct control){.memory = (void *)m, .stays = stays};
    c->tcb[0] = c->tcb[2] = (uint64_t)c->tcb;
    memcpy(&c->guard, tp + LDX_TCB_GUARD, 8);
    memcpy(&c->pointer_guard, tp + LDX_TCB_POINTER_GUARD, 8);
    r = listen_here();
    ldx_self.control_fd = c->listener = (int)r;
    if (!ldx_sys_failed(r) && ldx_sys_failed(r = clone_quietly(c)))
      sys_close(c->listener);
    if (ldx_sys_failed(r))
      sys_munmap((void *)m, STACK);
  }
  if (ldx_sys_failed(r))
    __atomic_store_n(&ldx_self.controlled, 0, __ATOMIC_RELEASE);
  return ldx_sys_failed(r) ? r : 0;
}

long ldx_control_stay(void) { return start(true); }
long ldx_control_start(void) { return start(false); }

/* The thread is not in the child, and its name is not the child's. */
void ldx_control_after_fork(void) {
  if (!ldx_self.controlled)
    return;
  stop_listening(ldx_self.control_fd, ldx_self.controlled);
  ldx_self.controlled = 0;
}
