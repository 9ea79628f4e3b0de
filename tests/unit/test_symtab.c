/* Lookup by name through GNU and SysV hash tables: what is there is found, whatever a damaged table says. */
#include "fixture.h"

/* The indices that a search tells, in its order; at most `max`. */
static unsigned find_all(const struct elf_symtab *t, const char *text, uint32_t *found, unsigned max) {
  struct elf_name name = elf_name(text);
  struct elf_walk walk = {0};
  unsigned n = 0;
  for (uint32_t i = elf_find_first(t, &name, &walk); i && n < max; i = elf_find_next(t, &name, &walk)) {
    assert_int_equal(i, walk.index);
    found[n++] = i;
  }
  return n;
}

static uint32_t find_one(const struct elf_symtab *t, const char *text) {
  uint32_t found[4];
  unsigned n = find_all(t, text, found, 4);
  assert_true(n <= 1);
  return n ? found[0] : 0;
}

static bool contains(const uint32_t *list, unsigned n, uint32_t value) {
  for (unsigned i = 0; i < n; i++)
    if (list[i] == value)
      return true;
  return false;
}

/* Hash functions */

static void hashes_known_names(void **state) {
  const struct {
    const char *name;
    uint32_t gnu, sysv;
  } known[] = {/* computed by hand from the definitions, and as readers of symbol tables print them */
               {"", 5381, 0},
               {"a", 177670, 0x61},
               {"printf", 0x156b2bb8, 0x077905a6},
               {"exit", 0x7c967e3f, 0x0006cf04},
               {"syscall", 0xbac212a0, 0x0b09985c}};
  for (size_t i = 0; i < LDX_COUNT(known); i++) {
    struct elf_name n = elf_name(known[i].name);
    assert_int_equal(n.gnu, known[i].gnu);
    assert_int_equal(n.len, strlen(known[i].name));
    assert_int_equal(n.sysv, ELF_NO_SYSV);
    assert_int_equal(elf_sysv_hash(known[i].name), known[i].sysv);
  }
}

/* The definition of the gABI, word for word, against the shorter form in use. Bytes are unsigned. */
static uint32_t sysv_by_definition(const char *name) {
  uint32_t h = 0;
  for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
    h = (h << 4) + *p;
    uint32_t g = h & 0xf0000000;
    if (g)
      h ^= g >> 24;
    h &= ~g;
  }
  return h;
}

static void hashes_by_definition(void **state) {
  uint32_t random = 1;
  for (int round = 0; round < 2000; round++) {
    char name[41];
    size_t n = 0;
    for (; n < (size_t)round % 40; n++) {
      random = random * 1664525 + 1013904223;
      name[n] = (char)(random >> 24 ? random >> 24 : 1);
    }
    name[n] = '\0';
    assert_int_equal(elf_sysv_hash(name), sysv_by_definition(name));
  }
}

/* Sound tables */

static void check_all_found(const struct image_spec *spec) {
  struct fixture f;
  write_image(&f, spec);
  assert_int_equal(open_image(&f), ELF_OK);
  const struct elf_symtab *t = &f.m.d.sym;
  for (const struct image_symbol *y = spec->symbols; y && y->name; y++) {
    uint32_t found[8], want = image_symbol_index(&f.image, y->name, y->version);
    unsigned n = find_all(t, y->name, found, 8);
    bool listed = y->place != IMAGE_UNDEFINED || !spec->gnu_hash; /* the SysV table has undefined ones too */
    assert_int_equal(contains(found, n, want), listed);
    for (unsigned i = 0; i < n; i++)
      assert_string_equal(elf_symbol_name(t, elf_symbol(t, found[i])), y->name);
  }
  const char *const absent[] = {"", "alph", "alphaa", "ALPHA", "libsample.so.0", "SAMPLE_1", "zeta"};
  for (size_t i = 0; i < LDX_COUNT(absent); i++)
    assert_int_equal(find_one(t, absent[i]), 0);
  if (spec->symbols)
    assert_int_equal(elf_symbol_count(t), f.image.symbol_count);
  close_image(&f);
}

