/* The functions of include/ldx/jit.h. A handle is an object's link map. */
#include <errno.h>
#include <ldx/jit.h>
#include <string.h>
#include <time.h>

#include "loader/jit_core.h"
#include "loader/tell_library.h"
#include "loader/unload.h"

/* Enters the writer lock; *error tells why the answer is NULL, and the lock was left. A resolver that publishing
 * calls has the lock as well. */
static struct ldx_jit_object *enter(const ldx_jit *jit, int *error) {
  ldx_rlock_enter(&ldx_self.lock);
  struct ldx_jit_object *j = ldx_jit_of(jit);
  *error = !j ? -EINVAL : j->frozen ? -ENOMEM : j->publishing ? -EBUSY : 0;
  if (!*error)
    return j;
  ldx_rlock_leave(&ldx_self.lock);
  return NULL;
}

static int leave(int result) {
  ldx_rlock_leave(&ldx_self.lock);
  return result;
}

/* What was replaced can be used again when nobody reads it any more. Whoever reads may wait for the lock, or for what
 * this thread does: he is not waited for for long, and not with the lock. */
static bool wait_for_readers(int *tries) {
  enum { MOST = 100 };
  const struct timespec millisecond = {0, 1000000};
  const struct ldx_thread *self = ldx_thread_self();
  if (++*tries > MOST || (self && self->reader_epoch) || ldx_epoch_oldest() == UINT64_MAX)
    return false;
  LDX_SYS(SYS_nanosleep, &millisecond, NULL, 0, 0, 0, 0);
  return true;
}

static bool is_in(const struct ldx_jit_object *j, enum ldx_jit_region_kind kind, uintptr_t at, size_t size) {
  const struct ldx_jit_region *r = &j->regions[kind];
  return at - r->at < r->size && size <= r->size - (at - r->at);
}

/* --- objects --------------------------------------------------------------------------------------------- */

static uint64_t or_usual(uint64_t value, uint64_t usual) { return value ? value : usual; }

int ldx_jit_new(const char *name, uint32_t flags, const struct ldx_jit_limits *limits, ldx_jit **out) {
  const uint32_t known = LDX_JIT_GLOBAL | LDX_JIT_PERF_MAP | LDX_JIT_PERF_DUMP | LDX_JIT_QUIET;
  struct ldx_jit_limits l = {0};
  struct ldx_jit_object *j;
  if (!name || !*name || !out || (flags & ~known) || (limits && limits->size < sizeof l.size))
    return -EINVAL;
  if (limits)
    memcpy(&l, limits, limits->size < sizeof l ? limits->size : sizeof l);
  const struct ldx_jit_plan p = {.name = name,
                                 .flags = flags,
                                 .symbols = (uint32_t)or_usual(l.symbols, 262144),
                                 .code = or_usual(l.code, 32 << 20),
                                 .data = or_usual(l.data, 16 << 20),
                                 .rodata = or_usual(l.rodata, 8 << 20)};
  int r = ldx_jit_create(&p, __builtin_return_address(0), &j);
  if (!r)
    *out = (ldx_jit *)j->object;
  return r;
}

int ldx_jit_delete(ldx_jit *jit) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  ldx_rlock_enter(&ldx_self.lock);
  struct ldx_jit_object *j = ldx_jit_of(jit);
  if (!j)
    return leave(-EINVAL);
  if (ldx_wants(LDX_EV_DLCLOSE))
    ldx_tell_object(LDX_EV_DLCLOSE, j->object);
  bool ok = ldx_close_object(j->object, &d);
  ldx_diag_clear(&d);
  return leave(ok ? 0 : -EBUSY);
}

/* --- memory ---------------------------------------------------------------------------------------------- */

void *ldx_jit_alloc(ldx_jit *jit, size_t size, size_t align, enum ldx_jit_kind kind) {
  int error;
  if (!ldx_is_pow2(align) || align > LDX_PAGE || (unsigned)kind > LDX_JIT_CODE)
    return NULL;
  struct ldx_jit_object *j = enter(jit, &error);
  if (!j)
    return NULL;
  static const uint8_t regions[] = {
      [LDX_JIT_RODATA] = LDX_REGION_RODATA, [LDX_JIT_DATA] = LDX_REGION_DATA, [LDX_JIT_CODE] = LDX_REGION_CODE};
  void *p = ldx_jit_block_new(j, regions[kind], size, align, false);
  leave(0);
  return p;
}

void *ldx_jit_writable(ldx_jit *jit, const void *addr) {
  int error;
  struct ldx_jit_object *j = enter(jit, &error);
  uintptr_t at = (uintptr_t)addr;
  void *to = NULL;
  if (!j)
    return NULL;
  if (is_in(j, LDX_REGION_CODE, at, 1) || is_in(j, LDX_REGION_RODATA, at, 1) || is_in(j, LDX_REGION_DATA, at, 1))
    to = ldx_jit_alias(j, at);
  leave(0);
  return to;
}

