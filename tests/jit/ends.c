/* How objects begin and end among others: constructors, dependencies, closing, the end of the program. */
#include "jit_test.h"

static void *open_library(const char *name, int mode) {
  void *library = dlopen(name, mode);
  MUST(library);
  return library;
}
static int call(void *library, const char *name) {
  function *f = (function *)find(library, name);
  MUST(f);
  return f();
}

static void opens(void) {
  size_t objects = loaded_objects();
  ldx_jit *jit = make_jit("libjit-opens.so", 0);
  void *f = publish_function(jit, "f", 1);
  for (int i = 0; i < 3; i++)
    CHECK(dlopen("libjit-opens.so", RTLD_NOW | RTLD_NOLOAD) == (void *)jit);
  SAME(ldx_jit_delete(jit), 0);
  CHECK(find(jit, "f") == f); /* three more hold it */
  SAME(((function *)publish_function(jit, "g", 2))(), 2);
  SAME(dlclose(jit), 0);
  SAME(dlclose(jit), 0);
  SAME(loaded_objects(), objects + 1);
  SAME(dlclose(jit), 0);
  SAME(loaded_objects(), objects);
  jit = make_jit("libjit-opens.so", 0);
  CHECK(dlopen("libjit-opens.so", RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE) == (void *)jit);
  f = publish_function(jit, "f", 3);
  SAME(ldx_jit_delete(jit), 0);
  SAME(dlclose(jit), 0);
  SAME(loaded_objects(), objects + 1);
  SAME(((function *)f)(), 3);
}

/* A library that needs it by name (DT_NEEDED). */
static void needed(void) {
  size_t objects = loaded_objects();
  CHECK(!dlopen("libjit-needs.so", RTLD_NOW));
  ldx_jit *jit = make_jit("libjit-stub.so", 0); /* not global: it is a dependency */
  publish_function(jit, "jit_answer", 31);
  void *library = open_library("libjit-needs.so", RTLD_NOW);
  SAME(call(library, "call_answer"), 31);
  CHECK(find(library, "jit_answer") == find(jit, "jit_answer"));
  CHECK(found_nowhere(RTLD_DEFAULT, "jit_answer"));
  publish_function(jit, "jit_answer", 32);
  SAME(call(library, "call_answer"), 32);
  SAME(ldx_jit_delete(jit), 0);
  SAME(loaded_objects(), objects + 2);
  SAME(call(library, "call_answer"), 32);
  SAME(dlclose(library), 0);
  SAME(loaded_objects(), objects);
}

/* Made in a constructor: when a library is opened (here), and before main (the program that is linked with it). */
static void in_constructor(void) {
  void *library = open_library("libjit-after-begin.so", RTLD_LAZY);
  SAME(call(library, "call_answer"), 55);
  CHECK(dlopen("libjit-made-at-begin.so", RTLD_NOW | RTLD_NOLOAD));
}

/* Libraries begin and end in the order they always have; run_jit.py looks at what they print. */
static void order(void) {
  ldx_jit *jit = make_jit("libjit-between.so", LDX_JIT_GLOBAL);
  publish_function(jit, "jit_answer", 1);
  void *upper = open_library("libjit-upper.so", RTLD_LAZY);
  SAME(call(upper, "call_answer"), 1); /* upper is bound to the object now */
  printf("main\n");
  fflush(stdout);
  SAME(ldx_jit_delete(jit), 0);
  SAME(dlclose(upper), 0);
  printf("again\n");
  fflush(stdout);
  jit = make_jit("libjit-between.so", LDX_JIT_GLOBAL);
  publish_function(jit, "jit_answer", 2);
  upper = open_library("libjit-upper.so", RTLD_LAZY);
  SAME(call(upper, "call_answer"), 2);
  printf("end\n");
}

/* Code is there as long as anybody may call it: handlers and destructors of the end. */
static ldx_jit *last;
static void at_end(void) {
  function *f = (function *)dlsym(last, "f");
  printf("%d\n", f ? f() : -1);
  ldx_jit *more = make_jit("libjit-at-end.so", LDX_JIT_GLOBAL);
  printf("%d\n", ((function *)publish_function(more, "g", 8))());
  fflush(stdout);
}
static void at_exit(void) {
  last = make_jit("libjit-last.so", LDX_JIT_GLOBAL);
  publish_function(last, "f", 7);
  publish_function(last, "jit_answer", 66);
  open_library("libjit-calls-at-end.so", RTLD_LAZY);
  atexit(at_end);
  for (int i = 0; i < 20; i++) {
    char name[32];
    snprintf(name, sizeof name, "libjit-left%d.so", i);
    publish_function(make_jit(name, LDX_JIT_GLOBAL), name, i);
  }
}

