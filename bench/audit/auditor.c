/* The least that an auditor can do: SYMBIND, PLTENTER, PLTEXIT choose which hooks it has. */
#include <link.h>

unsigned la_version(unsigned version) { return version; }
unsigned la_objopen(struct link_map *map, Lmid_t lmid, uintptr_t *cookie) { return LA_FLG_BINDTO | LA_FLG_BINDFROM; }
#ifdef SYMBIND
uintptr_t la_symbind64(Elf64_Sym *sym, unsigned index, uintptr_t *from, uintptr_t *to, unsigned *flags,
                       const char *name) {
  return sym->st_value;
}
#endif
#ifdef PLTENTER
Elf64_Addr la_x86_64_gnu_pltenter(Elf64_Sym *sym, unsigned index, uintptr_t *from, uintptr_t *to,
                                  La_x86_64_regs *regs, unsigned *flags, const char *name, long *framesize) {
#ifdef PLTEXIT
  *framesize = 64;
#endif
  return sym->st_value;
}
#endif
#ifdef PLTEXIT
unsigned la_x86_64_gnu_pltexit(Elf64_Sym *sym, unsigned index, uintptr_t *from, uintptr_t *to,
                               const La_x86_64_regs *in, La_x86_64_retval *out, const char *name) {
  return 0;
}
#endif
