/* The dl* family: handles, scopes, errors, addresses, the list of objects. */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int exported_by_program(void) { return 5; }

static const char *base(const char *path) { return path && strrchr(path, '/') ? strrchr(path, '/') + 1 : path; }

static void *open_or_say(const char *name, int mode) {
  void *h = dlopen(name, mode);
  const char *error = h ? NULL : dlerror();
  if (!h)
    printf("open %s: %s\n", name, error ? error : "no error");
  return h;
}

static int call(void *h, const char *name) {
  int (*f)(void) = (int (*)(void))dlsym(h, name);
  if (!f)
    printf("call %s: %s\n", name, dlerror());
  return f ? f() : -1;
}

static void errors(void) {
  printf("nothing wrong: %d\n", dlerror() == NULL);
  open_or_say("./libnot-there.so", RTLD_NOW);
  printf("told once: %d\n", dlerror() == NULL);
  open_or_say("libnot-there-either.so", RTLD_NOW);
  open_or_say("./libplugin.so", RTLD_NOLOAD | RTLD_NOW);
  void *p = dlsym(RTLD_DEFAULT, "no_such_symbol");
  printf("symbol %d: %s\n", p == NULL, dlerror());
  int r = dlclose((void *)&errors);
  printf("close a wrong handle %d: %d\n", r, dlerror() != NULL);
  p = dlsym((void *)&errors, "x");
  printf("look in a wrong handle %d: %d\n", p == NULL, dlerror() != NULL);
}

static void *error_of_thread(void *arg) {
  (void)arg;
  int before = dlerror() == NULL;
  dlopen("./libwrong-in-thread.so", RTLD_NOW);
  char *text = dlerror();
  return (void *)(intptr_t)(before && text && strstr(text, "wrong-in-thread"));
}

static void errors_of_threads(void) {
  pthread_t t;
  void *r;
  dlopen("./libwrong-in-main.so", RTLD_NOW);
  pthread_create(&t, NULL, error_of_thread, NULL);
  pthread_join(t, &r);
  char *text = dlerror();
  printf("threads have their own errors %d %d\n", r != NULL, text && strstr(text, "wrong-in-main"));
}

static void scopes(void *plugin) {
  printf("local: %d\n", dlsym(RTLD_DEFAULT, "plugin_next") == NULL);
  dlerror();
  printf("lazy: %d\n", call(plugin, "plugin_opened"));
  void *late = open_or_say("./liblate.so", RTLD_NOW | RTLD_GLOBAL);
  printf("global: %d %d\n", dlsym(RTLD_DEFAULT, "late_function") != NULL, dlsym(late, "whose") != NULL);
  printf("late %d\n", call(plugin, "plugin_call_late"));
  void *malloc_behind = dlsym(RTLD_NEXT, "malloc");
  printf("next %d\n", malloc_behind == dlsym(RTLD_DEFAULT, "malloc"));
  printf("program %d %d\n", call(dlopen(NULL, RTLD_NOW), "exported_by_program"),
         call(RTLD_DEFAULT, "exported_by_program"));
}

static void handles(void *plugin) {
  void *again = dlopen("./libplugin.so", RTLD_NOW), *loaded = dlopen("libplugin.so", RTLD_NOW | RTLD_NOLOAD);
  printf("same %d, by its short name %d\n", again == plugin, loaded == plugin || !loaded);
  dlerror();
  int closed = dlclose(plugin) | dlclose(again);
  printf("closed %d, still there %d, opened %d times\n", closed, call(plugin, "plugin_next") > 0,
         call(plugin, "plugin_opened"));
  struct link_map *map = NULL;
  int got = dlinfo(plugin, RTLD_DI_LINKMAP, &map);
  printf("link map %d %s\n", got, map ? base(map->l_name) : "-");
  printf("libc %d\n", dlopen("libc.so", RTLD_NOW) == dlopen("libm.so.6", RTLD_NOW));
  puts(dlopen("libpthread.so.0", RTLD_NOW) ? "libpthread is libc" : dlerror());
}

static void say_address(const char *what, const void *p) {
  Dl_info i = {0};
  int r = dladdr(p, &i);
  printf("%s: %d %s %s %d\n", what, r, base(i.dli_fname), i.dli_sname ? i.dli_sname : "-", i.dli_saddr == p);
}

static void addresses(void *plugin) {
  int local;
  void *f = dlsym(plugin, "plugin_next");
  say_address("plugin", f);
  say_address("behind", (char *)f + 1);
  say_address("program", (void *)exported_by_program);
  say_address("libc", (void *)strlen);
  say_address("stack", &local);
}

struct seen {
  int program, libc, plugin, tls, order;
};

static int visit(struct dl_phdr_info *info, size_t size, void *arg) {
  struct seen *s = arg;
  const char *name = base(info->dlpi_name);
  s->order++;
  if (s->order == 1)
    s->program = size >= 48 && !strcmp(name, "dl");
  s->libc += !strcmp(name, "ld-musl-x86_64.so.1");
  if (!strcmp(name, "libplugin.so")) {
    s->plugin = s->order > 1 && info->dlpi_phnum > 3 && info->dlpi_phdr[0].p_type != PT_NULL;
    s->tls = info->dlpi_tls_modid != 0;
  }
  return 0;
}

static int stop(struct dl_phdr_info *info, size_t size, void *arg) {
  (void)info, (void)size, (void)arg;
  return 9;
}

int main(void) {
  struct seen s = {0};
  errors();
  errors_of_threads();
  void *plugin = open_or_say("./libplugin.so", RTLD_LAZY);
  if (!plugin)
    return 1;
  scopes(plugin);
  handles(plugin);
  addresses(plugin);
  int r = dl_iterate_phdr(visit, &s);
  printf("walk %d: program %d, libc %d, plugin %d, its TLS %d\n", r, s.program, s.libc, s.plugin, s.tls);
  printf("stopped %d\n", dl_iterate_phdr(stop, NULL));
  return 0;
}
