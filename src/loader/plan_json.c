/* --plan=json and --plan=bindings. The members, in order (docs/plan.md tells more):
 *
 *   ldx "plan", schema 1, version
 *   program    {path, argv0, interpreter, namespace}
 *   starts     whether the program would start; errors: [text], the messages when it would not
 *   search     {library_path, source, cache, algorithm, hwcaps}
 *   tools      [{name, path, version, priority, state, reason}], in order; policies: [path]
 *   objects    [{id, name, path, soname, kind, build_id, file {device, inode, size, mtime}, reason, requester,
 *              requested_as, needed [id], needed_by [id], base, segments [{address, size, file_offset, flags}],
 *              tls {module, size, align, offset}, scope, init, references {eager, lazy, undefined, to {id: count}}}]
 *              in load order; id is the place in it; scope and init are places in the orders below, or null
 *   scope      [id] where references are looked up; init: [id] in the order of their constructors
 *   requests   [{name, requester, origin, namespace, object, path, reason, error, nanoseconds, steps [{kind, ...}]}]
 *   missing    [{name, requester, error}]
 *   conflicts  [{name, requester, what, tool, other, wanted, outcome}]
 *   bindings   [{from, symbol, version, relocation, offset, lazy, to, kind, value, author, wrapper}], only
 * with
 *              --plan=bindings
 *
 * Addresses are texts ("0x..."), everything else that is a number is one. What is not known is null. */
#include <string.h>

#include "arch/x86_64/reloc.h"
#include "base/print.h"
#include "base/text.h"
#include "loader/plan.h"

static void place(struct ldx_out *out, const char *key, uint32_t at) {
  ldx_json_place(out, key, at, at != UINT32_MAX);
}

/* ---- requests */

static const char *step_kind(enum ldx_step_kind kind) {
  static const char *const texts[] = {"rewrite", "deny", "conflict", "known", "list", "try", "cache", "image"};
  return (size_t)kind < LDX_COUNT(texts) ? texts[kind] : "other";
}

static void optional(struct ldx_out *out, const char *key, const char *text) {
  if (text)
    ldx_json_text(out, key, text);
}

static void put_step(struct ldx_out *out, const struct ldx_step *s) {
  ldx_json_open(out, NULL, '{');
  ldx_json_text(out, "kind", step_kind(s->kind));
  optional(out, "what", s->what);
  optional(out, "from", s->from);
  optional(out, "to", s->to);
  optional(out, "source", s->source);
  optional(out, "author", s->author);
  optional(out, "why", s->why);
  if (s->kind == LDX_STEP_TRY || s->error)
    ldx_json_number(out, "error", s->error);
  ldx_json_close(out, '}');
}

void ldx_plan_json_decision(const struct ldx_plan *p, struct ldx_out *out, const struct ldx_decision *d) {
  ldx_json_open(out, NULL, '{');
  ldx_json_text(out, "name", d->name);
  place(out, "requester", ldx_plan_place_of_id(p, d->requester));
  ldx_json_text(out, "origin", ldx_origin_text(d->origin));
  ldx_json_number(out, "namespace", d->ns);
  place(out, "object", ldx_plan_place_of_id(p, d->object));
  ldx_json_text(out, "path", d->path);
  ldx_json_text(out, "reason", d->reason);
  ldx_json_text(out, "error", d->error);
  ldx_json_number(out, "nanoseconds", (int64_t)(d->ended - d->began));
  ldx_json_open(out, "steps", '[');
  for (const struct ldx_step *s = d->first; s; s = s->next)
    put_step(out, s);
  ldx_json_close(out, ']');
  ldx_json_close(out, '}');
}

static void put_requests(const struct ldx_plan *p, struct ldx_out *out) {
  ldx_json_open(out, "requests", '[');
  for (const struct ldx_decision *d = ldx_self.journal.first; d; d = d->next)
    ldx_plan_json_decision(p, out, d);
  ldx_json_close(out, ']');
  ldx_json_open(out, "missing", '[');
  for (const struct ldx_decision *d = ldx_self.journal.first; d; d = d->next) {
    if (!d->error)
      continue;
    ldx_json_open(out, NULL, '{');
    ldx_json_text(out, "name", d->name);
    place(out, "requester", ldx_plan_place_of_id(p, d->requester));
    ldx_json_text(out, "error", d->error);
    ldx_json_close(out, '}');
  }
  ldx_json_close(out, ']');
}

