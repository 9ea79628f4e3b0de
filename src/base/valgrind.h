/* Words to valgrind, whose tools keep books of what they see of a program: client requests, which do nothing on a
 * CPU. The request itself is the CPU folder's. */
#ifndef LDX_BASE_VALGRIND_H
#define LDX_BASE_VALGRIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers of valgrind.h, helgrind.h and drd.h; a tool passes over what is another's. */
enum {
  LDX_RUNNING_ON_VALGRIND = 0x1001,
  LDX_DISCARD_TRANSLATIONS = 0x1002, /* of code in n bytes from an address */
  LDX_HAPPENS_BEFORE = 0x48470121,   /* helgrind, DRD */
  LDX_HAPPENS_AFTER = 0x48470122,
  LDX_HELGRIND_UNTRACK = 0x48470127,
  LDX_DRD_SUPPRESS = 0x44520002,
};

/* The answer; 0 on a CPU. */
uint64_t ldx_client_request(uint64_t request, uint64_t a, uint64_t b);

static inline bool ldx_on_valgrind(void) { return ldx_client_request(LDX_RUNNING_ON_VALGRIND, 0, 0); }

/* Memory of the loader is published in ways that detectors of data races cannot follow. */
static inline void ldx_no_race_checks(const void *p, size_t n) {
  ldx_client_request(LDX_HELGRIND_UNTRACK, (uint64_t)p, n);
  ldx_client_request(LDX_DRD_SUPPRESS, (uint64_t)p, n);
}

/* What was done before the one is seen after the other, on the same object. */
static inline void ldx_happens_before(const void *p) { ldx_client_request(LDX_HAPPENS_BEFORE, (uint64_t)p, 0); }
static inline void ldx_happens_after(const void *p) { ldx_client_request(LDX_HAPPENS_AFTER, (uint64_t)p, 0); }

#endif