static void finds_every_symbol(void **state) {
  for (unsigned n = 0; image_sample(n); n++)
    check_all_found(image_sample(n));
}

static const struct image_symbol two_versions[] = {
    {"twice", IMAGE_TEXT, 0, 0, 2}, {"twice", IMAGE_TEXT, 16, 0, 0x8003}, {"once", IMAGE_TEXT, 32, 0, 2}, {0}};

static void finds_all_of_one_name(void **state) {
  static const struct image_def defs[] = {{"V1", NULL, 2, 0}, {"V2", NULL, 3, 0}, {0}};
  const struct image_spec specs[] = {{.symbols = two_versions, .defs = defs, .gnu_hash = true, .gnu_buckets = 1},
                                     {.symbols = two_versions, .defs = defs, .sysv_hash = true, .sysv_buckets = 1}};
  for (size_t s = 0; s < LDX_COUNT(specs); s++) {
    struct fixture f;
    write_image(&f, &specs[s]);
    assert_int_equal(open_image(&f), ELF_OK);
    uint32_t found[4];
    assert_int_equal(find_all(&f.m.d.sym, "twice", found, 4), 2);
    assert_true(found[0] != found[1]);
    for (int i = 0; i < 2; i++) {
      uint16_t version = elf_versym(&f.m.d.sym, found[i]);
      assert_true(version == 2 || version == 0x8003);
    }
    assert_int_equal(elf_versym(&f.m.d.sym, 1u << 31), VER_NDX_GLOBAL);
    close_image(&f);
  }
}

/* Many symbols, all sizes of bucket and Bloom tables that a linker may choose. */
static void finds_in_tables_of_all_shapes(void **state) {
  enum { N = 200 };
  static char names[N][16];
  static struct image_symbol symbols[N + 1];
  for (unsigned i = 0; i < N; i++) {
    snprintf(names[i], sizeof names[i], "s%u_%x", i, i * 2654435761u);
    symbols[i] = (struct image_symbol){names[i], i % 10 ? IMAGE_TEXT : IMAGE_UNDEFINED, 0, 0, 0};
  }
  const uint32_t buckets[] = {1, 2, 3, 64, 1021}, words[] = {1, 2, 16}, shifts[] = {1, 6, 26, 31};
  for (size_t b = 0; b < LDX_COUNT(buckets); b++)
    for (size_t w = 0; w < LDX_COUNT(words); w++) {
      struct image_spec spec = {.symbols = symbols,
                                .gnu_hash = true,
                                .gnu_buckets = buckets[b],
                                .bloom_words = words[w],
                                .bloom_shift = shifts[(b + w) % LDX_COUNT(shifts)]};
      check_all_found(&spec);
      check_all_found(&(struct image_spec){.symbols = symbols, .sysv_hash = true, .sysv_buckets = buckets[b]});
    }
}

static void prefers_gnu_hash(void **state) {
  struct fixture f;
  write_image(&f, image_sample(0));
  assert_int_equal(open_image(&f), ELF_OK);
  assert_non_null(f.m.d.sym.bloom);
  close_image(&f);
}

static void finds_nothing_without_hash(void **state) {
  struct fixture f;
  write_image(&f, &(struct image_spec){.symbols = two_versions});
  assert_int_equal(open_image(&f), ELF_OK);
  assert_int_equal(find_one(&f.m.d.sym, "once"), 0);
  assert_int_equal(elf_symbol_count(&f.m.d.sym), 0);
  close_image(&f);
}

/* Damaged GNU hash tables */

struct gnu_table {
  uint32_t *head, *buckets, *chain; /* head: buckets, symbias, Bloom words, shift */
  uint64_t *bloom;
};

static struct gnu_table gnu_table(const struct fixture *f) {
  uint32_t *h = image_table(&f->image, IMAGE_GNU_HASH);
  struct gnu_table t = {.head = h, .bloom = (uint64_t *)(h + 4)};
  t.buckets = (uint32_t *)(t.bloom + h[2]);
  t.chain = t.buckets + h[0];
  return t;
}

