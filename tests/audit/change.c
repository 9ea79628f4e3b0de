/* An auditor that changes arguments and results; what it does to a call follows from the function's name. */
#include <link.h>
#include <string.h>

unsigned la_version(unsigned version) { return version; }

unsigned la_objopen(struct link_map *map, Lmid_t lmid, uintptr_t *cookie) { return LA_FLG_BINDTO | LA_FLG_BINDFROM; }

static void set_double(void *xmm, double value) { memcpy(xmm, &value, sizeof value); }
static double get_double(const void *xmm) {
  double value;
  memcpy(&value, xmm, sizeof value);
  return value;
}

/* Arguments of its caller that lie on the stack: lr_rsp is where the return address is. */
static long *stack(const La_x86_64_regs *regs) { return (long *)regs->lr_rsp + 1; }

Elf64_Addr la_x86_64_gnu_pltenter(Elf64_Sym *sym, unsigned index, uintptr_t *from, uintptr_t *to,
                                  La_x86_64_regs *regs, unsigned *flags, const char *name, long *framesize) {
  if (strncmp(name, "abi_", 4)) {
    *flags |= LA_SYMB_NOPLTENTER | LA_SYMB_NOPLTEXIT;
    return sym->st_value;
  }
  *framesize = 200;
  if (!strcmp(name, "abi_int"))
    regs->lr_rdi = 1000;
  if (!strcmp(name, "abi_nine")) {
    regs->lr_rdi += 10;
    regs->lr_rsi += 10;
    regs->lr_rdx += 10;
    regs->lr_rcx += 10;
    regs->lr_r8 += 10;
    regs->lr_r9 += 10;
    stack(regs)[2] += 10;
  }
  if (!strcmp(name, "abi_double"))
    set_double(&regs->lr_xmm[1], get_double(&regs->lr_xmm[1]) + 1);
  if (!strcmp(name, "abi_doubles")) {
    set_double(&regs->lr_xmm[7], 80);
    set_double(&regs->lr_vector[6], 70);
  }
  if (!strcmp(name, "abi_ymm"))
    regs->lr_vector[1].ymm[0] += 1;
  if (!strcmp(name, "abi_zmm"))
    regs->lr_vector[1].zmm[0] = regs->lr_vector[0].zmm[0];
  return sym->st_value;
}

unsigned la_x86_64_gnu_pltexit(Elf64_Sym *sym, unsigned index, uintptr_t *from, uintptr_t *to,
                               const La_x86_64_regs *in, La_x86_64_retval *out, const char *name) {
  if (!strcmp(name, "abi_nine"))
    out->lrv_rax += 5000;
  if (!strcmp(name, "abi_pair"))
    out->lrv_rdx = in->lr_rdi;
  if (!strcmp(name, "abi_mixed"))
    set_double(&out->lrv_xmm0, 99);
  if (!strcmp(name, "abi_struct_doubles"))
    set_double(&out->lrv_xmm1, get_double(&out->lrv_xmm0) + 1);
  if (!strcmp(name, "abi_big"))
    ((long *)out->lrv_rax)[7] = 12345;
  if (!strcmp(name, "abi_long_double"))
    out->lrv_st0 += 0.5L;
  if (!strcmp(name, "abi_complex"))
    out->lrv_st1 = out->lrv_st0 * 2;
  if (!strcmp(name, "abi_ymm"))
    out->lrv_vector0.ymm[0] *= 2;
  return 0;
}
