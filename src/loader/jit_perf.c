/* perf's map and jitdump of objects made at run time, and what valgrind must know of their code. */
#include "loader/jit_perf.h"

#include <string.h>
#include <sys/mman.h>

#include "base/print.h"
#include "base/sort.h"
#include "base/sys.h"
#include "base/valgrind.h"
#include "ldx/jit.h"
#include "loader/jit_core.h"

static uint32_t wanted(const struct ldx_jit_object *j) {
  uint32_t files = LDX_JIT_PERF_MAP | LDX_JIT_PERF_DUMP;
  return ldx_self.args.auxv.secure ? 0 : (j->flags | ldx_self.options.perf) & files;
}

/* One line of the map, in one piece: "START SIZE name", where the name is all up to the line's end. */
static void put_line(struct ldx_perf_file *f, const struct ldx_perf_function *c) {
  size_t room = strlen(c->name) + 40;
  char *at = ldx_perf_file_record(f, room);
  if (!at)
    return;
  size_t n = ldx_format(at, room, "%lx %lx %s\n", c->at, c->size, c->name);
  for (char *p = at; p < at + n - 1; p++)
    if ((unsigned char)*p < ' ')
      *p = '?';
  f->used -= room - n;
}

/* What all functions of one publish have in common. */
struct round {
  struct ldx_jit_perf *perf;
  uint32_t files;
  uint64_t now;
  struct ldx_perf_lines *lines;
  size_t line_count;
};

static void put(const struct round *r, const struct ldx_jit_object *j, unsigned char info, const char *name,
                uintptr_t at, size_t size) {
  const struct ldx_jit_region *code = &j->regions[LDX_REGION_CODE];
  unsigned type = ELF64_ST_TYPE(info);
  if ((type != STT_FUNC && type != STT_GNU_IFUNC) || at < code->at || at - code->at >= code->size)
    return;
  size_t room = code->at + code->size - at;
  size = size ? size : ldx_jit_block_size(j, at, false);
  const struct ldx_perf_function f = {name, at, size < room ? size : room};
  if (r->files & LDX_JIT_PERF_MAP)
    put_line(&r->perf->map, &f);
  if (r->files & LDX_JIT_PERF_DUMP)
    ldx_perf_dump_load(r->perf, &f, r->now, r->lines, r->line_count);
}

static bool open_map(struct ldx_jit_perf *p) {
  char path[40];
  ldx_format(path, sizeof path, "/tmp/perf-%u.map", p->process);
  return ldx_perf_file_open(&p->map, path, false);
}

static void begin(struct round *r) {
  if ((r->files & LDX_JIT_PERF_MAP) && !open_map(r->perf))
    r->files &= ~(uint32_t)LDX_JIT_PERF_MAP;
  if ((r->files & LDX_JIT_PERF_DUMP) && !ldx_perf_dump_open(r->perf))
    r->files &= ~(uint32_t)LDX_JIT_PERF_DUMP;
  r->now = ldx_perf_now();
}

static void end(const struct round *r) {
  if (r->files & LDX_JIT_PERF_MAP)
    ldx_perf_file_flush(&r->perf->map);
  if (r->files & LDX_JIT_PERF_DUMP)
    ldx_perf_file_flush(&r->perf->dump);
}

/* All that an object has: for a process that was forked. */
static void put_object(struct ldx_jit_perf *p, const struct ldx_jit_object *j) {
  struct round r = {.perf = p, .files = wanted(j)};
  const struct elf_symtab *t = &j->object->dyn.sym;
  uint32_t count = r.files ? elf_symbol_count(t) : 0;
  if (!count)
    return;
  begin(&r);
  for (uint32_t i = 1; i < count; i++)
    if (t->sym[i].st_shndx != SHN_UNDEF)
      put(&r, j, t->sym[i].st_info, elf_symbol_name(t, &t->sym[i]), j->object->map.l_addr + t->sym[i].st_value,
          t->sym[i].st_size);
  end(&r);
}

