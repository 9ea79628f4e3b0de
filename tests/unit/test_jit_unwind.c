/* loader/jit_unwind.c beside a simple model of what it must say: after random changes, and while readers stand still
 * in what they found before. */
#include "ldx/jit.h"
#include "loader/jit_unwind.h"
#include "unit.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, FRAMES = 64 * PAGE, TABLES = 64 * PAGE, CODE = 16 * PAGE };

/* What the code under test asks of others. */
struct ldx_process ldx_self;
static uint64_t oldest_reader = UINT64_MAX;
uint64_t ldx_epoch_end(void) { return ++ldx_self.epoch; }
uint64_t ldx_epoch_oldest(void) { return oldest_reader; }
void ldx_retire_block(void *p) { ldx_delete(p); }
void ldx_debug(const char *fmt, ...) {}
static unsigned told;
static uint64_t told_bytes;
void ldx_jit_show_frames(struct ldx_jit_object *j, uintptr_t low, uintptr_t high) {
  told++;
  told_bytes += high - low;
}

static struct ldx_object object;
static struct ldx_jit_object jit;
static Elf64_Phdr *program_header;

static int open_object(void **state) {
  const size_t size = PAGE + FRAMES + TABLES + CODE;
  int fd = memfd_create("test", 0);
  assert_true(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
  char *view = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
  char *alias = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  assert_true(view != MAP_FAILED && alias != MAP_FAILED);
  close(fd);
  uintptr_t low = (uintptr_t)view;
  object = (struct ldx_object){.map.l_addr = low, .image.eh_frame_hdr = (Elf64_Phdr *)view};
  jit = (struct ldx_jit_object){
      .object = &object, .name = "test", .low = low, .high = low + size, .alias = (uintptr_t)alias};
  jit.regions[LDX_REGION_FRAMES] = (struct ldx_jit_region){low + PAGE, FRAMES, 0};
  jit.regions[LDX_REGION_FRAME_HDR] = (struct ldx_jit_region){low + PAGE + FRAMES, TABLES, 0};
  jit.regions[LDX_REGION_CODE] = (struct ldx_jit_region){low + PAGE + FRAMES + TABLES, CODE, CODE};
  program_header = (Elf64_Phdr *)view;
  oldest_reader = UINT64_MAX;
  ldx_self.epoch = 1;
  assert_int_equal(ldx_jit_unwind_new(&jit), 0);
  ((Elf64_Phdr *)alias)->p_vaddr = ldx_jit_unwind_header(&jit) - low;
  return 0;
}

static int close_object(void **state) {
  ldx_jit_unwind_free(&jit);
  munmap((void *)jit.low, jit.high - jit.low);
  munmap((void *)jit.alias, jit.high - jit.low);
  return 0;
}

static uintptr_t code_at(size_t offset) { return jit.regions[LDX_REGION_CODE].at + offset; }

/* --- the model: what each unit of code is described by --------------------------------------------------- */

enum { UNIT = 16, UNITS = CODE / UNIT, MAX_STAGED = 64 };
struct function {
  uint32_t low, high; /* units; high 0: none */
  uint64_t lsda, personality;
};
static struct function published[UNITS], staged[MAX_STAGED]; /* published: by their first unit */
static unsigned staged_count;

static uint32_t random_state;
static uint32_t below(uint32_t n) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  random_state ^= random_state << 5;
  return random_state % n;
}

static void begin_model(uint32_t seed) {
  memset(published, 0, sizeof published);
  staged_count = 0;
  random_state = seed * 2654435761u | 1;
}

static const struct function *function_at(uint32_t unit) {
  for (uint32_t i = unit + 1; i-- > 0;)
    if (published[i].high)
      return unit < published[i].high ? &published[i] : NULL;
  return NULL;
}

static bool overlap(const struct function *a, const struct function *b) {
  return a->low < b->high && b->low < a->high;
}

