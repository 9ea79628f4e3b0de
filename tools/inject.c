#include "inject.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

struct target {
  pid_t pid;
  int memory; /* /proc/PID/mem */
};

static bool peek(const struct target *t, uint64_t at, void *out, size_t n) {
  return pread(t->memory, out, n, (off_t)at) == (ssize_t)n;
}

/* The address of `name` in the ELF image at `base`: dynamic symbols, by the GNU hash table's chain ends. */
static uint64_t symbol_in_image(const struct target *t, uint64_t base, const char *name) {
  Elf64_Ehdr eh;
  uint64_t symtab = 0, strtab = 0, dynamic = 0, bias = base;
  if (!peek(t, base, &eh, sizeof eh) || memcmp(eh.e_ident, ELFMAG, SELFMAG) || eh.e_phentsize != sizeof(Elf64_Phdr))
    return 0;
  for (unsigned i = 0; i < eh.e_phnum; i++) {
    Elf64_Phdr ph;
    if (!peek(t, base + eh.e_phoff + i * sizeof ph, &ph, sizeof ph))
      return 0;
    if (ph.p_type == PT_LOAD && ph.p_offset == 0)
      bias = base - ph.p_vaddr;
    if (ph.p_type == PT_DYNAMIC)
      dynamic = ph.p_vaddr;
  }
  for (uint64_t at = bias + dynamic; dynamic; at += sizeof(Elf64_Dyn)) {
    Elf64_Dyn d;
    if (!peek(t, at, &d, sizeof d))
      return 0;
    if (d.d_tag == DT_NULL)
      break;
    if (d.d_tag == DT_SYMTAB)
      symtab = d.d_un.d_ptr;
    if (d.d_tag == DT_STRTAB)
      strtab = d.d_un.d_ptr;
  }
  if (!symtab || !strtab)
    return 0;
  symtab += symtab < bias ? bias : 0; /* relocated already, or not */
  strtab += strtab < bias ? bias : 0;
  for (unsigned i = 1; i < 64; i++) { /* ldx exports a handful */
    Elf64_Sym s;
    char text[64] = {0};
    if (!peek(t, symtab + i * sizeof s, &s, sizeof s) || !peek(t, strtab + s.st_name, text, sizeof text - 1))
      return 0;
    if (!strcmp(text, name) && s.st_shndx != SHN_UNDEF)
      return bias + s.st_value;
  }
  return 0;
}

/* ldx is at the base that the kernel gave the program's interpreter, or it is the program. */
static uint64_t find_control(const struct target *t) {
  char path[64];
  uint64_t found = 0;
  Elf64_auxv_t v;
  snprintf(path, sizeof path, "/proc/%d/auxv", t->pid);
  FILE *f = fopen(path, "r");
  while (f && !found && fread(&v, sizeof v, 1, f) == 1) {
    if (v.a_type == AT_BASE && v.a_un.a_val)
      found = symbol_in_image(t, v.a_un.a_val, "ldx_control");
    if (v.a_type == AT_PHDR && v.a_un.a_val)
      found = symbol_in_image(t, v.a_un.a_val & ~UINT64_C(4095), "ldx_control");
  }
  if (f)
    fclose(f);
  return found;
}

static bool wait_stop(pid_t pid, int *status) {
  while (waitpid(pid, status, __WALL) < 0)
    if (errno != EINTR)
      return false;
  return WIFSTOPPED(*status);
}

/* Vector registers and the like, as the kernel packs them. */
struct vectors {
  char bytes[16384];
  size_t size;
};

static bool get_vectors(pid_t pid, struct vectors *v) {
  struct iovec io = {v->bytes, sizeof v->bytes};
  if (ptrace(PTRACE_GETREGSET, pid, (void *)NT_X86_XSTATE, &io))
    return false;
  v->size = io.iov_len;
  return true;
}

static bool set_vectors(pid_t pid, struct vectors *v) {
  struct iovec io = {v->bytes, v->size};
  return !ptrace(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, &io);
}

/* Signals that come meanwhile wait, with all that they carry. Those of faults are seen here. */
static bool hold_signals(pid_t pid, uint64_t *before) {
  const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGSYS, SIGFPE};
  uint64_t mask = UINT64_MAX;
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
    mask &= ~(UINT64_C(1) << (faults[i] - 1));
  return !ptrace(PTRACE_GETSIGMASK, pid, (void *)sizeof *before, before) &&
         !ptrace(PTRACE_SETSIGMASK, pid, (void *)sizeof mask, &mask);
}

/* Runs the function on the stopped thread until the trap behind it. */
static const char *call(pid_t pid, uint64_t function, long *result) {
  static struct vectors vectors;
  struct user_regs_struct before, regs;
  int status;
  if (ptrace(PTRACE_GETREGS, pid, NULL, &before) || !get_vectors(pid, &vectors))
    return strerror(errno);
  uint64_t mask;
  if (!hold_signals(pid, &mask))
    return strerror(errno);
  regs = before;
  regs.rip = function;
  regs.rsp = (before.rsp - 1024) & ~UINT64_C(63); /* below the red zone */
  regs.orig_rax = (unsigned long long)-1;         /* no system call is to be restarted now */
  regs.eflags &= ~(UINT64_C(1) << 10);
  if (ptrace(PTRACE_SETREGS, pid, NULL, &regs))
    return strerror(errno);
  const char *why = NULL;
  for (;;) {
    if (ptrace(PTRACE_CONT, pid, NULL, NULL) || !wait_stop(pid, &status))
      return "the process has ended";
    int signal = WSTOPSIG(status);
    if (signal == SIGTRAP && !(status >> 16))
      break;
    if (signal == SIGSEGV || signal == SIGBUS || signal == SIGILL) {
      why = "ldx crashed while it made its control thread";
      break;
    }
  }
  if (!why && !ptrace(PTRACE_GETREGS, pid, NULL, &regs))
    *result = (long)regs.rax;
  if (!set_vectors(pid, &vectors) || ptrace(PTRACE_SETREGS, pid, NULL, &before) ||
      ptrace(PTRACE_SETSIGMASK, pid, (void *)sizeof mask, &mask))
    why = strerror(errno);
  return why;
}

static const char *inject(const struct target *t, uint64_t function) {
  int status;
  long result = 0;
  if (ptrace(PTRACE_SEIZE, t->pid, NULL, NULL))
    return strerror(errno);
  if (ptrace(PTRACE_INTERRUPT, t->pid, NULL, NULL) || !wait_stop(t->pid, &status))
    return "the process cannot be stopped";
  while (status >> 16 != PTRACE_EVENT_STOP) { /* a signal was on its way: it goes first */
    if (ptrace(PTRACE_CONT, t->pid, NULL, (void *)(long)WSTOPSIG(status)) || !wait_stop(t->pid, &status))
      return "the process has ended";
  }
  const char *why = call(t->pid, function, &result);
  ptrace(PTRACE_DETACH, t->pid, NULL, NULL);
  if (!why && result && result != -EALREADY)
    why = strerror((int)-result);
  return why;
}

int inject_control(pid_t pid, const char **why) {
  char path[64];
  struct target t = {.pid = pid};
  snprintf(path, sizeof path, "/proc/%d/mem", pid);
  t.memory = open(path, O_RDONLY | O_CLOEXEC);
  *why = NULL;
  if (t.memory < 0) {
    *why = errno == ENOENT ? "no such process" : strerror(errno);
    return -1;
  }
  uint64_t function = find_control(&t);
  *why = function ? inject(&t, function) : "not started by ldx";
  close(t.memory);
  return *why ? -1 : 0;
}
