/* jit-PID.dump: the format of tools/perf/Documentation/jitdump-specification.txt in the Linux sources. `perf inject
 * --jit` finds it by a mapping of the file, makes an ELF file of each function, and knows from their times which
 * function stood where when a sample was taken.
 *
 * There are no records of moves: nothing moves in these objects. A name that is bound anew names other code. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/print.h"
#include "base/sys.h"
#include "ldx/jit.h"
#include "loader/jit_perf.h"
#include "loader/stack.h"

enum { MAGIC = 0x4a695444 /* "JiTD", in the byte order of the writer */, VERSION = 1 };
enum record_id { CODE_LOAD = 0, CODE_DEBUG_INFO = 2, CODE_CLOSE = 3 };

struct header {
  uint32_t magic, version, size, machine, padding, process;
  uint64_t time, flags;
};
struct prefix {
  uint32_t id, size;
  uint64_t time;
};
struct load {
  struct prefix prefix;
  uint32_t process, thread;
  uint64_t address, code, size, index; /* then the name, and the code */
};
struct debug {
  struct prefix prefix;
  uint64_t code, entries;
};
struct debug_entry {
  uint64_t code;
  uint32_t line, column; /* then the file's name */
};

uint64_t ldx_perf_now(void) {
  struct timespec t = {0};
  LDX_SYS(SYS_clock_gettime, CLOCK_MONOTONIC, &t, 0, 0, 0, 0);
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Absolute: the program may change its folder before the file is opened again. 0, or an errno value. */
static int find_path(uint32_t process, char *path, size_t size) {
  char folder[4096] = "";
  const char *dir = ldx_getenv(&ldx_self.args, "JITDUMPDIR");
  dir = dir ? dir : "";
  long r = *dir == '/' ? 0 : sys_getcwd(folder, sizeof folder);
  if (ldx_sys_failed(r))
    return (int)-r;
  const char *between = *dir && *dir != '/' ? "/" : "";
  size_t n = ldx_format(path, size, "%s%s%s/jit-%u.dump", folder, between, dir, process);
  return n < size ? 0 : ENAMETOOLONG;
}

static bool write_header(struct ldx_jit_perf *p) {
  const struct header h = {MAGIC, VERSION, sizeof h, EM_X86_64, 0, p->process, ldx_perf_now(), 0};
  char *at = ldx_perf_file_record(&p->dump, sizeof h);
  if (!at)
    return ldx_perf_file_fail(&p->dump, ENOMEM, "cannot write names for profilers");
  memcpy(at, &h, sizeof h);
  ldx_perf_file_flush(&p->dump);
  return !p->dump.failed;
}

/* perf record notes executable mappings: so it learns of the file. Nobody runs it. */
static bool map_marker(struct ldx_jit_perf *p) {
  long at = sys_mmap(NULL, LDX_PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, p->dump.fd, 0);
  if (ldx_sys_failed(at))
    return ldx_perf_file_fail(&p->dump, (int)-at, "cannot map executable, which is how perf finds it");
  p->marker = (void *)at;
  return true;
}

bool ldx_perf_dump_open(struct ldx_jit_perf *p) {
  char path[4096];
  if (p->dump.failed || p->marker)
    return ldx_perf_file_open(&p->dump, NULL, false);
  int error = find_path(p->process, path, sizeof path);
  if (error)
    return ldx_perf_file_fail(&p->dump, error, "cannot write names for profilers");
  return ldx_perf_file_open(&p->dump, path, true) && write_header(p) && map_marker(p);
}

/* One line of a piece of code, as far as it lies in the function. */
struct row {
  uintptr_t begin, end;
  uint32_t line;
};

static struct row row_of(const struct ldx_jit_lines *l, size_t i, const struct ldx_perf_function *f) {
  const struct ldx_jit_line *at = l->at;
  size_t next = i + 1 < l->count ? at[i + 1].offset : l->size;
  struct row r = {l->code + at[i].offset, l->code + next, at[i].line};
  if (r.begin < f->at)
    r.begin = f->at;
  if (r.end > f->at + f->size)
    r.end = f->at + f->size;
  return r;
}

/* The first lines that may concern the function: its code can begin within a piece. */
static size_t first_lines(const struct ldx_perf_lines *lines, size_t count, uintptr_t at) {
  size_t low = 0, high = count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (lines[middle].code <= at)
      low = middle + 1;
    else
      high = middle;
  }
  return low ? low - 1 : 0;
}

/* Fills in what there is room for (`at` NULL: nothing); returns the size of all entries. */
static size_t put_lines(char *at, const struct ldx_perf_function *f, const struct ldx_perf_lines *lines, size_t count,
                        uint64_t *entries) {
  size_t size = 0;
  *entries = 0;
  for (size_t i = first_lines(lines, count, f->at); i < count && lines[i].code < f->at + f->size; i++) {
    const struct ldx_jit_lines *l = lines[i].lines;
    size_t name = strlen(l->file) + 1;
    for (size_t k = 0; k < l->count; k++) {
      struct row r = row_of(l, k, f);
      if (r.begin >= r.end)
        continue;
      struct debug_entry e = {r.begin, r.line, 0};
      if (at) {
        memcpy(at + size, &e, sizeof e);
        memcpy(at + size + sizeof e, l->file, name);
      }
      size += sizeof e + name;
      ++*entries;
    }
  }
  return size;
}

static void put_debug(struct ldx_jit_perf *p, const struct ldx_perf_function *f, uint64_t now,
                      const struct ldx_perf_lines *lines, size_t count) {
  uint64_t entries;
  size_t size = sizeof(struct debug) + put_lines(NULL, f, lines, count, &entries);
  char *at = entries && size <= UINT32_MAX ? ldx_perf_file_record(&p->dump, size) : NULL;
  if (!at)
    return;
  struct debug d = {{CODE_DEBUG_INFO, (uint32_t)size, now}, f->at, entries};
  memcpy(at, &d, sizeof d);
  put_lines(at + sizeof d, f, lines, count, &entries);
}

void ldx_perf_dump_load(struct ldx_jit_perf *p, const struct ldx_perf_function *f, uint64_t now,
                        const struct ldx_perf_lines *lines, size_t count) {
  size_t name = strlen(f->name) + 1, size = sizeof(struct load) + name + f->size;
  if (size > UINT32_MAX)
    return;
  if (count)
    put_debug(p, f, now, lines, count); /* has to come before the code */
  char *at = ldx_perf_file_record(&p->dump, size);
  if (!at)
    return;
  struct load l = {{CODE_LOAD, (uint32_t)size, now},
                   p->process,
                   (uint32_t)LDX_SYS(SYS_gettid, 0, 0, 0, 0, 0, 0),
                   f->at,
                   f->at,
                   f->size,
                   p->loaded++};
  memcpy(at, &l, sizeof l);
  memcpy(at + sizeof l, f->name, name);
  memcpy(at + sizeof l + name, (const void *)f->at, f->size);
}

void ldx_perf_dump_end(struct ldx_jit_perf *p) {
  if (!p->marker || !ldx_perf_dump_open(p))
    return;
  const struct prefix close = {CODE_CLOSE, sizeof close, ldx_perf_now()};
  char *at = ldx_perf_file_record(&p->dump, sizeof close);
  if (at)
    memcpy(at, &close, sizeof close);
  ldx_perf_file_flush(&p->dump);
}
