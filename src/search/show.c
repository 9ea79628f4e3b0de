/* The search path told: for dlinfo and for --help. */
#include <link.h>
#include <string.h>

#include "base/print.h"
#include "search/state.h"

enum { SER_ENVIRONMENT = 0x02, SER_RUNPATH = 0x04, SER_DEFAULT = 0x40 }; /* LA_SER_* of <link.h> */

struct teller {
  void (*each)(void *arg, const char *dir, unsigned flag);
  void *arg;
  struct ldx_heap *heap;
};

/* Without the slash at the end; the working folder is ".". */
static char *shown(struct ldx_heap *h, const struct ldx_dir *d) {
  if (d->len < 2)
    return ldx_strdup(h, d->len ? "/" : ".");
  return ldx_strndup(h, d->path, d->len - 1);
}

static void tell(const struct teller *t, const struct ldx_search_dirs *l, unsigned flag) {
  if (!l || l->spent)
    return;
  for (uint32_t i = 0; i < l->count; i++) {
    char *name = shown(t->heap, l->at[i]);
    if (name)
      t->each(t->arg, name, flag);
    ldx_heap_free(t->heap, name);
  }
}

void ldx_search_path(struct ldx_library_search *s, struct ldx_object *loader, struct ldx_object *program,
                     void (*each)(void *arg, const char *dir, unsigned flag), void *arg) {
  const struct teller t = {each, arg, s->heap};
  bool oom = !ldx_search_state(s);
  if (oom)
    return;
  s->state->program = program;
  if (!loader->dyn.info[DT_RUNPATH]) {
    for (struct ldx_object *o = loader; o; o = o->loader)
      tell(&t, ldx_object_rpath(s, o, &oom), SER_RUNPATH);
    /* A second time, when the chain above ended there: so the system loader tells it. */
    if (program && program != loader && loader->ns == program->ns)
      tell(&t, ldx_object_rpath(s, program, &oom), SER_RUNPATH);
  }
  tell(&t, ldx_library_path(s, &oom), SER_ENVIRONMENT);
  tell(&t, ldx_object_runpath(s, loader, &oom), SER_RUNPATH);
  if (!(loader->dyn.flags_1 & DF_1_NODEFLIB))
    tell(&t, ldx_default_path(s, &oom), SER_DEFAULT);
}

static void print_dirs(struct ldx_heap *h, const struct ldx_search_dirs *l, int fd) {
  for (uint32_t i = 0; l && i < l->count; i++) {
    char *name = shown(h, l->at[i]);
    if (name)
      ldx_print(fd, "  %s (%s)\n", name, l->at[i]->what);
    ldx_heap_free(h, name);
  }
}

void ldx_search_help(struct ldx_library_search *s, int fd) {
  bool oom = false;
  ldx_print(fd, "\nShared library search path:\n");
  print_dirs(s->heap, ldx_library_path(s, &oom), fd);
  ldx_print(fd, "  (libraries located via %s)\n", s->cache_file ? s->cache_file : LDX_CACHE_FILE);
  print_dirs(s->heap, ldx_default_path(s, &oom), fd);
  struct ldx_hwcaps_input in = ldx_hwcaps_input(s);
  ldx_hwcaps_help(&in, fd);
}
