/* Memory of objects: two views, blocks that come and go, limits of what that costs; many symbols, many objects. */
#include "jit_test.h"

/* --- B03: no page is writable and executable ------------------------------------------------------------------ */

static bool watching = true;
static void look(void *arg, const struct mapping *m) {
  (void)arg;
  if (m->perms[1] == 'w' && m->perms[2] == 'x')
    wrong(__FILE__, __LINE__, "%lx-%lx %s %s", m->low, m->high, m->perms, m->name);
}
static void *watch(void *arg) {
  while (__atomic_load_n(&watching, __ATOMIC_ACQUIRE)) {
    each_mapping(look, NULL);
    ++*(int *)arg;
  }
  return NULL;
}

static void never_both(void) {
  pthread_t thread;
  int looks = 0;
  MUST(!pthread_create(&thread, NULL, watch, &looks));
  for (int round = 0; round < 60; round++) {
    ldx_jit *jit = make_jit("libjit-watched.so", round % 2 ? LDX_JIT_GLOBAL : 0);
    void *f = NULL;
    for (int i = 0; i < 50; i++) {
      f = returns(jit, i);
      SAME(bind_as(jit, "f", NULL, f, 6, STT_FUNC, i % 3 ? 0 : LDX_JIT_FOLLOWS), 0);
      SAME(ldx_jit_frame(jit, f, 6, LDX_JIT_FRAME_LEAF), 0);
      SAME(ldx_jit_publish(jit), 0);
    }
    look(NULL, &(struct mapping){0});
    CHECK(!strncmp(mapping_at(f).perms, "r-x", 3));
    CHECK(!strncmp(mapping_at(ldx_jit_writable(jit, f)).perms, "rw-", 3));
    CHECK(!strncmp(mapping_at(ldx_jit_alloc(jit, 8, 8, LDX_JIT_DATA)).perms, "rw-", 3));
    CHECK(!strncmp(mapping_at(ldx_jit_alloc(jit, 8, 8, LDX_JIT_RODATA)).perms, "r--", 3));
    SAME(ldx_jit_delete(jit), 0);
  }
  __atomic_store_n(&watching, false, __ATOMIC_RELEASE);
  pthread_join(thread, NULL);
  CHECK(looks > 0);
}

/* Prints how far the view to write is from the code, for run_jit.py, which compares runs. */
static void distance(void) {
  enum { OBJECTS = 8 };
  intptr_t all[OBJECTS];
  for (int i = 0; i < OBJECTS; i++) {
    char name[32];
    snprintf(name, sizeof name, "libjit-distance%d.so", i);
    ldx_jit *jit = make_jit(name, 0);
    char *code = returns(jit, i);
    all[i] = (char *)ldx_jit_writable(jit, code) - code;
    printf("%ld\n", all[i]);
    for (int k = 0; k < i; k++)
      CHECK(all[k] != all[i]);
  }
}

static void views(void) {
  ldx_jit *jit = make_jit("libjit-views.so", 0), *other = make_jit("libjit-views2.so", 0);
  for (int kind = LDX_JIT_RODATA; kind <= LDX_JIT_CODE; kind++) {
    unsigned char *at = ldx_jit_alloc(jit, 100, 4, (enum ldx_jit_kind)kind);
    MUST(at);
    unsigned char *to = ldx_jit_writable(jit, at);
    MUST(to);
    CHECK(kind == LDX_JIT_DATA || to != at);
    for (int i = 0; i < 100; i++)
      CHECK(ldx_jit_writable(jit, at + i) == to + i);
    memset(to, 0x5a, 100);
    for (int i = 0; i < 100; i++)
      SAME(at[i], 0x5a);
    CHECK(!ldx_jit_writable(other, at));
  }
  unsigned char *data = ldx_jit_alloc(jit, 8, 8, LDX_JIT_DATA);
  *data = 3;
  SAME(*(unsigned char *)ldx_jit_writable(jit, data), 3);
  int local;
  CHECK(!ldx_jit_writable(jit, &local) && !ldx_jit_writable(jit, NULL) && !ldx_jit_writable(jit, (void *)views) &&
        !ldx_jit_writable(jit, (void *)-1));
}

static void jump_to(void *at) { ((void (*)(void))at)(); }