static void drop_overlapping(const struct function *f) {
  for (uint32_t i = 0; i < UNITS; i++)
    if (published[i].high && overlap(&published[i], f))
      published[i] = (struct function){0};
}

static void model_publish(void) {
  for (unsigned i = 0; i < staged_count; i++) {
    drop_overlapping(&staged[i]);
    published[staged[i].low] = staged[i];
  }
  staged_count = 0;
}

static void model_drop(uint32_t low, uint32_t high) {
  struct function gone = {low, high, 0, 0};
  unsigned kept = 0;
  drop_overlapping(&gone);
  for (unsigned i = 0; i < staged_count; i++)
    if (!overlap(&staged[i], &gone))
      staged[kept++] = staged[i];
  staged_count = kept;
}

/* --- the same, done ---------------------------------------------------------------------------------------- */

static void stage(const struct function *f) {
  static const uint8_t rules[] = {0x0c, 7, 8, 0x90, 1};
  uint8_t bytes[512];
  static const uint8_t more[200];
  struct elf_fde fde = {.cie = {.code_align = 1,
                                .data_align = -8,
                                .return_register = 16,
                                .sized = true,
                                .lsda = f->lsda ? ELF_EH_ABSPTR : ELF_EH_OMIT,
                                .personality = {f->personality, true},
                                .instructions = {{rules, sizeof rules}, 0}},
                        .start = code_at(f->low * UNIT),
                        .size = (f->high - f->low) * UNIT,
                        .lsda = {f->lsda, false},
                        .instructions = {{more, f->lsda % sizeof more}, 0}};
  struct elf_frame_output out = {bytes, sizeof bytes, 0};
  elf_write_cie(&out, &fde.cie);
  elf_write_fde(&out, &fde, 0, false);
  assert_true(out.size <= sizeof bytes);
  assert_int_equal(ldx_jit_unwind_stage(&jit, bytes, out.size, 0), 0);
  assert_true(staged_count < MAX_STAGED);
  staged[staged_count++] = *f;
}

static void stage_random(uint32_t span) {
  uint32_t low = below(span), size = 1 + below(4);
  struct function f = {low, low + size < UNITS ? low + size : UNITS, below(3) ? 0 : 1 + below(1000),
                       below(4) ? 0 : 1 + below(40)};
  for (unsigned i = 0; i < staged_count; i++)
    if (overlap(&staged[i], &f))
      return;
  stage(&f);
}

static void publish(void) {
  assert_int_equal(ldx_jit_unwind_reserve(&jit), 0);
  ldx_jit_unwind_publish(&jit);
  model_publish();
}

static void drop(uint32_t low, uint32_t high) {
  ldx_jit_unwind_drop(&jit, code_at(low * UNIT), code_at(high * UNIT));
  model_drop(low, high);
}

/* --- what must hold ------------------------------------------------------------------------------------------ */

static void check_header(const struct elf_frame_header *h) {
  assert_int_equal((uintptr_t)h % 4, 0);
  assert_memory_equal(h, "\x01\x1b\x03\x3b", 4);
  assert_int_equal((uintptr_t)&h->eh_frame + (intptr_t)h->eh_frame, jit.regions[LDX_REGION_FRAMES].at);
}

static void check_fde(uintptr_t at, const struct function *f) {
  const struct ldx_jit_region *r = &jit.regions[LDX_REGION_FRAMES];
  struct elf_frames frames = {{(const void *)r->at, r->used}, r->at, at - r->at};
  struct elf_fde fde;
  enum elf_error e;
  assert_true(elf_next_fde(&frames, &fde, &e));
  assert_int_equal(fde.start, code_at(f->low * UNIT));
  assert_int_equal(fde.size, (f->high - f->low) * UNIT);
  assert_int_equal(fde.lsda.value, f->lsda);
  assert_int_equal(fde.cie.personality.value, f->personality);
  assert_true(!f->personality || fde.cie.personality.indirect);
}

