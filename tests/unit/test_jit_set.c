/* The set of files that debuggers are shown of code that comes and goes: against a model, by what a debugger would
 * have been told. */
#include <sys/syscall.h>

#include "debug-protocol/jit_set.h"
#include "ldx/jit.h"
#include "unit.h"

enum { FUNC = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), SLOTS = 2000, SLOT = 64, BASE = 0x100000 };

/* ---- a debugger */

static struct ldx_heap heap;
static struct ldx_jit_entry *list;
static unsigned added, removed;
static bool unsealed, refuses;
static bool unseen; /* something went, and nothing has come since */
static void (*on_add)(void);
enum { ENTRIES = 64 };
static struct seen { /* what a debugger has read */
  struct ldx_jit_entry *entry;
  char *bytes;
} seen_files[ENTRIES];

static struct seen *seen_file(const struct ldx_jit_entry *e) {
  struct seen *s = seen_files;
  while (s->entry != e)
    assert_true(++s < seen_files + ENTRIES);
  return s;
}

bool ldx_jit_unseal(void) {
  assert_false(unsealed);
  return unsealed = !refuses;
}
void ldx_jit_seal(void) {
  assert_true(unsealed);
  unsealed = false;
}
void ldx_jit_add(struct ldx_jit_entry **to, struct ldx_jit_entry *e) {
  assert_true(unsealed);
  e->prev = NULL;
  e->next = *to;
  if (e->next)
    e->next->prev = e;
  *to = e;
  struct seen *s = seen_file(NULL);
  *s = (struct seen){e, malloc(e->size)};
  memcpy(s->bytes, e->file, e->size);
  added++;
  unseen = false;
  if (on_add)
    on_add();
}
void ldx_jit_remove(struct ldx_jit_entry **from, struct ldx_jit_entry *e) {
  assert_true(unsealed);
  *(e->prev ? &e->prev->next : from) = e->next;
  if (e->next)
    e->next->prev = e->prev;
  struct seen *s = seen_file(e);
  free(s->bytes);
  s->entry = NULL;
  removed++;
  unseen = true;
}

void ldx_jit_look_again(struct ldx_jit_entry **in, struct ldx_heap *h) {
  assert_true(unsealed && unseen && in == &list && h == &heap);
  unseen = false;
}

static char *frames(uintptr_t low, uintptr_t high, size_t *size);
static unsigned copied; /* FDEs */

/* ---- the model: one function a slot of memory */

struct function {
  unsigned name; /* 0: none */
  uint32_t size;
  bool fresh; /* of the batch that is being told */
};
static struct function functions[SLOTS];
static struct ldx_jit_set set;
enum { NAMES = 40000 };
static char names[NAMES][12];

static void start(void **state) {
  set = (struct ldx_jit_set){.heap = &heap, .list = &list, .frames = frames};
  memset(functions, 0, sizeof functions);
  for (unsigned i = 0; i < NAMES && !names[i][0]; i++)
    snprintf(names[i], sizeof names[i], "f%u", i);
  added = removed = 0;
  refuses = false;
}

static uintptr_t place(unsigned slot) { return BASE + (uintptr_t)slot * SLOT; }

static unsigned files(void) {
  unsigned n = 0;
  for (struct ldx_jit_entry *e = list; e; e = e->next)
    n++;
  return n;
}

static bool shown(const char *name, uintptr_t at, unsigned *times) {
  *times = 0;
  for (struct ldx_jit_entry *e = list; e; e = e->next) {
    struct ldx_symfile_view v = ldx_symfile_read(e->file);
    for (size_t i = 0; i < v.count; i++)
      *times +=
          v.symbols[i].st_name && v.symbols[i].st_value == at && !strcmp(v.strings + v.symbols[i].st_name, name);
  }
  return *times;
}

static void check_symbol(const struct ldx_jit_entry *e, const struct ldx_symfile_view *v, size_t i, bool *seen) {
  const Elf64_Sym *s = &v->symbols[i];
  assert_true(i == 0 || v->symbols[i - 1].st_value <= s->st_value);
  if (!s->st_name)
    return;
  size_t slot = (s->st_value - BASE) / SLOT;
  assert_in_range(slot, 0, SLOTS - 1);
  assert_int_equal(s->st_value, place((unsigned)slot));
  assert_string_equal(v->strings + s->st_name, names[functions[slot].name]);
  assert_int_equal(s->st_size, functions[slot].size);
  const Elf64_Ehdr *eh = e->file;
  const Elf64_Shdr *home = (const Elf64_Shdr *)((const char *)e->file + eh->e_shoff) + s->st_shndx;
  assert_in_range(s->st_value, home->sh_addr, home->sh_addr + home->sh_size - 1);
  assert_in_range(s->st_value + s->st_size, home->sh_addr, home->sh_addr + home->sh_size);
  assert_false(seen[slot]);
  seen[slot] = true;
}

