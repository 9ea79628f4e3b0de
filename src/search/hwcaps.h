/* Subfolders for CPUs with more abilities: "glibc-hwcaps/NAME/" and the older combinations of capability
 * names ("tls/haswell/x86_64/"). Which exist for a process, in order of preference, is decided once.
 *
 * Owns nothing but what it allocates from the heap given; texts given to ldx_hwcaps_init must outlive it. */
#ifndef LDX_SEARCH_HWCAPS_H
#define LDX_SEARCH_HWCAPS_H

#include "arch/x86_64/isa.h"
#include "base/heap.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bits of a legacy capability word. */
#define LDX_HWCAP_X86_64 (1ull << 1)
#define LDX_HWCAP_AVX512_1 (1ull << 2)
#define LDX_HWCAP_IMPORTANT (LDX_HWCAP_X86_64 | LDX_HWCAP_AVX512_1) /* the default of the mask */
#define LDX_HWCAP_TLS (1ull << 63)
#define LDX_HWCAP_PLATFORMS (0xfull << 48) /* i586, i686, haswell, xeon_phi */

/* A piece of somebody's list. */
struct ldx_segment {
  const char *at;
  size_t len;
};

/* One subfolder of a search folder: "" or a text that ends with a slash. */
struct ldx_subfolder {
  const char *text;
  uint32_t len;
  uint32_t group; /* its first component: index into groups */
};

enum { LDX_MAX_GROUPS = 8, LDX_MAX_NAMED = 35 };

struct ldx_hwcaps_input {
  struct ldx_isa isa;
  const char *at_platform; /* NULL when unknown */
  const char *prepend;     /* list of names; NULL: none */
  const char *mask;        /* list of built-in names that are allowed; NULL: all */
  uint64_t legacy_mask;
};

struct ldx_hwcaps {
  struct ldx_isa isa;
  const char *platform;  /* what $PLATFORM means; NULL when unknown */
  uint64_t platform_bit; /* its bit in a capability word; all ones: it has none */
  uint64_t legacy;       /* capability bits in force */

  struct ldx_segment named[LDX_MAX_NAMED]; /* searched below glibc-hwcaps, best first */
  uint32_t named_count;

  /* Groups: if DIR/<group> is no folder, then no subfolder of that group is. Group 0 is the folder itself. */
  struct ldx_segment groups[LDX_MAX_GROUPS];
  uint32_t group_count;
  struct ldx_subfolder *subfolders; /* best first; the last one is "" */
  uint32_t subfolder_count;
  uint32_t longest;
};

/* False when out of memory. */
bool ldx_hwcaps_init(struct ldx_hwcaps *h, struct ldx_heap *heap, const struct ldx_hwcaps_input *in);

/* Rank of a glibc-hwcaps name: 1 is best, 0 means it is not to be used. */
uint32_t ldx_hwcaps_rank(const struct ldx_hwcaps *h, const char *name);

/* The next non-empty piece of a list separated by colons; *rest moves on. False at the end. */
bool ldx_next_segment(const char **rest, struct ldx_segment *out);

/* The two last sections of --help. */
void ldx_hwcaps_help(const struct ldx_hwcaps_input *in, int fd);

#endif