static int free_block(struct ldx_jit_object *j, uintptr_t at) {
  size_t size = ldx_jit_block_size(j, at, false);
  if (!size)
    return -EINVAL;
  if (ldx_jit_address_uses(j, at, at + size) || ldx_jit_stage_uses(j, at, at + size))
    return -EBUSY;
  if (is_in(j, LDX_REGION_CODE, at, size)) {
    ldx_jit_unwind_drop(j, at, at + size);
    ldx_jit_show_freed(j, at, at + size);
    ldx_jit_drop_lines(&j->lines, at, at + size);
    ldx_jit_jumps_drop(j, at, at + size);
  }
  ldx_jit_block_free(j, at);
  if (is_in(j, LDX_REGION_CODE, at, size))
    ldx_jit_code_changed(at, at + size);
  return 0;
}

int ldx_jit_free(ldx_jit *jit, void *addr) {
  int error;
  struct ldx_jit_object *j = enter(jit, &error);
  return j ? leave(free_block(j, (uintptr_t)addr)) : error;
}

/* --- symbols --------------------------------------------------------------------------------------------- */

static bool is_valid(const struct ldx_jit_object *j, const struct ldx_jit_symbol *s) {
  if (!s->name || !*s->name || (s->version && !*s->version) || (s->flags & ~(LDX_JIT_WEAK | LDX_JIT_FOLLOWS)))
    return false;
  if ((s->flags & LDX_JIT_FOLLOWS) && s->type != STT_FUNC)
    return false;
  if (s->type == STT_GNU_IFUNC) /* the resolver is called by ldx */
    return is_in(j, LDX_REGION_CODE, (uintptr_t)s->addr, 1);
  return s->type == STT_FUNC || s->type == STT_OBJECT || s->type == STT_NOTYPE;
}

int ldx_jit_bind(ldx_jit *jit, const struct ldx_jit_symbol *symbol) {
  int r, tries = 0;
  if (!symbol || symbol->size < sizeof *symbol)
    return -EINVAL;
  do {
    struct ldx_jit_object *j = enter(jit, &r);
    if (j)
      r = leave(is_valid(j, symbol) ? ldx_jit_stage_bind(j, symbol) : -EINVAL);
  } while (r == -ENOMEM && wait_for_readers(&tries));
  return r;
}

int ldx_jit_unbind(ldx_jit *jit, const char *name, const char *version) {
  int error;
  if (!name)
    return -EINVAL;
  struct ldx_jit_object *j = enter(jit, &error);
  return j ? leave(ldx_jit_stage_unbind(j, name, version)) : error;
}

/* --- frames, lines, debug information -------------------------------------------------------------------- */

int ldx_jit_frames(ldx_jit *jit, const void *frames, size_t size, const void *where) {
  int error;
  if (!frames)
    return -EINVAL;
  struct ldx_jit_object *j = enter(jit, &error);
  return j ? leave(ldx_jit_unwind_stage(j, frames, size, (uintptr_t)(where ? where : frames))) : error;
}

int ldx_jit_frame(ldx_jit *jit, const void *code, size_t size, enum ldx_jit_frame kind) {
  int error;
  if ((unsigned)kind > LDX_JIT_FRAME_POINTER || !size)
    return -EINVAL;
  struct ldx_jit_object *j = enter(jit, &error);
  if (!j)
    return error;
  bool ok = is_in(j, LDX_REGION_CODE, (uintptr_t)code, size);
  return leave(ok ? ldx_jit_unwind_stage_simple(j, (uintptr_t)code, size, kind) : -EINVAL);
}

static bool ascend(const struct ldx_jit_line *lines, size_t count, size_t size) {
  for (size_t i = 0; i < count; i++)
    if (lines[i].offset >= size || (i && lines[i].offset < lines[i - 1].offset))
      return false;
  return true;
}

/* One block: what is known of them, the lines, the name of the file. */
static int stage_lines(struct ldx_jit_object *j, uintptr_t code, size_t size, const char *file,
                       const struct ldx_jit_line *lines, size_t count) {
  size_t bytes = count * sizeof *lines, name = strlen(file) + 1;
  if (!is_in(j, LDX_REGION_CODE, code, size) || !ascend(lines, count, size))
    return -EINVAL;
  struct ldx_jit_lines *l = ldx_new(sizeof *l + bytes + name);
  if (!l)
    return -ENOMEM;
  *l = (struct ldx_jit_lines){j->lines, code, size, count, (char *)(l + 1) + bytes, l + 1};
  memcpy(l + 1, lines, bytes);
  memcpy((char *)(l + 1) + bytes, file, name);
  j->lines = l;
  return 0;
}