/* The files of the process. One that was forked (also by other means than libc's) begins its own, with all that it
 * got from its parent. */
static struct ldx_jit_perf *files(void) {
  struct ldx_jit_perf *p = ldx_self.perf;
  uint32_t process = (uint32_t)sys_getpid();
  if (!p && !(p = ldx_self.perf = ldx_new(sizeof *p)))
    return NULL;
  if (p->process == process)
    return p;
  bool forked = p->process;
  ldx_perf_file_drop(&p->map);
  ldx_perf_file_drop(&p->dump);
  if (p->marker)
    sys_munmap(p->marker, LDX_PAGE);
  *p = (struct ldx_jit_perf){.process = process};
  for (const struct ldx_jit_object *j = forked ? ldx_self.jits : NULL; j; j = j->next)
    put_object(p, j);
  return p;
}

static void collect_lines(struct round *r, const struct ldx_jit_batch *batch) {
  for (const struct ldx_jit_lines *l = batch->lines; l; l = l->next)
    r->line_count++;
  r->lines = r->line_count ? ldx_new(r->line_count * sizeof *r->lines) : NULL;
  r->line_count = 0;
  for (const struct ldx_jit_lines *l = r->lines ? batch->lines : NULL; l; l = l->next)
    r->lines[r->line_count++] = (struct ldx_perf_lines){l->code, l};
  ldx_sort(r->lines, r->line_count, sizeof *r->lines, offsetof(struct ldx_perf_lines, code));
}

void ldx_jit_perf_batch(struct ldx_jit_object *j, const struct ldx_jit_batch *batch) {
  struct round r = {.files = wanted(j)};
  if (!r.files || !batch->count || !(r.perf = files()))
    return;
  begin(&r);
  if (r.files & LDX_JIT_PERF_DUMP)
    collect_lines(&r, batch);
  for (size_t i = 0; i < batch->count; i++) {
    const struct ldx_jit_change *c = &batch->changes[i];
    if (c->what != LDX_JIT_REMOVED)
      put(&r, j, c->info, c->name, c->value, c->size);
  }
  end(&r);
  ldx_delete(r.lines);
}

/* perf believes the map for memory that has no file, and knows of each mapping what the kernel told it when it was
 * made. So the code's addresses are first such memory; then the file's pages are moved there, of which perf is told
 * nothing. */
void ldx_jit_perf_new(struct ldx_jit_object *j) {
  const struct ldx_jit_region *code = &j->regions[LDX_REGION_CODE];
  const int prot = PROT_READ | PROT_EXEC;
  if (!(wanted(j) & LDX_JIT_PERF_MAP))
    return;
  long view = sys_mmap(NULL, code->size, prot, MAP_PRIVATE, j->fd, (int64_t)(code->at - j->low));
  if (ldx_sys_failed(view))
    return;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  sys_mmap((void *)code->at, code->size, prot, flags, -1, 0);
  long r = LDX_SYS(SYS_mremap, view, code->size, code->size, MREMAP_MAYMOVE | MREMAP_FIXED, code->at, 0);
  if (!ldx_sys_failed(r))
    return;
  sys_mmap((void *)code->at, code->size, prot, MAP_PRIVATE | MAP_FIXED, j->fd, (int64_t)(code->at - j->low));
  sys_munmap((void *)view, code->size);
}

void ldx_jit_perf_fork(void) {
  for (struct ldx_jit_object *j = ldx_self.jits; j; j = j->next)
    ldx_jit_perf_new(j); /* its memory was mapped anew */
  if (ldx_self.perf)
    files();
}

void ldx_jit_perf_end(void) {
  if (ldx_self.perf && ldx_self.perf->process == (uint32_t)sys_getpid())
    ldx_perf_dump_end(ldx_self.perf);
}

void ldx_jit_code_changed(uintptr_t low, uintptr_t high) {
  ldx_client_request(LDX_DISCARD_TRANSLATIONS, low, high - low);
}
