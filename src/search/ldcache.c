#include "search/ldcache.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/io.h"

static const char old_magic[] = "ld.so-1.7.0";
static const char new_magic[] = "glibc-ld.so.cache1.1";
enum { EXTENSION_MAGIC = (int)0xeaa42174, TAG_HWCAPS = 1 };
enum { ELF_LIBC6_X86_64 = 0x0303 }; /* flags of entries that are for us */

struct old_header {
  char magic[12]; /* 11 and padding */
  uint32_t count;
};
struct old_entry {
  int32_t flags;
  uint32_t key, value;
};
struct new_header {
  char magic[20];
  uint32_t count, strings_size;
  uint8_t flags, unused[3];
  uint32_t extension; /* offset, 0: none */
  uint32_t unused2[3];
};
struct new_entry {
  int32_t flags;
  uint32_t key, value, osversion;
  uint64_t hwcap;
};
struct extension_header {
  uint32_t magic, count;
};
struct extension_section {
  uint32_t tag, flags, offset, size;
};
_Static_assert(sizeof(struct old_header) == 16 && sizeof(struct new_header) == 48, "headers of the cache file");
_Static_assert(sizeof(struct old_entry) == 12 && sizeof(struct new_entry) == 24, "entries of the cache file");

/* hwcap of an entry below glibc-hwcaps: this bit, the CPU level, and the index of the name. */
#define NAMED_BIT (1ull << 62)
enum { LEVEL_SHIFT = 32, LEVEL_MASK = 0x3ff };

static void find_extension(struct ldx_ldcache *c, uint32_t offset) {
  const struct extension_header *x = ldx_span_at(c->file, offset, 1, sizeof *x);
  if (offset == 0 || offset % 4 || !x || x->magic != (uint32_t)EXTENSION_MAGIC)
    return;
  const void *sections = ldx_span_at(c->file, offset + sizeof *x, x->count, sizeof(struct extension_section));
  if (!sections)
    return;
  c->extension = sections;
  c->section_count = x->count;
}

/* A table in the new format at `offset`. */
static bool parse_new(struct ldx_ldcache *c, uint64_t offset) {
  const struct new_header *h = ldx_span_at(c->file, offset, 1, sizeof *h);
  if (!h || memcmp(h->magic, new_magic, sizeof h->magic))
    return false;
  const void *entries = ldx_span_at(c->file, offset + sizeof *h, h->count, sizeof(struct new_entry));
  bool our_order = h->flags == 0 || (h->flags & 3) == 2; /* 2: little-endian */
  if (!entries || !our_order)
    return false;
  c->count = h->count;
  c->entry_size = sizeof(struct new_entry);
  c->entries = (struct ldx_span){entries, (size_t)h->count * sizeof(struct new_entry)};
  c->strings = (struct ldx_span){c->file.base + offset, c->file.size - offset};
  find_extension(c, h->extension);
  return true;
}

static bool parse_old(struct ldx_ldcache *c) {
  const struct old_header *h = ldx_span_at(c->file, 0, 1, sizeof *h);
  if (!h || memcmp(h->magic, old_magic, sizeof old_magic - 1))
    return false;
  const uint8_t *entries = ldx_span_at(c->file, sizeof *h, h->count, sizeof(struct old_entry));
  if (!entries)
    return false;
  uint64_t end = sizeof *h + (uint64_t)h->count * sizeof(struct old_entry), next = ldx_align_up(end, 8);
  if (ldx_range_ok(c->file.size, next, 1, sizeof(struct new_header)) &&
      !memcmp(c->file.base + next, new_magic, sizeof new_magic - 1))
    return parse_new(c, next);
  c->count = h->count;
  c->entry_size = sizeof(struct old_entry);
  c->entries = (struct ldx_span){entries, end - sizeof *h};
  c->strings = (struct ldx_span){c->file.base + end, c->file.size - end};
  return true;
}

