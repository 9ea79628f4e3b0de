/* A function is replaced while others call it: through every kind of reference (B07). */
#include "jit_test.h"

static ldx_jit *jit;

/* What a call may answer: `published` is said before, `done` after ldx_jit_publish. */
static int published, done;

struct way {
  const char *name;
  function *call;
};

static bool ending;
static unsigned long calls;

static void *dlsym_handle;
static int by_dlsym(void) { return ((function *)dlsym(dlsym_handle, "jit_answer"))(); }
static int by_default(void) { return ((function *)dlsym(RTLD_DEFAULT, "jit_answer"))(); }

static void *caller(void *arg) {
  const struct way *way = arg;
  unsigned long n = 0;
  while (!__atomic_load_n(&ending, __ATOMIC_ACQUIRE)) {
    int low = __atomic_load_n(&done, __ATOMIC_SEQ_CST);
    int answer = way->call();
    int high = __atomic_load_n(&published, __ATOMIC_SEQ_CST);
    if (answer < low || answer > high)
      wrong(__FILE__, __LINE__, "%s: %d, between %d and %d", way->name, answer, low, high);
    n++;
  }
  __atomic_add_fetch(&calls, n, __ATOMIC_RELAXED);
  return NULL;
}

static void replace(int value, uint32_t flags) {
  void *f = returns(jit, value); /* the old code stays: somebody may be in it */
  SAME(bind_as(jit, "jit_answer", NULL, f, RETURNS_SIZE, STT_FUNC, flags), 0);
  __atomic_store_n(&published, value, __ATOMIC_SEQ_CST);
  SAME(ldx_jit_publish(jit), 0);
  __atomic_store_n(&done, value, __ATOMIC_SEQ_CST);
}

static void *library_call(const char *library, const char *name) {
  void *handle = dlopen(library, RTLD_LAZY);
  MUST(handle);
  void *f = find(handle, name);
  MUST(f);
  return f;
}

static void run(struct way way, uint32_t flags, int rounds) {
  pthread_t threads[2];
  MUST(way.call);
  for (int i = 0; i < 2; i++)
    MUST(!pthread_create(&threads[i], NULL, caller, &way));
  int value = done;
  for (int i = 0; i < rounds && !checks_failed; i++) {
    replace(++value, flags);
    SAME(way.call(), value); /* after publish only the new one */
    if (i % 32 == 0)
      sched_yield();
  }
  __atomic_store_n(&ending, true, __ATOMIC_RELEASE);
  for (int i = 0; i < 2; i++)
    pthread_join(threads[i], NULL);
  CHECK(calls > 0);
}

static void begin(uint32_t flags) {
  jit = dlsym_handle = make_jit("libjit-swap.so", LDX_JIT_GLOBAL);
  SAME(bind_as(jit, "jit_counter", NULL, ldx_jit_alloc(jit, 16, 8, LDX_JIT_DATA), 16, STT_OBJECT, 0), 0);
  replace(1, flags);
}

enum { ROUNDS = 3000 };
#define WAY(function_name, text, flags, call)                                                                        \
  static void function_name(void) {                                                                                  \
    begin(flags);                                                                                                    \
    run((struct way){text, call}, flags, ROUNDS);                                                                    \
  }
WAY(plt, "PLT slot", 0, library_call("libjit-user-lazy.so", "call_answer"))
WAY(plt_now, "slot of a -z now library", 0, library_call("libjit-user-now.so", "call_answer"))
WAY(got, "GOT", 0, library_call("libjit-user-noplt.so", "call_answer"))
WAY(pointer, "pointer in data", 0, library_call("libjit-user-data.so", "call_by_pointer"))
WAY(constant, "pointer in RELRO", 0, library_call("libjit-user-data.so", "call_by_constant"))
WAY(follows, "address that follows", LDX_JIT_FOLLOWS, (function *)dlsym(jit, "jit_answer"))
WAY(follows_plt, "PLT slot of one that follows", LDX_JIT_FOLLOWS, library_call("libjit-user-lazy.so", "call_answer"))
WAY(looked_up, "dlsym", 0, by_dlsym)
WAY(looked_up_default, "dlsym of the default", 0, by_default)