/* As _dl_find_object tells it. */
static void check_lookups(void) {
  for (uint32_t unit = below(4); unit < UNITS; unit += 1 + below(8)) {
    const struct function *f = function_at(unit);
    const struct elf_frame_header *h =
        (const void *)ldx_jit_unwind_table(&jit, code_at(unit * UNIT + (f ? below(UNIT) : 0)));
    check_header(h);
    assert_int_equal(h->count, f != NULL);
    if (f) {
      assert_int_equal((uintptr_t)h + (intptr_t)h->at[0].start, code_at(f->low * UNIT));
      check_fde((uintptr_t)h + (intptr_t)h->at[0].fde, f);
    }
  }
  const uintptr_t outside[] = {0, code_at(0) - 1, code_at(CODE), UINTPTR_MAX};
  for (size_t i = 0; i < LDX_COUNT(outside); i++)
    assert_int_equal(((const struct elf_frame_header *)ldx_jit_unwind_table(&jit, outside[i]))->count, 0);
}

/* As program headers tell it. */
static void check_table(void) {
  const struct elf_frame_header *h = (const void *)(jit.low + program_header->p_vaddr);
  assert_ptr_equal(h, ldx_jit_unwind_header(&jit));
  check_header(h);
  uint32_t found = 0, count = 0;
  for (uint32_t i = 0; i < h->count; i++) {
    assert_true(i == 0 || h->at[i - 1].start < h->at[i].start);
    uint32_t unit = (uint32_t)(((uintptr_t)h + (intptr_t)h->at[i].start - code_at(0)) / UNIT);
    uintptr_t fde = (uintptr_t)h + (intptr_t)h->at[i].fde;
    uint64_t size;
    memcpy(&size, (const char *)fde + ELF_FDE_SIZE, 8);
    if (size) {
      check_fde(fde, &published[unit]);
      found++;
    } else {
      assert_null(function_at(unit)); /* it would be hidden */
    }
  }
  for (uint32_t i = 0; i < UNITS; i++)
    count += published[i].high != 0;
  assert_int_equal(found, count);
  if (h->count) {
    assert_true(program_header->p_memsz >= sizeof *h + h->count * sizeof h->at[0]);
    assert_int_equal(program_header->p_memsz, program_header->p_filesz);
    assert_true(program_header->p_vaddr + program_header->p_memsz <= PAGE + FRAMES + TABLES);
  }
}

static unsigned count_frames(const void *bytes, size_t size, uintptr_t where) {
  struct elf_frames f = {{bytes, size}, where, 0};
  struct elf_fde fde;
  enum elf_error e;
  unsigned count = 0;
  for (uint64_t at = 0; elf_next_fde(&f, &fde, &e); at = f.next) {
    assert_true(fde.cie_offset <= at); /* LLVM's unwinder knows no other order */
    if (fde.size) {
      const struct function *of = &published[(fde.start - code_at(0)) / UNIT];
      assert_int_equal(fde.size, (of->high - of->low) * UNIT);
      assert_int_equal(fde.lsda.value, of->lsda);
      count++;
    }
  }
  assert_int_equal(e, ELF_OK);
  assert_true(f.next + 4 >= size);
  return count;
}

/* As those see it who walk over all records; and as debuggers get it. */
static void check_records(void) {
  const struct ldx_jit_region *r = &jit.regions[LDX_REGION_FRAMES];
  unsigned count = 0;
  for (uint32_t i = 0; i < UNITS; i++)
    count += published[i].high != 0;
  assert_int_equal(count_frames((const void *)r->at, r->used, r->at), count);
  size_t size;
  char *copy = ldx_jit_unwind_copy(&jit, code_at(0), code_at(CODE), &size);
  assert_int_equal(copy != NULL, count != 0);
  if (copy)
    assert_int_equal(count_frames(copy, size, 0x1234), count);
  ldx_delete(copy);
}

static void check_all(void) {
  check_lookups();
  check_table();
  check_records();
}

/* --- readers that stand still: what they found must stay, but that code may go -------------------------- */