static void put_conflict(const struct ldx_plan *p, struct ldx_out *out, const struct ldx_decision *d,
                         const struct ldx_step *s) {
  ldx_json_open(out, NULL, '{');
  ldx_json_text(out, "name", d->name);
  place(out, "requester", ldx_plan_place_of_id(p, d->requester));
  ldx_json_text(out, "what", s->what);
  ldx_json_text(out, "tool", s->author);
  ldx_json_text(out, "other", s->from);
  ldx_json_text(out, "wanted", s->to);
  ldx_json_text(out, "outcome", s->why);
  ldx_json_close(out, '}');
}

static void put_conflicts(const struct ldx_plan *p, struct ldx_out *out) {
  ldx_json_open(out, "conflicts", '[');
  for (const struct ldx_decision *d = ldx_self.journal.first; d; d = d->next)
    for (const struct ldx_step *s = d->first; s; s = s->next)
      if (s->kind == LDX_STEP_CONFLICT)
        put_conflict(p, out, d, s);
  ldx_json_close(out, ']');
}

/* ---- objects */

static const char *kind_text(enum ldx_object_kind kind) {
  static const char *const texts[] = {"program", "library", "loader", "vdso"};
  return texts[kind];
}

static void put_file(struct ldx_out *out, const struct ldx_planned *x) {
  if (!x->has_facts) {
    ldx_json_text(out, "file", NULL);
    return;
  }
  ldx_json_open(out, "file", '{');
  ldx_json_number(out, "device", (int64_t)x->facts.st_dev);
  ldx_json_number(out, "inode", (int64_t)x->facts.st_ino);
  ldx_json_number(out, "size", x->facts.st_size);
  ldx_json_number(out, "mtime", x->facts.st_mtim.tv_sec * INT64_C(1000000000) + x->facts.st_mtim.tv_nsec);
  ldx_json_close(out, '}');
}

static void put_flags(struct ldx_out *out, uint32_t flags) {
  const char text[] = {flags & PF_R ? 'r' : '-', flags & PF_W ? 'w' : '-', flags & PF_X ? 'x' : '-', '\0'};
  ldx_json_text(out, "flags", text);
}

static void put_segments(struct ldx_out *out, const struct ldx_object *o) {
  ldx_json_open(out, "segments", '[');
  for (uint32_t i = 0; i < o->image.segment_count; i++) {
    const struct elf_segment *s = &o->image.segments[i];
    ldx_json_open(out, NULL, '{');
    ldx_json_address(out, "address", o->map.l_addr + s->vaddr);
    ldx_json_number(out, "size", (int64_t)s->memsz);
    ldx_json_number(out, "file_offset", (int64_t)s->offset);
    put_flags(out, s->flags);
    ldx_json_close(out, '}');
  }
  ldx_json_close(out, ']');
}

/* The offset counts down from the thread pointer; 0: the block is allocated when it is used. */
static void put_tls(struct ldx_out *out, const struct ldx_tls_segment *t) {
  if (!t->modid) {
    ldx_json_text(out, "tls", NULL);
    return;
  }
  ldx_json_open(out, "tls", '{');
  ldx_json_number(out, "module", (int64_t)t->modid);
  ldx_json_number(out, "size", (int64_t)t->memsz);
  ldx_json_number(out, "align", (int64_t)t->align);
  ldx_json_number(out, "offset", t->offset > 0 ? t->offset : 0);
  ldx_json_close(out, '}');
}

static uint32_t scope_place(const struct ldx_plan *p, const struct ldx_object *o) {
  const struct ldx_scope_list *s = p->load->root->searchlist.list;
  for (uint32_t i = 0; s && i < s->count; i++)
    if (s->at[i].object == o)
      return i;
  return UINT32_MAX;
}

static uint32_t init_place(const struct ldx_plan *p, const struct ldx_object *o) {
  const struct ldx_object_list *l = &p->load->root->init_order;
  for (uint32_t i = 0; i < l->count; i++)
    if (l->at[i] == o)
      return l->count - 1 - i;
  return UINT32_MAX;
}

static void put_neighbours(const struct ldx_plan *p, struct ldx_out *out, const struct ldx_object *o) {
  ldx_json_open(out, "needed", '[');
  for (uint32_t i = 0; i < o->needed.count; i++) {
    uint32_t at = ldx_plan_place(p, o->needed.at[i]);
    if (at != UINT32_MAX)
      ldx_json_number(out, NULL, at);
  }
  ldx_json_close(out, ']');
  ldx_json_open(out, "needed_by", '[');
  for (uint32_t i = 0; i < p->count; i++)
    if (ldx_list_has(&p->at[i].object->needed, (struct ldx_object *)o))
      ldx_json_number(out, NULL, i);
  ldx_json_close(out, ']');
}

