/* References of libraries to symbols of run-time objects; namespaces. */
#include "jit_test.h"

static int call(void *library, const char *name) {
  function *f = (function *)find(library, name);
  MUST(f);
  return f();
}
static void *open_library(const char *name, int mode) {
  void *library = dlopen(name, mode);
  MUST(library);
  return library;
}

/* Opened before the object is there. */
static void lazy_before(void) {
  void *library = open_library("libjit-user-lazy.so", RTLD_LAZY);
  SAME(call(library, "has_weak_function"), 0);
  ldx_jit *jit = make_jit("libjit-late.so", LDX_JIT_GLOBAL);
  publish_function(jit, "jit_answer", 41);
  SAME(call(library, "call_answer"), 41);
  SAME(call(library, "call_answer"), 41);
  publish_function(jit, "jit_weak_function", 5);
  SAME(call(library, "has_weak_function"), 0); /* bound to nothing when it was loaded */
}

/* Opened when it is there: at once, lazily, without PLT. */
static void opened_after(void) {
  ldx_jit *jit = make_jit("libjit-early.so", LDX_JIT_GLOBAL);
  publish_function(jit, "jit_answer", 42);
  publish_function(jit, "jit_weak_function", 6);
  int *data = ldx_jit_alloc(jit, 16, 8, LDX_JIT_DATA), *weak = ldx_jit_alloc(jit, 4, 4, LDX_JIT_DATA);
  data[0] = 7;
  data[2] = 9;
  *weak = 8;
  SAME(bind_as(jit, "jit_counter", NULL, data, 16, STT_OBJECT, 0), 0);
  SAME(bind_as(jit, "jit_weak_data", NULL, weak, 4, STT_OBJECT, LDX_JIT_WEAK), 0);
  SAME(ldx_jit_publish(jit), 0);

  const char *libraries[] = {"libjit-user-lazy.so", "libjit-user-now.so", "libjit-user-data.so",
                             "libjit-user-noplt.so"};
  for (size_t i = 0; i < 4; i++) {
    void *library = open_library(libraries[i], RTLD_LAZY);
    SAME(call(library, "call_answer"), 42);
    SAME(call(library, "call_weak_function"), 6);
    SAME(call(library, "read_weak_data"), 8);
  }
  void *library = open_library("libjit-user-data.so", RTLD_LAZY);
  SAME(call(library, "read_counter"), 7);
  SAME(call(library, "call_by_pointer"), 42);
  SAME(call(library, "call_by_constant"), 42);
  CHECK(*(int **)find(library, "pointer_to_counter") == data);
  CHECK(*(int **)find(library, "pointer_behind_counter") == data + 2);
  data[0] = 70;
  SAME(call(library, "read_counter"), 70);
}

/* Objects that are not global are no business of libraries. */
static void not_global(void) {
  ldx_jit *jit = make_jit("libjit-private.so", 0);
  publish_function(jit, "jit_answer", 42);
  CHECK(!dlopen("libjit-user-now.so", RTLD_NOW));
  const char *why = dlerror();
  CHECK(why && strstr(why, "libjit-user-now.so") && strstr(why, "undefined symbol: jit_answer"));
  CHECK(!dlopen("libjit-user-noplt.so", RTLD_LAZY));
  void *library = open_library("libjit-user-lazy.so", RTLD_LAZY);
  SAME(call(library, "has_weak_function"), 0);
  int quiet = STATUS_OF(close(2); call(library, "call_answer"));
  CHECK(WIFEXITED(quiet) && WEXITSTATUS(quiet) == 127);

  /* Opened once more as a global one. */
  CHECK(dlopen("libjit-private.so", RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL) == (void *)jit);
  SAME(call(library, "call_answer"), 42);
  SAME(call(open_library("libjit-user-now.so", RTLD_NOW), "call_answer"), 42);
}

/* The functions are there for everybody who asks. */
static void offered(void) {
  CHECK(find(RTLD_DEFAULT, "ldx_jit_new") == (void *)ldx_jit_new);
  static const char *const all[] = {"ldx_jit_alloc",  "ldx_jit_writable", "ldx_jit_free",    "ldx_jit_bind",
                                    "ldx_jit_unbind", "ldx_jit_frames",   "ldx_jit_frame",   "ldx_jit_lines",
                                    "ldx_jit_debug",  "ldx_jit_publish",  "ldx_jit_discard", "ldx_jit_delete"};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    CHECK(find(RTLD_DEFAULT, all[i]));
  void *library = open_library("libjit-maker.so", RTLD_NOW);
  ldx_jit *(*make)(const char *, uint32_t) = (ldx_jit * (*)(const char *, uint32_t)) find(library, "make");
  void *(*add)(const char *, int) = (void *(*)(const char *, int))find(library, "add");
  ldx_jit *jit = make("libjit-made.so", 0);
  MUST(jit);
  void *f = add("f", 3);
  CHECK(f && find(jit, "f") == f);
}