struct old_reader {
  uint64_t epoch;
  const struct elf_frame_header *h;
  uint32_t count;
  int32_t starts[UNITS * 4];
};

static void begin_reader(struct old_reader *r) {
  *r = (struct old_reader){.epoch = ldx_self.epoch, .h = (const void *)ldx_jit_unwind_header(&jit)};
  r->count = r->h->count;
  assert_true(r->count <= LDX_COUNT(r->starts));
  for (uint32_t i = 0; i < r->count; i++)
    r->starts[i] = r->h->at[i].start;
  if (r->epoch < oldest_reader)
    oldest_reader = r->epoch;
}

static void check_reader(const struct old_reader *r) {
  check_header(r->h);
  assert_true(r->h->count >= r->count);
  for (uint32_t i = 0; i < r->count; i++) {
    uintptr_t start = (uintptr_t)r->h + (intptr_t)r->starts[i], fde = (uintptr_t)r->h + (intptr_t)r->h->at[i].fde;
    uint64_t of[2];
    assert_int_equal(r->h->at[i].start, r->starts[i]);
    memcpy(of, (const char *)fde + ELF_FDE_START, sizeof of);
    assert_true(of[0] == start || of[1] == 0);
    const struct function *f = function_at((uint32_t)((start - code_at(0)) / UNIT));
    if (of[1] && f)
      check_fde(fde, f);
  }
}

static void step(uint32_t span) {
  switch (below(10)) {
  case 0:
  case 1:
    publish();
    break;
  case 2:
    ldx_jit_unwind_discard(&jit);
    staged_count = 0;
    break;
  case 3:
  case 4: {
    uint32_t low = below(span), size = 1 + below(8);
    drop(low, low + size < UNITS ? low + size : UNITS);
    break;
  }
  case 5: /* reserved, but not published */
    assert_int_equal(ldx_jit_unwind_reserve(&jit), 0);
    break;
  default:
    if (staged_count < MAX_STAGED)
      stage_random(span);
  }
}

/* Debuggers are told of what is published, once. */
static void tells_debuggers(void **state) {
  begin_model(1);
  stage(&(struct function){0, 2, 0, 0});
  stage(&(struct function){1, 5, 0, 0}); /* in the place of that */
  stage(&(struct function){8, 10, 0, 0});
  told = 0;
  told_bytes = 0;
  publish();
  assert_int_equal(told, 2);
  assert_int_equal(told_bytes, 6 * UNIT);
  publish();
  assert_int_equal(told, 2);
}

static void follows_model(void **state) {
  for (uint32_t seed = 1; seed <= 4; seed++) {
    begin_model(seed);
    for (unsigned i = 0; i < 320; i++) {
      step(seed % 2 ? UNITS : UNITS / 16);
      if (i % 16 == 0)
        check_all();
    }
    ldx_jit_unwind_discard(&jit);
    staged_count = 0;
    drop(0, UNITS);
    check_all();
  }
}

static void keeps_what_readers_hold(void **state) {
  struct old_reader *readers = calloc(4, sizeof *readers);
  for (uint32_t seed = 1; seed <= 3; seed++) {
    begin_model(seed);
    for (unsigned i = 0; i < 800; i++) {
      step(UNITS / 2);
      if (i % 100 == 0)
        begin_reader(&readers[i / 100 % 4]);
      for (unsigned k = 0; k < 4; k++)
        if (readers[k].h)
          check_reader(&readers[k]);
      if (i % 400 == 399) { /* all leave */
        memset(readers, 0, 4 * sizeof *readers);
        oldest_reader = UINT64_MAX;
      }
    }
    check_all();
    memset(readers, 0, 4 * sizeof *readers);
    oldest_reader = UINT64_MAX;
    ldx_jit_unwind_discard(&jit);
    staged_count = 0;
    drop(0, UNITS);
  }
  free(readers);
}

/* --- costs --------------------------------------------------------------------------------------------------- */

static void publish_function(uint32_t low, uint32_t high, uint64_t lsda) {
  stage(&(struct function){low, high, lsda, 0});
  publish();
}

