#include "elf/error.h"

const char *elf_error_text(enum elf_error e) {
  switch (e) {
  case ELF_OK:
    return "no error";
  case ELF_TOO_SHORT:
    return "file too short";
  case ELF_BAD_MAGIC:
    return "invalid ELF header";
  case ELF_WRONG_CLASS:
    return "wrong ELF class: ELFCLASS32";
  case ELF_WRONG_ENDIAN:
    return "ELF file data encoding not little-endian";
  case ELF_WRONG_IDENT_VERSION:
    return "ELF file version ident does not match current one";
  case ELF_WRONG_OSABI:
    return "ELF file OS ABI invalid";
  case ELF_WRONG_ABIVERSION:
    return "ELF file ABI version invalid";
  case ELF_BAD_PADDING:
    return "nonzero padding in e_ident";
  case ELF_IS_COPY:
    return "copy of an object in use (RTLD_RELOADABLE opens it)";
  case ELF_WRONG_VERSION:
    return "ELF file version does not match current one";
  case ELF_WRONG_MACHINE:
    return "wrong ELF machine: not x86-64";
  case ELF_WRONG_TYPE:
    return "only ET_DYN and ET_EXEC can be loaded";
  case ELF_WRONG_PHENTSIZE:
    return "ELF file's phentsize not the expected size";
  case ELF_BAD_PHDRS:
    return "program headers outside the file";
  case ELF_NO_LOAD:
    return "object file has no loadable segments";
  case ELF_BAD_OFFSET:
    return "ELF load command address/offset not page-aligned";
  case ELF_BAD_SEGMENT:
    return "invalid loadable segments (overlapping, out of order or too large)";
  case ELF_TOO_MANY_SEGMENTS:
    return "too many loadable segments";
  case ELF_TRUNCATED:
    return "file too short (a segment reaches beyond its end)";
  case ELF_NO_DYNAMIC:
    return "object file has no dynamic section";
  case ELF_BAD_DYNAMIC:
    return "invalid dynamic section";
  case ELF_BAD_STRTAB:
    return "invalid dynamic string table";
  case ELF_BAD_SYMTAB:
    return "invalid dynamic symbol table";
  case ELF_BAD_HASH:
    return "invalid symbol hash table";
  case ELF_BAD_RELOC_TABLE:
    return "invalid relocation table";
  case ELF_BAD_VERSIONS:
    return "invalid symbol version table";
  case ELF_BAD_TLS:
    return "invalid TLS segment";
  case ELF_BAD_INIT:
    return "invalid initialization or termination function table";
  case ELF_BAD_RELRO:
    return "invalid RELRO segment";
  case ELF_BAD_EH_FRAME:
    return "invalid unwind information";
  case ELF_LONG_EH_FRAME:
    return "unwind information in 64-bit format is not supported";
  case ELF_UNKNOWN_EH_FRAME:
    return "unknown augmentation, pointer encoding or instruction in unwind information";
  }
  return "unknown error";
}