/* The first call of a lazily bound slot races with a publish: the slot must not keep the old one. */
static void *first_call(void *arg) { return (void *)(intptr_t)(*(function **)arg)(); }
static void first_calls(void) {
  begin(0);
  for (int i = 2; i < 1200 && !checks_failed; i++) {
    void *library = dlopen("libjit-user-lazy.so", RTLD_LAZY | RTLD_LOCAL), *answer;
    MUST(library);
    function *call = (function *)find(library, "call_answer");
    pthread_t thread;
    MUST(!pthread_create(&thread, NULL, first_call, &call));
    for (int spin = (i * 37) % 3000; spin; spin--)
      __asm__ volatile("pause");
    replace(i, 0);
    SAME(call(), i);
    pthread_join(thread, &answer);
    CHECK((intptr_t)answer == i || (intptr_t)answer == i - 1);
    SAME(call(), i);
    dlclose(library);
  }
}

/* Threads that open libraries which refer to the symbol. */
static void *opener(void *arg) {
  const char *library = arg;
  while (!__atomic_load_n(&ending, __ATOMIC_ACQUIRE)) {
    int low = __atomic_load_n(&done, __ATOMIC_SEQ_CST);
    void *handle = dlopen(library, RTLD_NOW);
    function *call = handle ? (function *)dlsym(handle, "call_answer") : NULL;
    if (!call) {
      wrong(__FILE__, __LINE__, "%s: %s", library, dlerror());
      return NULL;
    }
    for (int i = 0; i < 20; i++) {
      int answer = call(), high = __atomic_load_n(&published, __ATOMIC_SEQ_CST);
      if (answer < low || answer > high)
        wrong(__FILE__, __LINE__, "%s: %d, between %d and %d", library, answer, low, high);
    }
    dlclose(handle);
  }
  return NULL;
}
static void opening(void) {
  begin(0);
  pthread_t threads[2];
  MUST(!pthread_create(&threads[0], NULL, opener, "libjit-user-now.so"));
  MUST(!pthread_create(&threads[1], NULL, opener, "libjit-user-noplt.so"));
  for (int i = 2; i < 2500 && !checks_failed; i++)
    replace(i, 0);
  __atomic_store_n(&ending, true, __ATOMIC_RELEASE);
  for (int i = 0; i < 2; i++)
    pthread_join(threads[i], NULL);
}

/* What was found by dlsym, or copied by the program, keeps the old code; what the program itself has stored stays. */
static int own(void) { return -5; }
static void old_kept(void) {
  begin(0);
  function *first = (function *)find(jit, "jit_answer");
  void *library = dlopen("libjit-user-data.so", RTLD_LAZY);
  MUST(library);
  function **pointer = (function **)find(library, "pointer_to_answer"), *copy = *pointer;
  replace(2, 0);
  SAME(first(), 1);
  SAME(copy(), 1);
  SAME((*pointer)(), 2);
  *pointer = own;
  replace(3, 0);
  SAME((*pointer)(), -5);
  function *(*address)(void) = (function * (*)(void)) find(library, "address_of_answer");
  SAME(address()(), 3);
  SAME(first(), 1);
  SAME(ldx_jit_free(jit, (void *)first), 0);
  SAME(((function *)find(library, "call_by_constant"))(), 3);
}

/* Variables move as well; what stands behind them moves along. */
static void variables(void) {
  begin(0);
  int *one = ldx_jit_alloc(jit, 16, 8, LDX_JIT_DATA), *two = ldx_jit_alloc(jit, 16, 8, LDX_JIT_DATA);
  SAME(bind_as(jit, "jit_counter", NULL, one, 16, STT_OBJECT, 0), 0);
  SAME(ldx_jit_publish(jit), 0);
  void *library = dlopen("libjit-user-data.so", RTLD_LAZY);
  MUST(library);
  one[0] = 1;
  two[0] = 2;
  function *read = (function *)find(library, "read_counter");
  SAME(read(), 1);
  SAME(bind_as(jit, "jit_counter", NULL, two, 16, STT_OBJECT, 0), 0);
  SAME(read(), 1);
  SAME(ldx_jit_publish(jit), 0);
  SAME(read(), 2);
  CHECK(*(int **)find(library, "pointer_to_counter") == two);
  CHECK(*(int **)find(library, "pointer_behind_counter") == two + 2);
}

/* RELRO is sealed again. */
static void sealed(void) {
  begin(0);
  void *library = dlopen("libjit-user-data.so", RTLD_NOW), *now = dlopen("libjit-user-now.so", RTLD_NOW);
  MUST(library && now);
  const void *(*address)(void) = (const void *(*)(void))find(library, "address_of_constant");
  function *constant = (function *)find(library, "call_by_constant"), *call = (function *)find(now, "call_answer");
  for (int i = 2; i < 50; i++) {
    replace(i, 0);
    SAME(constant(), i);
    SAME(call(), i);
    CHECK(!strcmp(mapping_at(address()).perms, "r--p"));
    CHECK(!strcmp(mapping_at(map_of(now)->l_ld).perms, "r--p"));
  }
}