static void appends_in_place(void **state) {
  begin_model(1);
  unsigned tables = 0;
  uintptr_t last = ldx_jit_unwind_header(&jit);
  for (uint32_t i = 0; i < UNITS / 2; i++) {
    publish_function(i, i + 1, 0);
    tables += last != ldx_jit_unwind_header(&jit);
    last = ldx_jit_unwind_header(&jit);
  }
  assert_true(tables <= 14);
  check_all();
}

/* The same place again and again: one table, and the memory of a few. */
static void reuses_same_address(void **state) {
  begin_model(1);
  publish_function(10, 12, 0);
  publish_function(20, 22, 0);
  publish_function(30, 32, 0);
  uintptr_t table = ldx_jit_unwind_header(&jit);
  size_t used = 0;
  for (unsigned i = 0; i < 1000; i++) {
    drop(20, 22);
    assert_int_equal(((const struct elf_frame_header *)ldx_jit_unwind_table(&jit, code_at(20 * UNIT)))->count, 0);
    publish_function(20, 21 + i % 9, i % 7);
    if (i == 20)
      used = jit.regions[LDX_REGION_FRAMES].used;
  }
  assert_int_equal(ldx_jit_unwind_header(&jit), table);
  assert_int_equal(jit.regions[LDX_REGION_FRAMES].used, used);
  check_all();
}

/* Entries whose code is gone leave the table some time. */
static void forgets_dead_entries(void **state) {
  begin_model(1);
  for (uint32_t i = 0; i < UNITS; i++) {
    publish_function(i, i + 1, 0);
    drop(i, i + 1);
    assert_true(((const struct elf_frame_header *)ldx_jit_unwind_header(&jit))->count <= 200);
  }
  check_all();
}

/* Other addresses, and CIEs of all kinds: neither region grows without end. */
static void reuses_memory(void **state) {
  begin_model(1);
  size_t frames = 0, tables = 0;
  for (unsigned i = 0; i < 3000; i++) {
    uint32_t low = below(UNITS - 4);
    drop(low, low + 4);
    stage(&(struct function){low, low + 1 + below(4), 0, 1 + i});
    publish();
    if (i == 1500) {
      frames = jit.regions[LDX_REGION_FRAMES].used;
      tables = jit.regions[LDX_REGION_FRAME_HDR].used;
    }
  }
  assert_true(jit.regions[LDX_REGION_FRAMES].used <= frames + frames / 4);
  assert_true(jit.regions[LDX_REGION_FRAME_HDR].used <= tables + tables / 4);
  check_all();
}

static void says_when_it_is_full(void **state) {
  begin_model(1);
  oldest_reader = 0; /* somebody reads for ever: nothing is used again */
  uint32_t i = 0;
  int r;
  do {
    drop(0, 2);
    stage(&(struct function){0, 2, 1 + i % 1000, 1 + i});
    r = ldx_jit_unwind_reserve(&jit);
    if (!r) {
      ldx_jit_unwind_publish(&jit);
      model_publish();
    }
    assert_true(++i < 10000);
  } while (!r);
  assert_int_equal(r, -ENOMEM);
  assert_true(i > 1000);
  check_all();
  assert_int_equal(ldx_jit_unwind_reserve(&jit), -ENOMEM);
  assert_int_equal(staged_count, 1);
  oldest_reader = UINT64_MAX; /* he leaves */
  publish();
  check_all();
}

/* --- what is refused, and what is made ------------------------------------------------------------------- */

