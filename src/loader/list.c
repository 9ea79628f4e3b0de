/* --list and LD_TRACE_LOADED_OBJECTS: say what would be loaded, and run nothing. ldd is a script around the second,
 * and its options are environment variables: LD_VERBOSE, LD_WARN with LD_BIND_NOW, LD_DEBUG=unused. */
#include <string.h>

#include "base/print.h"
#include "base/sys.h"
#include "elf/version.h"
#include "loader/trace.h"

static bool is_guest_loader(const struct ldx_object *o) {
  return o->kind == LDX_LIBRARY && !o->faked && !strcmp(o->map.l_name, ldx_self.guest_interp);
}

static void add(struct ldx_object_list *out, struct ldx_object *o) {
  if (!ldx_list_add(&ldx_self.heap, out, o))
    ldx_die_text("%s: cannot allocate memory", ldx_self.program_name);
}

/* Who stands before the guest's loader in the program's scope. */
static const struct ldx_object *before_guest_loader(const struct ldx_object *program) {
  const struct ldx_scope_list *s = program->searchlist.list;
  for (uint32_t i = 1; s && i < s->count; i++)
    if (is_guest_loader(s->at[i].object))
      return s->at[i - 1].object;
  return NULL;
}

/* Link order; the guest's loader right behind its neighbour, as if it had been there from the start. */
static struct ldx_object_list link_order(const struct ldx_load *l) {
  struct ldx_object_list out = {0};
  struct ldx_object *guest = NULL;
  for (uint32_t i = 0; i < l->fresh.count; i++)
    if (is_guest_loader(l->fresh.at[i]))
      guest = l->fresh.at[i];
  const struct ldx_object *neighbour = guest ? before_guest_loader(l->root) : NULL;
  for (uint32_t i = 0; i < l->fresh.count; i++) {
    struct ldx_object *o = l->fresh.at[i];
    if (o->kind != LDX_LOADER && (o != guest || !neighbour))
      add(&out, o);
    if (o == neighbour)
      add(&out, guest);
  }
  return out;
}

/* The first name it was asked for by. */
static const char *asked_name(const struct ldx_object *o) {
  const struct ldx_name *n = is_guest_loader(o) ? NULL : o->names;
  while (n && n->next)
    n = n->next;
  return n ? n->text : o->map.l_name;
}

static void print_object(const struct ldx_object *o) {
  const char *asked = asked_name(o);
  if (o->faked)
    ldx_print(1, "\t%s => not found\n", o->map.l_name);
  else if (!strcmp(asked, o->map.l_name))
    ldx_print(1, "\t%s (0x%016lx)\n", asked, o->map_start);
  else
    ldx_print(1, "\t%s => %s (0x%016lx)\n", asked, o->map.l_name, o->map_start);
}

static void print_objects(const struct ldx_load *l, const struct ldx_object_list *order) {
  if (!l->root->dyn.info[DT_NEEDED]) {
    ldx_print(1, "\tstatically linked\n");
    return;
  }
  uint32_t i = 0;
  while (i < order->count &&
         order->at[i] != l->root) /* what it filters stands before the program, and is not shown */
    i++;
  for (i += !ldx_self.options.list_program; i < order->count; i++)
    print_object(order->at[i]);
}

/* Looks up what the relocations of a table refer to, and changes nothing. Tells what is missing, or collects the
 * definers in `used`. */
static void check_table(struct ldx_object *o, const struct elf_relas *t, struct ldx_object_list *used) {
  uint64_t last = UINT64_MAX;
  uint32_t last_flags = 0;
  for (uint64_t i = 0; i < t->count; i++) {
    uint32_t type = ELF64_R_TYPE(t->at[i].r_info), flags = ldx_lookup_flags(type);
    uint64_t index = ELF64_R_SYM(t->at[i].r_info);
    if (!ldx_refers_to_symbol(type) || (index == last && flags == last_flags))
      continue;
    last = index;
    last_flags = flags;
    struct ldx_diag d = {.heap = &ldx_self.heap};
    struct ldx_binding b;
    bool bound = ldx_bind(o, index, flags, &d, &b);
    if (!bound && !used)
      ldx_print(2, "%s\t(%s)\n", d.text, d.object);
    else if (b.sym && flags == LDX_SYM_COPY)
      ldx_check_copy_size(o, elf_symbol(&o->dyn.sym, index), b.sym);
    if (used && b.object && b.object != o && !ldx_list_has(used, b.object))
      add(used, b.object);
    ldx_diag_clear(&d);
  }
}

