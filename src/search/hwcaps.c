#include "search/hwcaps.h"

#include <string.h>

#include "base/print.h"
#include "base/span.h"
#include "base/text.h"

static const char prefix[] = "glibc-hwcaps/";

/* Built-in names, best first; the CPU level that each takes. */
static const struct {
  const char *name;
  unsigned level;
} builtin[] = {{"x86-64-v4", 4}, {"x86-64-v3", 3}, {"x86-64-v2", 2}};

static const struct {
  const char *name;
  uint64_t bit;
} legacy_names[] = {{"x86_64", LDX_HWCAP_X86_64}, {"avx512_1", LDX_HWCAP_AVX512_1}};

static const char *const platform_names[] = {"i586", "i686", "haswell", "xeon_phi"};

bool ldx_next_segment(const char **rest, struct ldx_segment *out) {
  const char *p = *rest;
  if (!p)
    return false;
  while (*p == ':')
    p++;
  *out = (struct ldx_segment){p, ldx_until(p, ":")};
  *rest = p + out->len;
  return out->len != 0;
}

static bool segment_is(struct ldx_segment a, const char *text, size_t len) {
  return a.len == len && !memcmp(a.at, text, len);
}

static bool list_has(const char *list, const char *name) {
  struct ldx_segment s;
  while (ldx_next_segment(&list, &s))
    if (segment_is(s, name, strlen(name)))
      return true;
  return false;
}

static bool allowed(const char *mask, const char *name) { return !mask || list_has(mask, name); }

static uint64_t bits_of(const struct ldx_isa *isa) {
  return LDX_HWCAP_X86_64 | (isa->avx512_1 ? LDX_HWCAP_AVX512_1 : 0);
}

static uint64_t platform_bit(const char *platform) {
  for (size_t i = 0; platform && i < LDX_COUNT(platform_names); i++)
    if (!strcmp(platform, platform_names[i]))
      return 1ull << (48 + i);
  return UINT64_MAX;
}

static void collect_named(struct ldx_hwcaps *h, const struct ldx_hwcaps_input *in) {
  const char *list = in->prepend;
  while (h->named_count < LDX_MAX_NAMED - LDX_COUNT(builtin) && ldx_next_segment(&list, &h->named[h->named_count]))
    h->named_count++;
  for (size_t i = 0; i < LDX_COUNT(builtin); i++)
    if (h->isa.level >= builtin[i].level && allowed(in->mask, builtin[i].name))
      h->named[h->named_count++] = (struct ldx_segment){builtin[i].name, strlen(builtin[i].name)};
}

/* The legacy names in force, the least significant first. */
struct legacy {
  const char *part[4];
  unsigned count;
};

static struct legacy collect_legacy(const struct ldx_hwcaps *h) {
  struct legacy l = {.count = 0};
  for (size_t i = 0; i < LDX_COUNT(legacy_names); i++)
    if (h->legacy & legacy_names[i].bit)
      l.part[l.count++] = legacy_names[i].name;
  if (h->platform)
    l.part[l.count++] = h->platform;
  l.part[l.count++] = "tls";
  return l;
}

static uint32_t group_of(struct ldx_hwcaps *h, const char *text) {
  size_t len = ldx_until(text, "/");
  for (uint32_t i = 0; i < h->group_count; i++)
    if (segment_is(h->groups[i], text, len))
      return i;
  h->groups[h->group_count] = (struct ldx_segment){text, len};
  return h->group_count++;
}

static void add_subfolder(struct ldx_hwcaps *h, const char *start, const char *end) {
  struct ldx_subfolder *s = &h->subfolders[h->subfolder_count++];
  *s = (struct ldx_subfolder){start, (uint32_t)(end - start), group_of(h, start)};
  if (s->len > h->longest)
    h->longest = s->len;
}

static char *append(char *p, const char *text, size_t len) { return (char *)memcpy(p, text, len) + len; }

