#include "loader/musl.h"

#include <errno.h>
#include <string.h>

#include "base/sys.h"
#include "loader/error.h"
#include "loader/guest.h"
#include "loader/stack.h"
#include "loader/tell_thread.h"
#include "loader/tell_library.h"

/* The last words of the static block, in every thread: the DTV's address, and a mark by which a static block of ldx's
 * is known. */
struct thread_words {
  union ldx_dtv *dtv;
  const void *mark;
};

void ldx_musl_begin(bool names_interpreter) {
  ldx_self.musl.active = true;
  if (!names_interpreter)
    ldx_self.guest_interp = LDX_MUSL_INTERP;
  ldx_self.search.musl_interp = ldx_self.guest_interp;
  ldx_self.options.bind_now = false; /* LD_BIND_NOW means nothing to it */
}

static struct ldx_object *find_libc(const struct ldx_load *l) {
  for (uint32_t i = 0; i < l->fresh.count; i++)
    if (ldx_object_has_name(l->fresh.at[i], ldx_self.guest_interp))
      return l->fresh.at[i];
  return NULL;
}

static uint64_t highest_byte(const struct ldx_tls *t) {
  uint64_t end = 0;
  for (size_t i = 1; i <= t->max_module; i++) {
    const struct ldx_object *o = t->slots->at[i].object;
    uint64_t filled = o ? t->static_size - (uint64_t)o->tls.offset + o->tls.filesz : 0;
    end = filled > end ? filled : end;
  }
  return end;
}

/* musl gives each thread one block, of a size that does not change: what comes later is dynamic. Alignment beyond a
 * word's is asked for only when some module wants it: musl has memory for a small block without one. */
static void lay_out(struct ldx_tls *t) {
  t->surplus = 0;
  ldx_tls_layout(t, 0, _Alignof(struct thread_words));
  ldx_self.musl.words = ldx_tls_reserve(t, sizeof(struct thread_words), _Alignof(struct thread_words));
  t->static_size = t->static_used = t->static_floor = ldx_align_up(t->static_used, t->static_align);
}

/* musl's list of objects has the program under its path. */
static void name_program(struct ldx_object *program) {
  char *name = ldx_strdup(&ldx_self.heap, ldx_self.program_path);
  if (!name)
    return;
  ldx_delete(program->map.l_name);
  program->map.l_name = name;
}

bool ldx_musl_place(struct ldx_load *l) {
  struct ldx_object *libc = find_libc(l);
  if (!libc || !musl_can_start(libc))
    ldx_hand_over(libc ? "its libc cannot be started by ldx" : "it does not need its libc");
  ldx_self.musl.libc = libc;
  libc->is_libc = true;
  name_program(l->root);
  libc->relro_start = libc->relro_end = 0; /* it relocates and seals itself, and runs its own functions */
  libc->init_called = libc->fini_called = true;
  lay_out(&ldx_self.tls);
  if (l->tls_added)
    ldx_tls_publish(&ldx_self.tls);
  l->tls_added = false;
  return true;
}

/* What is preloaded comes in front of the program's own dependencies. */
static struct ldx_object *dependency(const struct ldx_load *l, const struct ldx_object *o, uint32_t i) {
  uint32_t preloads = o == l->root ? l->preloads : 0;
  if (i < preloads)
    return o->searchlist.list->at[i + 1].object;
  i -= preloads;
  return i < o->needed.count ? o->needed.at[i] : NULL;
}

/* The walk of one object: `visit` is the number of its next dependency, plus one. */
static bool walk(const struct ldx_load *l, struct ldx_object_list *path, struct ldx_object_list *done) {
  while (path->count) {
    struct ldx_object *o = path->at[path->count - 1];
    struct ldx_object *d = dependency(l, o, (uint32_t)o->visit - 1);
    if (d && d->faked)
      d = o; /* nothing to construct */
    if (!d) {
      path->count--;
      if (!ldx_list_add(&ldx_self.heap, done, o))
        return false;
      continue;
    }
    o->visit++;
    if (d->visit)
      continue;
    d->visit = 1;
    if (!ldx_list_add(&ldx_self.heap, path, d))
      return false;
  }
  return true;
}

bool ldx_musl_order(struct ldx_load *l) {
  struct ldx_object_list path = {0}, done = {0};
  l->root->visit = 1;
  bool ok = ldx_list_add(&ldx_self.heap, &path, l->root) && walk(l, &path, &done);
  for (uint32_t i = 0; i < path.count; i++)
    path.at[i]->visit = 0;
  for (uint32_t i = 0; i < done.count; i++)
    done.at[i]->visit = 0;
  for (uint32_t i = 0; i < done.count / 2; i++) { /* constructors run from the end */
    struct ldx_object *o = done.at[i];
    done.at[i] = done.at[done.count - 1 - i];
    done.at[done.count - 1 - i] = o;
  }
  ldx_delete(path.at);
  ldx_retire_block(l->root->init_order.at); /* a binding elsewhere may read it */
  l->root->init_order = done;
  return ok || ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, "", "cannot allocate memory");
}

void ldx_musl_order_fini(struct ldx_object **objects, uint32_t count) {
  for (uint32_t i = 1; i < count; i++) {
    struct ldx_object *o = objects[i];
    uint32_t j = i;
    for (; j > 0 && objects[j - 1]->init_rank < o->init_rank; j--)
      objects[j] = objects[j - 1];
    objects[j] = o;
  }
}

/* What libc's own references bind to, where that is not libc itself. */
struct exports {
  struct musl_export *at;
  size_t count, room;
};