bool ldx_ldcache_parse(struct ldx_span file, struct ldx_ldcache *out) {
  *out = (struct ldx_ldcache){.file = file};
  if (parse_new(out, 0) || parse_old(out))
    return true;
  *out = (struct ldx_ldcache){0};
  return false;
}

static bool unchanged(const struct ldx_ldcache *c, const struct stat *st) {
  return c->file.base && st->st_dev == c->dev && st->st_ino == c->ino && st->st_size == c->size &&
         st->st_mtim.tv_sec == c->mtime && st->st_mtim.tv_nsec == c->mtime_nsec;
}

static void map(struct ldx_ldcache *c, struct ldx_io *io, int fd) {
  struct stat st;
  if (ldx_sys_failed(io_fstat(io, fd, &st)) || st.st_size <= 0)
    return;
  long m = io_mmap(io, NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (ldx_sys_failed(m))
    return;
  if (!ldx_ldcache_parse((struct ldx_span){(const uint8_t *)m, (size_t)st.st_size}, c)) {
    io_munmap(io, (void *)m, (size_t)st.st_size);
    return;
  }
  c->dev = st.st_dev;
  c->ino = st.st_ino;
  c->size = st.st_size;
  c->mtime = st.st_mtim.tv_sec;
  c->mtime_nsec = st.st_mtim.tv_nsec;
}

void ldx_ldcache_load(struct ldx_ldcache *c, const char *path, struct ldx_io *io, struct ldx_fd_batch *closing) {
  struct stat st;
  if (c->current)
    return;
  if (!c->file.base || ldx_sys_failed(io_stat(io, path, &st)) || !unchanged(c, &st)) {
    ldx_ldcache_unload(c, io);
    long fd = io_open(io, path, O_RDONLY | O_CLOEXEC);
    if (!ldx_sys_failed(fd)) {
      map(c, io, (int)fd);
      io_close_later(io, closing, (int)fd);
    }
  }
  c->current = true;
}

void ldx_ldcache_unload(struct ldx_ldcache *c, struct ldx_io *io) {
  if (c->file.base)
    io_munmap(io, (void *)c->file.base, c->file.size);
  *c = (struct ldx_ldcache){0};
}

/* Works for both formats: the new entry begins with the old one. */
static const struct old_entry *entry_at(const struct ldx_ldcache *c, uint32_t i) {
  return (const struct old_entry *)(c->entries.base + (size_t)i * c->entry_size);
}

/* A string of the file; NULL when it does not lie (or end) inside. */
static const char *string_in(struct ldx_span s, uint32_t offset) {
  if (offset >= s.size || !memchr(s.base + offset, '\0', s.size - offset))
    return NULL;
  return (const char *)s.base + offset;
}

static bool digit(char c) { return c >= '0' && c <= '9'; }

static uint32_t number(const char **p) {
  uint32_t n = 0;
  while (digit(**p))
    n = n * 10 + (uint32_t)(*(*p)++ - '0');
  return n;
}

/* The order of the file: digits compare as numbers (of 32 bits, whatever comes of that), digits come after
 * everything else. */
static int compare(const char *a, const char *b) {
  while (*a) {
    if (digit(*a) != digit(*b))
      return digit(*a) ? 1 : -1;
    if (digit(*a)) {
      int32_t difference = (int32_t)(number(&a) - number(&b));
      if (difference)
        return difference;
    } else if (*a != *b) {
      return (signed char)*a - (signed char)*b;
    } else {
      a++;
      b++;
    }
  }
  return (signed char)*a - (signed char)*b;
}

enum { UNREADABLE = 2 };

/* How `name` compares with an entry's: -1, 0, 1, or UNREADABLE. */
static int compare_at(const struct ldx_ldcache *c, uint32_t i, const char *name) {
  const char *key = string_in(c->strings, entry_at(c, i)->key);
  if (!key)
    return UNREADABLE;
  int r = compare(name, key);
  return (r > 0) - (r < 0);
}

/* The run of entries [*first, *end) with this name. The file is sorted downwards. */
static bool find_run(const struct ldx_ldcache *c, const char *name, uint32_t *first, uint32_t *end) {
  int64_t left = 0, right = (int64_t)c->count - 1;
  while (left <= right) {
    uint32_t middle = (uint32_t)((left + right) / 2);
    int r = compare_at(c, middle, name);
    if (r == UNREADABLE)
      return false;
    if (r == 0) {
      for (*first = middle; *first > 0 && compare_at(c, *first - 1, name) == 0;)
        --*first;
      for (*end = middle + 1; *end <= right && compare_at(c, *end, name) == 0;)
        ++*end;
      return true;
    }
    if (r < 0)
      left = (int64_t)middle + 1;
    else
      right = (int64_t)middle - 1;
  }
  return false;
}

static bool is_named(uint64_t hwcap) {
  return ((hwcap >> LEVEL_SHIFT) & ~(uint64_t)LEVEL_MASK) == NAMED_BIT >> LEVEL_SHIFT;
}

/* The name below glibc-hwcaps that an entry's index means. */
static const char *hwcap_name(const struct ldx_ldcache *c, uint32_t index) {
  for (uint32_t i = 0; i < c->section_count; i++) {
    const struct extension_section *s = (const struct extension_section *)c->extension + i;
    if (s->tag != TAG_HWCAPS)
      continue;
    const uint32_t *names = ldx_span_at(c->file, s->offset, s->size, 1);
    if (!names || s->offset % 4 || index >= s->size / 4)
      return NULL;
    return string_in(c->file, names[index]);
  }
  return NULL;
}

/* How good an entry below glibc-hwcaps is: 0 not to be used, 1 best. */
static uint32_t named_rank(const struct ldx_ldcache *c, const struct ldx_hwcaps *h, uint64_t hwcap) {
  if (((hwcap >> LEVEL_SHIFT) & LEVEL_MASK) >= h->isa.level)
    return 0;
  const char *name = hwcap_name(c, (uint32_t)hwcap);
  return name ? ldx_hwcaps_rank(h, name) : 0;
}

static bool legacy_usable(const struct ldx_hwcaps *h, uint64_t hwcap) {
  if (hwcap & ~(h->legacy | LDX_HWCAP_PLATFORMS | LDX_HWCAP_TLS))
    return false;
  return !(hwcap & LDX_HWCAP_PLATFORMS) || (hwcap & LDX_HWCAP_PLATFORMS) == h->platform_bit;
}

static uint64_t hwcap_of(const struct ldx_ldcache *c, const struct old_entry *e) {
  return c->entry_size == sizeof(struct new_entry) ? ((const struct new_entry *)e)->hwcap : 0;
}

const char *ldx_ldcache_find(const struct ldx_ldcache *c, const char *name, ldx_hwcaps_source *hwcaps, void *arg) {
  uint32_t first, end, best_rank = 0;
  const char *best = NULL;
  if (!c->count || !find_run(c, name, &first, &end))
    return NULL;
  for (uint32_t i = first; i < end; i++) {
    const struct old_entry *e = entry_at(c, i);
    const char *path = e->flags == ELF_LIBC6_X86_64 ? string_in(c->strings, e->value) : NULL;
    if (!path)
      continue;
    uint64_t hwcap = hwcap_of(c, e);
    const struct ldx_hwcaps *h = hwcap ? hwcaps(arg) : NULL;
    if (hwcap && !h)
      continue;
    if (is_named(hwcap)) { /* those come first, in no order of merit */
      uint32_t rank = named_rank(c, h, hwcap);
      if (rank && (!best || rank < best_rank)) {
        best = path;
        best_rank = rank;
      }
      continue;
    }
    if (best)
      break;
    if (!hwcap || legacy_usable(h, hwcap))
      return path;
  }
  return best;
}
