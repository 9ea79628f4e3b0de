/* Loads that fail, for many reasons, on several threads at once: each thread reads its own error, and of none is
 * anything left. */
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hooked.h"
#include "stress.h"

struct refusal {
  const char *name;
  int mode;
  const char *says; /* part of the error's text */
};
static const struct refusal refusals[] = {
    {"./libnowhere.so", RTLD_LAZY, "libnowhere.so"},
    {"libnowhere2.so", RTLD_NOW, "libnowhere2.so"},
    {"./empty.so", RTLD_LAZY, "empty.so"},
    {"./text.so", RTLD_LAZY, "text.so"},
    {"./short.so", RTLD_LAZY, "short.so"},
    {"./headers.so", RTLD_LAZY, "headers.so"},
    {"./cut.so", RTLD_LAZY, "cut.so"},
    {"./machine.so", RTLD_NOW, "machine.so"},
    {"./class.so", RTLD_LAZY, "class.so"},
    {"./program.so", RTLD_LAZY, "program.so"},
    {"./holes.so", RTLD_LAZY, "holes.so"},
    {"./libneeds-gone.so", RTLD_LAZY, "libgone.so"},
    {"./libneeds-needs-gone.so", RTLD_NOW | RTLD_GLOBAL, "libgone.so"},
    {"./librefused-function.so", RTLD_NOW, "never_defined"},
    {"./librefused-function.so", RTLD_NOW | RTLD_GLOBAL, "never_defined"},
    {"./librefused-data.so", RTLD_LAZY, "never_defined_data"},
    {"./librefused-data.so", RTLD_LAZY | RTLD_NODELETE, "never_defined_data"},
    {"./libwants-version.so", RTLD_LAZY, "REFUSED_1"},
    {"./libhooked0.so", 0, "invalid mode"},
    {".", RTLD_LAZY, "."},
};
enum { REFUSALS = sizeof refusals / sizeof *refusals };

/* The libraries that a refused one needs are not constructed. */
void stress_hook(int library, enum hooked_event event) { CHECK(0, "library %d got event %d", library, (int)event); }

int stress_constructed(int piece);
int stress_constructed(int piece) {
  CHECK(0, "library %d of the set is constructed", piece);
  return 0;
}

static void check_refusal(const struct refusal *r) {
  CHECK(!dlopen(r->name, r->mode), "%s is loaded", r->name);
  const char *error = dlerror();
  CHECK(error && strstr(error, r->says), "dlerror of %s: %s", r->name, error ? error : "(none)");
  CHECK(!dlerror(), "dlerror tells an error twice");
}

/* What there is of files in memory, of objects, of counters: one text, to compare. */
struct state {
  char *text;
  size_t size;
  FILE *file;
};

static int tell_object(struct dl_phdr_info *info, size_t size, void *data) {
  struct state *s = data;
  (void)size;
  fprintf(s->file, "object %#lx %s, %llu at a time, module %zu\n", (long)info->dlpi_addr, info->dlpi_name,
          info->dlpi_adds - info->dlpi_subs, info->dlpi_tls_modid);
  return 0;
}

static void tell_maps(FILE *out) {
  char line[4500];
  FILE *maps = fopen("/proc/self/maps", "re");
  CHECK(maps, "no maps: %m");
  while (fgets(line, sizeof line, maps))
    if (strchr(line, '/'))
      fputs(line, out);
  fclose(maps);
}

static void tell_chain(FILE *out) {
  struct link_map *m = NULL;
  void *program = dlopen(NULL, RTLD_LAZY);
  CHECK(program && !dlinfo(program, RTLD_DI_LINKMAP, &m), "dlinfo: %s", dlerror());
  for (; m; m = m->l_next)
    fprintf(out, "chain %#lx %s\n", (long)m->l_addr, m->l_name);
  dlclose(program);
}

static char *state_text(void) {
  struct state s = {0};
  s.file = open_memstream(&s.text, &s.size);
  CHECK(s.file, "no memory");
  dl_iterate_phdr(tell_object, &s);
  tell_chain(s.file);
  tell_maps(s.file);
  fprintf(s.file, "%d descriptors\n", stress_descriptors());
  fclose(s.file);
  return s.text;
}

static void check_invisible(void) {
  static const char *const names[] = {"refused_function", "refused_data", "refused_wants", "piece5_add",
                                      "hooked_value_0"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    CHECK(!dlsym(RTLD_DEFAULT, names[i]), "%s of a library that was refused is visible", names[i]);
    const char *error = dlerror();
    CHECK(error && strstr(error, names[i]), "dlerror of %s: %s", names[i], error ? error : "(none)");
  }
}

static void check_traces(const char *before, const char *what) {
  char *after = state_text();
  CHECK(!strcmp(before, after), "%s has left a trace; before:\n%s\nafter:\n%s", what, before, after);
  check_invisible();
  free(after);
}

static void each_alone(void) {
  char *before = state_text();
  for (int i = 0; i < REFUSALS; i++) {
    check_refusal(&refusals[i]);
    check_traces(before, refusals[i].name);
  }
  free(before);
}

static void load_rightly(void) {
  void *handle = dlopen("./libplain.so", RTLD_NOW);
  CHECK(handle, "dlopen: %s", dlerror());
  int (*value)(void) = (int (*)(void))dlsym(handle, "plain_value");
  CHECK(value && value() == 5 && !dlsym(handle, "refused_function"), "a library that is not refused");
  CHECK(strstr(dlerror(), "refused_function"), "dlerror");
  CHECK(!dlclose(handle), "dlclose: %s", dlerror());
}

static void work(int thread, uint64_t random) {
  while (stress_goes_on())
    if (thread || stress_random(&random, 2))
      check_refusal(&refusals[stress_random(&random, REFUSALS)]);
    else
      load_rightly();
}

int main(int argc, char **argv) {
  struct stress_options o = stress_begin(argc, argv);
  struct stress_plan plan = {.work = work, .between = each_alone};
  load_rightly();
  for (int i = 0; i < REFUSALS; i++)
    check_refusal(&refusals[i]);
  each_alone();
  char *before = state_text();
  stress_run(&o, &plan);
  load_rightly(); /* what waited for readers goes */
  check_traces(before, "all together");
  free(before);
}
