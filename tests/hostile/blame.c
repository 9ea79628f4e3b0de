/*
 * A crash in the loader's code can be the guest's doing: a damaged constructor that returns with other registers than
 * it was called with, or a jump of the guest into the middle of the loader. So the run is repeated, first to learn
 * which system call comes last before the crash, then to watch every instruction after that call.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
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
  uint64_t start, end; /* the loader's code */
  uint64_t *functions; /* addresses where it may be entered */
  size_t function_count;
  struct frame frames[MAX_FRAMES];
  int depth;
  bool guest_misbehaved;
};

/* --- the loader's functions --------------------------------------------------------------------------------- */

static const void *map_file(const char *path, size_t *size) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &st) != 0)
    die(path);
  *size = (size_t)st.st_size;
  const void *base = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  if (base == MAP_FAILED)
    die(path);
  return base;
}

/* From .symtab, or .dynsym of a stripped loader. NOTYPE: functions in assembly. */
static void add_functions(struct stepper *s, const char *file, const Elf64_Shdr *table, uint64_t base) {
  const Elf64_Sym *symbols = (const Elf64_Sym *)(file + table->sh_offset);
  size_t count = table->sh_size / sizeof *symbols;
  uint64_t *grown = realloc(s->functions, (s->function_count + count) * sizeof *grown);
  if (grown == NULL)
    die("realloc");
  s->functions = grown;
  for (size_t i = 0; i < count; ++i) {
    int type = ELF64_ST_TYPE(symbols[i].st_info);
    if (symbols[i].st_shndx != SHN_UNDEF && (type == STT_FUNC || type == STT_NOTYPE || type == STT_GNU_IFUNC))
      s->functions[s->function_count++] = base + symbols[i].st_value;
  }
}

static void read_functions(struct stepper *s, const char *image, uint64_t base) {
  size_t size;
  const char *file = map_file(image, &size);
  const Elf64_Ehdr *header = (const Elf64_Ehdr *)file;
  const Elf64_Shdr *sections = (const Elf64_Shdr *)(file + header->e_shoff);
  for (int i = 0; i < header->e_shnum; ++i)
    if (sections[i].sh_type == SHT_SYMTAB || sections[i].sh_type == SHT_DYNSYM)
      add_functions(s, file, &sections[i], base);
  munmap((void *)file, size);
}

static bool is_function(const struct stepper *s, uint64_t address) {
  for (size_t i = 0; i < s->function_count; ++i)
    if (s->functions[i] == address)
      return true;
  return false;
}

/* Its code is one segment; its base is where the file's first byte is mapped. */
static void find_loader(struct stepper *s, const char *image) {
  struct mapping m;
  uint64_t base = 0;
  for (uint64_t at = 0; find_mapping_after(s->child, at, &m); at = m.end) {
    if (strcmp(m.path, image) != 0)
      continue;
    if (m.offset == 0)
      base = m.start;
    if (is_code(&m))
      s->start = m.start, s->end = m.end;
  }
  read_functions(s, image, base);
}

/* --- watching ----------------------------------------------------------------------------------------------- */

static bool inside(const struct stepper *s, uint64_t address) { return s->start <= address && address < s->end; }

static uint64_t peek(const struct stepper *s, uint64_t address) {
  return (uint64_t)ptrace(PTRACE_PEEKDATA, s->child, address, 0);
}

/* Could the bytes before the address be a call? Then it may be a return that began before the watch. */
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

static struct frame frame_of(const struct user_regs_struct *r, uint64_t return_address) {
  return (struct frame){return_address, r->rsp + 8, {r->rbx, r->rbp, r->r12, r->r13, r->r14, r->r15}};
}

static void leave_loader(struct stepper *s, const struct user_regs_struct *before,
                         const struct user_regs_struct *now) {
  uint64_t top = peek(s, now->rsp);
  bool returned = now->rsp > before->rsp; /* else a call, or a jump at the end of a function */
  if (!returned && inside(s, top) && s->depth < MAX_FRAMES)
    s->frames[s->depth++] = frame_of(now, top);
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

/* The lazy-binding entry of a PLT: push GOT[1], jmp *GOT[2]. A damaged slot can lead to the jump alone. */
static bool pushed_nothing(const struct stepper *s, const struct user_regs_struct *before,
                           const struct user_regs_struct *now) {
  uint64_t push = peek(s, before->rip - 6), jump = peek(s, before->rip);
  if ((push & 0xffff) != 0x35ff || (jump & 0xffff) != 0x25ff)
    return false;
  uint64_t second_word = before->rip + (uint64_t)(int32_t)(push >> 16);
  return peek(s, now->rsp) != peek(s, second_word);
}

static void enter_loader(struct stepper *s, const struct user_regs_struct *before,
                         const struct user_regs_struct *now) {
  if (returns_to_frame(s, now) || (is_function(s, now->rip) && !pushed_nothing(s, before, now)))
    return;
  bool began_before = s->depth == 0 && follows_call(s, now->rip);
  s->guest_misbehaved = !began_before;
}

/* One instruction; false at the end of the process or a fatal signal. */
static bool step(struct stepper *s, struct user_regs_struct *now) {
  int status;
  struct user_regs_struct before = *now;
  if (ptrace(PTRACE_SINGLESTEP, s->child, 0, 0) != 0 || waitpid(s->child, &status, __WALL) != s->child ||
      !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP || ptrace(PTRACE_GETREGS, s->child, 0, now) != 0)
    return false;
  if (inside(s, before.rip) && !inside(s, now->rip))
    leave_loader(s, &before, now);
  if (!inside(s, before.rip) && inside(s, now->rip))
    enter_loader(s, &before, now);
  return true;
}

/* At a bad address the guest is to blame when it was the guest that went there. */
static bool watch(struct stepper *s, const char *image) {
  struct user_regs_struct now;
  uint64_t before = 0;
  find_loader(s, image);
  if (ptrace(PTRACE_GETREGS, s->child, 0, &now) != 0)
    return false;
  for (int i = 0; i < MAX_STEPS && !s->guest_misbehaved; ++i) {
    uint64_t at = now.rip;
    if (!step(s, &now))
      break;
    before = at;
  }
  return s->guest_misbehaved || (!inside(s, now.rip) && !inside(s, before));
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
  struct stepper s = {.child = start_quietly(request)};
  if (s.child < 0)
    return false;
  while (call > 0 && next_call(s.child, &regs))
    --call;
  bool guest = watch(&s, request->image);
  end(s.child);
  free(s.functions);
  return guest;
}

bool guest_is_to_blame(const struct request *request) {
  struct calls calls = count_calls(request);
  long late = calls.last_protection > calls.last_mapping ? calls.last_protection : calls.last_mapping;
  /* Constructors run after the last protection is set, resolvers of indirect functions before. */
  return watch_after(request, late) || (late != calls.last_mapping && watch_after(request, calls.last_mapping));
}