/* The same names in two namespaces. */
static void namespaces(void) {
  ldx_jit *ours = make_jit("libjit-made.so", LDX_JIT_GLOBAL);
  publish_function(ours, "jit_answer", 1);
  void *maker = dlmopen(LM_ID_NEWLM, "libjit-maker.so", RTLD_NOW);
  MUST(maker);
  ldx_jit *(*make)(const char *, uint32_t) = (ldx_jit * (*)(const char *, uint32_t)) find(maker, "make");
  void *(*add)(const char *, int) = (void *(*)(const char *, int))find(maker, "add");
  int (*error_of_make)(const char *) = (int (*)(const char *))find(maker, "error_of_make");
  MUST(make && add && error_of_make);
  ldx_jit *theirs = make("libjit-made.so", LDX_JIT_GLOBAL);
  MUST(theirs);
  CHECK(theirs != ours);
  SAME(error_of_make("libjit-made.so"), -EEXIST);
  void *f = add("jit_answer", 2);
  CHECK(f && find(theirs, "jit_answer") == f && find(ours, "jit_answer") != f);

  Lmid_t ns = -1, made = -1;
  CHECK(!dlinfo(maker, RTLD_DI_LMID, &ns) && !dlinfo(theirs, RTLD_DI_LMID, &made) && ns == made && ns != LM_ID_BASE);
  CHECK(dlmopen(ns, "libjit-made.so", RTLD_NOW | RTLD_NOLOAD) == (void *)theirs);
  CHECK(dlopen("libjit-made.so", RTLD_NOW | RTLD_NOLOAD) == (void *)ours);
  CHECK(find(RTLD_DEFAULT, "jit_answer") != f);

  void *user = dlmopen(ns, "libjit-user-lazy.so", RTLD_LAZY),
       *user_here = open_library("libjit-user-lazy.so", RTLD_LAZY);
  MUST(user);
  SAME(call(user, "call_answer"), 2);
  SAME(call(user_here, "call_answer"), 1);
  user = dlmopen(ns, "libjit-user-now.so", RTLD_NOW);
  MUST(user);
  SAME(call(user, "call_answer"), 2);

  Dl_info info;
  CHECK(dladdr(f, &info) && !strcmp(info.dli_sname, "jit_answer") && !strcmp(info.dli_fname, map_of(theirs)->l_name));
  add("jit_answer", 3);
  SAME(call(user, "call_answer"), 3);
  SAME(call(user_here, "call_answer"), 1);
  int (*drop)(void) = (int (*)(void))find(maker, "drop");
  SAME(drop(), 0);
  SAME(call(user, "call_answer"), 3); /* bound: it stays */
}

/* The caller's own definition and the versions of a reference. */
int jit_own(void) { return 100; }
static void in_order(void) {
  ldx_jit *jit = make_jit("libjit-order.so", LDX_JIT_GLOBAL);
  void *mine = publish_function(jit, "jit_own", 1);
  CHECK(find(RTLD_DEFAULT, "jit_own") == (void *)jit_own);
  CHECK(find(jit, "jit_own") == mine);

  /* Two objects: the first defines it weakly, and is taken all the same. */
  ldx_jit *second = make_jit("libjit-order2.so", LDX_JIT_GLOBAL);
  void *a = returns(jit, 1), *b = returns(second, 2);
  SAME(bind_as(jit, "jit_answer", NULL, a, 6, STT_FUNC, LDX_JIT_WEAK), 0);
  SAME(bind_as(second, "jit_answer", NULL, b, 6, STT_FUNC, 0), 0);
  SAME(ldx_jit_publish(second), 0);
  void *library = open_library("libjit-user-lazy.so", RTLD_LAZY);
  CHECK(find(RTLD_DEFAULT, "jit_answer") == b);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(find(RTLD_DEFAULT, "jit_answer") == a);
  SAME(call(library, "call_answer"), 1);
}

/* RTLD_DEFAULT's answers are remembered nowhere: unbind, bind, unbind. */
static void not_remembered(void) {
  ldx_jit *jit = make_jit("libjit-remembered.so", LDX_JIT_GLOBAL);
  for (int i = 0; i < 200; i++) {
    CHECK(found_nowhere(RTLD_DEFAULT, "jit_now_and_then"));
    void *f = publish_function(jit, "jit_now_and_then", i);
    CHECK(find(RTLD_DEFAULT, "jit_now_and_then") == f);
    SAME(ldx_jit_unbind(jit, "jit_now_and_then", NULL), 0);
    SAME(ldx_jit_publish(jit), 0);
    if (i % 2)
      SAME(ldx_jit_free(jit, f), 0);
  }
}

