#include "loader/tell_process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>

#include "base/print.h"
#include "base/sys.h"
#include "loader/follow.h"
#include "loader/io.h"
#include "loader/load.h"
#include "loader/tell.h"

enum wrapped {
  FORK,
  FORK_ALONE,
  VFORK,
  CLONE,
  SPAWN,
  SPAWN_IN_PATH,
  SYSTEM,
  POPEN,
  EXECVE,
  EXECV,
  EXECVP,
  EXECVPE,
  EXECL,
  EXECLP,
  EXECLE,
  FEXECVE,
  EXECVEAT,
};
_Static_assert(EXECVEAT + 1 == LDX_PROCESS_WRAPPERS, "one wrapper a name");

typedef char *const *strings;
#define REAL(i, ...) ((long (*)(__VA_ARGS__))ldx_self.watches.process[i])

static void tell(enum ldx_event_type type, int64_t pid, const char *path) {
  if (!ldx_wants(type))
    return;
  struct ldx_event e = ldx_event_about(type, NULL);
  e.pid = (uint32_t)sys_getpid(); /* a child of vfork has its parent's memory */
  e.u.process.pid = pid;
  e.u.process.path = ldx_keep_text(path);
  ldx_tell(&e);
}

static long fail(int error) {
  if (ldx_self.watches.errno_location)
    *((int *(*)(void))ldx_self.watches.errno_location)() = error;
  return -1;
}

/* --- fork, vfork, clone ---------------------------------------------------------------------------------- */

/* The youngest child of the calling thread, where the kernel shows them; 0: not known. */
static int64_t newest_child(void) {
  char text[4096];
  long fd = sys_open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC), n;
  int64_t pid = 0, last = 0;
  while (!ldx_sys_failed(fd) && (n = sys_read((int)fd, text, sizeof text)) > 0)
    for (long i = 0; i < n; i++) {
      if (text[i] >= '0' && text[i] <= '9') {
        pid = pid * 10 + (text[i] - '0');
        continue;
      }
      last = pid;
      pid = 0;
    }
  if (!ldx_sys_failed(fd))
    sys_close((int)fd);
  return last;
}

static bool *forking(void) {
  struct ldx_thread *th = ldx_thread_self();
  return th ? &th->forking : NULL;
}

/* libc forks for daemon() and forkpty() without a call that can be wrapped. */
void ldx_tell_fork(void) {
  const bool *wrapped = forking();
  if (ldx_wants(LDX_EV_FORK) && !(wrapped && *wrapped))
    tell(LDX_EV_FORK, newest_child(), NULL);
}

static int64_t parent(void) { return LDX_SYS(SYS_getppid, 0, 0, 0, 0, 0, 0); }

void ldx_tell_child(void) {
  if (ldx_wants(LDX_EV_CHILD))
    tell(LDX_EV_CHILD, parent(), NULL);
}

/* Tools of the program's namespace say what they want when references are bound already. */
void ldx_watch_bindings(void) {
  const uint64_t events = LDX_EV_BIT(LDX_EV_FORK) | LDX_EV_BIT(LDX_EV_VFORK) | LDX_EV_BIT(LDX_EV_CLONE) |
                          LDX_EV_BIT(LDX_EV_SPAWN) | LDX_EV_BIT(LDX_EV_CHILD) | LDX_EV_BIT(LDX_EV_EXEC) |
                          LDX_EV_BIT(LDX_EV_ALLOC) | LDX_EV_BIT(LDX_EV_REALLOC) | LDX_EV_BIT(LDX_EV_FREE);
  if ((ldx_self.hooks.wanted & events) || ldx_self.options.follow || ldx_self.in_app)
    __atomic_store_n(&ldx_self.watches.binds, true, __ATOMIC_RELAXED);
}

void ldx_tell_followed(void) {
  ldx_watch_bindings();
  ldx_follow_begin();
  if (ldx_self.options.followed)
    tell(LDX_EV_CHILD, parent(), ldx_self.program_path);
}

static int fork_by(enum wrapped how, bool tells_child) {
  bool *wrapped = forking();
  if (wrapped)
    *wrapped = true;
  int pid = (int)REAL(how, void)();
  if (wrapped)
    *wrapped = false;
  if (pid > 0)
    tell(LDX_EV_FORK, pid, NULL);
  else if (!pid && tells_child)
    ldx_tell_child();
  return pid;
}

static int w_fork(void) { return fork_by(FORK, ldx_self.musl.active); }
static int w_fork_alone(void) { return fork_by(FORK_ALONE, true); }

