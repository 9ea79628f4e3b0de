/*
 * A crash in the loader's code can be the guest's doing: a damaged constructor that returns with other registers than
 * it was called with, a damaged function pointer into the loader or into the middle of a library. So the run is
 * repeated, first to learn which system call comes last before the crash, then to watch every instruction after it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "trial.h"

enum { MAX_FRAMES = 64, MAX_STEPS = 400000, SYSCALL_STOP = SIGTRAP | 0x80 };

/* The loader called the guest from here, and these registers must be the same when it returns. */
struct frame {
  uint64_t return_address, stack, saved[6];
};

struct stepper {
  pid_t child;
  const char *image;
  char folder[512]; /* of the files under trial */
  struct mapping here;
  struct frame frames[MAX_FRAMES];
  int depth;
  bool guest_misbehaved;
};

static uint64_t peek(const struct stepper *s, uint64_t address) {
  return (uint64_t)ptrace(PTRACE_PEEKDATA, s->child, address, 0);
}

static bool within(const struct mapping *m, uint64_t address) { return m->start <= address && address < m->end; }

static bool of_loader(const struct stepper *s, const struct mapping *m) { return strcmp(m->path, s->image) == 0; }

static bool under_trial(const struct stepper *s, const struct mapping *m) {
  size_t length = strlen(s->folder);
  return strncmp(m->path, s->folder, length) == 0 && m->path[length] == '/';
}

static bool in_code_of_loader(const struct stepper *s, uint64_t address) {
  struct mapping m;
  return find_mapping(s->child, address, &m) && is_code(&m) && of_loader(s, &m);
}

/* Could the bytes before the address be a call? Then it may be a return. */
static bool follows_call(const struct stepper *s, uint64_t address) {
  uint64_t before = peek(s, address - 8); /* the last byte of a call is the highest here */
  if ((before >> 24 & 0xff) == 0xe8)
    return true;
  for (int length = 2; length <= 7; ++length) {
    uint64_t bytes = before >> (64 - 8 * length);
    if ((bytes & 0xff) == 0xff && (bytes >> 11 & 7) == 2)
      return true;
  }
  return false;
}

/* The name of the function that begins there. */
static const char *name_of(const struct stepper *s, const struct mapping *m, uint64_t address) {
  struct mapping first;
  for (uint64_t at = 0; find_mapping_after(s->child, at, &first); at = first.end)
    if (first.offset == 0 && strcmp(first.path, m->path) == 0)
      return function_at(m, first.start, address);
  return NULL;
}

/* --- from one file's code into another's -------------------------------------------------------------------- */

static struct frame frame_of(const struct user_regs_struct *r, uint64_t return_address) {
  return (struct frame){return_address, r->rsp + 8, {r->rbx, r->rbp, r->r12, r->r13, r->r14, r->r15}};
}

/* Drops the frames that the guest may have left by a longjmp. */
static bool returns_to_frame(struct stepper *s, const struct user_regs_struct *now) {
  for (int i = s->depth; i-- > 0;) {
    const struct frame *frame = &s->frames[i];
    if (frame->return_address != now->rip || frame->stack != now->rsp)
      continue;
    struct frame after = frame_of(now, now->rip);
    s->guest_misbehaved = memcmp(after.saved, frame->saved, sizeof after.saved) != 0;
    s->depth = i;
    return true;
  }
  return false;
}

enum plt { NO_PLT, GOOD_PLT, BAD_PLT };

/* The lazy-binding entry of a PLT: push GOT[1], jmp *GOT[2]. A damaged slot can lead to the jump alone. */
static enum plt through_plt(const struct stepper *s, uint64_t jump_at, uint64_t stack) {
  uint64_t push = peek(s, jump_at - 6), jump = peek(s, jump_at);
  if ((push & 0xffff) != 0x35ff || (jump & 0xffff) != 0x25ff)
    return NO_PLT;
  uint64_t second_word = jump_at + (uint64_t)(int32_t)(push >> 16);
  return peek(s, stack) == peek(s, second_word) ? GOOD_PLT : BAD_PLT;
}

/* The bases ask the loader for nothing but TLS and lazy binding; other programs may call any of its functions. */
static bool may_enter_loader(const struct stepper *s, uint64_t from, const struct mapping *source,
                             const struct mapping *target, const struct user_regs_struct *now) {
  enum plt plt = through_plt(s, from, now->rsp);
  const char *name = name_of(s, target, now->rip);
  if (plt != NO_PLT)
    return plt == GOOD_PLT && name != NULL;
  bool damaged = strcmp(last_part(source->path), "libvictim.so") == 0;
  return name != NULL && (!damaged || strstr(name, "tls") != NULL);
}

static void enter_loader(struct stepper *s, uint64_t from, const struct mapping *source, const struct mapping *target,
                         const struct user_regs_struct *now) {
  if (returns_to_frame(s, now) || may_enter_loader(s, from, source, target, now))
    return;
  bool began_before = s->depth == 0 && follows_call(s, now->rip);
  s->guest_misbehaved = !began_before;
}

