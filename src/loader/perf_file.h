/* Files that a profiler reads while, or after, this process appends to them: whole records, whoever reads when. */
#ifndef LDX_LOADER_PERF_FILE_H
#define LDX_LOADER_PERF_FILE_H

#include "loader/context.h"

struct ldx_perf_file {
  char *path; /* heap; NULL: never opened */
  int fd;
  dev_t dev;
  ino_t ino;
  bool failed;       /* told; nothing more is written */
  char *at;          /* records that are not written yet; heap */
  size_t used, room; /* bytes of it */
};

/* Opens the file, or finds it open: a program that closes all descriptors closes this one too. `fresh`: never what
 * was there before; else what this process has written to it stays, and an older file of that name goes. */
bool ldx_perf_file_open(struct ldx_perf_file *f, const char *path, bool fresh);
/* Room for a record. NULL: there is no memory, and it is left out. */
char *ldx_perf_file_record(struct ldx_perf_file *f, size_t size);
void ldx_perf_file_flush(struct ldx_perf_file *f);
/* One line on stderr, the first time; false. */
bool ldx_perf_file_fail(struct ldx_perf_file *f, int error, const char *text);
/* Forgets the file; what was not flushed is lost. */
void ldx_perf_file_drop(struct ldx_perf_file *f);

#endif