static void refuses_other_code(void **state) {
  begin_model(1);
  const uintptr_t places[] = {0, code_at(0) - 16, code_at(CODE) - 8, code_at(CODE), UINTPTR_MAX - 8};
  for (size_t i = 0; i < LDX_COUNT(places); i++) {
    uint8_t bytes[128];
    struct elf_fde fde = {.cie = {.code_align = 1, .data_align = -8, .return_register = 16, .lsda = ELF_EH_OMIT},
                          .start = places[i],
                          .size = 16};
    struct elf_frame_output out = {bytes, sizeof bytes, 0};
    elf_write_cie(&out, &fde.cie);
    elf_write_fde(&out, &fde, 0, false);
    assert_int_equal(ldx_jit_unwind_stage(&jit, bytes, out.size, 0), -EINVAL);
    assert_int_equal(ldx_jit_unwind_stage_simple(&jit, places[i], 16, LDX_JIT_FRAME_LEAF), -EINVAL);
  }
  assert_int_equal(ldx_jit_unwind_stage_simple(&jit, code_at(0), 0, LDX_JIT_FRAME_LEAF), -EINVAL);
  assert_int_equal(ldx_jit_unwind_stage_simple(&jit, code_at(0), SIZE_MAX, LDX_JIT_FRAME_LEAF), -EINVAL);
  assert_int_equal(ldx_jit_unwind_stage_simple(&jit, code_at(0), 16, 2), -EINVAL);
  publish();
  check_all();
}

/* One bad record, and none of its set is taken. */
static void takes_all_or_nothing(void **state) {
  begin_model(1);
  uint8_t bytes[256];
  struct elf_fde fde = {.cie = {.code_align = 1, .data_align = -8, .return_register = 16, .lsda = ELF_EH_OMIT},
                        .start = code_at(0),
                        .size = 16};
  struct elf_frame_output out = {bytes, sizeof bytes, 0};
  elf_write_cie(&out, &fde.cie);
  elf_write_fde(&out, &fde, 0, false);
  fde.start += 16;
  elf_write_fde(&out, &fde, 0, false);
  bytes[out.size - 8] = 0x3f; /* no such instruction */
  assert_int_equal(ldx_jit_unwind_stage(&jit, bytes, out.size, 0), -EINVAL);
  publish();
  check_all();
  bytes[out.size - 8] = 0;
  assert_int_equal(ldx_jit_unwind_stage(&jit, bytes, out.size, 0), 0);
  ldx_jit_unwind_reserve(&jit);
  ldx_jit_unwind_publish(&jit);
  published[0] = (struct function){0, 1, 0, 0};
  published[1] = (struct function){1, 2, 0, 0};
  check_all();
}

/* Staged for the same code: the newest stays. */
static void prefers_newest(void **state) {
  begin_model(1);
  stage(&(struct function){0, 4, 1, 0});
  stage(&(struct function){8, 12, 2, 0});
  stage(&(struct function){2, 9, 3, 0});
  stage(&(struct function){2, 9, 4, 0});
  publish();
  check_all();
  assert_int_equal(function_at(2)->lsda, 4);
  publish_function(0, 3, 5); /* the begin of what is published */
  check_all();
  publish_function(20, 40, 6);
  publish_function(22, 24, 7); /* inside */
  check_all();
  publish_function(10, 30, 8); /* around */
  check_all();
}

static const uint8_t *instructions_of(uintptr_t at, size_t *size) {
  static struct elf_fde fde;
  const struct elf_frame_header *h = (const void *)ldx_jit_unwind_table(&jit, at);
  const struct ldx_jit_region *r = &jit.regions[LDX_REGION_FRAMES];
  assert_int_equal(h->count, 1);
  struct elf_frames f = {{(const void *)r->at, r->used}, r->at, (uintptr_t)h + (intptr_t)h->at[0].fde - r->at};
  enum elf_error e;
  assert_true(elf_next_fde(&f, &fde, &e));
  assert_int_equal(fde.cie.return_register, 16);
  assert_memory_equal(fde.cie.instructions.bytes.base, "\x0c\x07\x08\x90\x01", 5);
  *size = fde.instructions.bytes.size;
  return fde.instructions.bytes.base;
}

