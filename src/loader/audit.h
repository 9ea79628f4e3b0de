/* LD_AUDIT: auditors, as rtld-audit(7) describes them and glibc 2.36 calls them. An auditor lives in a namespace of
 * its own, as every tool does. Beyond glibc: every reference by symbol is told (la_symbind64), not only those that go
 * through a PLT.
 *
 * Callers ask ldx_audited() first: without auditors that is one load and one test. */
#ifndef LDX_LOADER_AUDIT_H
#define LDX_LOADER_AUDIT_H

#include "arch/x86_64/audit.h"
#include "loader/context.h"

struct ldx_load;
struct ldx_binding;
struct ldx_sym_request;

static inline bool ldx_audited(void) { return __builtin_expect(ldx_self.audit.count != 0, 0); }

/* Start-up. Whether LD_AUDIT, --audit or the program names any library; loads those; tells them of the program. */
bool ldx_audit_wanted(const struct ldx_object *program);
void ldx_audit_start(struct ldx_load *l);
void ldx_audit_begin(struct ldx_load *l);
/* What stands for libc's __libc_start_main: la_preinit comes after the program's constructors, right before main. */
uintptr_t ldx_audit_start_main(const struct ldx_object *libc, uintptr_t function);

/* The name that is asked for: what to look for instead (a heap copy), `name` itself, or NULL with a message. */
const char *ldx_audit_name(struct ldx_load *l, const char *name, const struct ldx_object *loader);
/* An object was mapped. The first one of a load makes its namespace inconsistent. */
void ldx_audit_opened(struct ldx_load *l, struct ldx_object *o);
/* The namespace is about to change, or has changed: LA_ACT_*. */
void ldx_audit_activity(const struct ldx_namespace *ns, unsigned flag);
/* All objects of a load are mapped (dlopen), or ready (start-up). */
void ldx_audit_consistent(const struct ldx_load *l);
/* A load is taken back. */
void ldx_audit_discarded(struct ldx_load *l);
/* The destructors of an object have run. */
void ldx_audit_closed(struct ldx_object *o);
void ldx_audit_forget(struct ldx_object *o);

/* A reference by relocation: a value that an auditor has changed goes to the binding's override. */
void ldx_audit_bound(struct ldx_object *from, uint32_t type, struct ldx_binding *b);
/* The same where a resolver is to choose first; and when all have chosen. False when out of memory. */
bool ldx_audit_defer(struct ldx_load *l, struct ldx_object *from, void *where, const struct ldx_binding *b,
                     const Elf64_Rela *rel);
void ldx_audit_deferred(struct ldx_load *l);
/* A lazy one, on the way through ldx_plt_stub: the value to go on with. */
uintptr_t ldx_audit_bound_lazily(struct ldx_object *from, const struct ldx_binding *b, uintptr_t value);
/* dlsym. */
uintptr_t ldx_audit_symbol(struct ldx_object *from, const struct ldx_sym_request *r, uintptr_t value);

/* Whether calls out of the object are watched: then its PLT slots stay as they are, and lead to the stub, for which
 * all is made ready. */
bool ldx_audit_watches(struct ldx_object *o);

#endif
