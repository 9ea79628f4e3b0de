/* The relocation types of this CPU under the generic names that loader/ uses (psABI 4.4, table 4.9).
 * A CPU without a type defines it as a number no file contains. */
#ifndef LDX_ARCH_X86_64_RELOC_H
#define LDX_ARCH_X86_64_RELOC_H

#include <elf.h>

#define REL_NONE R_X86_64_NONE           /* nothing */
#define REL_RELATIVE R_X86_64_RELATIVE   /* B + A */
#define REL_RELATIVE64 38                /* B + A (x32 only, but allowed) */
#define REL_ABS R_X86_64_64              /* S + A */
#define REL_GOT R_X86_64_GLOB_DAT        /* S */
#define REL_PLT R_X86_64_JUMP_SLOT       /* S */
#define REL_COPY R_X86_64_COPY           /* the definition's bytes */
#define REL_IRELATIVE R_X86_64_IRELATIVE /* (B + A)() */
#define REL_DTPMOD R_X86_64_DTPMOD64     /* module id */
#define REL_DTPOFF R_X86_64_DTPOFF64     /* offset in the module's TLS block */
#define REL_TPOFF R_X86_64_TPOFF64       /* offset from the thread pointer */
#define REL_TLSDESC R_X86_64_TLSDESC     /* two words: function, argument */
#define REL_ABS32 R_X86_64_32            /* S + A, 32 bits, zero-extended */
#define REL_PC64 R_X86_64_PC64           /* S + A - P */
#define REL_PC32 R_X86_64_PC32
#define REL_SIZE64 33 /* Z + A */
#define REL_SIZE32 32

/* How many bytes a type writes; 0: unknown type. */
static inline unsigned ldx_reloc_width(uint32_t type) {
  switch (type) {
  case REL_RELATIVE:
  case REL_RELATIVE64:
  case REL_ABS:
  case REL_GOT:
  case REL_PLT:
  case REL_IRELATIVE:
  case REL_DTPMOD:
  case REL_DTPOFF:
  case REL_TPOFF:
  case REL_PC64:
  case REL_SIZE64:
    return 8;
  case REL_TLSDESC:
    return 16;
  case REL_COPY:
    return 1;
  case REL_ABS32:
  case REL_PC32:
  case REL_SIZE32:
    return 4;
  default:
    return 0;
  }
}

#endif