/* Whose the 16 bytes are: no two sections overlap. */
static size_t check_runs(const struct ldx_jit_entry *e, bool *owned) {
  const Elf64_Ehdr *eh = e->file;
  const Elf64_Shdr *s = (const Elf64_Shdr *)((const char *)e->file + eh->e_shoff);
  size_t count = 0;
  for (unsigned i = 0; i < eh->e_shnum; i++) {
    if (s[i].sh_type != SHT_NOBITS)
      continue;
    count++;
    for (uint64_t at = s[i].sh_addr; at < s[i].sh_addr + s[i].sh_size; at += 16) {
      assert_false(owned[(at - BASE) / 16]);
      owned[(at - BASE) / 16] = true;
    }
  }
  return count;
}

/* All that is there is shown once, and nothing else. */
static void check_all(void) {
  static bool seen[SLOTS], owned[SLOTS * SLOT / 16];
  memset(seen, 0, sizeof seen);
  memset(owned, 0, sizeof owned);
  for (struct ldx_jit_entry *e = list; e; e = e->next) {
    struct ldx_symfile_view v = ldx_symfile_read(e->file);
    for (size_t i = 0; i < v.count; i++)
      check_symbol(e, &v, i, seen);
    assert_true(check_runs(e, owned) > 0);
    if (!refuses)
      assert_memory_equal(e->file, seen_file(e)->bytes, e->size);
  }
  for (unsigned i = 0; i < SLOTS; i++)
    assert_int_equal(seen[i], functions[i].name != 0);
  assert_false(unsealed);
  assert_false(unseen);
}

static struct ldx_symfile_run memory_of(unsigned slot) {
  uint64_t size = functions[slot].size;
  return (struct ldx_symfile_run){place(slot), place(slot) + (size + 15) / 16 * 16, SHF_EXECINSTR};
}

/* A CIE, and an FDE for each piece of code that has one: as an unwinder keeps them, whether it has a symbol or not.
 */
static char *frames(uintptr_t low, uintptr_t high, size_t *size) {
  struct {
    uint32_t length, cie;
    uint64_t start, size;
  } fde = {20, 0, 0, 0};
  char *out = ldx_heap_alloc(&heap, 24 * (2 + (high - low) / 16)), *p = out;
  memcpy(p, &fde, 24);
  p += 24;
  for (size_t slot = (low - BASE) / SLOT; place((unsigned)slot) < high && slot < SLOTS; slot++) {
    if (!functions[slot].size || place((unsigned)slot) + functions[slot].size <= low)
      continue;
    fde.cie = (uint32_t)(p + 4 - out);
    fde.start = place((unsigned)slot);
    fde.size = functions[slot].size;
    memcpy(p, &fde, 24);
    p += 24;
    copied++;
  }
  *size = (size_t)(p - out);
  if (*size == 24)
    *size = 0;
  return out;
}

/* A batch, as a test collects it. */
static struct ldx_symfile_symbol gone[SLOTS], fresh[SLOTS];
static struct ldx_symfile_run runs[SLOTS];
static struct ldx_jit_news news;

static void begin(void) { news = (struct ldx_jit_news){.gone = gone, .symbols = fresh, .runs = runs}; }
static void unbind(unsigned slot) {
  gone[news.gone_count++] = (struct ldx_symfile_symbol){.name = names[functions[slot].name], .value = place(slot)};
  functions[slot].name = 0;
}
static void bind(unsigned slot, unsigned name, uint32_t size) {
  functions[slot] = (struct function){name, size, true};
  fresh[news.count++] = (struct ldx_symfile_symbol){names[name], place(slot), size, FUNC};
  runs[news.run_count++] = memory_of(slot);
}
static void commit(void) {
  ldx_jit_set_change(&set, &news);
  for (unsigned i = 0; i < SLOTS; i++)
    functions[i].fresh = false;
}
static void bind_one(unsigned slot, unsigned name, uint32_t size) {
  begin();
  bind(slot, name, size);
  commit();
}