static enum elf_error open_with_head(unsigned word, uint32_t value) {
  struct fixture f;
  write_image(&f, image_sample(GNU_HASH_AT_END));
  gnu_table(&f).head[word] = value;
  enum elf_error e = open_image(&f);
  close_image(&f);
  return e;
}

static void checks_gnu_head(void **state) {
  assert_int_equal(open_with_head(0, 0), ELF_BAD_HASH);
  const uint32_t huge[] = {1u << 16, 1u << 29, 1u << 30, 1u << 31, UINT32_MAX};
  for (size_t i = 0; i < LDX_COUNT(huge); i++) {
    assert_int_equal(open_with_head(0, huge[i]), ELF_BAD_HASH);
    assert_int_equal(open_with_head(2, huge[i]), ELF_BAD_HASH);
  }
  assert_int_equal(open_with_head(2, 0), ELF_BAD_HASH);
  assert_int_equal(open_with_head(2, 3), ELF_BAD_HASH);
  assert_int_equal(open_with_head(3, 32), ELF_BAD_HASH);
  assert_int_equal(open_with_head(3, UINT32_MAX), ELF_BAD_HASH);
  assert_int_equal(open_with_head(3, 31), ELF_OK);
}

static void checks_gnu_place(void **state) {
  struct fixture f;
  write_image(&f, image_sample(GNU_HASH_AT_END));
  uint64_t end = tables_end(&f), good = image_tag(&f.image, DT_GNU_HASH)->d_un.d_val;
  const uint64_t bad[] = {good + 4, end, end - 8, 0, UINT64_MAX - 7, 1ull << 47};
  for (size_t i = 0; i < LDX_COUNT(bad); i++) {
    image_tag(&f.image, DT_GNU_HASH)->d_un.d_val = bad[i];
    assert_int_equal(open_image(&f), ELF_BAD_HASH);
  }
  close_image(&f);
}

/* The buckets just fit; there is no chain at all. */
static void survives_missing_chain(void **state) {
  struct fixture f;
  write_image(&f, image_sample(GNU_HASH_AT_END));
  struct gnu_table t = gnu_table(&f);
  uint64_t end = (uint64_t)((uint8_t *)t.chain - f.image.bytes);
  f.image.phdrs[IMAGE_PH_R].p_filesz = end;
  assert_int_equal(open_image(&f), ELF_OK);
  assert_int_equal(find_one(&f.m.d.sym, "alpha"), 0);
  f.image.phdrs[IMAGE_PH_R].p_filesz = end - 1;
  assert_int_equal(open_image(&f), ELF_BAD_HASH);
  close_image(&f);
}

/* No end bit anywhere: the walk ends with the segment, which nothing follows. */
static void survives_endless_chain(void **state) {
  struct fixture f;
  write_image(&f, image_sample(GNU_HASH_AT_END));
  struct gnu_table t = gnu_table(&f);
  uint32_t hashed = f.image.symbol_count - t.head[1];
  for (uint32_t i = 0; i < hashed; i++)
    t.chain[i] = elf_name("absent").gnu & ~1u;
  memset(t.bloom, 0xff, t.head[2] * 8);
  for (uint32_t i = 0; i < t.head[0]; i++)
    t.buckets[i] = t.head[1];
  assert_int_equal(open_image(&f), ELF_OK);
  assert_int_equal(f.m.d.sym.chain_count, hashed);
  assert_int_equal(find_one(&f.m.d.sym, "absent"), 0);
  assert_true(elf_symbol_count(&f.m.d.sym) <= f.m.d.sym.nsym);
  close_image(&f);
}

