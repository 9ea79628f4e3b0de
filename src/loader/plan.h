/* The plan of a start as a value: which objects, found where and why, in which order, at which addresses, what binds
 * to what. It is taken when all of that is decided, and before anything of the program runs: `ldx --plan` and its
 * like print it and end there. docs/plan.md describes what they print.
 *
 * Options: --plan (text), --plan=json, --plan=bindings (JSON with every reference), --tree, --explain,
 * --explain=json,
 * --explain=PATTERN (only these libraries). As PT_INTERP: LDX_PLAN=text|json|bindings|tree|explain. */
#ifndef LDX_LOADER_PLAN_H
#define LDX_LOADER_PLAN_H

#include "base/sha256.h"
#include "loader/journal.h"
#include "loader/plan_out.h"

enum { LDX_PLAN_SCHEMA = 1 };

struct ldx_planned {
  struct ldx_object *object;
  const struct ldx_decision *decision; /* that brought it; NULL: nobody asked for it */
  const char *path;
  struct stat facts; /* of the file */
  bool has_facts;
  struct ldx_span build_id;
  uint32_t references, lazy, undefined; /* looked up at start, when first called, and in vain */
  uint32_t *to;                         /* how many of them bind to each object of the plan */
};

struct ldx_plan {
  struct ldx_load *load;
  struct ldx_planned *at; /* load order */
  uint32_t count, conflicts;
  bool starts; /* the program would start */
};

/* One reference, in --plan=bindings. */
struct ldx_plan_reference {
  const struct ldx_planned *from;
  struct ldx_binding binding;
  const Elf64_Sym *ref;
  const struct ldx_version *version;
  const char *name;
  const char *author, *why; /* who gives it another address: "ldx", a tool; NULL: nobody */
  uint64_t offset;
  uint32_t relocation;
  bool lazy, undefined; /* undefined: and must not be */
};
typedef void ldx_plan_each(void *arg, const struct ldx_plan_reference *r);

/* plan.c. Whether the options ask for a plan in the end, or for something else that needs a journal. */
bool ldx_plan_wanted(void);
/* Before anything is loaded, tools too: starts the journal, and what is to be compared with. */
void ldx_plan_begin(struct ldx_load *l);
/* The load's stage: prints, and does not return, when the plan is all that is wanted. */
bool ldx_plan_stage(struct ldx_load *l);
/* In a plan: a library that cannot be had is noted, and the plan goes on. False: not a plan. */
bool ldx_plan_tolerates(struct ldx_load *l);

bool ldx_plan_take(struct ldx_load *l, struct ldx_plan *out);
/* The place of an object in the plan; UINT32_MAX: it is not in it. */
uint32_t ldx_plan_place(const struct ldx_plan *p, const struct ldx_object *o);
uint32_t ldx_plan_place_of_id(const struct ldx_plan *p, uint64_t id);
/* The file of an object, the program's too. */
const char *ldx_file_of(const struct ldx_object *o);
/* How messages call it: its path. */
const char *ldx_plan_name(const struct ldx_planned *x);
/* Why it is the file it is: "RUNPATH of x", "by the kernel", ... */
const char *ldx_plan_source(const struct ldx_planned *x);
const char *ldx_origin_text(uint32_t origin);

/* plan_bind.c: counts references, and tells each; notes faults. */
void ldx_plan_bind(struct ldx_plan *p, ldx_plan_each *each, void *arg);
/* The file that has what a tool gives the reference instead; NULL: none, or not known. */
const char *ldx_plan_wrapper(const struct ldx_plan *p, const struct ldx_plan_reference *r);

/* plan_text.c, plan_json.c, plan_explain.c, plan_sbom.c */
void ldx_plan_print(const struct ldx_plan *p, struct ldx_out *out);
void ldx_plan_print_tree(const struct ldx_plan *p, struct ldx_out *out);
void ldx_plan_print_json(struct ldx_plan *p, struct ldx_out *out, bool every_reference);
void ldx_plan_explain(const struct ldx_plan *p, struct ldx_out *out, const char *pattern);
/* --check. False: there are warnings. */
bool ldx_plan_check(struct ldx_plan *p, struct ldx_out *out, bool json);
void ldx_plan_explain_json(const struct ldx_plan *p, struct ldx_out *out);
/* Parts of the JSON that both forms have. */
void ldx_plan_json_head(const struct ldx_plan *p, struct ldx_out *out, const char *what);
void ldx_plan_json_decision(const struct ldx_plan *p, struct ldx_out *out, const struct ldx_decision *d);
void ldx_plan_json_tools(struct ldx_out *out);

/* plan_vanilla.c: the plan as it would be without tools, policies and caches. A child of ldx makes it, by the same
 * code, before the first tool is loaded. */
struct ldx_vanilla;
void ldx_vanilla_begin(struct ldx_load *l);
/* In that child: tells its parent, and ends. */
_Noreturn void ldx_vanilla_tell(const struct ldx_plan *p);
bool ldx_is_vanilla(void);

enum ldx_difference_kind {
  LDX_DIFF_FILE = 1,
  LDX_DIFF_MORE,
  LDX_DIFF_LESS,
  LDX_DIFF_SCOPE,
  LDX_DIFF_INIT,
  LDX_DIFF_BINDING
};
struct ldx_difference {
  enum ldx_difference_kind kind;
  const char *name, *from;             /* the request, for the first three; NULL */
  const char *vanilla, *now;           /* paths (or messages); NULL: none */
  const struct ldx_decision *decision; /* the request now; NULL: it is not made any more, or nobody makes it */
  const char *author, *why;            /* NULL: see decision */
};
/* Calls `each` for every difference. False: there is no vanilla plan; *why tells. */
bool ldx_plan_compare(const struct ldx_plan *p, void (*each)(void *arg, const struct ldx_difference *d), void *arg,
                      const char **why);
const char *ldx_difference_text(enum ldx_difference_kind kind);

#endif