static void put_references(const struct ldx_plan *p, struct ldx_out *out, const struct ldx_planned *x) {
  ldx_json_open(out, "references", '{');
  ldx_json_number(out, "eager", x->references);
  ldx_json_number(out, "lazy", x->lazy);
  ldx_json_number(out, "undefined", x->undefined);
  ldx_json_open(out, "to", '{');
  for (uint32_t i = 0; x->to && i < p->count; i++) {
    char key[16];
    ldx_format(key, sizeof key, "%u", i);
    if (x->to[i])
      ldx_json_number(out, key, x->to[i]);
  }
  ldx_json_close(out, '}');
  ldx_json_close(out, '}');
}

static void put_object(const struct ldx_plan *p, struct ldx_out *out, uint32_t i) {
  const struct ldx_planned *x = &p->at[i];
  const struct ldx_object *o = x->object;
  const struct ldx_decision *d = x->decision;
  ldx_json_open(out, NULL, '{');
  ldx_json_number(out, "id", i);
  ldx_json_text(out, "name", o->kind == LDX_PROGRAM ? ldx_self.program_name : d ? d->name : x->path);
  ldx_json_text(out, "path", x->path);
  ldx_json_text(out, "soname", o->soname);
  ldx_json_text(out, "kind", kind_text(o->kind));
  ldx_json_bytes(out, "build_id", x->build_id.base, x->build_id.size);
  put_file(out, x);
  ldx_json_text(out, "reason", ldx_plan_source(x));
  place(out, "requester", d ? ldx_plan_place_of_id(p, d->requester) : UINT32_MAX);
  ldx_json_text(out, "requested_as", d ? ldx_origin_text(d->origin) : NULL);
  ldx_json_number(out, "namespace", o->ns ? o->ns->id : 0);
  put_neighbours(p, out, o);
  ldx_json_address(out, "base", o->map.l_addr);
  put_segments(out, o);
  put_tls(out, &o->tls);
  place(out, "scope", scope_place(p, o));
  place(out, "init", init_place(p, o));
  put_references(p, out, x);
  ldx_json_close(out, '}');
}

static void put_orders(const struct ldx_plan *p, struct ldx_out *out) {
  const struct ldx_scope_list *s = p->load->root->searchlist.list;
  const struct ldx_object_list *init = &p->load->root->init_order;
  ldx_json_open(out, "scope", '[');
  for (uint32_t i = 0; s && i < s->count; i++)
    place(out, NULL, ldx_plan_place(p, s->at[i].object));
  ldx_json_close(out, ']');
  ldx_json_open(out, "init", '[');
  for (uint32_t i = init->count; i-- > 0;)
    place(out, NULL, ldx_plan_place(p, init->at[i]));
  ldx_json_close(out, ']');
}

/* ---- the rest */

void ldx_plan_json_tools(struct ldx_out *out) {
  const struct ldx_tool_order *o = ldx_self.hooks.order;
  ldx_json_open(out, "tools", '[');
  for (uint32_t i = 0; o && i < o->count; i++) {
    const struct ldx_tool *t = o->at[i];
    ldx_json_open(out, NULL, '{');
    ldx_json_text(out, "name", t->name);
    ldx_json_text(out, "path", t->path);
    ldx_json_text(out, "version", t->desc.version);
    ldx_json_number(out, "priority", t->desc.priority);
    ldx_json_text(out, "state", t->state == LDX_TOOL_READY ? "ready" : "disabled");
    ldx_json_text(out, "reason", t->why_here);
    ldx_json_close(out, '}');
  }
  ldx_json_close(out, ']');
}

/* The words that name them: files, or "section". */
static void put_policies(struct ldx_out *out) {
  const struct ldx_options *o = &ldx_self.options;
  ldx_json_open(out, "policies", '[');
  for (const char *p = o->policy_env; p && *p; p += *p == ':') {
    size_t n = ldx_until(p, ":");
    char *word = ldx_strndup(&ldx_self.heap, p, n);
    if (word && n)
      ldx_json_text(out, NULL, word);
    ldx_delete(word);
    p += n;
  }
  for (size_t i = 0; i < o->policies.count; i++)
    ldx_json_text(out, NULL, o->policies.at[i]);
  ldx_json_close(out, ']');
}