/* What was bound to a symbol that is unbound keeps its address; a new one of that name is another symbol. */
static void unbound(void) {
  begin(0);
  void *library = dlopen("libjit-user-lazy.so", RTLD_LAZY), *now = dlopen("libjit-user-now.so", RTLD_NOW);
  MUST(library && now);
  function *call = (function *)find(library, "call_answer"), *call_now = (function *)find(now, "call_answer");
  SAME(call(), 1);
  SAME(ldx_jit_unbind(jit, "jit_answer", NULL), 0);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(found_nowhere(RTLD_DEFAULT, "jit_answer"));
  SAME(call(), 1);
  SAME(call_now(), 1);
  CHECK(!dlopen("libjit-user-noplt.so", RTLD_NOW));
}

/* The old object's symbol of two: what is bound to the other does not follow. */
static void of_two_objects(void) {
  begin(0);
  void *library = dlopen("libjit-user-now.so", RTLD_NOW);
  MUST(library);
  function *call = (function *)find(library, "call_answer");
  ldx_jit *other = make_jit("libjit-swap2.so", LDX_JIT_GLOBAL);
  void *f = returns(other, 100), *g = returns(other, 200);
  SAME(bind_function(other, "jit_answer", f), 0);
  SAME(ldx_jit_publish(other), 0);
  SAME(bind_function(other, "jit_answer", g), 0);
  SAME(ldx_jit_publish(other), 0);
  SAME(call(), 1);
  /* The other object's symbol may even lie in the first one. */
  replace(2, 0);
  SAME(call(), 2);
  SAME(bind_function(other, "jit_answer", find(jit, "jit_answer")), 0);
  SAME(ldx_jit_publish(other), 0);
  SAME(bind_function(other, "jit_answer", g), 0);
  SAME(ldx_jit_publish(other), 0);
  SAME(call(), 2);
  CHECK(find(RTLD_DEFAULT, "jit_answer") == find(jit, "jit_answer"));
}

/* Also what lives in other namespaces, and what was opened in between; absolute symbols. */
static void many_libraries(void) {
  begin(0);
  static const char *const names[] = {"libjit-user-lazy.so", "libjit-user-now.so", "libjit-user-noplt.so"};
  function *call[3];
  for (int i = 0; i < 3; i++) {
    call[i] = library_call(names[i], "call_answer");
    SAME(call[i](), done);
    replace(done + 1, 0);
    for (int k = 0; k <= i; k++)
      SAME(call[k](), done);
  }
  SAME(bind_as(jit, "jit_answer", NULL, (void *)own, 0, STT_FUNC, 0), 0);
  SAME(ldx_jit_publish(jit), 0);
  for (int k = 0; k < 3; k++)
    SAME(call[k](), -5);
  replace(9, 0);
  for (int k = 0; k < 3; k++)
    SAME(call[k](), 9);
}

/* A symbol that follows from some day on, and for ever. */
static void begins_to_follow(void) {
  begin(0);
  function *call = library_call("libjit-user-lazy.so", "call_answer"), *before = (function *)find(jit, "jit_answer");
  SAME(call(), 1);
  replace(2, LDX_JIT_FOLLOWS);
  function *after = (function *)find(jit, "jit_answer");
  SAME(call(), 2);
  SAME(after(), 2);
  SAME(before(), 1);
  replace(3, 0);
  CHECK((function *)find(jit, "jit_answer") == after);
  SAME(call(), 3);
  SAME(after(), 3);
  function **pointer = library_call("libjit-user-data.so", "pointer_to_answer");
  CHECK(*pointer == after);
  for (int i = 4; i < 30; i++) {
    replace(i, i % 2 ? 0 : LDX_JIT_FOLLOWS);
    SAME(after(), i);
    SAME(call(), i);
    CHECK(*pointer == after);
  }
}

CASES({"plt", plt}, {"plt-now", plt_now}, {"got", got}, {"pointer", pointer}, {"constant", constant},
      {"follows", follows}, {"follows-plt", follows_plt}, {"looked-up", looked_up},
      {"looked-up-default", looked_up_default}, {"first-calls", first_calls}, {"opening", opening},
      {"old-kept", old_kept}, {"variables", variables}, {"sealed", sealed}, {"unbound", unbound},
      {"of-two-objects", of_two_objects}, {"many-libraries", many_libraries}, {"begins-to-follow", begins_to_follow})
