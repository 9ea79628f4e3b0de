/* Random operations on one object, and a simple model beside it that says what each of them must answer, and what is
 * to be found afterwards. */
#include "jit_test.h"

enum { NAMES = 12, VERSIONS = 3, BLOCKS = 24 };
static const char *const versions[VERSIONS] = {NULL, "MODEL_1", "MODEL_2"};

struct place {
  int block; /* -1: none */
  uint32_t flags;
};
struct symbol {
  struct place now, staged;
  bool is_staged; /* staged.block -1: it goes */
  bool follows;   /* published as a jump, for ever */
  bool will;      /* when it is published */
  void *jump;     /* once it is known */
};
struct block {
  unsigned char *at;
  int value, size;
};
static struct symbol symbols[NAMES][VERSIONS];
static struct block blocks[BLOCKS];
static ldx_jit *jit;
static unsigned seed;
static int next_value = 1;

static unsigned any(unsigned below) {
  seed = seed * 1103515245 + 12345;
  return (seed >> 8) % below;
}
static const char *name_of(int n) {
  static char names[NAMES][32];
  snprintf(names[n], sizeof names[n], "model_%.*s%d", n % 3 * 5, "aaaaaaaaaaaaaaa", n);
  return names[n];
}

#define EACH_SYMBOL(s) for (struct symbol *s = &symbols[0][0]; s < &symbols[0][0] + (size_t)NAMES * VERSIONS; s++)

static bool lies_in(struct place p, int block) { return p.block == block && block >= 0; }

/* Published, or staged: a block that goes on being used must not be freed. */
static bool is_busy(int block) {
  EACH_SYMBOL(s)
  if (lies_in(s->now, block) || (s->is_staged && lies_in(s->staged, block)))
    return true;
  return false;
}

static void allocate(int b) {
  if (blocks[b].at)
    return;
  blocks[b].size = RETURNS_SIZE + (int)any(200);
  blocks[b].value = next_value++;
  blocks[b].at = ldx_jit_alloc(jit, (size_t)blocks[b].size, (size_t)1 << any(9), LDX_JIT_CODE);
  MUST(blocks[b].at);
  write_returns(ldx_jit_writable(jit, blocks[b].at), blocks[b].value);
  if (any(2))
    SAME(ldx_jit_frame(jit, blocks[b].at, (size_t)blocks[b].size, LDX_JIT_FRAME_LEAF), 0);
}

static void release(int b) {
  if (!blocks[b].at)
    return;
  int r = ldx_jit_free(jit, blocks[b].at);
  SAME(r, is_busy(b) ? -EBUSY : 0);
  if (!r)
    blocks[b].at = NULL;
}

static void bind(int n, int v, int b) {
  if (!blocks[b].at)
    return;
  struct symbol *s = &symbols[n][v];
  struct place p = {b, (any(3) ? 0 : LDX_JIT_WEAK) | (any(4) ? 0 : LDX_JIT_FOLLOWS)};
  SAME(bind_as(jit, name_of(n), versions[v], blocks[b].at, RETURNS_SIZE, STT_FUNC, p.flags), 0);
  bool fresh = !s->is_staged || s->staged.block < 0;
  s->will = (fresh ? s->follows : s->will) || (p.flags & LDX_JIT_FOLLOWS);
  s->staged = p;
  s->is_staged = true;
}

static void unbind(int n, int v) {
  struct symbol *s = &symbols[n][v];
  bool there = s->is_staged ? s->staged.block >= 0 : s->now.block >= 0;
  SAME(ldx_jit_unbind(jit, name_of(n), versions[v]), there ? 0 : -ENOENT);
  if (!there)
    return;
  s->is_staged = s->now.block >= 0; /* else it is as if it had never been */
  s->staged.block = -1;
}

static void publish(void) {
  SAME(ldx_jit_publish(jit), 0);
  EACH_SYMBOL(s)
  if (s->is_staged) {
    bool follows = s->staged.block >= 0 && s->will;
    if (!follows || !s->follows)
      s->jump = NULL;
    s->follows = follows;
    s->now = s->staged;
    s->is_staged = false;
  }
}

static void discard(void) {
  SAME(ldx_jit_discard(jit), 0);
  EACH_SYMBOL(s)
  s->is_staged = false;
}

/* --- what is found -------------------------------------------------------------------------------------------- */