/* A handler that is code itself. */
static void atexit_code(void) {
  last = make_jit("libjit-handler.so", 0);
  unsigned char code[] = {0xb8, 0x01, 0, 0, 0, 0xbf, 1,    0, 0, 0, 0x48, 0xbe, 0,    0,
                          0,    0,    0, 0, 0, 0,    0xba, 3, 0, 0, 0,    0x0f, 0x05, 0xc3}; /* write(1, text, 3) */
  char *text = ldx_jit_alloc(last, 3, 1, LDX_JIT_DATA);
  memcpy(text, "ok\n", 3);
  memcpy(code + 12, &text, 8);
  void *f = put_code(last, code, sizeof code);
  SAME(ldx_jit_publish(last), 0);
  atexit((void (*)(void))f);
}

/* The program ends while others make, publish and delete. */
static void *make_on(void *arg) {
  char name[32];
  for (int i = 0;; i++) {
    snprintf(name, sizeof name, "libjit-on%d-%d.so", (int)(intptr_t)arg, i % 20);
    ldx_jit *jit = NULL;
    if (ldx_jit_new(name, LDX_JIT_GLOBAL, NULL, &jit) == 0) {
      publish_function(jit, name, i);
      if (i % 20)
        ldx_jit_delete(jit);
    }
  }
  return NULL;
}
static void exit_meanwhile(void) {
  for (int i = 0; i < 25; i++) {
    int status = STATUS_OF({
      pthread_t thread;
      for (intptr_t k = 0; k < 2; k++)
        MUST(!pthread_create(&thread, NULL, make_on, (void *)k));
      usleep((unsigned)(1000 + i * 700));
      alarm(60);
      exit(0);
    });
    SAME(status, 0);
  }
}

/* In a callback that dl_iterate_phdr makes. */
static int changes_meanwhile(struct dl_phdr_info *info, size_t size, void *arg) {
  (void)info, (void)size;
  int *calls = arg;
  ldx_jit *jit = make_jit("libjit-callback.so", LDX_JIT_GLOBAL);
  void *f = publish_function(jit, "f", 3);
  CHECK(find(jit, "f") == f);
  SAME(ldx_jit_delete(jit), 0);
  return ++*calls == 3;
}
static void in_callback(void) {
  int calls = 0;
  size_t objects = loaded_objects();
  dl_iterate_phdr(changes_meanwhile, &calls);
  SAME(calls, 3);
  SAME(loaded_objects(), objects);
}

/* In the resolver of an indirect function, while a library is relocated. */
static ldx_jit *resolving;
static void *resolve(void) {
  static void *at;
  if (!at)
    at = publish_function(resolving, "made_by_resolver", 44);
  return at;
}
static void in_resolver(void) {
  resolving = make_jit("libjit-resolver.so", LDX_JIT_GLOBAL);
  unsigned char code[] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0}; /* mov $resolve,%rax; jmp *%rax */
  void *(*resolver)(void) = resolve;
  memcpy(code + 2, &resolver, 8);
  void *at = put_code(resolving, code, sizeof code);
  SAME(bind_as(resolving, "jit_answer", NULL, at, sizeof code, STT_GNU_IFUNC, 0), 0);
  SAME(ldx_jit_publish(resolving), 0);
  void *library = open_library("libjit-user-now.so", RTLD_NOW),
       *lazy = open_library("libjit-user-lazy.so", RTLD_LAZY);
  SAME(call(library, "call_answer"), 44);
  SAME(call(lazy, "call_answer"), 44);
  SAME(call(resolving, "made_by_resolver"), 44);
}

CASES({"opens", opens}, {"needed", needed}, {"in-constructor", in_constructor}, {"order", order},
      {"at-exit", at_exit}, {"atexit-code", atexit_code}, {"exit-meanwhile", exit_meanwhile},
      {"in-callback", in_callback}, {"in-resolver", in_resolver})
