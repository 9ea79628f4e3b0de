/* The journal: why each library is the file it is. One decision for each request, with every step that led to it:
 * what was rewritten and by whom, which lists were searched, what was tried, what was found. Kept only while somebody
 * wants it (--explain, --plan, --record, a launch cache, tools that hear of searches). Texts are kept ones (tell.h).
 */
#ifndef LDX_LOADER_JOURNAL_H
#define LDX_LOADER_JOURNAL_H

#include <ldx/steer.h>

#include "loader/load.h"

enum ldx_step_kind {
  LDX_STEP_REWRITE,  /* `what` was changed from `from` to `to` by `author` */
  LDX_STEP_DENY,     /* by `author` */
  LDX_STEP_CONFLICT, /* `author` wanted `to`, but `why` */
  LDX_STEP_KNOWN,    /* an object that is loaded already: `why` tells by what it was known */
  LDX_STEP_LIST,     /* a list of folders begins: `source` */
  LDX_STEP_TRY,      /* of the file `to`: `error` is 0, or an errno value */
  LDX_STEP_CACHE,    /* a launch cache answered: `source` is its file, `to` the answer */
  LDX_STEP_IMAGE,    /* bytes from memory, by `author` */
};

#define LDX_STEP_BINDING "binding"

struct ldx_step {
  struct ldx_step *next;
  enum ldx_step_kind kind;
  int error;
  const char *what; /* "name", "path", "search path", "image", ...: a constant */
  const char *from, *to, *source, *author, *why;
};

struct ldx_decision {
  struct ldx_decision *next, *outer; /* outer: the one under way when this began */
  const char *name;                  /* as asked for */
  const char *from;                  /* by this object: path, or the program's name; NULL: by nobody */
  uint64_t requester;
  long ns;
  uint32_t origin; /* enum ldx_origin */
  bool asks_only;  /* RTLD_NOLOAD: nothing is loaded */
  bool startup;    /* asked before the program ran */
  struct ldx_step *first, *last;
  /* The outcome. object 0: none; error is the message, and code its errno value. */
  uint64_t object;
  const char *path, *reason, *error;
  int code;
  uint64_t began, ended;               /* nanoseconds of CLOCK_MONOTONIC */
  const struct ldx_identity *identity; /* record.h: what the file was; NULL: nobody wants to know */
  const struct ldx_recorded *recorded; /* what a record says of it */
  uint32_t times;                      /* so often was the same asked, with the same outcome, while the program ran */
  struct ldx_decision *alike, *before; /* the next of its bucket; the one made before */
};

/* What tools in namespaces of their own ask for is no business of the program's. */
static inline bool ldx_is_tools_own(const struct ldx_decision *d) { return d->origin == LDX_FROM_TOOL && d->ns; }

/* From now on a journal is kept. */
void ldx_journal_start(void);
/* NULL when the journal is off. `mode`: RTLD_*. */
struct ldx_decision *ldx_journal_begin(struct ldx_load *l, const char *name, const struct ldx_object *loader,
                                       int mode);
/* Nothing happens for NULL. The decision may be gone then: a program that opens the same library again and again adds
 * to the first decision's count. */
void ldx_journal_end(struct ldx_decision *d, const struct ldx_object *o, const struct ldx_diag *diag);
/* Adds a copy of the step to the decision under way, or to the journal's orders; texts are kept. Bindings are noted
 * only while somebody asks for them. */
void ldx_journal_step(const struct ldx_step *step);

/* Something that would keep the program from starting, or a call from succeeding, in one line. */
struct ldx_fault {
  struct ldx_fault *next;
  const char *text;
};
void ldx_journal_fault(const struct ldx_diag *diag);

/* Why a file was taken: "RUNPATH of libx.so.1", "ld.so.cache", ... Kept text. */
const char *ldx_reason_text(const struct ldx_library_file *f);

#endif