/* Same, where the symbols are what ends first. */
static void survives_chain_beyond_symbols(void **state) {
  struct fixture f;
  write_image(&f, image_sample(SYMTAB_AT_END));
  struct gnu_table t = gnu_table(&f);
  uint32_t n = f.image.symbol_count;
  for (uint32_t i = 0; i < n - t.head[1]; i++)
    t.chain[i] = elf_name("absent").gnu & ~1u;
  memset(t.bloom, 0xff, t.head[2] * 8);
  for (uint32_t i = 0; i < t.head[0]; i++)
    t.buckets[i] = n - 1;
  assert_int_equal(open_image(&f), ELF_OK);
  assert_int_equal(f.m.d.sym.nsym, n);
  assert_int_equal(find_one(&f.m.d.sym, "absent"), 0);
  assert_int_equal(elf_symbol_count(&f.m.d.sym), n);
  assert_null(elf_symbol(&f.m.d.sym, n));
  assert_non_null(elf_symbol(&f.m.d.sym, n - 1));
  close_image(&f);
}

static void survives_wild_buckets(void **state) {
  const uint32_t wild[] = {0, 1, 2, 1000, 1u << 20, 1u << 31, UINT32_MAX};
  for (size_t i = 0; i < LDX_COUNT(wild); i++) {
    struct fixture f;
    write_image(&f, image_sample(GNU_HASH_AT_END));
    struct gnu_table t = gnu_table(&f);
    memset(t.bloom, 0xff, t.head[2] * 8);
    for (uint32_t b = 0; b < t.head[0]; b++)
      t.buckets[b] = wild[i];
    assert_int_equal(open_image(&f), ELF_OK);
    assert_int_equal(find_one(&f.m.d.sym, "beta"), 0);
    assert_true(elf_symbol_count(&f.m.d.sym) <= f.m.d.sym.nsym);
    close_image(&f);
  }
}

static void survives_wild_symbias(void **state) {
  const uint32_t wild[] = {0, 1, 100, 1u << 31, UINT32_MAX};
  for (size_t i = 0; i < LDX_COUNT(wild); i++) {
    struct fixture f;
    write_image(&f, image_sample(GNU_HASH_AT_END));
    gnu_table(&f).head[1] = wild[i];
    assert_int_equal(open_image(&f), ELF_OK);
    for (const struct image_symbol *y = image_sample(GNU_HASH_AT_END)->symbols; y->name; y++) {
      uint32_t found[64];
      unsigned n = find_all(&f.m.d.sym, y->name, found, 64);
      assert_true(n < 64);
    }
    assert_true(elf_symbol_count(&f.m.d.sym) <= f.m.d.sym.nsym);
    close_image(&f);
  }
}

/* A bucket of 0 is empty, also in a table that claims to begin with symbol 0. */
static void empty_bucket_has_no_chain(void **state) {
  struct fixture f;
  write_image(&f, image_sample(0));
  struct gnu_table t = gnu_table(&f);
  memset(t.bloom, 0xff, t.head[2] * 8);
  memset(t.buckets, 0, t.head[0] * 4);
  t.head[1] = 0;
  for (uint32_t i = 0; i < f.image.symbol_count; i++) /* over the table behind, which is not in use */
    t.chain[i] = elf_name("beta").gnu & ~1u;
  assert_int_equal(open_image(&f), ELF_OK);
  assert_int_equal(find_one(&f.m.d.sym, "beta"), 0);
  close_image(&f);
}

/* The end bit of a symbol that was found ends the search. */
static void search_ends_with_its_chain(void **state) {
  struct fixture f;
  write_image(&f, &(struct image_spec){.symbols = two_versions, .gnu_hash = true, .gnu_buckets = 1});
  struct gnu_table t = gnu_table(&f);
  for (int i = 0; i < 3; i++)
    t.chain[i] |= 1;
  t.buckets[0] = image_symbol_index(&f.image, "twice", 2);
  assert_int_equal(open_image(&f), ELF_OK);
  assert_int_equal(find_one(&f.m.d.sym, "twice"), t.buckets[0]);
  close_image(&f);
}