/* The good files export all that is called from outside, so a call elsewhere followed a damaged symbol. */
static void enter_guest(struct stepper *s, const struct mapping *target, const struct user_regs_struct *now) {
  bool damaged = strcmp(last_part(target->path), "libvictim.so") == 0;
  if (!damaged && is_code(target) && !follows_call(s, now->rip) && name_of(s, target, now->rip) == NULL)
    s->guest_misbehaved = true;
}

static void leave_loader(struct stepper *s, const struct mapping *target, const struct user_regs_struct *before,
                         const struct user_regs_struct *now) {
  if (now->rsp > before->rsp)
    return; /* a return */
  uint64_t top = peek(s, now->rsp);
  bool called = in_code_of_loader(s, top); /* maybe by a jump at the end of a function */
  if (called && s->depth < MAX_FRAMES)
    s->frames[s->depth++] = frame_of(now, top);
  if (!called)
    enter_guest(s, target, now); /* lazy binding has found its symbol */
}

static void cross(struct stepper *s, const struct user_regs_struct *before, const struct user_regs_struct *now) {
  struct mapping source = s->here;
  if (!find_mapping(s->child, now->rip, &s->here)) {
    s->here = (struct mapping){.path = "nowhere"};
    return;
  }
  if (strcmp(source.path, s->here.path) == 0)
    return;
  if (of_loader(s, &source))
    leave_loader(s, &s->here, before, now);
  else if (of_loader(s, &s->here))
    enter_loader(s, before->rip, &source, &s->here, now);
  else if (under_trial(s, &source))
    enter_guest(s, &s->here, now);
}

/* --- watching ----------------------------------------------------------------------------------------------- */

/* One instruction; false at the end of the process or a fatal signal. */
static bool step(struct stepper *s, struct user_regs_struct *now) {
  int status;
  struct user_regs_struct before = *now;
  if (ptrace(PTRACE_SINGLESTEP, s->child, 0, 0) != 0 || waitpid(s->child, &status, __WALL) != s->child ||
      !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP || ptrace(PTRACE_GETREGS, s->child, 0, now) != 0)
    return false;
  if (!within(&s->here, now->rip))
    cross(s, &before, now);
  return true;
}

/* At a bad address the guest is to blame when it was the guest that went there. */
static bool watch(struct stepper *s) {
  struct user_regs_struct now;
  uint64_t before = 0;
  if (getcwd(s->folder, sizeof s->folder) == NULL || ptrace(PTRACE_GETREGS, s->child, 0, &now) != 0 ||
      !find_mapping(s->child, now.rip, &s->here))
    return false;
  for (int i = 0; i < MAX_STEPS && !s->guest_misbehaved; ++i) {
    uint64_t at = now.rip;
    if (!step(s, &now))
      break;
    before = at;
  }
  return s->guest_misbehaved || (!in_code_of_loader(s, now.rip) && !in_code_of_loader(s, before));
}

/* --- the two runs ------------------------------------------------------------------------------------------- */

struct calls {
  long seen, last_mapping, last_protection;
};

/* Goes on to the next system call's begin or end; false at the end of the process or a fatal signal. */
static bool next_call(pid_t child, struct user_regs_struct *regs) {
  int status;
  return ptrace(PTRACE_SYSCALL, child, 0, 0) == 0 && waitpid(child, &status, __WALL) == child && WIFSTOPPED(status) &&
         WSTOPSIG(status) == SYSCALL_STOP && ptrace(PTRACE_GETREGS, child, 0, regs) == 0;
}

static pid_t start_quietly(const struct request *request) {
  int null = open("/dev/null", O_WRONLY | O_CLOEXEC), status;
  pid_t child = start_child(request, (struct output){null, null});
  close(null);
  if (waitpid(child, &status, __WALL) == child && WIFSTOPPED(status)) {
    prepare_child(child, request);
    return child;
  }
  return -1;
}

static void end(pid_t child) {
  int status;
  kill(child, SIGKILL);
  while (waitpid(child, &status, __WALL) == child && WIFSTOPPED(status))
    ptrace(PTRACE_CONT, child, 0, 0);
}

static struct calls count_calls(const struct request *request) {
  struct calls calls = {0, 0, 0};
  struct user_regs_struct regs;
  pid_t child = start_quietly(request);
  if (child < 0)
    return calls;
  while (next_call(child, &regs)) {
    ++calls.seen; /* begins and ends alike */
    if (regs.orig_rax == SYS_mmap)
      calls.last_mapping = calls.seen;
    if (regs.orig_rax == SYS_mprotect)
      calls.last_protection = calls.seen;
  }
  end(child);
  return calls;
}

static bool watch_after(const struct request *request, long call) {
  struct user_regs_struct regs;
  struct stepper s = {.child = start_quietly(request), .image = request->image};
  if (s.child < 0)
    return false;
  while (call > 0 && next_call(s.child, &regs))
    --call;
  bool guest = watch(&s);
  end(s.child);
  return guest;
}

bool guest_is_to_blame(const struct request *request) {
  struct calls calls = count_calls(request);
  long late = calls.last_protection > calls.last_mapping ? calls.last_protection : calls.last_mapping;
  /* Constructors run after the last protection is set, resolvers of indirect functions before. */
  return watch_after(request, late) || (late != calls.last_mapping && watch_after(request, calls.last_mapping));
}