int ldx_jit_lines(ldx_jit *jit, const void *code, size_t size, const char *file, const struct ldx_jit_line *lines,
                  size_t count) {
  int error;
  if (!file || !lines || !count || count > UINT32_MAX)
    return -EINVAL;
  struct ldx_jit_object *j = enter(jit, &error);
  return j ? leave(stage_lines(j, (uintptr_t)code, size, file, lines, count)) : error;
}

static int stage_file(struct ldx_jit_object *j, const void *elf, size_t size) {
  struct ldx_jit_file *f = ldx_new(sizeof *f);
  char *bytes = f ? ldx_new(size) : NULL;
  if (!bytes) {
    ldx_delete(f);
    return -ENOMEM;
  }
  *f = (struct ldx_jit_file){j->files, memcpy(bytes, elf, size), size};
  j->files = f;
  return 0;
}

/* Of whatever type: compilers give relocatable files whose sections have addresses, too. */
static bool is_elf_file(const void *bytes, size_t size) {
  const Elf64_Ehdr *eh = bytes;
  return eh && size >= sizeof *eh && !memcmp(eh->e_ident, ELFMAG, SELFMAG) && eh->e_ident[EI_CLASS] == ELFCLASS64 &&
         eh->e_ident[EI_DATA] == ELFDATA2LSB && eh->e_machine == EM_X86_64;
}

int ldx_jit_debug(ldx_jit *jit, const void *elf, size_t size) {
  int error;
  if (!is_elf_file(elf, size))
    return -EINVAL;
  struct ldx_jit_object *j = enter(jit, &error);
  return j ? leave(stage_file(j, elf, size)) : error;
}

void ldx_jit_drop_lines(struct ldx_jit_lines **list, uintptr_t low, uintptr_t high) {
  while (*list) {
    struct ldx_jit_lines *l = *list;
    if (l->code >= high || l->code + l->size <= low) {
      list = &l->next;
      continue;
    }
    *list = l->next;
    ldx_delete(l);
  }
}

void ldx_jit_drop_files(struct ldx_jit_file **list) {
  while (*list) {
    struct ldx_jit_file *f = *list;
    *list = f->next;
    ldx_delete(f->bytes);
    ldx_delete(f);
  }
}

/* --- publishing ------------------------------------------------------------------------------------------ */

/* Resolvers are called. One that closes the object does so when all is done. */
static void show_staged(struct ldx_jit_object *j) {
  j->publishing = true;
  j->object->opens++;
  ldx_jit_stage_show(j);
  j->publishing = false;
}

static void end_showing(struct ldx_jit_object *j) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  if (j->object->opens > 1)
    j->object->opens--;
  else
    ldx_close_object(j->object, &d);
  ldx_diag_clear(&d);
}

/* Whoever finds a function can unwind through it. */
static int publish(struct ldx_jit_object *j, bool *changed) {
  struct ldx_jit_batch batch = {.lines = j->lines, .files = j->files};
  *changed = false;
  ldx_jit_symbols_settle(j);
  int r = ldx_jit_unwind_reserve(j);
  if (!r && !ldx_jit_stage_reserve(j))
    r = -ENOMEM;
  if (r)
    return r;
  ldx_jit_stage_prepare(j);
  ldx_jit_unwind_publish(j);
  show_staged(j);
  j->lines = NULL;
  j->files = NULL;
  ldx_jit_stage_tell(j, &batch);
  *changed = batch.count;
  ldx_jit_show_batch(j, &batch);
  ldx_jit_stage_end(j);
  ldx_jit_symbols_settle(j);
  end_showing(j);
  ldx_reclaim();
  return 0;
}

/* Tools hear of it when the lock is free; the object stays meanwhile. */
static int leave_and_tell(const struct ldx_object *o) {
  struct ldx_reader reader = ldx_reader_enter();
  leave(0);
  ldx_tell_object(LDX_EV_SYMBOLS, o);
  ldx_reader_leave(reader);
  return 0;
}

int ldx_jit_publish(ldx_jit *jit) {
  int r, tries = 0;
  do {
    struct ldx_jit_object *j = enter(jit, &r);
    bool changed;
    if (!j)
      return r;
    r = publish(j, &changed);
    if (changed && ldx_wants(LDX_EV_SYMBOLS))
      return leave_and_tell(j->object);
    leave(r);
  } while (r == -ENOMEM && wait_for_readers(&tries));
  return r;
}

int ldx_jit_discard(ldx_jit *jit) {
  int error;
  struct ldx_jit_object *j = enter(jit, &error);
  if (!j)
    return error;
  ldx_jit_unwind_discard(j);
  ldx_jit_stage_discard(j);
  ldx_jit_drop_lines(&j->lines, 0, UINTPTR_MAX);
  ldx_jit_drop_files(&j->files);
  return leave(0);
}
