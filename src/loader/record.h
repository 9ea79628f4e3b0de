/* What a start has decided, kept in a file (--record, LDX_RECORD), followed to the letter (--frozen, LDX_FROZEN), and
 * told as a list of materials (--sbom). docs/plan.md describes the files.
 *
 * --record FILE   the program runs; at the end of start-up and after each later load FILE is replaced, atomically.
 * --frozen FILE   every request must have been recorded, with that outcome: the same file with the same contents. At
 *                 start-up their order counts too, and that of scope and constructors. A start that deviates ends
 *                 with exit status 1 and one line that names the deviation; a dlopen fails with the same line.
 * --sbom FILE     at exit, or with the plan.
 *
 * With none of them `recorder` is NULL, and nothing of this runs. Under AT_SECURE none of them is heeded. */
#ifndef LDX_LOADER_RECORD_H
#define LDX_LOADER_RECORD_H

#include "loader/journal.h"

enum { LDX_RECORD_SCHEMA = 1, LDX_FROZEN_STATUS = 1 };

/* What a file was when it was loaded. Texts are kept ones. */
struct ldx_identity {
  struct ldx_identity *next;
  uint32_t index; /* in the list; the program is 0 */
  const char *path, *soname, *reason;
  const char *build_id, *sha256; /* hex digits; NULL: none, and not asked for */
  uint64_t size;
  bool has_size; /* it is a file */
};

struct ldx_recorder {
  const char *record, *sbom; /* absolute paths; NULL: not wanted */
  struct ldx_identity *first, *last;
  uint32_t count;
  enum ldx_search_algorithm algorithm; /* for requests that no record speaks of */
  long pid;                            /* a child of fork keeps its hands off the files */
  bool complained;
  struct ldx_load *start;
  const char *const *scope, *const *init; /* paths, in order, NULL-terminated: of the start */
};

/* Start-up: reads the options. Ends the process when a record cannot be read. */
void ldx_record_begin(struct ldx_load *l);
/* A request begins; false: it is not to be made, see diag. */
bool ldx_record_request(struct ldx_load *l, struct ldx_decision *d);
/* It ends with `o`; what that becomes. */
struct ldx_object *ldx_record_outcome(struct ldx_load *l, struct ldx_decision *d, struct ldx_object *o);
/* The load's stage: all of the start is decided. */
bool ldx_record_stage(struct ldx_load *l);
/* Replaces the files. False: one cannot be written; a line was printed. */
bool ldx_write_record(void);
bool ldx_write_sbom(void);
/* At exit. */
void ldx_record_end(void);
/* All of it for a program that needs no loader. */
void ldx_record_static(struct ldx_load *l);

/* record.c: for record_read.c. */
const struct ldx_identity *ldx_identify(struct ldx_object *o);

/* record_read.c: what must not deviate. The functions return false with the deviation in *d. */
void ldx_frozen_open(const char *file);
bool ldx_frozen_program(const struct ldx_identity *program, struct ldx_diag *d);
bool ldx_frozen_request(const struct ldx_load *l, struct ldx_decision *dec, struct ldx_diag *d);
bool ldx_frozen_outcome(const struct ldx_load *l, const struct ldx_decision *dec, const struct ldx_object *o,
                        struct ldx_diag *d);
bool ldx_frozen_orders(const char *const *scope, const char *const *init, struct ldx_diag *d);
char *ldx_frozen_path(const struct ldx_find_request *r, const char **source, struct ldx_diag *d);

#endif