static void makes_usual_frames(void **state) {
  static const struct {
    const char *code;
    uint32_t size;
    const char *rules;
  } rows[] = {
      {"\x55\x48\x89\xe5\x90\x90\xc9\xc3", 8, "\x41\x0e\x10\x86\x02\x43\x0d\x06\x04\x03\0\0\0\x0c\x07\x08\xc6"},
      {"\x55\x48\x8b\xec\x5d\xc3", 6, "\x41\x0e\x10\x86\x02\x43\x0d\x06\x04\x01\0\0\0\x0c\x07\x08\xc6"},
      {"\xf3\x0f\x1e\xfa\x55\x48\x89\xe5\xc9\xc2\x10\x00", 12,
       "\x45\x0e\x10\x86\x02\x43\x0d\x06\x04\x01\0\0\0\x0c\x07\x08\xc6"},
      {"\x48\x89\xe5\xc9\xc3", 5, NULL},
      {"\x55\x48\x89\xe5\xc3", 5, NULL},
      {"\x55\x48\x89\xe5\xc9\x90", 6, NULL},
      {"\x55\x48\x89\xe5", 4, NULL},
      {"\x55\xc9\xc3", 3, NULL},
      {"\xf3\x0f\x1e\xfa", 4, NULL},
      {"\xc3", 1, NULL},
  };
  for (size_t i = 0; i < LDX_COUNT(rows); i++) {
    memcpy(ldx_jit_alias(&jit, code_at(0)), rows[i].code, rows[i].size);
    int r = ldx_jit_unwind_stage_simple(&jit, code_at(0), rows[i].size, LDX_JIT_FRAME_POINTER);
    assert_int_equal(r, rows[i].rules ? 0 : -EINVAL);
    if (r)
      continue;
    assert_int_equal(ldx_jit_unwind_reserve(&jit), 0);
    ldx_jit_unwind_publish(&jit);
    size_t size;
    const uint8_t *rules = instructions_of(code_at(0), &size);
    assert_true(size >= 17);
    assert_memory_equal(rules, rows[i].rules, 17);
  }
  assert_int_equal(ldx_jit_unwind_stage_simple(&jit, code_at(64), 1, LDX_JIT_FRAME_LEAF), 0);
  assert_int_equal(ldx_jit_unwind_reserve(&jit), 0);
  ldx_jit_unwind_publish(&jit);
  size_t size;
  const uint8_t *rules = instructions_of(code_at(64), &size);
  while (size)
    assert_int_equal(rules[--size], 0);
}

static void copies_a_range(void **state) {
  begin_model(1);
  for (uint32_t i = 0; i < 20; i++)
    publish_function(i * 4, i * 4 + 2, i % 3);
  static const struct {
    uint32_t low, high, count;
  } rows[] = {{0, 80, 20}, {0, 1, 1}, {1, 2, 1}, {2, 4, 0}, {1, 5, 2}, {4, 6, 1}, {78, 90, 0}, {40, 40, 0}};
  for (size_t i = 0; i < LDX_COUNT(rows); i++) {
    size_t size;
    char *copy = ldx_jit_unwind_copy(&jit, code_at(rows[i].low * UNIT), code_at(rows[i].high * UNIT), &size);
    assert_int_equal(copy != NULL, rows[i].count != 0);
    assert_int_equal(copy ? count_frames(copy, size, 1) : 0, rows[i].count);
    if (copy)
      assert_memory_equal(copy + size - 4, "\0\0\0\0", 4);
    ldx_delete(copy);
  }
}

#define EACH(function) cmocka_unit_test_setup_teardown(function, open_object, close_object)

int main(void) {
  const struct CMUnitTest tests[] = {
      EACH(follows_model),        EACH(tells_debuggers),      EACH(keeps_what_readers_hold),
      EACH(appends_in_place),     EACH(reuses_same_address),  EACH(forgets_dead_entries),
      EACH(reuses_memory),        EACH(says_when_it_is_full), EACH(refuses_other_code),
      EACH(takes_all_or_nothing), EACH(prefers_newest),       EACH(makes_usual_frames),
      EACH(copies_a_range),
  };
  return RUN(tests);
}