static void check_bindings(const struct ldx_load *l, struct ldx_object *o, struct ldx_object_list *used) {
  bool lazy = l->lazy && !o->dyn.bind_now;
  if (ldx_tracing(LDX_DEBUG_RELOC))
    ldx_debug("\nrelocation processing: %s%s", ldx_display_name(o), lazy ? " (lazy)" : "");
  check_table(o, &o->dyn.rela, used);
  if (!lazy)
    check_table(o, &o->dyn.jmprel, used);
}

/* ldd -d, ldd -r */
static void warn_of_undefined(const struct ldx_load *l) {
  const struct ldx_object_list *order = &l->root->init_order;
  for (uint32_t i = order->count; i-- > 0;)
    if (!is_guest_loader(order->at[i]))
      check_bindings(l, order->at[i], NULL);
}

static const struct ldx_object *named(const struct ldx_object_list *order, const char *name) {
  for (uint32_t i = 0; name && i < order->count; i++) {
    const struct ldx_object *o = order->at[i];
    if (ldx_object_has_name(o, name) || (o->soname && !strcmp(o->soname, name)))
      return o;
  }
  return NULL;
}

/* ldd -u: libraries that the program names, and takes nothing from. */
static _Noreturn void list_unused(const struct ldx_load *l, const struct ldx_object_list *order) {
  struct ldx_object_list used = {0};
  bool any = false;
  check_bindings(l, l->root, &used);
  const struct elf_dynamic *dyn = &l->root->dyn;
  for (uint32_t i = 0; i < dyn->count; i++) {
    const struct ldx_object *o =
        dyn->table[i].d_tag == DT_NEEDED ? named(order, elf_string(dyn, dyn->table[i].d_un.d_val)) : NULL;
    if (!o || ldx_list_has(&used, o))
      continue;
    ldx_print(1, "%s\t%s\n", any ? "" : "Unused direct dependencies:\n", o->map.l_name);
    any = true;
  }
  sys_exit(any);
}

static bool has_version(const struct ldx_object *o, const char *version) {
  enum elf_error e;
  struct elf_def_walk w = {0};
  struct elf_def d;
  while (elf_next_def(&o->image, &o->dyn, &w, &d, &e))
    if (!strcmp(d.name, version))
      return true;
  return false;
}

static void print_needed_versions(const struct ldx_object *o, const struct ldx_object_list *order) {
  enum elf_error e;
  struct elf_need_walk w = {0};
  struct elf_need n;
  ldx_print(1, "\t%s:\n", ldx_display_name(o));
  while (elf_next_need(&o->image, &o->dyn, &w, &n, &e)) {
    const struct ldx_object *from = named(order, n.file);
    bool found = from && !from->faked && has_version(from, n.name);
    ldx_print(1, "\t\t%s (%s) %s=> %s\n", n.file, n.name, n.weak ? "[WEAK] " : "",
              found ? from->map.l_name : "not found");
  }
}

/* ldd -v */
static void print_versions(const struct ldx_object_list *order) {
  bool any = false;
  for (uint32_t i = 0; i < order->count; i++) {
    if (!order->at[i]->dyn.info[ELF_DT_VERNEED])
      continue;
    if (!any)
      ldx_print(1, "\n\tVersion information:\n");
    any = true;
    print_needed_versions(order->at[i], order);
  }
}

/* Words behind the program's name: symbols, to be told where they are defined. */
static void find_symbols(const struct ldx_load *l) {
  for (int i = 1; i < ldx_self.args.argc; i++) {
    struct ldx_sym_request r = {
        .name = elf_name(ldx_self.args.argv[i]), .from = l->root, .flags = LDX_SYM_PLT, .tried = ldx_symbol_trace()};
    struct ldx_diag d = {.heap = &ldx_self.heap};
    if (!ldx_find_symbol(l->root->scope, &r)) {
      ldx_symbol_not_found(l->root, &r, &d);
      ldx_die(&d);
    }
    ldx_trace_binding(&r, false);
    ldx_print(1, "%s found at 0x%016lu in object at 0x%016lu\n", r.name.text, r.sym->st_value, r.object->map.l_addr);
  }
}

_Noreturn void ldx_list_objects(struct ldx_load *l) {
  const struct ldx_options *options = &ldx_self.options;
  const struct ldx_object_list order = link_order(l);
  ldx_search_settle(&ldx_self.search);
  if (options->debug & LDX_DEBUG_UNUSED)
    list_unused(l, &order);
  print_objects(l, &order);
  if (options->mode == LDX_LIST) {
    find_symbols(l);
  } else {
    if (options->list_warn)
      warn_of_undefined(l);
    if (options->list_verbose)
      print_versions(&order);
  }
  sys_exit(0);
}
