/* What profilers are given of objects made at run time: the files, and who writes them. */
#ifndef LDX_LOADER_JIT_PERF_H
#define LDX_LOADER_JIT_PERF_H

#include "loader/jit_object.h"
#include "loader/perf_file.h"

/* ldx_self.perf: files of one process. */
struct ldx_jit_perf {
  uint32_t process;
  struct ldx_perf_file map, dump;
  void *marker;    /* mapping that tells perf of the dump */
  uint64_t loaded; /* functions in the dump: each has a number */
};

/* A piece of code with a name, in the object's code region. */
struct ldx_perf_function {
  const char *name;
  uintptr_t at;
  size_t size;
};

/* Lines of a batch, ascending by their code. */
struct ldx_perf_lines {
  uintptr_t code;
  const struct ldx_jit_lines *lines;
};

/* jit_perf_dump.c. The times of a dump are those of perf record -k CLOCK_MONOTONIC. */
bool ldx_perf_dump_open(struct ldx_jit_perf *p);
uint64_t ldx_perf_now(void);
void ldx_perf_dump_load(struct ldx_jit_perf *p, const struct ldx_perf_function *f, uint64_t now,
                        const struct ldx_perf_lines *lines, size_t count);
/* Nothing comes any more. */
void ldx_perf_dump_end(struct ldx_jit_perf *p);

#endif