long ldx_vforked(long r) {
  if (r > 0)
    tell(LDX_EV_VFORK, r, NULL);
  else if (!r)
    ldx_tell_child();
  return ldx_sys_failed(r) ? fail((int)-r) : r;
}

struct cloned {
  int (*run)(void *);
  void *arg;
};

static int begin_clone(void *p) {
  struct cloned c = *(struct cloned *)p;
  ldx_delete(p);
  ldx_tell_child();
  return c.run(c.arg);
}

typedef long clone_function(int (*)(void *), void *, int, void *, void *, void *, void *);

/* Arguments that the caller did not give are passed on as what stands in their place. A child with memory of its own
 * tells first; one that shares the program's is a thread, or as after vfork. */
static int w_clone(int (*run)(void *), void *stack, int flags, void *arg, void *parent_tid, void *tls,
                   void *child_tid) {
  clone_function *real = (clone_function *)ldx_self.watches.process[CLONE];
  struct cloned *c = run && !(flags & CLONE_VM) && ldx_wants(LDX_EV_CHILD) ? ldx_new(sizeof *c) : NULL;
  long pid;
  if (c) {
    *c = (struct cloned){run, arg};
    pid = real(begin_clone, stack, flags, c, parent_tid, tls, child_tid);
    ldx_delete(c);
  } else {
    pid = real(run, stack, flags, arg, parent_tid, tls, child_tid);
  }
  if ((int)pid > 0)
    tell(LDX_EV_CLONE, (int)pid, NULL);
  return (int)pid;
}

/* --- exec ------------------------------------------------------------------------------------------------ */

static long really_exec(void *arg, const char *path, strings argv, strings envp) {
  (void)arg;
  return LDX_SYS(SYS_execve, path, argv, envp, 0, 0, 0);
}

static strings environment(void) { return ldx_environment(); }

static int exec(const char *path, strings argv, strings envp) {
  const char *file = ldx_follow_exe(path);
  char image[32];
  long error;
  tell(LDX_EV_EXEC, sys_getpid(), file);
  if (ldx_program_wants(file) && !(file = ldx_program_image(file, image, &error)))
    return (int)fail((int)-error);
  return (int)fail((int)-ldx_run_followed(file, argv, envp, really_exec, NULL));
}

static int w_execve(const char *path, strings argv, strings envp) { return exec(path, argv, envp); }
static int w_execv(const char *path, strings argv) { return exec(path, argv, environment()); }

/* What is found nowhere, or is no program by itself, libc deals with. */
static int exec_in_path(const char *name, strings argv, strings envp, enum wrapped how) {
  char path[4096];
  if (ldx_find_in_path(name, path, sizeof path) && ldx_is_program(path))
    return exec(path, argv, envp);
  tell(LDX_EV_EXEC, sys_getpid(), name);
  return (int)(how == EXECVPE ? REAL(EXECVPE, const char *, strings, strings)(name, argv, envp)
                              : REAL(EXECVP, const char *, strings)(name, argv));
}

static int w_execvp(const char *name, strings argv) { return exec_in_path(name, argv, environment(), EXECVP); }
static int w_execvpe(const char *name, strings argv, strings envp) { return exec_in_path(name, argv, envp, EXECVPE); }

static size_t count_words(va_list ap) {
  size_t n = 1;
  while (va_arg(ap, char *))
    n++;
  return n;
}

/* The words of a list that ends with NULL, as a vector on the caller's stack: the process may share its memory with
 * its parent. */
#define WORDS_OF(first)                                                                                              \
  va_list ap, counted;                                                                                               \
  va_start(ap, first);                                                                                               \
  va_copy(counted, ap);                                                                                              \
  size_t count = (first) ? count_words(counted) : 0;                                                                 \
  char *argv[count + 1];                                                                                             \
  argv[0] = (char *)(first);                                                                                         \
  for (size_t i = 1; i <= count; i++)                                                                                \
    argv[i] = va_arg(ap, char *);

static int w_execl(const char *path, const char *first, ...) {
  WORDS_OF(first)
  return exec(path, argv, environment());
}

static int w_execle(const char *path, const char *first, ...) {
  WORDS_OF(first)
  return exec(path, argv, va_arg(ap, strings));
}

static int w_execlp(const char *name, const char *first, ...) {
  WORDS_OF(first)
  return exec_in_path(name, argv, environment(), EXECVP);
}

static int w_fexecve(int fd, strings argv, strings envp) {
  char path[32];
  ldx_format(path, sizeof path, "/proc/self/fd/%d", fd);
  tell(LDX_EV_EXEC, sys_getpid(), path);
  return (int)REAL(FEXECVE, int, strings, strings)(fd, argv, envp);
}