static void look_at(struct symbol *s, void *at, const char *name, const char *version) {
  Dl_info info;
  const struct block *b = s->now.block < 0 ? NULL : &blocks[s->now.block];
  if (!b)
    return;
  if (!at || ((function *)at)() != b->value) {
    wrong(__FILE__, __LINE__, "%s@%s is found at %p", name, version ? version : "", at);
    return;
  }
  if (!s->follows) {
    if (at != b->at)
      wrong(__FILE__, __LINE__, "%s is at %p, not at %p", name, at, (void *)b->at);
    return;
  }
  if (at == b->at || (s->jump && s->jump != at))
    wrong(__FILE__, __LINE__, "the jump of %s was at %p, and is at %p", name, s->jump, at);
  s->jump = at;
  if (!dladdr(at, &info) || !info.dli_sname || strcmp(info.dli_sname, name))
    wrong(__FILE__, __LINE__, "the jump of %s has another name", name);
}

static void look_for(int n) {
  struct symbol *s = symbols[n];
  const char *name = name_of(n);
  for (int v = 1; v < VERSIONS; v++) {
    void *at = dlvsym(jit, name, versions[v]);
    if (s[v].now.block >= 0)
      look_at(&s[v], at, name, versions[v]);
    else if (at && s[0].now.block < 0)
      wrong(__FILE__, __LINE__, "%s@%s is found", name, versions[v]);
  }
  void *at = dlsym(jit, name);
  int alive = 0, only = 0;
  for (int v = 0; v < VERSIONS; v++)
    if (s[v].now.block >= 0) {
      alive++;
      only = v;
    }
  if (alive == 1)
    look_at(&s[only], at, name, NULL);
  else if (!alive != !at)
    wrong(__FILE__, __LINE__, "%s: %d are there, found at %p", name, alive, at);
}

static bool has_name(int b, const char *name) {
  for (int n = 0; n < NAMES; n++)
    for (int v = 0; v < VERSIONS; v++)
      if (lies_in(symbols[n][v].now, b) && (!name || !strcmp(name, name_of(n))))
        return true;
  return false;
}

static void look_around(int b) {
  Dl_info info;
  if (!blocks[b].at)
    return;
  for (int i = 0; i < blocks[b].size; i += 5) {
    if (!dladdr(blocks[b].at + i, &info))
      wrong(__FILE__, __LINE__, "block %d is in no object", b);
    else if (i >= RETURNS_SIZE ? info.dli_sname != NULL
             : info.dli_sname  ? !has_name(b, info.dli_sname)
                               : has_name(b, NULL))
      wrong(__FILE__, __LINE__, "block %d at %d is called %s", b, i, info.dli_sname ? info.dli_sname : "(none)");
  }
}

static void look(void) {
  for (int n = 0; n < NAMES; n++)
    look_for(n);
  for (int b = 0; b < BLOCKS; b++)
    look_around(b);
}

static void step(void) {
  unsigned n = any(NAMES), v = any(3) ? 0 : any(VERSIONS), b = any(BLOCKS);
  switch (any(12)) {
  case 0 ... 2:
    allocate((int)b);
    break;
  case 3:
    release((int)b);
    break;
  case 4 ... 7:
    bind((int)n, (int)v, (int)b);
    break;
  case 8:
  case 9:
    unbind((int)n, (int)v);
    break;
  case 10:
    any(5) ? publish() : discard();
    break;
  default:
    look();
  }
}

static void run(unsigned from, int steps) {
  seed = from;
  memset(symbols, 0, sizeof symbols);
  EACH_SYMBOL(s)
  s->now.block = s->staged.block = -1;
  memset(blocks, 0, sizeof blocks);
  jit = make_jit("libjit-model.so", from % 2 ? LDX_JIT_GLOBAL : 0);
  for (int i = 0; i < steps && !checks_failed; i++)
    step();
  publish();
  look();
  SAME(ldx_jit_delete(jit), 0);
  if (checks_failed)
    fprintf(stderr, "with seed %u\n", from);
}

static void many(void) {
  for (unsigned s = 1; s <= 150 && !checks_failed; s++)
    run(s, 400);
}
static void lengthy(void) { run(4711, 60000); }

/* In children, each of which goes its own way. */
static void forked(void) {
  seed = 77;
  EACH_SYMBOL(s)
  s->now.block = s->staged.block = -1;
  jit = make_jit("libjit-model.so", LDX_JIT_GLOBAL);
  for (int i = 0; i < 40 && !checks_failed; i++) {
    for (int k = 0; k < 60; k++)
      step();
    int status = STATUS_OF({
      seed = (unsigned)i * 991;
      look();
      for (int k = 0; k < 200; k++)
        step();
      publish();
      look();
    });
    SAME(status, 0);
    look();
  }
}

CASES({"many", many}, {"lengthy", lengthy}, {"forked", forked})
