/* What can be wrong with a file. elf/ only states facts; the caller words the message. */
#ifndef LDX_ELF_ERROR_H
#define LDX_ELF_ERROR_H

enum elf_error {
  ELF_OK,
  ELF_TOO_SHORT,
  ELF_BAD_MAGIC,
  ELF_WRONG_CLASS,
  ELF_WRONG_ENDIAN,
  ELF_WRONG_IDENT_VERSION,
  ELF_WRONG_OSABI,
  ELF_WRONG_ABIVERSION,
  ELF_BAD_PADDING,
  ELF_IS_COPY,
  ELF_WRONG_VERSION,
  ELF_WRONG_MACHINE,
  ELF_WRONG_TYPE,
  ELF_WRONG_PHENTSIZE,
  ELF_BAD_PHDRS,
  ELF_NO_LOAD,
  ELF_BAD_OFFSET,
  ELF_BAD_SEGMENT,
  ELF_TOO_MANY_SEGMENTS,
  ELF_TRUNCATED,
  ELF_NO_DYNAMIC,
  ELF_BAD_DYNAMIC,
  ELF_BAD_STRTAB,
  ELF_BAD_SYMTAB,
  ELF_BAD_HASH,
  ELF_BAD_RELOC_TABLE,
  ELF_BAD_VERSIONS,
  ELF_BAD_TLS,
  ELF_BAD_INIT,
  ELF_BAD_RELRO,
  ELF_BAD_EH_FRAME,
  ELF_LONG_EH_FRAME,
  ELF_UNKNOWN_EH_FRAME,
};

/* One line of English, worded as users of the system loader know it where it has a wording. */
const char *elf_error_text(enum elf_error e);

#endif
