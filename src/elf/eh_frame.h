/* How to unwind: .eh_frame (CIEs and FDEs) and the search table of .eh_frame_hdr, read and written.
 *
 * What is written has one form: absolute 8-byte pointers only, so that bytes do not depend on where they lie, and
 * records of multiples of 8 bytes.
 *
 * Sources: LSB Core 5.0, "Exception Frames"; DWARF 4, sections 6.4 and 7.23; x86-64 psABI 3.6. */
#ifndef LDX_ELF_EH_FRAME_H
#define LDX_ELF_EH_FRAME_H

#include <stdbool.h>

#include "base/span.h"
#include "elf/error.h"

/* Encodings of pointers (DW_EH_PE_*): a format, what is added to the value, and whether the sum is the address of the
 * pointer. */
enum {
  ELF_EH_ABSPTR = 0x00,
  ELF_EH_ULEB128 = 0x01,
  ELF_EH_UDATA2 = 0x02,
  ELF_EH_UDATA4 = 0x03,
  ELF_EH_UDATA8 = 0x04,
  ELF_EH_SLEB128 = 0x09,
  ELF_EH_SDATA2 = 0x0a,
  ELF_EH_SDATA4 = 0x0b,
  ELF_EH_SDATA8 = 0x0c,
  ELF_EH_PCREL = 0x10,
  ELF_EH_DATAREL = 0x30,
  ELF_EH_FUNCREL = 0x40,
  ELF_EH_ALIGNED = 0x50,
  ELF_EH_INDIRECT = 0x80,
  ELF_EH_OMIT = 0xff,
};

struct elf_eh_pointer {
  uint64_t value; /* 0: none */
  bool indirect;  /* value is the address of the word that has it */
};

/* Instructions for unwinding, and the address that they were read at. */
struct elf_cfa {
  struct ldx_span bytes;
  uint64_t where;
};

/* Spans point into what was read. */
struct elf_cie {
  uint64_t code_align;
  int64_t data_align;
  uint32_t return_register;
  uint8_t pointers; /* encoding of addresses in FDEs */
  uint8_t lsda;     /* encoding of their LSDA pointers; ELF_EH_OMIT: they have none */
  bool sized;       /* FDEs say how long their augmentation is */
  bool signal, b_key;
  struct elf_eh_pointer personality;
  struct elf_cfa instructions;
};
struct elf_fde {
  struct elf_cie cie;
  uint64_t cie_offset; /* from the begin of what is read */
  uint64_t start, size;
  struct elf_eh_pointer lsda;
  struct elf_cfa instructions;
};

/* Bytes of .eh_frame, read as if they were at the address `where`. */
struct elf_frames {
  struct ldx_span bytes;
  uint64_t where;
  uint64_t next; /* offset of the next record: 0 to begin with */
};
/* The next FDE, with its CIE; all of both is checked. False at the terminator, at the end, and at damage: *error
 * tells. A pointer relative to the section's or the text's begin is an error. */
bool elf_next_fde(struct elf_frames *f, struct elf_fde *out, enum elf_error *error);

/* What is written; what has no room is only counted. */
struct elf_frame_output {
  uint8_t *at;
  size_t room, size;
};
/* CIE and FDE must be such as elf_next_fde tells: their encodings are not what is written, but what the instructions
 * are read by. */
void elf_write_cie(struct elf_frame_output *out, const struct elf_cie *cie);
/* `cie` is the offset of its CIE in the output. `own_table`: with space for a search table of its own, of one entry,
 * ELF_FDE_TABLE bytes behind the FDE's begin, in the augmentation data, where unwinders skip it. */
void elf_write_fde(struct elf_frame_output *out, const struct elf_fde *fde, uint64_t cie, bool own_table);

/* Copies records that were written: a CIE; an FDE that has a table of its own, without that. */
void elf_copy_cie(struct elf_frame_output *out, const void *cie);
void elf_copy_fde(struct elf_frame_output *out, const void *fde, const void *of_cie, uint64_t cie);

/* Where the fields of an FDE that was written are. */
enum { ELF_FDE_CIE = 4, ELF_FDE_START = 8, ELF_FDE_SIZE = 16, ELF_FDE_TABLE = 36 };

/* .eh_frame_hdr: a head, then entries in ascending order, relative to the head. */
struct elf_frame_entry {
  int32_t start, fde;
};
struct elf_frame_header {
  uint8_t version, eh_frame_encoding, count_encoding, table_encoding;
  int32_t eh_frame; /* relative to this field */
  uint32_t count;
  struct elf_frame_entry at[];
};
/* Header at address `where`, of the .eh_frame at `eh_frame`. Both, the code and all FDEs within 2 GiB. */
void elf_init_frame_header(struct elf_frame_header *h, uint64_t where, uint64_t eh_frame);
/* The last of `count` entries that does not begin behind `start`; `count`: there is none. */
static inline uint32_t elf_find_frame(const struct elf_frame_entry *at, uint32_t count, int64_t start) {
  uint32_t low = 0, high = count;
  while (low < high) {
    uint32_t mid = low + (high - low) / 2;
    if (at[mid].start <= start)
      low = mid + 1;
    else
      high = mid;
  }
  return low ? low - 1 : count;
}

#endif