/* Memory is fresh: zeros, in code what traps, also where something was before. */
static void fresh(void) {
  ldx_jit *jit = make_jit("libjit-fresh.so", 0);
  for (int round = 0; round < 3; round++) {
    unsigned char *code = ldx_jit_alloc(jit, 40, 1, LDX_JIT_CODE), *data = ldx_jit_alloc(jit, 5000, 8, LDX_JIT_DATA),
                  *rodata = ldx_jit_alloc(jit, 5000, 8, LDX_JIT_RODATA);
    MUST(code && data && rodata);
    for (int i = 0; i < 5000; i++)
      CHECK(!data[i] && !rodata[i]);
    for (int i = 0; i < 40; i += 13) {
      struct rlimit none = {0, 0};
      int status = STATUS_OF(setrlimit(RLIMIT_CORE, &none); jump_to(code + i));
      CHECK(WIFSIGNALED(status) && (WTERMSIG(status) == SIGTRAP || WTERMSIG(status) == SIGILL));
    }
    memset(ldx_jit_writable(jit, code), 0xc3, 40);
    memset(data, 1, 5000);
    memset(ldx_jit_writable(jit, rodata), 2, 5000);
    SAME(ldx_jit_free(jit, code), 0);
    SAME(ldx_jit_free(jit, data), 0);
    SAME(ldx_jit_free(jit, rodata), 0);
  }
}

/* --- B04: blocks -------------------------------------------------------------------------------------------------
 */

static unsigned seed = 12345;
static unsigned any(unsigned below) {
  seed = seed * 1103515245 + 12345;
  return (seed >> 8) % below;
}

struct block {
  unsigned char *at;
  size_t size;
  enum ldx_jit_kind kind;
  unsigned char mark;
};
enum { LIVE = 300 };

static void take(ldx_jit *jit, struct block *b) {
  size_t align = (size_t)1 << any(any(10) ? 7 : 13);
  *b = (struct block){
      .size = 1 + any(any(20) ? 300 : 20000), .kind = (enum ldx_jit_kind)any(3), .mark = (unsigned char)any(256)};
  b->at = ldx_jit_alloc(jit, b->size, align, b->kind);
  MUST(b->at);
  CHECK((uintptr_t)b->at % align == 0);
  memset(ldx_jit_writable(jit, b->at), b->mark, b->size);
}
static void give(ldx_jit *jit, struct block *b) {
  for (size_t i = 0; i < b->size; i++)
    if (b->at[i] != b->mark) { /* somebody else has it too */
      wrong(__FILE__, __LINE__, "block %p: byte %zu of %zu is %#x, not %#x", (void *)b->at, i, b->size, b->at[i],
            b->mark);
      break;
    }
  SAME(ldx_jit_free(jit, b->at), 0);
  b->at = NULL;
}

static void blocks(void) {
  ldx_jit *jit = make_jit("libjit-blocks.so", 0);
  static struct block live[LIVE];
  size_t before = 0, mappings = 0, descriptors = 0;
  for (int i = 0; i < 100000; i++) {
    struct block *b = &live[any(LIVE)];
    if (b->at)
      give(jit, b);
    take(jit, b);
    if (i == 10000) {
      before = resident();
      mappings = memory_file_mappings();
      descriptors = open_descriptors();
    }
  }
  CHECK(resident() < before + 8192);
  SAME(memory_file_mappings(), mappings);
  SAME(open_descriptors(), descriptors);
  for (int i = 0; i < LIVE; i++)
    if (live[i].at)
      give(jit, &live[i]);

  /* All of it is one piece again. */
  for (int kind = LDX_JIT_RODATA; kind <= LDX_JIT_CODE; kind++)
    CHECK(ldx_jit_alloc(jit, 6 << 20, 4096, (enum ldx_jit_kind)kind));
}

/* All room of a small object, in pieces of one size, again and again. */
static void whole_room(void) {
  struct ldx_jit_limits limits = {.size = sizeof limits, .code = 1 << 20, .data = 1 << 20, .rodata = 1 << 20};
  ldx_jit *jit = NULL;
  MUST(ldx_jit_new("libjit-room.so", 0, &limits, &jit) == 0);
  for (int kind = LDX_JIT_RODATA; kind <= LDX_JIT_CODE; kind++) {
    static void *at[70000];
    int first = 0;
    for (int round = 0; round < 3; round++) {
      int count = 0;
      void *p;
      while (count < 70000 && (p = ldx_jit_alloc(jit, 32, 32, (enum ldx_jit_kind)kind)))
        at[count++] = p;
      CHECK(count >= 32000 && count < 70000);
      SAME(count, round ? count : (first = count));
      SAME(count, first);
      CHECK(!ldx_jit_alloc(jit, 32, 32, (enum ldx_jit_kind)kind));
      for (int i = 0; i < count; i++) /* not in the order they came */
        SAME(ldx_jit_free(jit, at[i * 7919L % count]), 0);
    }
  }
}

