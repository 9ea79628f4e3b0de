/* What is kept of libc's functions that are watched for tools, and of threads that look at the loader's state. All of
 * it is zero, and untouched, in a process that nobody watches. */
#ifndef LDX_LOADER_WATCH_H
#define LDX_LOADER_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/tls.h"

enum { LDX_PROCESS_WRAPPERS = 17, LDX_MEMORY_WRAPPERS = 34 };

/* What exec makes of a program that is to stay under ldx (follow.c). */
struct ldx_following {
  const char *loader; /* path of ldx; NULL: not looked for yet */
  const char **words; /* the options that go on */
  size_t word_count;
  const char **environment; /* "LDX_NAME=VALUE", as it was when the process began */
  size_t environment_count;
};

struct ldx_watches {
  bool binds;                              /* references to the functions below are to be bound to their wrappers */
  uintptr_t process[LDX_PROCESS_WRAPPERS]; /* libc's own functions behind the wrappers */
  uintptr_t memory[LDX_MEMORY_WRAPPERS];
  uintptr_t errno_location;
  uintptr_t set_specific, get_attributes;
  uint32_t key;  /* a pthread key, whose destructor tells of a thread's end */
  bool key_made; /* or could not be */
  bool has_key;
  bool main_told;
  bool probing;                                        /* somebody has asked ldx_find_address */
  const struct ldx_object *probed[4 * LDX_TLS_PROBES]; /* by threads without a record */
  uint32_t probes;
  struct ldx_following following;
};

#endif