static void put_search(struct ldx_out *out) {
  static const char *const algorithms[] = {"glibc", "musl", "store", "origin-cache", "frozen"};
  const struct ldx_library_search *s = &ldx_self.search;
  uint32_t algorithm = s->musl_interp && !s->algorithm ? LDX_ALGORITHM_MUSL : s->algorithm;
  ldx_json_open(out, "search", '{');
  ldx_json_text(out, "algorithm", algorithm < LDX_COUNT(algorithms) ? algorithms[algorithm] : "tool");
  ldx_json_text(out, "library_path", s->library_path);
  ldx_json_text(out, "library_path_source", s->library_path ? s->library_path_source : NULL);
  ldx_json_text(out, "cache", s->inhibit_cache ? NULL : s->cache_file ? s->cache_file : "/etc/ld.so.cache");
  ldx_json_text(out, "hwcaps_prepend", s->hwcaps_prepend);
  ldx_json_text(out, "hwcaps_mask", s->hwcaps_mask);
  ldx_json_close(out, '}');
}

void ldx_plan_json_head(const struct ldx_plan *p, struct ldx_out *out, const char *what) {
  ldx_json_text(out, "ldx", what);
  ldx_json_number(out, "schema", LDX_PLAN_SCHEMA);
  ldx_json_text(out, "version", LDX_VERSION);
  ldx_json_open(out, "program", '{');
  ldx_json_text(out, "path", p->at[0].path);
  ldx_json_text(out, "argv0", ldx_self.program_name);
  ldx_json_text(out, "interpreter", ldx_self.guest_interp);
  ldx_json_close(out, '}');
  ldx_json_bool(out, "starts", p->starts);
  ldx_json_open(out, "errors", '[');
  for (const struct ldx_fault *f = ldx_self.journal.faults; f; f = f->next)
    ldx_json_text(out, NULL, f->text);
  ldx_json_close(out, ']');
}

struct telling {
  const struct ldx_plan *plan;
  struct ldx_out *out;
};

static const char *binding_kind(const struct ldx_plan_reference *r) {
  if (!r->binding.sym)
    return r->binding.override ? "ldx" : r->undefined ? "undefined" : "weak";
  if (r->relocation == REL_COPY)
    return "copy";
  if (ELF64_ST_TYPE(r->binding.sym->st_info) == STT_TLS)
    return "tls";
  if (ELF64_ST_TYPE(r->binding.sym->st_info) == STT_GNU_IFUNC)
    return "ifunc";
  return ELF64_ST_TYPE(r->binding.sym->st_info) == STT_FUNC ? "function" : "data";
}

static void put_reference(void *arg, const struct ldx_plan_reference *r) {
  const struct telling *t = arg;
  struct ldx_out *out = t->out;
  ldx_json_open(out, NULL, '{');
  ldx_json_number(out, "from", r->from - t->plan->at);
  ldx_json_text(out, "symbol", r->name);
  ldx_json_text(out, "version", r->version ? r->version->name : NULL);
  ldx_json_number(out, "relocation", r->relocation);
  ldx_json_address(out, "offset", r->offset);
  ldx_json_bool(out, "lazy", r->lazy);
  place(out, "to", ldx_plan_place(t->plan, r->binding.object));
  ldx_json_text(out, "kind", binding_kind(r));
  if (r->binding.sym)
    ldx_json_address(out, "value", r->binding.sym->st_value);
  else
    ldx_json_text(out, "value", NULL);
  ldx_json_text(out, "author", r->author);
  ldx_json_text(out, "wrapper", ldx_plan_wrapper(t->plan, r));
  ldx_json_close(out, '}');
}

void ldx_plan_print_json(struct ldx_plan *p, struct ldx_out *out, bool every_reference) {
  struct telling t = {p, out};
  ldx_json_open(out, NULL, '{');
  ldx_plan_json_head(p, out, "plan");
  put_search(out);
  ldx_plan_json_tools(out);
  put_policies(out);
  ldx_json_open(out, "objects", '[');
  for (uint32_t i = 0; i < p->count; i++)
    put_object(p, out, i);
  ldx_json_close(out, ']');
  put_orders(p, out);
  put_requests(p, out);
  put_conflicts(p, out);
  if (every_reference) {
    ldx_json_open(out, "bindings", '[');
    ldx_plan_bind(p, put_reference, &t);
    ldx_json_close(out, ']');
  }
  ldx_json_close(out, '}');
}
