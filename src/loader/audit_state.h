/* What is known of auditors, and of each object for them. */
#ifndef LDX_LOADER_AUDIT_STATE_H
#define LDX_LOADER_AUDIT_STATE_H

#include "loader/audit.h"
#include "loader/load.h"

/* A slot of a PLT whose calls are watched. */
struct ldx_audit_call {
  uintptr_t value;  /* 0: not bound yet; written last */
  uint32_t enter;   /* one bit an auditor: wants to know of calls */
  uint32_t no_exit; /* does not want to know of their ends */
  uint32_t flags;   /* LA_SYMB_* as the auditors left them */
  uint32_t index;   /* of the symbol, in its table */
  Elf64_Sym sym;    /* with the address as its value */
  const char *name;
  struct ldx_object *definer;
};

struct ldx_audit_object {
  struct ldx_audit_call *calls; /* one for each relocation of the PLT, where calls are watched */
  uint64_t call_count;
  bool opened, closed;
  struct {
    uintptr_t cookie;
    uint32_t flags; /* LA_FLG_* */
  } at[];           /* one an auditor */
};

enum { LA_FLG_BINDTO = 1, LA_FLG_BINDFROM = 2 };
enum {
  LA_SYMB_NOPLTENTER = 1,
  LA_SYMB_NOPLTEXIT = 2,
  LA_SYMB_DLSYM = 8,
  LA_SYMB_ALTVALUE = 16,
  LDX_SYMB_NO_PLT = 0x40000000, /* ldx's own: a reference that goes through no PLT, of which others do not tell */
};

/* The object's record; made when it has none. */
struct ldx_audit_object *ldx_audit_of(struct ldx_object *o);

#endif