/* What lives longer: objects with libraries bound to them, and libraries. */
static void deleted_while_bound(void) {
  size_t objects = loaded_objects(), mappings = memory_file_mappings(), descriptors = open_descriptors();
  void *library = open_library("libjit-user-lazy.so", RTLD_LAZY);
  ldx_jit *jit = make_jit("libjit-bound.so", LDX_JIT_GLOBAL);
  void *f = publish_function(jit, "jit_answer", 11);
  SAME(call(library, "call_answer"), 11);
  SAME(ldx_jit_delete(jit), 0);
  SAME(call(library, "call_answer"), 11);
  Dl_info info;
  CHECK(dladdr(f, &info) && info.dli_sname && !strcmp(info.dli_sname, "jit_answer"));
  SAME(loaded_objects(), objects + 2);
  SAME(dlclose(library), 0);
  SAME(loaded_objects(), objects);
  SAME(memory_file_mappings(), mappings);
  SAME(open_descriptors(), descriptors);

  /* The other way round. */
  library = open_library("libjit-user-lazy.so", RTLD_LAZY);
  jit = make_jit("libjit-bound.so", LDX_JIT_GLOBAL);
  publish_function(jit, "jit_answer", 12);
  SAME(call(library, "call_answer"), 12);
  SAME(dlclose(library), 0);
  void *g = publish_function(jit, "jit_answer", 13); /* the slot that it was bound in is gone */
  CHECK(find(jit, "jit_answer") == g);
  SAME(dlclose(jit), 0);
  SAME(loaded_objects(), objects);
  SAME(memory_file_mappings(), mappings);
  SAME(open_descriptors(), descriptors);
}

/* A library that was linked with a version, and needs the object by its name. */
static void versioned(void) {
  ldx_jit *jit = make_jit("libjit-versioned-stub.so", 0);
  void *one = returns(jit, 11), *two = returns(jit, 22);
  SAME(bind_as(jit, "jit_answer", "OTHER_1", one, 6, STT_FUNC, 0), 0);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(!dlopen("libjit-needs-version.so", RTLD_NOW));
  const char *why = dlerror();
  CHECK(why && strstr(why, "version `JIT_1' not found"));

  SAME(bind_as(jit, "jit_answer", "JIT_1", one, 6, STT_FUNC, 0), 0);
  SAME(bind_as(jit, "jit_answer", "JIT_2", two, 6, STT_FUNC, 0), 0);
  SAME(ldx_jit_publish(jit), 0);
  void *library = open_library("libjit-needs-version.so", RTLD_NOW);
  SAME(call(library, "call_answer"), 11);
  void *fresh = returns(jit, 12);
  SAME(bind_as(jit, "jit_answer", "JIT_1", fresh, 6, STT_FUNC, 0), 0);
  SAME(ldx_jit_publish(jit), 0);
  SAME(call(library, "call_answer"), 12);
}

/* Code calls dl functions itself: it is found as their caller. */
static void *call_from(ldx_jit *jit, void *function, const void *a, const void *b) {
  unsigned char code[] = {0x55,                                    /* push %rbp */
                          0x48, 0xbf, 0,    0,   0, 0, 0, 0, 0, 0, /* mov $a,%rdi */
                          0x48, 0xbe, 0,    0,   0, 0, 0, 0, 0, 0, /* mov $b,%rsi */
                          0x48, 0xb8, 0,    0,   0, 0, 0, 0, 0, 0, /* mov $function,%rax */
                          0xff, 0xd0, 0x5d, 0xc3};                 /* call *%rax; pop %rbp; ret */
  memcpy(code + 3, &a, 8);
  memcpy(code + 13, &b, 8);
  memcpy(code + 23, &function, 8);
  return ((void *(*)(void))put_code(jit, code, sizeof code))();
}
static void from_code(void) {
  ldx_jit *first = make_jit("libjit-first.so", LDX_JIT_GLOBAL),
          *second = make_jit("libjit-second.so", LDX_JIT_GLOBAL), *alone = make_jit("libjit-alone.so", 0);
  void *a = publish_function(first, "jit_who", 1), *b = publish_function(second, "jit_who", 2),
       *c = publish_function(alone, "jit_who", 3);
  const char *path = map_of(first)->l_name;
  CHECK(call_from(first, (void *)dlsym, RTLD_DEFAULT, "jit_who") == a);
  CHECK(!call_from(first, (void *)dlsym, RTLD_NEXT, "jit_who")); /* it depends on nothing */
  CHECK(call_from(second, (void *)dlsym, RTLD_DEFAULT, "jit_who") == a);
  CHECK(find(second, "jit_who") == b);
  CHECK(call_from(alone, (void *)dlsym, RTLD_DEFAULT, "jit_who") == a);
  CHECK(find(alone, "jit_who") == c);
  CHECK(call_from(alone, (void *)dlopen, "libm.so.6", (void *)RTLD_NOW));
  CHECK(call_from(alone, (void *)dlopen, path, (void *)(RTLD_NOW | RTLD_NOLOAD)) == (void *)first);
}

CASES({"lazy-before", lazy_before}, {"opened-after", opened_after}, {"not-global", not_global}, {"offered", offered},
      {"namespaces", namespaces}, {"in-order", in_order}, {"not-remembered", not_remembered},
      {"deleted-while-bound", deleted_while_bound}, {"versioned", versioned}, {"from-code", from_code})
