/* ELF constants that the base library's <elf.h> may lack (gABI, GNU extensions). */
#ifndef LDX_ELF_DEFS_H
#define LDX_ELF_DEFS_H

#include <elf.h>

#ifndef DT_RELR
#define DT_RELRSZ 35
#define DT_RELR 36
#define DT_RELRENT 37
#endif
#ifndef DF_1_NODELETE
#error "elf.h without DF_1_NODELETE"
#endif
#ifndef DF_1_PIE
#define DF_1_PIE 0x08000000
#endif
#ifndef DF_GNU_1_UNIQUE
#define DF_GNU_1_UNIQUE 1
#endif
#ifndef DT_GNU_FLAGS_1
#define DT_GNU_FLAGS_1 0x6ffffdf4
#endif
#ifndef PT_GNU_PROPERTY
#define PT_GNU_PROPERTY 0x6474e553
#endif
#ifndef STB_GNU_UNIQUE
#define STB_GNU_UNIQUE 10
#endif
#ifndef STT_GNU_IFUNC
#define STT_GNU_IFUNC 10
#endif
#ifndef NT_GNU_PROPERTY_TYPE_0
#define NT_GNU_PROPERTY_TYPE_0 5
#endif
#ifndef GNU_PROPERTY_X86_ISA_1_NEEDED
#define GNU_PROPERTY_X86_ISA_1_NEEDED 0xc0008002
#endif
#define ELF_PROPERTY_1_NEEDED 0xb0008000
#define ELF_PROPERTY_1_INDIRECT_EXTERN_ACCESS 1
#ifndef VER_NDX_LOCAL
#define VER_NDX_LOCAL 0
#define VER_NDX_GLOBAL 1
#endif
#define ELF_VERSYM_HIDDEN 0x8000
#define ELF_VERSYM_INDEX 0x7fff

#endif