/* All combinations of the legacy names, from all of them down to none. */
static char *add_legacy(struct ldx_hwcaps *h, const struct legacy *l, char *p) {
  for (unsigned set = 1u << l->count; set-- > 0;) {
    char *start = p;
    for (unsigned i = l->count; i-- > 0;)
      if (set & (1u << i)) {
        p = append(p, l->part[i], strlen(l->part[i]));
        *p++ = '/';
      }
    add_subfolder(h, start, p);
    *p++ = '\0';
  }
  return p;
}

static char *add_named(struct ldx_hwcaps *h, char *p) {
  for (uint32_t i = 0; i < h->named_count; i++) {
    char *start = p;
    p = append(p, prefix, sizeof prefix - 1);
    p = append(p, h->named[i].at, h->named[i].len);
    *p++ = '/';
    add_subfolder(h, start, p);
    *p++ = '\0';
  }
  return p;
}

static size_t text_size(const struct ldx_hwcaps *h, const struct legacy *l) {
  size_t one = 1, size = 0;
  for (unsigned i = 0; i < l->count; i++)
    one += strlen(l->part[i]) + 1;
  for (uint32_t i = 0; i < h->named_count; i++)
    size += sizeof prefix + h->named[i].len + 1;
  return size + ((size_t)1 << l->count) * one;
}

bool ldx_hwcaps_init(struct ldx_hwcaps *h, struct ldx_heap *heap, const struct ldx_hwcaps_input *in) {
  *h = (struct ldx_hwcaps){.isa = in->isa};
  h->platform = in->isa.platform ? in->isa.platform : in->at_platform;
  h->platform_bit = platform_bit(h->platform);
  h->legacy = bits_of(&in->isa) & in->legacy_mask;
  h->groups[h->group_count++] = (struct ldx_segment){"", 0};
  collect_named(h, in);
  struct legacy l = collect_legacy(h);
  size_t count = h->named_count + ((size_t)1 << l.count), list = count * sizeof *h->subfolders;
  char *block = ldx_heap_alloc(heap, list + text_size(h, &l));
  if (!block)
    return false;
  h->subfolders = (struct ldx_subfolder *)block;
  add_legacy(h, &l, add_named(h, block + list));
  return true;
}

uint32_t ldx_hwcaps_rank(const struct ldx_hwcaps *h, const char *name) {
  for (uint32_t i = 0; i < h->named_count; i++)
    if (segment_is(h->named[i], name, strlen(name)))
      return i + 1;
  return 0;
}

/* "  NAME (why, why)", as in the system loader's help. */
static void help_line(int fd, const char *name, const char *kind, bool supported, bool masked) {
  if (!supported && !masked)
    ldx_print(fd, "  %s\n", name);
  else
    ldx_print(fd, "  %s (%s%s%s)\n", name, kind, supported ? "supported, " : "", masked ? "masked" : "searched");
}

static void help_named(const struct ldx_hwcaps_input *in, int fd) {
  ldx_print(fd, "\nSubdirectories of glibc-hwcaps directories, in priority order:\n");
  const char *list = in->prepend;
  struct ldx_segment s;
  while (ldx_next_segment(&list, &s))
    ldx_print(fd, "  %.*s (searched)\n", (int)s.len, s.at);
  for (size_t i = 0; i < LDX_COUNT(builtin); i++)
    help_line(fd, builtin[i].name, "", in->isa.level >= builtin[i].level, !allowed(in->mask, builtin[i].name));
}

void ldx_hwcaps_help(const struct ldx_hwcaps_input *in, int fd) {
  help_named(in, fd);
  ldx_print(fd, "\nLegacy HWCAP subdirectories under library search path directories:\n");
  const char *platform = in->isa.platform ? in->isa.platform : in->at_platform;
  if (platform)
    help_line(fd, platform, "AT_PLATFORM; ", true, false);
  help_line(fd, "tls", "", true, false);
  uint64_t bits = bits_of(&in->isa);
  for (size_t i = LDX_COUNT(legacy_names); i-- > 0;)
    help_line(fd, legacy_names[i].name, "", bits & legacy_names[i].bit, !(in->legacy_mask & legacy_names[i].bit));
}
