#include "debug-protocol/rdebug.h"

#include <stddef.h>

#include "debug-protocol/probes.h"
#include "namespace/object.h"

__attribute__((noinline, visibility("default"), used)) void _dl_debug_state(void) {
  __asm__ volatile("" ::: "memory");
}

void ldx_r_debug_init(struct ldx_r_debug *d, const struct ldx_r_debug *base, uintptr_t loader_base) {
  d->r_version = 1;
  d->r_brk = (uintptr_t)_dl_debug_state;
  d->r_ldbase = loader_base;
  d->base = base;
}

void ldx_debug_as_command(struct ldx_r_debug *base, struct ldx_debug_command *c) {
  c->alias = c->copy = *base;
  base->r_version = c->alias.r_version = LDX_R_DEBUG_CHAINED;
  base->r_next = &c->alias;
  base->command = c;
}

void ldx_debug_set_list(const struct ldx_namespace *ns) {
  ns->debug->r_map = ns->first_real;
  if (ns->debug->command)
    ns->debug->command->copy.r_map = ns->first_real;
}

static void set_next(struct ldx_r_debug *d, struct ldx_r_debug *next) {
  struct ldx_debug_command *c = d->command;
  __atomic_store_n(c ? &c->alias.r_next : &d->r_next, next, __ATOMIC_RELEASE);
  if (c)
    __atomic_store_n(&c->copy.r_next, next, __ATOMIC_RELEASE);
}

void ldx_debug_link(struct ldx_r_debug *base, struct ldx_r_debug *before, struct ldx_r_debug *d) {
  d->r_version = LDX_R_DEBUG_CHAINED;
  d->r_next = ldx_debug_inside(before)->r_next;
  set_next(before, d);
  base->r_version = ldx_debug_inside(base)->r_version = LDX_R_DEBUG_CHAINED;
}

void ldx_debug_unlink(struct ldx_r_debug *base, struct ldx_r_debug *d) {
  struct ldx_r_debug *before = base;
  while (ldx_debug_inside(before)->r_next != d)
    before = ldx_debug_inside(before)->r_next;
  set_next(before, d->r_next);
}

static void set_state(struct ldx_r_debug *d, int state) {
  d->r_state = state;
  if (d->command)
    d->command->copy.r_state = state;
}

/* False: nobody is to be told. */
static bool change_state(struct ldx_r_debug *d, int state) {
  set_state(d, state);
  if (d->base->started)
    _dl_debug_state();
  return d->base->started;
}

void ldx_debug_start(const struct ldx_namespace *ns) {
  ns->debug->started = true;
  change_state(ns->debug, LDX_RT_ADD);
  LDX_PROBE2("rtld", "init_start", ns->id, ns->debug);
}

void ldx_debug_started(const struct ldx_namespace *ns) {
  change_state(ns->debug, LDX_RT_CONSISTENT);
  LDX_PROBE2("rtld", "init_complete", ns->id, ns->debug);
}

void ldx_debug_load(const struct ldx_namespace *ns) {
  if (change_state(ns->debug, LDX_RT_ADD))
    LDX_PROBE2("rtld", "map_start", ns->id, ns->debug);
}

void ldx_debug_commit(const struct ldx_namespace *ns) {
  if (ns->debug->r_state != LDX_RT_ADD)
    ldx_debug_load(ns);
}

void ldx_debug_forked(const struct ldx_namespace *ns) { set_state(ns->debug, LDX_RT_CONSISTENT); }

void ldx_debug_mapped(const struct ldx_namespace *ns) {
  if (!ns->debug->base->started)
    return;
  LDX_PROBE3("rtld", "map_complete", ns->id, ns->debug, 0);
  LDX_PROBE2("rtld", "reloc_start", ns->id, ns->debug);
}

/* NULL says: read it all. What is loaded before the program's own objects, for tools, may be the first that debuggers
 * hear of. */
static const struct ldx_object *first_new(const struct ldx_namespace *ns, const struct ldx_object *last) {
  if (ns->debug->base->r_state == LDX_RT_ADD)
    return NULL;
  return last ? last->map.l_next : ns->first_real;
}

void ldx_debug_loaded(const struct ldx_namespace *ns, const struct ldx_object *last, bool ok) {
  if (!change_state(ns->debug, LDX_RT_CONSISTENT))
    return;
  if (ok)
    LDX_PROBE3("rtld", "reloc_complete", ns->id, ns->debug, first_new(ns, last));
  else
    LDX_PROBE2("rtld", "map_failed", ns->id, ns->debug);
}

void ldx_debug_unload(const struct ldx_namespace *ns) {
  if (change_state(ns->debug, LDX_RT_DELETE))
    LDX_PROBE2("rtld", "unmap_start", ns->id, ns->debug);
}

void ldx_debug_unloaded(const struct ldx_namespace *ns) {
  if (change_state(ns->debug, LDX_RT_CONSISTENT))
    LDX_PROBE2("rtld", "unmap_complete", ns->id, ns->debug);
}