/* Functions that come and go, each name once or always the same ones. */
static void churn(bool new_names) {
  ldx_jit *jit = make_jit("libjit-churn.so", LDX_JIT_GLOBAL);
  size_t before = 0, mappings = 0, descriptors = 0;
  enum { KEEP = 50 };
  const int count = new_names ? 30000 : 100000;
  static void *at[KEEP];
  static char names[KEEP][48];
  for (int i = 0; i < count; i++) {
    int k = i % KEEP;
    if (at[k]) {
      SAME(ldx_jit_unbind(jit, names[k], NULL), 0);
      SAME(ldx_jit_publish(jit), 0);
      SAME(ldx_jit_free(jit, at[k]), 0);
    }
    snprintf(names[k], sizeof names[k], "churned_function_number_%d", new_names ? i : k);
    at[k] = returns(jit, i);
    SAME(bind_function(jit, names[k], at[k]), 0);
    SAME(ldx_jit_frame(jit, at[k], 6, LDX_JIT_FRAME_LEAF), 0);
    SAME(ldx_jit_publish(jit), 0);
    if (i % 1000 == 0) {
      CHECK(find(jit, names[k]) == at[k]);
      SAME(((function *)at[k])(), i);
    }
    if (i == count / 10) {
      before = resident();
      mappings = memory_file_mappings();
      descriptors = open_descriptors();
    }
    if (checks_failed)
      break;
  }
  size_t now = resident();
  if (now > before + 8192)
    wrong(__FILE__, __LINE__, "%zu KiB in memory, %zu after a tenth", now, before);
  SAME(memory_file_mappings(), mappings);
  SAME(open_descriptors(), descriptors);
  for (int k = 0; k < KEEP; k++)
    CHECK(find(jit, names[k]) == at[k]);
}
static void churn_same_names(void) { churn(false); }
static void churn_new_names(void) { churn(true); }

/* One symbol, rebound: the old code is given back. */
static void rebinding(void) {
  ldx_jit *jit = make_jit("libjit-rebinding.so", LDX_JIT_GLOBAL);
  size_t before = 0;
  void *old = publish_function(jit, "f", -1);
  for (int i = 0; i < 100000 && !checks_failed; i++) {
    void *f = publish_function(jit, "f", i);
    SAME(ldx_jit_free(jit, old), 0);
    old = f;
    if (i == 10000)
      before = resident();
  }
  CHECK(find(jit, "f") == old);
  CHECK(resident() < before + 8192);
}

/* Batches that are forgotten. */
static void discarding(void) {
  ldx_jit *jit = make_jit("libjit-discarding.so", 0);
  void *f = publish_function(jit, "there", 1);
  size_t before = 0;
  for (int i = 0; i < 20000; i++) {
    char name[32];
    snprintf(name, sizeof name, "never_%d", i);
    SAME(bind_function(jit, name, f), 0);
    SAME(bind_as(jit, name, name, f, 6, STT_FUNC, LDX_JIT_FOLLOWS), 0);
    SAME(ldx_jit_frame(jit, f, 6, LDX_JIT_FRAME_LEAF), 0);
    SAME(ldx_jit_lines(jit, f, 6, "file.c", (struct ldx_jit_line[]){{0, 1}, {5, 2}}, 2), 0);
    SAME(ldx_jit_unbind(jit, "there", NULL), 0);
    SAME(ldx_jit_discard(jit), 0);
    if (i == 2000)
      before = resident();
  }
  CHECK(resident() < before + 4096);
  CHECK(find(jit, "there") == f);
}

static void new_and_delete(void) {
  size_t before = 0, mappings = memory_file_mappings(), descriptors = open_descriptors(), objects = loaded_objects();
  for (int i = 0; i < 1000; i++) {
    ldx_jit *jit = make_jit("libjit-again.so", i % 2 ? LDX_JIT_GLOBAL : 0);
    void *f = publish_function(jit, "f", i);
    SAME(((function *)f)(), i);
    *(int *)ldx_jit_alloc(jit, 4, 4, LDX_JIT_DATA) = i;
    if (i % 3 == 0)
      SAME(dlclose(jit), 0);
    else
      SAME(ldx_jit_delete(jit), 0);
    if (i == 100)
      before = resident();
  }
  CHECK(resident() < before + 4096);
  SAME(memory_file_mappings(), mappings);
  SAME(open_descriptors(), descriptors);
  SAME(loaded_objects(), objects);
}