static void finish(void) {
  ldx_jit_set_forget(&set, BASE, place(SLOTS));
  memset(functions, 0, sizeof functions);
  check_all();
  assert_null(list);
  assert_null(set.pieces);
}

/* ---- tests */

/* Published one by one: each costs one file, and as many go as come; few are left. */
static void files_are_merged(void **state) {
  start(state);
  for (unsigned i = 0; i < SLOTS; i++) {
    bind_one(i, i + 1, 33);
    assert_in_range(files(), 1, 12);
  }
  check_all();
  assert_int_equal(added, SLOTS);
  assert_int_equal(removed, SLOTS - files());
  finish();
}

static void batches_of_all_sizes_are_merged(void **state) {
  start(state);
  unsigned slot = 0;
  for (unsigned size = 60; size; size--) { /* each is smaller than the one before it */
    begin();
    for (unsigned i = 0; i < size; i++, slot++)
      bind(slot, slot + 1, 20);
    commit();
    assert_in_range(files(), 1, 12);
  }
  check_all();
  finish();
}

static void unbound_symbols_are_gone(void **state) {
  start(state);
  for (unsigned i = 0; i < 500; i++)
    bind_one(i, i + 1, 20);
  for (unsigned i = 0; i < 500; i += 3) {
    begin();
    unbind(i);
    commit();
  }
  check_all();
  finish();
}

/* One symbol of many costs a debugger one file read again, and nothing is written anew. */
static void an_unbound_symbol_costs_little(void **state) {
  start(state);
  begin();
  for (unsigned i = 0; i < 1024; i++)
    bind(i, i + 1, 20);
  commit();
  const void *file = list->file;
  added = removed = 0;
  begin();
  unbind(500);
  commit();
  assert_int_equal(added, 1);
  assert_int_equal(removed, 1);
  assert_ptr_equal(list->file, file);
  check_all();
  finish();
}

static void memory_is_used_again(void **state) {
  start(state);
  unsigned name = 1;
  srand(11);
  for (unsigned round = 0; round < 500; round++) {
    begin();
    unsigned from = (unsigned)rand() % (SLOTS - 40), count = 1 + (unsigned)rand() % (round % 50 ? 4 : 40);
    for (unsigned i = from; i < from + count; i++) {
      if (functions[i].name)
        unbind(i);
      if (rand() % 4)
        bind(i, name++, 1 + (uint32_t)rand() % SLOT);
    }
    commit();
    if (round % 10 == 0)
      check_all();
    assert_in_range(files(), 0, 16);
  }
  check_all();
  finish();
}

/* When gdb looks for the functions of its breakpoints it finds those that a change leaves alone. */
static void all_is_there(void) {
  static bool found[SLOTS];
  memset(found, 0, sizeof found);
  for (struct ldx_jit_entry *e = list; e; e = e->next) {
    struct ldx_symfile_view v = ldx_symfile_read(e->file);
    for (size_t i = 0; i < v.count; i++)
      if (v.symbols[i].st_name)
        found[(v.symbols[i].st_value - BASE) / SLOT] = true;
  }
  for (unsigned i = 0; i < SLOTS; i++)
    assert_true(found[i] || functions[i].fresh || !functions[i].name);
}

static void breakpoints_find_their_functions(void **state) {
  start(state);
  on_add = all_is_there;
  unsigned name = 1;
  srand(5);
  for (unsigned i = 0; i < SLOTS; i += 100) {
    begin();
    for (unsigned k = i; k < i + 100; k++)
      bind(k, name++, 50);
    commit();
  }
  for (unsigned round = 0; round < 60; round++) {
    begin();
    for (unsigned n = 0; n < 1 + round % 5; n++) {
      unsigned slot = (unsigned)rand() % SLOTS;
      if (!functions[slot].fresh && functions[slot].name)
        unbind(slot);
      if (!functions[slot].fresh && n % 2)
        bind(slot, name++, 50);
    }
    commit();
    assert_false(unseen);
  }
  on_add = NULL;
  check_all();
  finish();
}

/* A symbol that is told again with another size replaces the first. */
static void a_symbol_is_told_again(void **state) {
  start(state);
  bind_one(5, 7, 10);
  bind_one(5, 7, 30);
  check_all();
  unsigned times;
  assert_true(shown("f7", place(5), &times));
  assert_int_equal(times, 1);
  finish();
}