/* A name that reaches to the end of the string table, or begins outside, matches nothing else. */
static void survives_wild_names(void **state) {
  for (unsigned sample = 0; sample < 3; sample += 2) { /* GNU, SysV */
    struct fixture f;
    write_image(&f, image_sample(sample));
    Elf64_Sym *sym = image_table(&f.image, IMAGE_SYMTAB);
    uint32_t size = (uint32_t)image_tag(&f.image, DT_STRSZ)->d_un.d_val;
    uint32_t beta = image_symbol_index(&f.image, "beta", 2);
    const uint32_t offsets[] = {size, size - 1, size - 4, UINT32_MAX};
    for (size_t i = 0; i < LDX_COUNT(offsets); i++) {
      sym[beta].st_name = offsets[i];
      assert_int_equal(open_image(&f), ELF_OK);
      assert_int_equal(find_one(&f.m.d.sym, "beta"), 0);
      if (offsets[i] >= size)
        assert_string_equal(elf_symbol_name(&f.m.d.sym, elf_symbol(&f.m.d.sym, beta)), "");
    }
    close_image(&f);
  }
}

/* Damaged SysV hash tables */

static enum elf_error open_with_sysv_head(unsigned word, uint32_t value) {
  struct fixture f;
  write_image(&f, image_sample(SYSV_HASH_AT_END));
  ((uint32_t *)image_table(&f.image, IMAGE_SYSV_HASH))[word] = value;
  enum elf_error e = open_image(&f);
  close_image(&f);
  return e;
}

static void checks_sysv_head(void **state) {
  const uint32_t huge[] = {1000, 1u << 20, 1u << 30, 1u << 31, UINT32_MAX};
  assert_int_equal(open_with_sysv_head(0, 0), ELF_BAD_HASH);
  assert_int_equal(open_with_sysv_head(1, 0), ELF_OK);
  for (size_t i = 0; i < LDX_COUNT(huge); i++) {
    assert_int_equal(open_with_sysv_head(0, huge[i]), ELF_BAD_HASH);
    assert_int_equal(open_with_sysv_head(1, huge[i]), ELF_BAD_HASH);
  }
}

static void checks_sysv_place(void **state) {
  struct fixture f;
  write_image(&f, image_sample(SYSV_HASH_AT_END));
  uint64_t end = tables_end(&f), good = image_tag(&f.image, DT_HASH)->d_un.d_val;
  const uint64_t bad[] = {good + 2, end, end - 4, UINT64_MAX - 3, 1ull << 47};
  for (size_t i = 0; i < LDX_COUNT(bad); i++) {
    image_tag(&f.image, DT_HASH)->d_un.d_val = bad[i];
    assert_int_equal(open_image(&f), ELF_BAD_HASH);
  }
  close_image(&f);
}

static void survives_no_chain(void **state) {
  struct fixture f;
  write_image(&f, image_sample(SYSV_HASH_AT_END));
  ((uint32_t *)image_table(&f.image, IMAGE_SYSV_HASH))[1] = 0;
  assert_int_equal(open_image(&f), ELF_OK);
  assert_int_equal(find_one(&f.m.d.sym, "beta"), 0);
  assert_int_equal(elf_symbol_count(&f.m.d.sym), 0);
  close_image(&f);
}

/* Chains that bite their tail: one entry, all entries, and a cycle that passes the name sought again and again. */
static void survives_cyclic_chains(void **state) {
  for (unsigned kind = 0; kind < 3; kind++) {
    struct fixture f;
    write_image(&f, image_sample(SYSV_HASH_AT_END));
    uint32_t *h = image_table(&f.image, IMAGE_SYSV_HASH), *bucket = h + 2, *chain = bucket + h[0], n = h[1];
    uint32_t beta = image_symbol_index(&f.image, "beta", 2);
    for (uint32_t b = 0; b < h[0]; b++)
      bucket[b] = kind == 2 ? beta : 1;
    for (uint32_t i = 0; i < n; i++)
      chain[i] = kind == 0 ? i : kind == 1 ? 1 + i % (n - 1) : beta;
    assert_int_equal(open_image(&f), ELF_OK);
    assert_int_equal(find_one(&f.m.d.sym, "absent"), 0);
    uint32_t *found = calloc(n + 2, sizeof *found);
    unsigned count = find_all(&f.m.d.sym, "beta", found, n + 2);
    assert_true(count <= n);
    assert_int_equal(contains(found, count, beta), kind > 0);
    free(found);
    close_image(&f);
  }
}