/* --- B05: many
 * ------------------------------------------------------------------------------------------------------ */

static void many_symbols(void) {
  ldx_jit *jit = make_jit("libjit-many.so", LDX_JIT_GLOBAL);
  enum { COUNT = 200000, BATCH = 1000 };
  static char *at[COUNT];
  char name[48];
  for (int i = 0; i < COUNT; i++) {
    snprintf(name, sizeof name, "one_of_many_functions_%d", i);
    at[i] = returns(jit, i);
    SAME(bind_function(jit, name, at[i]), 0);
    if (i % BATCH == BATCH - 1)
      SAME(ldx_jit_publish(jit), 0);
    if (checks_failed)
      return;
  }
  for (int i = 0; i < COUNT; i++) {
    Dl_info info;
    snprintf(name, sizeof name, "one_of_many_functions_%d", i);
    if (find(jit, name) != at[i] || find(RTLD_DEFAULT, name) != at[i])
      wrong(__FILE__, __LINE__, "%s is not found", name);
    if (!dladdr(at[i] + i % 6, &info) || info.dli_saddr != at[i] || strcmp(info.dli_sname, name))
      wrong(__FILE__, __LINE__, "the address of %s is not found", name);
  }
  CHECK(found_nowhere(jit, "one_of_many_functions_200000"));
  for (int i = 0; i < COUNT; i += 2) {
    snprintf(name, sizeof name, "one_of_many_functions_%d", i);
    SAME(ldx_jit_unbind(jit, name, NULL), 0);
  }
  SAME(ldx_jit_publish(jit), 0);
  for (int i = 0; i < COUNT; i += 499) {
    snprintf(name, sizeof name, "one_of_many_functions_%d", i);
    CHECK(find(jit, name) == (i % 2 ? at[i] : NULL));
  }
}

static void many_objects(void) {
  enum { OBJECTS = 100, SYMBOLS = 100 };
  static ldx_jit *all[OBJECTS];
  static void *at[OBJECTS][SYMBOLS];
  char name[48];
  size_t objects = loaded_objects(), mappings = memory_file_mappings(), descriptors = open_descriptors();
  for (int i = 0; i < OBJECTS; i++) {
    snprintf(name, sizeof name, "libjit-one-of-%d.so", i);
    all[i] = make_jit(name, i % 2 ? LDX_JIT_GLOBAL : 0);
  }
  SAME(loaded_objects(), objects + OBJECTS);
  for (int k = 0; k < SYMBOLS; k++)
    for (int i = 0; i < OBJECTS; i++) {
      snprintf(name, sizeof name, "f_%d_%d", i, k);
      at[i][k] = publish_function(all[i], name, i * 1000 + k);
    }
  for (int i = 0; i < OBJECTS; i++)
    for (int k = 0; k < SYMBOLS; k++) {
      Dl_info info;
      snprintf(name, sizeof name, "f_%d_%d", i, k);
      CHECK(find(all[i], name) == at[i][k]);
      CHECK(dladdr(at[i][k], &info) && !strcmp(info.dli_sname, name) &&
            !strcmp(info.dli_fname, map_of(all[i])->l_name));
      SAME(((function *)at[i][k])(), i * 1000 + k);
    }
  int status = STATUS_OF({ /* in a child: it would be bound to all of them */
                           for (int i = 0; i < OBJECTS; i++) {
                             snprintf(name, sizeof name, "f_%d_%d", i, i);
                             CHECK(find(RTLD_DEFAULT, name) == (i % 2 ? at[i][i] : NULL));
                           }
  });
  SAME(status, 0);
  for (int i = 0; i < OBJECTS; i++)
    SAME(ldx_jit_delete(all[i * 37 % OBJECTS]), 0);
  SAME(loaded_objects(), objects);
  SAME(memory_file_mappings(), mappings);
  SAME(open_descriptors(), descriptors);
}

CASES({"never-both", never_both}, {"distance", distance}, {"views", views}, {"fresh", fresh}, {"blocks", blocks},
      {"whole-room", whole_room}, {"churn-same-names", churn_same_names}, {"churn-new-names", churn_new_names},
      {"rebinding", rebinding}, {"discarding", discarding}, {"new-and-delete", new_and_delete},
      {"many-symbols", many_symbols}, {"many-objects", many_objects})
