/* Stage "scopes": where the references of each object are looked up (gABI ch. 5; RTLD_DEEPBIND, DT_SYMBOLIC as in
 * the system loader): [itself, if symbolic] global scope, then the scope of the load's root. The first root of a
 * namespace is its global scope. */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "loader/trace.h"

#ifndef RTLD_DEEPBIND
#define RTLD_DEEPBIND 8
#endif

static bool out_of_memory(struct ldx_load *l) {
  return ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, "", "cannot create scope list");
}

static bool set_scope(struct ldx_object *o, struct ldx_scope_slot *const *slots, uint32_t count) {
  struct ldx_scope_slot **s = ldx_new((count + 1) * sizeof *s);
  if (!s)
    return false;
  memcpy(s, slots, count * sizeof *s);
  o->scope = s;
  return true;
}

static bool scope_of_fresh(struct ldx_load *l, struct ldx_object *o) {
  struct ldx_scope_slot *slots[3];
  uint32_t n = 0;
  o->self.list = ldx_scope_list_new(&ldx_self.heap, &o, 1);
  if (!o->self.list)
    return out_of_memory(l);
  if (o->dyn.symbolic && o->kind != LDX_VDSO)
    slots[n++] = &o->self;
  if (!l->startup && (l->mode & RTLD_DEEPBIND))
    slots[n++] = &l->root->searchlist;
  slots[n++] = &l->ns->global;
  if (!l->first_global && !(l->mode & RTLD_DEEPBIND))
    slots[n++] = &l->root->searchlist;
  if (o->kind == LDX_VDSO) /* it is not in the program's scope */
    slots[n++] = &o->self;
  return set_scope(o, slots, n) || out_of_memory(l);
}

static uint32_t slot_count(const struct ldx_object *o) {
  uint32_t n = 0;
  while (o->scope && o->scope[n])
    n++;
  return n;
}

bool ldx_scope_has(const struct ldx_object *o, const struct ldx_scope_slot *slot) {
  for (uint32_t i = 0; o->scope && o->scope[i]; i++)
    if (o->scope[i] == slot)
      return true;
  return false;
}

bool ldx_scope_add(struct ldx_object *o, struct ldx_scope_slot *slot) {
  uint32_t n = slot_count(o);
  struct ldx_scope_slot **bigger = ldx_new((n + 2) * sizeof *bigger), **old = o->scope;
  if (!bigger)
    return false;
  memcpy(bigger, old, n * sizeof *bigger);
  bigger[n] = slot;
  __atomic_store_n(&o->scope, bigger, __ATOMIC_RELEASE);
  ldx_retire_block(old);
  return true;
}

bool ldx_build_scopes(struct ldx_load *l) {
  l->first_global = !l->ns->global.list && !l->root->real && !l->early;
  for (uint32_t i = 0; i < l->fresh.count; i++)
    if (!l->fresh.at[i]->faked && !l->fresh.at[i]->real && !scope_of_fresh(l, l->fresh.at[i]))
      return false;
  if (l->first_global)
    l->ns->global = l->root->searchlist;
  return true;
}

bool ldx_extend_scopes(struct ldx_load *l) {
  const struct ldx_scope_list *s = l->root->searchlist.list;
  for (uint32_t i = 0; i < s->count && !l->startup; i++) {
    struct ldx_object *o = s->at[i].object;
    if (o->ns != l->ns) /* shared */
      continue;
    bool opened = o->dlopened && !o->pending; /* those of the program's start see the global scope alone */
    uint32_t known = opened ? slot_count(o) : 0;
    if (opened && ldx_scope_has(o, &l->root->searchlist))
      continue;
    if (opened && !ldx_scope_add(o, &l->root->searchlist)) /* opened before, and now needed by the new root */
      return out_of_memory(l);
    if (ldx_tracing(LDX_DEBUG_SCOPES))
      ldx_trace_scope(o, known);
  }
  return true;
}

void ldx_scope_remove(struct ldx_object *o, const struct ldx_scope_slot *slot) {
  uint32_t n = slot_count(o), kept = 0;
  struct ldx_scope_slot **fresh = ldx_new((n + 1) * sizeof *fresh), **old = o->scope;
  if (!fresh)
    return;
  for (uint32_t i = 0; i < n; i++)
    if (old[i] != slot)
      fresh[kept++] = old[i];
  if (kept == n) {
    ldx_delete(fresh);
    return;
  }
  __atomic_store_n(&o->scope, fresh, __ATOMIC_RELEASE);
  ldx_retire_block(old);
}

void ldx_shrink_scopes(struct ldx_load *l) {
  for (struct ldx_object *o = l->ns->first; o && !l->startup; o = o->map.l_next)
    if (o->scope)
      ldx_scope_remove(o, &l->root->searchlist);
}

/* The program's own search list is the global scope. */
static void replace_global(struct ldx_namespace *ns, struct ldx_scope_list *fresh) {
  struct ldx_scope_list *old = ns->global.list;
  __atomic_store_n(&ns->global.list, fresh, __ATOMIC_RELEASE);
  if (ns->program && ns->program->searchlist.list == old)
    __atomic_store_n(&ns->program->searchlist.list, fresh, __ATOMIC_RELEASE);
  ldx_retire_block(old);
}

static bool in_list(const struct ldx_scope_list *s, const struct ldx_object *o) {
  for (uint32_t i = 0; i < s->count; i++)
    if (s->at[i].object == o)
      return true;
  return false;
}

bool ldx_add_global(struct ldx_load *l) {
  static const struct ldx_scope_list none;
  const struct ldx_scope_list *known = l->ns->global.list, *add = l->root->searchlist.list;
  const struct ldx_scope_list *old = known ? known : &none;
  struct ldx_object **at = ldx_new((old->count + add->count) * sizeof *at);
  uint32_t n = 0;
  for (; at && n < old->count; n++)
    at[n] = old->at[n].object;
  for (uint32_t i = 0; at && i < add->count; i++)
    if (!in_list(old, add->at[i].object))
      at[n++] = add->at[i].object;
  struct ldx_scope_list *fresh = at && n > old->count ? ldx_scope_list_new(&ldx_self.heap, at, n) : NULL;
  bool nothing = at && n == old->count;
  for (uint32_t i = old->count; fresh && ldx_tracing(LDX_DEBUG_SCOPES) && i < n; i++)
    ldx_debug("\nadd %s [%ld] to global scope", ldx_display_name(at[i]), at[i]->ns->id);
  if (fresh)
    replace_global(l->ns, fresh);
  for (uint32_t i = 0; at && (fresh || nothing) && i < add->count; i++)
    if (add->at[i].object->ns == l->ns)
      add->at[i].object->global = true;
  ldx_delete(at);
  return fresh || nothing || out_of_memory(l);
}

void ldx_remove_global(struct ldx_namespace *ns) {
  const struct ldx_scope_list *old = ns->global.list;
  struct ldx_object **at = old ? ldx_new(old->count * sizeof *at) : NULL; /* no list: a namespace of proxies */
  uint32_t n = 0;
  for (uint32_t i = 0; at && i < old->count; i++)
    if (!old->at[i].object->removed)
      at[n++] = old->at[i].object;
  struct ldx_scope_list *fresh = at && n < old->count ? ldx_scope_list_new(&ldx_self.heap, at, n) : NULL;
  if (fresh)
    replace_global(ns, fresh);
  ldx_delete(at);
}