/* Files don't consist of what was. */
static void files_shrink(void **state) {
  start(state);
  begin();
  for (unsigned i = 0; i < SLOTS; i++)
    bind(i, i + 1, 20);
  commit();
  for (unsigned i = 0; i < SLOTS; i++) {
    if (i % 8 == 0)
      continue;
    begin();
    unbind(i);
    commit();
  }
  size_t symbols = 0;
  for (struct ldx_jit_entry *e = list; e; e = e->next)
    symbols += ldx_symfile_read(e->file).count;
  assert_in_range(symbols, SLOTS / 8, SLOTS / 4);
  check_all();
  finish();
}

/* Two names of one place come into one file, whenever they were told. */
static void names_share_memory(void **state) {
  start(state);
  for (unsigned i = 0; i < 100; i++)
    bind_one(i, i + 1, 20);
  begin();
  fresh[news.count++] = (struct ldx_symfile_symbol){"alias", place(50) + 4, 8, FUNC};
  runs[news.run_count++] = (struct ldx_symfile_run){place(50), place(50) + 16, SHF_EXECINSTR};
  commit();
  unsigned times;
  assert_true(shown("alias", place(50) + 4, &times));
  static bool owned[SLOTS * SLOT / 16];
  memset(owned, 0, sizeof owned);
  for (struct ldx_jit_entry *e = list; e; e = e->next)
    check_runs(e, owned);
  begin();
  gone[news.gone_count++] = (struct ldx_symfile_symbol){.name = "alias", .value = place(50) + 4};
  commit();
  assert_false(shown("alias", place(50) + 4, &times));
  check_all();
  finish();
}

/* Files stay of a size: more symbols make more of them, also in one batch whose functions have no holes between. */
static void files_have_a_largest_size(void **state) {
  start(state);
  enum { MANY = 30000 };
  struct ldx_symfile_symbol *many = calloc(MANY, sizeof *many);
  for (unsigned i = 0; i < MANY; i++)
    many[i] = (struct ldx_symfile_symbol){names[i], BASE + i * 16, i == 1000 ? 500 * 16 : 16, FUNC};
  struct ldx_symfile_run all = {BASE, BASE + MANY * 16, SHF_EXECINSTR};
  ldx_jit_set_change(&set, &(struct ldx_jit_news){.symbols = many, .count = MANY, .runs = &all, .run_count = 1});
  assert_in_range(files(), 3, 8);
  size_t symbols = 0;
  static bool owned[MANY];
  memset(owned, 0, sizeof owned);
  for (struct ldx_jit_entry *e = list; e; e = e->next) {
    struct ldx_symfile_view v = ldx_symfile_read(e->file);
    assert_in_range(check_runs(e, owned), 1, 40);
    assert_in_range(v.count, 1, 9000);
    symbols += v.count;
    for (size_t i = 0; i < v.count; i++) {
      const Elf64_Shdr *home = &v.sections[v.symbols[i].st_shndx - v.first_section];
      assert_in_range(v.symbols[i].st_value, home->sh_addr, home->sh_addr + home->sh_size - v.symbols[i].st_size);
    }
  }
  assert_int_equal(symbols, MANY);
  for (unsigned i = 0; i < MANY; i++)
    assert_true(owned[i]);
  ldx_jit_set_forget(&set, BASE, BASE + MANY * 16);
  assert_null(list);
  for (unsigned i = 0; i < 3; i++) /* alike, but too large for one file together */
    ldx_jit_set_change(&set, &(struct ldx_jit_news){
                                 .symbols = many + i * 5000,
                                 .count = 5000,
                                 .runs = &(struct ldx_symfile_run){many[i * 5000].value,
                                                                   many[i * 5000].value + 5000 * 16, SHF_EXECINSTR},
                                 .run_count = 1});
  assert_int_equal(files(), 3);
  ldx_jit_set_forget(&set, BASE, BASE + MANY * 16);
  free(many);
}

/* An object goes: what others have in the same files stays. */
static void a_range_is_forgotten(void **state) {
  start(state);
  for (unsigned i = 0; i < 1000; i++)
    bind_one(i, i + 1, 64);
  ldx_jit_set_forget(&set, place(100), place(900));
  memset(&functions[100], 0, 800 * sizeof *functions);
  check_all();
  added = removed = 0;
  ldx_jit_set_forget(&set, place(100), place(900));
  assert_int_equal(added + removed, 0);
  finish();
}