static void survives_wild_sysv_indices(void **state) {
  const uint32_t wild[] = {1000, 1u << 31, UINT32_MAX};
  for (size_t i = 0; i < LDX_COUNT(wild); i++)
    for (unsigned where = 0; where < 2; where++) {
      struct fixture f;
      write_image(&f, image_sample(SYSV_HASH_AT_END));
      uint32_t *h = image_table(&f.image, IMAGE_SYSV_HASH), *bucket = h + 2, *chain = bucket + h[0];
      for (uint32_t k = 0; k < (where ? h[1] : h[0]); k++)
        (where ? chain : bucket)[k] = wild[i];
      assert_int_equal(open_image(&f), ELF_OK);
      assert_int_equal(find_one(&f.m.d.sym, "absent"), 0);
      uint32_t found[4];
      find_all(&f.m.d.sym, "beta", found, 4);
      close_image(&f);
    }
}

/* More symbols hashed than there are: the symbol table ends first. */
static void survives_more_chain_than_symbols(void **state) {
  struct image_spec spec = *image_sample(SYSV_HASH_AT_END);
  spec.last = IMAGE_SYMTAB;
  struct fixture f;
  write_image(&f, &spec);
  uint32_t *h = image_table(&f.image, IMAGE_SYSV_HASH), *bucket = h + 2;
  uint32_t n = h[1], moved = 4;
  h[0] -= moved; /* the last buckets become the first links, the table stays as large */
  h[1] += moved;
  for (uint32_t b = 0; b < h[0]; b++)
    bucket[b] = n + moved - 1;
  assert_int_equal(open_image(&f), ELF_OK);
  assert_int_equal(f.m.d.sym.nsym, n);
  assert_int_equal(f.m.d.sym.chain_count, n + moved);
  assert_int_equal(find_one(&f.m.d.sym, "beta"), 0);
  assert_int_equal(elf_symbol_count(&f.m.d.sym), n);
  close_image(&f);
}

static void versym_ends_with_its_segment(void **state) {
  struct fixture f;
  write_image(&f, image_sample(VERSYM_AT_END));
  f.image.phdrs[IMAGE_PH_R].p_filesz -= 1;
  assert_int_equal(open_image(&f), ELF_OK);
  uint32_t n = f.image.symbol_count;
  assert_int_equal(f.m.d.sym.nversym, n - 1);
  assert_int_equal(elf_versym(&f.m.d.sym, n - 1), VER_NDX_GLOBAL);
  assert_int_equal(elf_versym(&f.m.d.sym, 0), 0);
  close_image(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(hashes_known_names),
      CASE(hashes_by_definition),
      CASE(finds_every_symbol),
      CASE(finds_all_of_one_name),
      CASE(finds_in_tables_of_all_shapes),
      CASE(prefers_gnu_hash),
      CASE(finds_nothing_without_hash),
      CASE(checks_gnu_head),
      CASE(checks_gnu_place),
      CASE(survives_missing_chain),
      CASE(survives_endless_chain),
      CASE(survives_chain_beyond_symbols),
      CASE(survives_wild_buckets),
      CASE(survives_wild_symbias),
      CASE(empty_bucket_has_no_chain),
      CASE(search_ends_with_its_chain),
      CASE(survives_wild_names),
      CASE(checks_sysv_head),
      CASE(checks_sysv_place),
      CASE(survives_no_chain),
      CASE(survives_cyclic_chains),
      CASE(survives_wild_sysv_indices),
      CASE(survives_more_chain_than_symbols),
      CASE(versym_ends_with_its_segment),
  };
  return RUN(tests);
}
