/* .eh_frame of objects made at run time and its search table, as the files share them that keep them:
 *
 *   jit_unwind.c        what the others of loader/ ask for: frames are collected, published, dropped
 *   jit_frame_space.c   places of records in .eh_frame
 *   jit_frame_cies.c    CIEs
 *   jit_frame_table.c   the search table
 *
 * An unwinder asks _dl_find_object for a search table, and reads it, the FDE and the CIE when that has returned:
 * nobody knows when it is done. So each FDE brings a table of its own, with one entry, and that is what
 * _dl_find_object tells: it lives as long as the code that it is for. Those who go by program headers get a table of
 * all FDEs; libgcc reads it while dl_iterate_phdr holds it as a reader. It is never changed but at its end, and in
 * where an entry leads to. */
#ifndef LDX_LOADER_JIT_UNWIND_H
#define LDX_LOADER_JIT_UNWIND_H

#include "elf/eh_frame.h"
#include "loader/jit_object.h"

/* jit_unwind.c */
/* A search table for that address alone, which stays as long as the code there. Lock-free, async-signal-safe. */
uintptr_t ldx_jit_unwind_table(const struct ldx_jit_object *j, uintptr_t pc);

/* jit_frame_space.c. Records have sizes of few classes, so that one that is gone leaves a place for others. A place
 * of a CIE stays one of CIEs: who walks over all records takes none for something else. */
enum ldx_frame_kind { LDX_FRAME_FDE, LDX_FRAME_CIE, LDX_FRAME_KINDS };
enum { LDX_FRAME_CLASSES = 96 };
struct ldx_frame_hole {
  struct ldx_frame_hole *next;
  uint64_t epoch;
  uint32_t offset, size;
  enum ldx_frame_kind kind;
};
struct ldx_frame_space {
  uint32_t size;          /* of the region */
  uint32_t top, reserved; /* where the terminator is; where it will be */
  struct ldx_frame_hole *free[LDX_FRAME_KINDS][LDX_FRAME_CLASSES];
  struct ldx_frame_hole *retired, **retired_end; /* oldest first */
};
struct ldx_frame_place {
  uint32_t offset, size;       /* size 0: none */
  struct ldx_frame_hole *hole; /* where it was before: until something is written there */
};
/* A place for `size` bytes at that offset or behind it, until it is given back or used. False: no room. */
bool ldx_frame_reserve(struct ldx_frame_space *s, enum ldx_frame_kind kind, uint32_t size, uint32_t behind,
                       struct ldx_frame_place *out);
void ldx_frame_unreserve(struct ldx_frame_space *s, struct ldx_frame_place *p);
/* Writes a record, in the form of elf/eh_frame.h; `id`: its second word. */
void ldx_frame_write(struct ldx_jit_object *j, struct ldx_frame_space *s, struct ldx_frame_place *p,
                     const char *bytes, uint32_t size, uint32_t id);
/* The record is out of sight from this epoch on. */
void ldx_frame_retire(struct ldx_frame_space *s, enum ldx_frame_kind kind, uint32_t offset, uint32_t size,
                      uint64_t epoch);
/* Makes places of what nobody reads any more. */
void ldx_frame_settle(struct ldx_frame_space *s, uint64_t oldest_reader);
void ldx_frame_space_free(struct ldx_frame_space *s);

/* jit_frame_cies.c */
enum ldx_frame_cie_by { LDX_CIE_BY_BYTES, LDX_CIE_BY_PLACE /* of those that are written */, LDX_CIE_BYS };
struct ldx_frame_cie {
  struct ldx_frame_cie *next[LDX_CIE_BYS]; /* of its buckets */
  uint32_t hash, size;
  uint32_t count; /* of FDEs that are staged or published */
  bool written;   /* else its place, if it has one, is only reserved */
  struct ldx_frame_place place;
  char bytes[];
};
struct ldx_frame_cies {
  struct ldx_frame_cie **buckets[LDX_CIE_BYS]; /* one block */
  uint32_t bucket_count, count;                /* buckets: a power of two */
};
/* The one with these bytes, counted; NULL: no memory. */
struct ldx_frame_cie *ldx_cie_take(struct ldx_frame_cies *s, const char *bytes, uint32_t size);
/* One that is not written must have no place. */
void ldx_cie_release(struct ldx_frame_cies *s, struct ldx_frame_space *space, struct ldx_frame_cie *c);
void ldx_cie_written(struct ldx_frame_cies *s, struct ldx_frame_cie *c);
/* The one that was written there. */
struct ldx_frame_cie *ldx_cie_at(const struct ldx_frame_cies *s, uint32_t offset);
void ldx_cies_free(struct ldx_frame_cies *s);

/* jit_frame_table.c */
struct ldx_frame_area { /* of the region; one that is not in use any more waits for its readers */
  uint32_t offset, size;
  uint64_t epoch; /* 0: in use */
};
struct ldx_frame_table {
  struct elf_frame_header *now; /* as programs see it; what readers without a lock begin with */
  uint32_t room;                /* entries */
  uint32_t dead;                /* of them without code */
  uint64_t told;                /* bytes, by the program header */
  struct ldx_frame_area *areas;
  size_t area_count, area_room;
  uint32_t next;                 /* where the next one is looked for a place: late again where one was before */
  struct elf_frame_header *made; /* reserved, or NULL */
  uint32_t made_room;
};
void ldx_table_begin(struct ldx_jit_object *j, struct ldx_frame_table *t);
/* Place for a new table of so many entries. False: no room. */
bool ldx_table_reserve(struct ldx_jit_object *j, struct ldx_frame_table *t, uint32_t entries);
void ldx_table_unreserve(struct ldx_frame_table *t);
/* All see the new table, which has been filled. */
void ldx_table_switch(struct ldx_jit_object *j, struct ldx_frame_table *t);
void ldx_table_retire(struct ldx_jit_object *j, struct ldx_frame_table *t, const struct elf_frame_header *old,
                      uint64_t epoch);
void ldx_table_settle(struct ldx_frame_table *t, uint64_t oldest_reader);
static inline struct elf_frame_entry ldx_table_entry(const struct elf_frame_header *h, uint64_t start, uint64_t fde) {
  return (struct elf_frame_entry){(int32_t)(start - (uintptr_t)h), (int32_t)(fde - (uintptr_t)h)};
}

#endif