/* ---- lines and frames */

static struct ldx_jit_lines *lines_of(unsigned slot) {
  struct ldx_jit_lines *l = ldx_heap_alloc(&heap, sizeof *l + sizeof(struct ldx_jit_line));
  struct ldx_jit_line *at = (struct ldx_jit_line *)(l + 1);
  *at = (struct ldx_jit_line){0, 100 + slot};
  *l = (struct ldx_jit_lines){NULL, place(slot), functions[slot].size, 1, "f.src", at};
  return l;
}

static void tell_lines(unsigned slot) {
  begin();
  runs[news.run_count++] = memory_of(slot);
  news.lines = lines_of(slot);
  commit();
}

/* Begins of compilation units (DWARF 4, 7.5.1.1) that name a function, or of all. */
static unsigned units(const char *function) {
  unsigned n = 0;
  for (struct ldx_jit_entry *e = list; e; e = e->next) {
    const char *file = e->file, unit[] = "\4\0\0\0\0\0\10\1f.src";
    for (const char *p = file; (p = memmem(p, (size_t)(file + e->size - p), unit, sizeof unit)); p++) {
      uint32_t length;
      memcpy(&length, p - 4, sizeof length);
      n += !function || memmem(p, length, function, strlen(function) + 1);
    }
  }
  return n;
}

static void lines_go_with_their_code(void **state) {
  start(state);
  for (unsigned i = 0; i < 20; i++) {
    begin();
    bind(i, i + 1, 32);
    news.lines = lines_of(i);
    commit();
    assert_int_equal(units(NULL), i + 1);
  }
  tell_lines(7); /* in the place of the first ones */
  assert_int_equal(units(NULL), 20);
  begin();
  unbind(3);
  commit();
  assert_int_equal(units(NULL), 20); /* the code is there, only without a name */
  assert_int_equal(units("f4"), 0);
  assert_int_equal(units("f5"), 1);
  ldx_jit_set_freed(&set, place(3), place(4));
  begin();
  bind(30, 31, 16);
  commit();
  assert_int_equal(units(NULL), 19);
  check_all();
  finish();
}

/* The lines of code that gets another name are those of the new one. */
static void lines_stay_with_another_name(void **state) {
  start(state);
  begin();
  for (unsigned i = 0; i < 100; i++)
    bind(i, i + 1, 32);
  news.lines = lines_of(50);
  commit();
  begin();
  unbind(50);
  commit();
  bind_one(50, 500, 32);
  assert_int_equal(units(NULL), 1);
  assert_int_equal(units("f51"), 0);
  assert_int_equal(units("f500"), 1);
  check_all();
  finish();
}

static void lines_come_after_their_function(void **state) {
  start(state);
  bind_one(4, 5, 20);
  bind_one(6, 7, 20);
  tell_lines(4);
  assert_int_equal(units("f5"), 1);
  functions[9].size = 20;
  tell_lines(9); /* without any function */
  assert_int_equal(units(NULL), 2);
  check_all();
  finish();
}

/* FDEs that are there for code at the address. */
static unsigned frames_at(uintptr_t address) {
  unsigned n = 0;
  for (struct ldx_jit_entry *e = list; e; e = e->next) {
    const char *p = ldx_symfile_read(e->file).frames;
    for (uint32_t head[2]; memcpy(head, p, sizeof head), head[0]; p += 4 + head[0]) {
      uint64_t code[2];
      memcpy(code, p + 8, sizeof code);
      n += head[1] && address - code[0] < code[1];
    }
  }
  return n;
}

static void frames_are_those_of_the_code(void **state) {
  start(state);
  for (unsigned i = 0; i < 40; i += 2)
    bind_one(i, i + 1, 32);
  for (unsigned i = 0; i < 40; i++)
    assert_int_equal(frames_at(place(i)), i % 2 == 0);
  finish();
}

/* Code that has frames and no symbol is copied as often as symbols are: not once for each publication. */
static void frames_alone_are_merged(void **state) {
  start(state);
  copied = 0;
  for (unsigned i = 0; i < SLOTS; i++) {
    functions[i].size = SLOT;
    begin();
    runs[news.run_count++] = memory_of(i);
    ldx_jit_set_change(&set, &news);
    assert_in_range(files(), 1, 16);
  }
  assert_int_equal(frames_at(place(SLOTS / 2)), 1);
  assert_in_range(copied, SLOTS, SLOTS * 16);
  finish();
}

