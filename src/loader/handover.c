/* Running a program by the loader of its own libc, where ldx does not know that libc. */
#include <string.h>

#include "base/print.h"
#include "base/sys.h"
#include "loader/guest.h"
#include "loader/load.h"

enum { MOST_WORDS = 16 }; /* in front of the program */

struct words {
  char *at[MOST_WORDS];
  size_t count;
};

static void add(struct words *w, const char *word) { w->at[w->count++] = (char *)word; }

static void add_option(struct words *w, const char *name, const char *value) {
  if (!value)
    return;
  add(w, name);
  add(w, value);
}

/* What the user told ldx goes on to the other loader. */
static void add_options(struct words *w) {
  const struct ldx_library_search *s = &ldx_self.search;
  if (s->library_path_source && *s->library_path_source == '-')
    add_option(w, "--library-path", s->library_path);
  add_option(w, "--inhibit-rpath", s->inhibit_rpath);
  add_option(w, "--preload", ldx_self.options.preload_option);
  if (s->inhibit_cache)
    add(w, "--inhibit-cache");
}

_Noreturn static void hand_over(const char *why, const char *interp, bool takes_argv0) {
  const struct ldx_args *a = &ldx_self.args;
  const char *path = ldx_self.program_path;
  /* the path may mean another file by now: with the program's privileges nothing is opened by it again */
  if (ldx_self.options.strict || !interp || a->auxv.secure || ldx_self.options.mode == LDX_PLAN)
    ldx_die_text("%s: %s", ldx_self.program_name, why);
  ldx_print(2, "ldx: %s: %s: handing over to %s\n", ldx_self.program_name, why, interp);
  struct words w = {.count = 0};
  add(&w, interp);
  add_options(&w);
  if (takes_argv0)
    add_option(&w, "--argv0", a->argv[0]);
  add(&w, path);
  size_t rest = a->argc > 0 ? (size_t)a->argc - 1 : 0;
  char **argv = ldx_new((w.count + rest + 1) * sizeof *argv);
  if (argv) {
    memcpy(argv, w.at, w.count * sizeof *argv);
    memcpy(argv + w.count, a->argv + 1, rest * sizeof *argv);
    LDX_SYS(SYS_execve, interp, argv, a->envp, 0, 0, 0);
  }
  ldx_die_text("%s: cannot run %s", ldx_self.program_name, interp);
}

_Noreturn void ldx_hand_over(const char *why) { hand_over(why, ldx_self.guest_interp, true); }

static bool defines_version(const struct ldx_object *o, const char *version) {
  for (uint32_t i = 0; i < o->version_count; i++)
    if (o->versions[i].name && !o->versions[i].file && !strcmp(o->versions[i].name, version))
      return true;
  return false;
}

_Noreturn void ldx_hand_over_libc(const struct ldx_object *libc, const struct ldx_object *ld) {
  /* not always the one that the program names: libc and its loader belong together */
  const char *interp = ld ? ld->map.l_name : ldx_self.guest_interp;
  /* ld.so takes --argv0 since 2.33 */
  hand_over("this build of glibc is not known to ldx", interp, defines_version(libc, "GLIBC_2.33"));
}
