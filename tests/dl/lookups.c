// dlsym() and dlvsym() of every kind of symbol, by every kind of handle, from the program and from a library.
#include "tell.h"
#include <pthread.h>

static const char library[] = "./libdl-symbols.so";
static void *first, *second, *program;

static const char *kind(void *handle) {
  return handle == RTLD_DEFAULT ? "DEFAULT"
         : handle == RTLD_NEXT  ? "NEXT"
         : handle == program    ? "program"
                                : "library";
}

static void call(void *handle, const char *name, const char *version) {
  const char *(*f)(void) = (const char *(*)(void))(version ? dlvsym(handle, name, version) : dlsym(handle, name));
  tell("%s %s%s%s: %s\n", kind(handle), name, version ? "@" : "", version ? version : "", f ? f() : why());
}

static void call_all(void *handle) {
  static const char *names[] = {"three",
                                "hidden_one",
                                "hidden_two",
                                "single",
                                "unversioned",
                                "local_by_map",
                                "hidden_by_attribute",
                                "protected_function",
                                "weak_function",
                                "weak_missing",
                                "indirect",
                                "three_1",
                                "V1",
                                "",
                                " ",
                                "puts@GLIBC_2.2.5",
                                "three@V1",
                                "hidden_label"};
  static const char *versions[] = {NULL, "V1", "V2", "V3", "V4", "GLIBC_2.2.5", "libdl-symbols.so"};
  for (unsigned n = 0; n < sizeof names / sizeof *names; n++)
    for (unsigned v = 0; v < sizeof versions / sizeof *versions; v++)
      call(handle, names[n], versions[v]);
}

static void *thread_address(void *name) { return dlsym(first, name); }

static void values(void) {
  struct link_map *map = first;
  tell("data %d, constant %d, common %d\n", *(int *)must_find(first, "data"), *(int *)must_find(first, "constant"),
       *(int *)must_find(first, "common_one"));
  tell("absolute %p\n", dlsym(first, "absolute_one"));
  dlerror();
  void *zero = dlsym(first, "absolute_zero");
  tell("absolute zero %p, %s\n", zero, why());
  void *nothing = dlsym(first, "indirect_nothing");
  tell("a resolver without an answer: %d, %s\n", nothing != NULL, why());
  tell("the dynamic section: %d\n", dlsym(first, "_DYNAMIC") == (void *)map->l_ld);
  tell("resolver calls: %d\n", ((int (*)(void))must_find(first, "resolver_calls"))());
  int *mine = must_find(first, "tls_data"), *theirs;
  pthread_t thread;
  pthread_create(&thread, NULL, thread_address, "tls_data");
  pthread_join(thread, (void **)&theirs);
  tell("thread-local: %d, another thread's differs %d\n", *mine, mine != theirs);
  *mine = 99;
  tell("used: %d\n", ((int (*)(void))must_find(first, "use"))() - 'c');
  tell("tls versions: %d %d\n", dlvsym(first, "tls_data", "V1") == mine, dlvsym(first, "tls_data", "V2") == NULL);
  tell("weak: %d\n", ((int (*)(void))must_find(first, "has_weak_missing"))());
}

static void system_names(void) {
  static const char *names[] = {"puts",
                                "errno",
                                "memcpy",
                                "environ",
                                "__libc_start_main",
                                "_dl_open",
                                "__tls_get_addr",
                                "dlopen",
                                "_r_debug",
                                "__libc_stack_end",
                                "_rtld_global",
                                "__vdso_gettimeofday",
                                "gettimeofday",
                                "time",
                                "pthread_create",
                                "_dl_find_object",
                                "_dl_argv",
                                "__rseq_offset",
                                "malloc",
                                "GLIBC_2.2.5",
                                "GLIBC_PRIVATE",
                                "_start",
                                "main",
                                "_init",
                                "__libc_early_init",
                                "_dl_debug_state",
                                "_dl_allocate_tls",
                                "__nptl_version",
                                "_dl_mcount",
                                "_dl_catch_exception",
                                "__tunable_get_val"};
  static const char *versions[] = {NULL,         "GLIBC_2.2.5",   "GLIBC_2.14", "GLIBC_2.34",
                                   "GLIBC_2.35", "GLIBC_PRIVATE", "GLIBC_9.9",  "LINUX_2.6"};
  for (unsigned n = 0; n < sizeof names / sizeof *names; n++)
    for (unsigned v = 0; v < sizeof versions / sizeof *versions; v++) {
      void *found = versions[v] ? dlvsym(RTLD_DEFAULT, names[n], versions[v]) : dlsym(RTLD_DEFAULT, names[n]);
      tell("%s@%s: %s\n", names[n], versions[v] ? versions[v] : "", found ? "found" : why());
    }
  tell("same stream: %d, same function: %d\n", *(FILE **)must_find(RTLD_DEFAULT, "stdout") == stdout,
       must_find(RTLD_DEFAULT, "printf") == (void *)printf);
}

static void from_library(void) {
  const char *(*look_up)(void *, const char *, const char *) =
      (const char *(*)(void *, const char *, const char *))must_find(first, "look_up");
  const char *(*other_look_up)(void *, const char *, const char *) =
      (const char *(*)(void *, const char *, const char *))must_find(second, "look_up");
  static void *handles[] = {RTLD_DEFAULT, RTLD_NEXT};
  static const char *names[] = {"three", "single", "weak_function", "program_function", "nothing"};
  for (unsigned h = 0; h < 2; h++)
    for (unsigned n = 0; n < sizeof names / sizeof *names; n++) {
      tell("from the library: %s %s: %s\n", kind(handles[h]), names[n], look_up(handles[h], names[n], NULL));
      tell("from its copy: %s %s: %s\n", kind(handles[h]), names[n], other_look_up(handles[h], names[n], NULL));
      tell("from the library: %s %s@V1: %s\n", kind(handles[h]), names[n], look_up(handles[h], names[n], "V1"));
    }
}

const char *program_function(void) { return "the program's"; }
const char *weak_function(void) { return "the program's, not weak"; }

int main(int argc, char **argv) {
  first = must_open(library, argc > 1 && strcmp(argv[1], "global") == 0 ? RTLD_NOW | RTLD_GLOBAL : RTLD_NOW);
  second = must_open("./libdl-symbols2.so", RTLD_NOW);
  program = must_open(NULL, RTLD_NOW);
  void *handles[] = {first, RTLD_DEFAULT, RTLD_NEXT, program};
  for (unsigned h = 0; h < 4; h++)
    call_all(handles[h]);
  values();
  from_library();
  system_names();
}
