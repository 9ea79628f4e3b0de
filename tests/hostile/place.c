/* In whose code a stopped process stands. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include "trial.h"

static bool read_mapping(FILE *maps, struct mapping *m) {
  char line[1024];
  if (fgets(line, sizeof line, maps) == NULL)
    return false;
  m->path[0] = 0;
  return sscanf(line, "%lx-%lx %4s %lx %*s %*s %511[^\n]", &m->start, &m->end, m->mode, &m->offset, m->path) >= 4;
}

bool find_mapping_after(pid_t child, uint64_t address, struct mapping *found) {
  char name[64];
  snprintf(name, sizeof name, "/proc/%d/maps", child);
  FILE *maps = fopen(name, "r");
  if (maps == NULL)
    return false;
  bool hit = false;
  while (!hit && read_mapping(maps, found))
    hit = address < found->end;
  fclose(maps);
  return hit;
}

bool find_mapping(pid_t child, uint64_t address, struct mapping *found) {
  return find_mapping_after(child, address, found) && found->start <= address;
}

bool is_code(const struct mapping *m) { return m->mode[2] == 'x'; }

bool in_loader(pid_t child, const char *image, uint64_t address) {
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

/* An indirect jump (ff /4, maybe with prefixes): to a non-canonical address it faults before it is done. */
static bool at_indirect_jump(pid_t child, uint64_t address) {
  errno = 0;
  uint64_t bytes = (uint64_t)ptrace(PTRACE_PEEKTEXT, child, address, 0);
  if (errno != 0)
    return false;
  while ((bytes & 0xff) == 0x3e || (bytes & 0xf0) == 0x40)
    bytes >>= 8;
  return (bytes & 0xff) == 0xff && (bytes >> 11 & 7) == 4;
}

/* The loader's fault: in its own code, or where it went although there is no code. A jump at the end of the
 * lazy-binding stub goes where the damaged symbol says, on behalf of the caller. */
static bool is_loaders_fault(pid_t child, const char *image, const struct user_regs_struct *regs) {
  struct mapping m;
  bool mapped = find_mapping(child, regs->rip, &m), own = mapped && strcmp(m.path, image) == 0;
  bool gone = own ? at_indirect_jump(child, regs->rip) : !mapped || !is_code(&m);
  return gone ? loader_went_there(child, image, regs) : own;
}

const char *last_part(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

struct place locate(pid_t child, const char *image) {
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
  if (is_loaders_fault(child, image, &regs))
    place.where = mapped && strcmp(m.path, image) == 0 ? "loader" : "loader-jump";
  for (char *c = place.image; *c; ++c)
    if (*c == ' ')
      *c = '_';
  return place;
}

bool is_fatal(int signal) {
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