static void collect(struct exports *e, const struct elf_relas *t) {
  struct ldx_object *libc = ldx_self.musl.libc;
  for (uint64_t i = 0; i < t->count; i++) {
    struct ldx_diag d = {.heap = &ldx_self.heap};
    struct ldx_binding b;
    uint64_t index = ELF64_R_SYM(t->at[i].r_info);
    if (!index || !ldx_bind(libc, index, ldx_lookup_flags(ELF64_R_TYPE(t->at[i].r_info)), &d, &b) || !b.sym ||
        b.object == libc)
      continue;
    if (e->count == e->room && !ldx_heap_grow(&ldx_self.heap, (void **)&e->at, &e->room, sizeof *e->at, 16))
      ldx_die_text("%s: cannot allocate memory", ldx_self.program_name);
    const char *name = elf_symbol_name(&libc->dyn.sym, elf_symbol(&libc->dyn.sym, index));
    e->at[e->count++] = (struct musl_export){name, ldx_binding_address(&b)};
  }
}

static void construct(void) {
  struct ldx_object *program = ldx_self.base.program;
  ldx_tell_main_thread();
  ldx_self.entering = true;
  ldx_run_constructors(program, true);
  ldx_self.entering = false;
}

static uint64_t stack_size(void) {
  uint64_t size = 0;
  for (const struct ldx_object *o = ldx_self.base.first; o; o = o->map.l_next)
    if (o->image.stack && o->image.stack->p_memsz > size)
      size = o->image.stack->p_memsz;
  return size;
}

static struct musl_stub *new_stub(void) {
  const struct ldx_tls *t = &ldx_self.tls;
  struct exports e = {0};
  char *tls = ldx_heap_alloc_aligned(&ldx_self.heap, t->static_size, t->static_align);
  if (!tls)
    return NULL;
  collect(&e, &ldx_self.musl.libc->dyn.rela);
  collect(&e, &ldx_self.musl.libc->dyn.jmprel);
  struct thread_words *words = (struct thread_words *)(tls + t->static_size - ldx_self.musl.words);
  words->mark = tls;
  ldx_tls_copy_images(t, tls + t->static_size);
  uint64_t filled = t->static_size - ldx_self.musl.words + sizeof *words, modules = highest_byte(t);
  const struct musl_image image = {.tls = tls,
                                   .tls_size = t->static_size,
                                   .tls_filled = modules > filled ? modules : filled,
                                   .tls_align = t->static_align,
                                   .stack_size = stack_size(),
                                   .init = construct,
                                   .fini = ldx_fini_all,
                                   .exports = e.at,
                                   .export_count = (uint32_t)e.count};
  ldx_self.musl.tls = tls;
  struct musl_stub *s = musl_new_stub(&ldx_self.heap, &image);
  ldx_delete(e.at);
  return s;
}

/* libc must not load what LD_PRELOAD names once more: for as long as it starts itself the name is another. */
static void rename_preload(char from, char to) {
  for (char **e = ldx_self.args.envp; *e; e++)
    if (**e == from && !strncmp(*e + 1, "D_PRELOAD=", 10))
      **e = to;
}

static void set_auxv(uint64_t phdr, uint64_t phnum, uint64_t entry) {
  ldx_set_auxv(&ldx_self.args, AT_PHDR, phdr);
  ldx_set_auxv(&ldx_self.args, AT_PHNUM, phnum);
  ldx_set_auxv(&ldx_self.args, AT_ENTRY, entry);
}

struct ldx_handoff *ldx_musl_handoff(struct ldx_object *program) {
  struct musl_state *m = &ldx_self.musl;
  uint64_t phnum;
  m->stub = new_stub();
  if (!m->stub)
    ldx_die_text("%s: cannot allocate memory", ldx_self.program_name);
  const Elf64_Phdr *phdrs = musl_stub_phdrs(m->stub, &phnum);
  set_auxv((uint64_t)phdrs, phnum, (uint64_t)ldx_return_entry);
  ldx_set_auxv(&ldx_self.args, AT_BASE, m->libc->map.l_addr);
  rename_preload('L', '_');
  ldx_self.tls.dtv_at = -(int64_t)m->words;
  ldx_self.tls.adopts = true;
  ldx_self.handoff = (struct ldx_handoff){m->libc->entry, (uintptr_t)ldx_self.args.stack, 0};
  return &ldx_self.handoff;
}

/* Debuggers that go by libc's variable find ldx's list as well. */
static void set_debug_address(void) {
  struct ldx_object *libc = ldx_self.musl.libc;
  struct ldx_sym_request r = {.name = elf_name("_dl_debug_addr")};
  const Elf64_Sym *s = ldx_symbol_in(libc, &r);
  void **p = s ? elf_at_memory(&libc->image, s->st_value, sizeof *p, PF_W) : NULL;
  if (p)
    *p = ldx_debug_inside(&ldx_self.r_debug);
}

uintptr_t ldx_musl_started(void) {
  const struct ldx_object *program = ldx_self.base.program;
  const struct thread_words *words = (const void *)(ldx_thread_pointer() - ldx_self.musl.words);
  if (words->mark != ldx_self.musl.tls)
    ldx_die_text("%s: its libc has not put thread-local storage where it belongs", ldx_self.program_name);
  set_auxv((uint64_t)program->phdrs, program->image.phnum, program->entry);
  rename_preload('_', 'L');
  set_debug_address();
  if (ldx_wants(LDX_EV_MAIN))
    ldx_tell_object(LDX_EV_MAIN, program);
  return program->entry;
}