static int w_execveat(int dir, const char *path, strings argv, strings envp, int flags) {
  tell(LDX_EV_EXEC, sys_getpid(), path);
  return (int)REAL(EXECVEAT, int, const char *, strings, strings, int)(dir, path, argv, envp, flags);
}

/* --- posix_spawn, system, popen -------------------------------------------------------------------------- */

struct spawn {
  int *pid;
  const void *actions, *attributes;
  enum wrapped how;
};

static long really_spawn(void *arg, const char *path, strings argv, strings envp) {
  struct spawn *s = arg;
  return (int)REAL(s->how, int *, const char *, const void *, const void *, strings,
                   strings)(s->pid, path, s->actions, s->attributes, argv, envp);
}

static int spawn(enum wrapped how, int *pid, const char *name, const char *found, const void *actions,
                 const void *attributes, strings argv, strings envp) {
  int own;
  struct spawn s = {pid ? pid : &own, actions, attributes, how};
  int r = (int)(found ? ldx_run_followed(found, argv, envp, really_spawn, &s) : really_spawn(&s, name, argv, envp));
  if (!r)
    tell(LDX_EV_SPAWN, *s.pid, found ? found : name);
  return r;
}

static int w_posix_spawn(int *pid, const char *path, const void *actions, const void *attributes, strings argv,
                         strings envp) {
  return spawn(SPAWN, pid, path, ldx_follow_exe(path), actions, attributes, argv, envp);
}

static int w_posix_spawnp(int *pid, const char *name, const void *actions, const void *attributes, strings argv,
                          strings envp) {
  char path[4096];
  bool found = ldx_find_in_path(name, path, sizeof path) && ldx_is_program(path);
  return spawn(SPAWN_IN_PATH, pid, name, found ? path : NULL, actions, attributes, argv, envp);
}

/* libc alone knows the shell's process, and waits for it. */
static int w_system(const char *command) {
  char *followed = ldx_follow_command(command);
  if (command)
    tell(LDX_EV_SPAWN, 0, "/bin/sh");
  int r = (int)REAL(SYSTEM, const char *)(followed ? followed : command);
  ldx_delete(followed);
  return r;
}

static void *w_popen(const char *command, const char *mode) {
  char *followed = ldx_follow_command(command);
  void *file =
      ((void *(*)(const char *, const char *))ldx_self.watches.process[POPEN])(followed ? followed : command, mode);
  ldx_delete(followed);
  if (file && ldx_wants(LDX_EV_SPAWN))
    tell(LDX_EV_SPAWN, newest_child(), "/bin/sh");
  return file;
}

static const struct {
  const char *name;
  const void *function;
} wrappers[LDX_PROCESS_WRAPPERS] = {
    [FORK] = {"fork", w_fork},
    [FORK_ALONE] = {"_Fork", w_fork_alone},
    [VFORK] = {"vfork", ldx_vfork},
    [CLONE] = {"clone", w_clone},
    [SPAWN] = {"posix_spawn", w_posix_spawn},
    [SPAWN_IN_PATH] = {"posix_spawnp", w_posix_spawnp},
    [SYSTEM] = {"system", w_system},
    [POPEN] = {"popen", w_popen},
    [EXECVE] = {"execve", w_execve},
    [EXECV] = {"execv", w_execv},
    [EXECVP] = {"execvp", w_execvp},
    [EXECVPE] = {"execvpe", w_execvpe},
    [EXECL] = {"execl", w_execl},
    [EXECLP] = {"execlp", w_execlp},
    [EXECLE] = {"execle", w_execle},
    [FEXECVE] = {"fexecve", w_fexecve},
    [EXECVEAT] = {"execveat", w_execveat},
};

/* What wrappers call besides the function that they stand for. */
static void prepare(void) {
  struct ldx_watches *w = &ldx_self.watches;
  const struct ldx_object *libc = ldx_self.musl.active ? ldx_self.musl.libc : ldx_self.base.libc;
  if (!libc || w->errno_location)
    return;
  w->process[EXECVP] = ldx_address_of(libc, "execvp");
  w->errno_location = ldx_address_of(libc, "__errno_location");
}

uintptr_t ldx_process_wrapper(const char *name, uintptr_t real) {
  for (unsigned i = 0; i < LDX_PROCESS_WRAPPERS; i++)
    if (!strcmp(wrappers[i].name, name)) {
      prepare();
      __atomic_store_n(&ldx_self.watches.process[i], real, __ATOMIC_RELEASE);
      return (uintptr_t)wrappers[i].function;
    }
  return 0;
}