/* ---- memory that is used again */

/* A file keeps its place when something new takes some of its memory: only that is gone there, and its frames. */
static void files_give_way(void **state) {
  start(state);
  begin();
  for (unsigned i = 0; i < 1000; i++)
    bind(i, i + 1, SLOT);
  commit();
  const char *file = list->file;
  for (unsigned i = 100; i < 120; i++) {
    begin();
    unbind(i);
    commit();
    bind_one(i, 5000 + i, i % 2 ? SLOT : SLOT / 2);
  }
  bool there = false;
  for (struct ldx_jit_entry *e = list; e; e = e->next)
    there = there || e->file == file;
  assert_true(there);
  check_all();
  for (unsigned i = 98; i < 122; i++) {
    assert_int_equal(frames_at(place(i)), 1);
    bool old = i < 100 || i >= 120;
    assert_int_equal(frames_at(place(i) + SLOT - 1), old || i % 2);
  }
  finish();
}

/* Where other symbols reach into the memory they go with it. */
static void a_symbol_comes_into_another(void **state) {
  start(state);
  begin();
  for (unsigned i = 0; i < 1000; i++)
    bind(i, i + 1, SLOT);
  commit();
  begin();
  fresh[news.count++] = (struct ldx_symfile_symbol){"entry", place(500) + 32, 4, FUNC};
  runs[news.run_count++] = (struct ldx_symfile_run){place(500) + 32, place(500) + 48, SHF_EXECINSTR};
  commit();
  unsigned times;
  assert_true(shown("entry", place(500) + 32, &times) && times == 1);
  assert_true(shown("f501", place(500), &times) && times == 1);
  assert_int_equal(frames_at(place(500) + 32), 1);
  begin();
  gone[news.gone_count++] = (struct ldx_symfile_symbol){.name = "entry", .value = place(500) + 32};
  commit();
  check_all();
  finish();
}

/* ---- without memory */

/* The descriptor stays sealed: the names are gone for whoever comes now. */
static void nobody_can_be_told(void **state) {
  start(state);
  for (unsigned i = 0; i < 10; i++)
    bind_one(i, i + 1, 32);
  refuses = true;
  begin();
  unbind(4);
  commit();
  check_all();
  refuses = false;
  finish();
}

static int countdown;
static long no_memory(long nr, long a, long b, long c) {
  return nr == SYS_mmap && countdown > 0 && !--countdown ? -12 : STUB_PASS;
}

/* What is shown is true, if not all. */
static void there_is_no_memory(void **state) {
  for (int n = 1; n < 12; n++) {
    heap = (struct ldx_heap){0};
    start(state);
    for (unsigned i = 0; i < 2000; i++)
      functions[i] = (struct function){i + 1, 60, false};
    countdown = n;
    stub_on_syscall(no_memory);
    for (unsigned i = 0; i < 2000;) {
      begin();
      for (unsigned end = i + 500; i < end; i++)
        bind(i, i + 1, 60);
      commit();
    }
    static bool seen[SLOTS];
    memset(seen, 0, sizeof seen);
    for (struct ldx_jit_entry *e = list; e; e = e->next) {
      struct ldx_symfile_view v = ldx_symfile_read(e->file);
      for (size_t i = 0; i < v.count; i++)
        check_symbol(e, &v, i, seen);
    }
    stub_on_syscall(NULL);
    assert_false(unsealed);
    finish();
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {CASE(files_are_merged),
                                     CASE(batches_of_all_sizes_are_merged),
                                     CASE(unbound_symbols_are_gone),
                                     CASE(an_unbound_symbol_costs_little),
                                     CASE(memory_is_used_again),
                                     CASE(breakpoints_find_their_functions),
                                     CASE(a_symbol_is_told_again),
                                     CASE(files_shrink),
                                     CASE(names_share_memory),
                                     CASE(files_have_a_largest_size),
                                     CASE(a_range_is_forgotten),
                                     CASE(lines_go_with_their_code),
                                     CASE(lines_stay_with_another_name),
                                     CASE(lines_come_after_their_function),
                                     CASE(frames_are_those_of_the_code),
                                     CASE(frames_alone_are_merged),
                                     CASE(files_give_way),
                                     CASE(a_symbol_comes_into_another),
                                     CASE(nobody_can_be_told),
                                     CASE(there_is_no_memory)};
  return RUN(tests);
}
