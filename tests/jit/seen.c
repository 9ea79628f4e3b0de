/* What others see: ldx/state.h, tools, auditors, readelf, ldx-ctl. run_jit.py looks at it from outside. */
#include "jit_test.h"
#include <ldx/state.h>
#pragma weak ldx_each_object
#pragma weak ldx_find_address

static struct ldx_object_info told;
static int see(void *arg, const struct ldx_object_info *o) {
  if (o->soname && !strcmp(o->soname, arg))
    told = *o;
  return 0;
}
static void state(void) {
  ldx_jit *jit = make_jit("libjit-state.so", LDX_JIT_GLOBAL);
  void *f = publish_function(jit, "f", 1);
  struct link_map *map = map_of(jit);
  char name[] = "libjit-state.so";
  MUST(ldx_each_object && ldx_find_address);
  SAME(ldx_each_object(-1, see, name), 0);
  MUST(told.soname);
  SAME(told.flags, LDX_OBJECT_RUNTIME | LDX_OBJECT_GLOBAL | LDX_OBJECT_READY);
  CHECK(told.link_map == map && told.base == map->l_addr && told.dynamic == map->l_ld &&
        !strcmp(told.path, map->l_name));
  CHECK(!strcmp(told.name, "libjit-state.so"));
  SAME(told.opens, 1);
  SAME(told.ns, 0);
  CHECK(told.low <= (uintptr_t)f && (uintptr_t)f < told.high);
  struct ldx_object_info at = {.size = sizeof at};
  SAME(ldx_find_address(f, &at), 0);
  SAME(at.id, told.id);
  SAME(ldx_find_address(ldx_jit_writable(jit, f), &at), -ENOENT);
  SAME(ldx_jit_delete(jit), 0);
  told.soname = NULL;
  SAME(ldx_each_object(-1, see, name), 0);
  CHECK(!told.soname);
}

/* For tools and auditors: each line is what they are to be told of. */
static void story(void) {
  ldx_jit *jit = make_jit("libjit-story.so", LDX_JIT_GLOBAL);
  void *f = publish_function(jit, "jit_answer", 1); /* told once */
  for (int i = 0; i < 100; i++) {
    char name[32];
    snprintf(name, sizeof name, "f%d", i);
    bind_function(jit, name, f);
  }
  SAME(ldx_jit_publish(jit), 0); /* once */
  SAME(ldx_jit_publish(jit), 0); /* not: nothing is new */
  bind_function(jit, "discarded", f);
  SAME(ldx_jit_discard(jit), 0); /* not */
  void *library = dlopen("libjit-user-lazy.so", RTLD_LAZY);
  MUST(library);
  SAME(((function *)find(library, "call_answer"))(), 1); /* a binding */
  publish_function(jit, "jit_answer", 2);                /* once */
  SAME(((function *)find(library, "call_answer"))(), 2);
  dlclose(library);
  SAME(ldx_jit_unbind(jit, "f3", NULL), 0);
  SAME(ldx_jit_publish(jit), 0); /* once */
  SAME(ldx_jit_delete(jit), 0);  /* it is gone */
}

/* An object with something of everything, until the input ends. */
static void hold(void) {
  ldx_jit *jit = make_jit("libjit-hold.so", LDX_JIT_GLOBAL);
  char name[32];
  void *f = NULL;
  for (int i = 0; i < 40; i++) {
    snprintf(name, sizeof name, "held_%d", i);
    f = returns(jit, 1000 + i);
    SAME(bind_function(jit, name, f), 0);
    SAME(ldx_jit_frame(jit, f, 6, LDX_JIT_FRAME_LEAF), 0);
    if (i % 7 == 0)
      SAME(ldx_jit_publish(jit), 0);
  }
  for (int i = 5; i < 40; i += 5) { /* held_5, held_10... are gone again */
    snprintf(name, sizeof name, "held_%d", i);
    SAME(ldx_jit_unbind(jit, name, NULL), 0);
  }
  SAME(bind_as(jit, "held_weak", NULL, f, 6, STT_FUNC, LDX_JIT_WEAK), 0);
  SAME(bind_as(jit, "held_follows", NULL, f, 6, STT_FUNC, LDX_JIT_FOLLOWS), 0);
  SAME(bind_as(jit, "held_version", "HELD_1", returns(jit, 1), 6, STT_FUNC, 0), 0);
  SAME(bind_as(jit, "held_version", "HELD_2", returns(jit, 2), 6, STT_FUNC, 0), 0);
  SAME(bind_as(jit, "held_absolute", NULL, (void *)0x123456, 0, STT_NOTYPE, 0), 0);
  int *data = ldx_jit_alloc(jit, 4000, 64, LDX_JIT_DATA);
  const char *text = ldx_jit_alloc(jit, 16, 1, LDX_JIT_RODATA);
  data[0] = 4711;
  strcpy(ldx_jit_writable(jit, text), "a held text");
  SAME(bind_as(jit, "held_data", NULL, data, 4000, STT_OBJECT, 0), 0);
  SAME(bind_as(jit, "held_text", NULL, (void *)text, 12, STT_OBJECT, 0), 0);
  SAME(ldx_jit_publish(jit), 0);
  ldx_jit *empty = make_jit("libjit-empty.so", 0);
  printf("%d %s %s\n", getpid(), map_of(jit)->l_name, map_of(empty)->l_name);
  fflush(stdout);
  char c;
  while (read(0, &c, 1) > 0)
    ;
}

/* A name for which the debug output of LD_DEBUG has to say where it was found. */
static void traced(void) {
  ldx_jit *jit = make_jit("libjit-traced.so", LDX_JIT_GLOBAL);
  publish_function(jit, "jit_answer", 4);
  void *library = dlopen("libjit-user-lazy.so", RTLD_LAZY);
  MUST(library);
  SAME(((function *)find(library, "call_answer"))(), 4);
  CHECK(find(RTLD_DEFAULT, "jit_answer"));
  SAME(ldx_jit_delete(jit), 0);
  dlclose(library);
}

/* An auditor or a tool binds two of four libraries to its own function: those do not follow, the others do. */
static void changed(void) {
  static const char *const names[] = {"libjit-user-lazy.so", "libjit-user-now.so", "libjit-user-noplt.so",
                                      "libjit-upper.so"};
  bool changes = getenv("JIT_CHANGES") != NULL;
  ldx_jit *jit = make_jit("libjit-changed.so", LDX_JIT_GLOBAL);
  publish_function(jit, "jit_answer", 1);
  function *call[4];
  for (int i = 0; i < 4; i++) {
    void *library = dlopen(names[i], RTLD_LAZY);
    MUST(library);
    call[i] = (function *)find(library, "call_answer");
    MUST(call[i]);
  }
  for (int round = 1; round < 20; round++) {
    for (int i = 0; i < 4; i++)
      SAME(call[i](), changes && i < 2 ? -7 : round);
    publish_function(jit, "jit_answer", round + 1);
  }
}

CASES({"state", state}, {"story", story}, {"hold", hold}, {"traced", traced}, {"changed", changed})
