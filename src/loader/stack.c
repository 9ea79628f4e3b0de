#include "loader/stack.h"

#include <string.h>

static void note(struct ldx_auxv *x, const Elf64_auxv_t *v) {
  uint64_t val = v->a_un.a_val;
  switch (v->a_type) {
  case AT_PHDR:
    x->phdr = (const Elf64_Phdr *)val;
    break;
  case AT_PHNUM:
    x->phnum = val;
    break;
  case AT_ENTRY:
    x->entry = val;
    break;
  case AT_BASE:
    x->base = val;
    break;
  case AT_PAGESZ:
    x->pagesize = val;
    break;
  case AT_HWCAP:
    x->hwcap = val;
    break;
  case AT_HWCAP2:
    x->hwcap2 = val;
    break;
  case AT_CLKTCK:
    x->clktck = val;
    break;
  case 51: /* AT_MINSIGSTKSZ */
    x->minsigstksz = val;
    break;
  case AT_FPUCW:
    x->fpucw = val;
    break;
  case AT_EXECFN:
    x->execfn = (const char *)val;
    break;
  case AT_PLATFORM:
    x->platform = (const char *)val;
    break;
  case AT_RANDOM:
    x->random = (const unsigned char *)val;
    break;
  case AT_SYSINFO_EHDR:
    x->vdso = (const Elf64_Ehdr *)val;
    break;
  case AT_SECURE:
    x->secure = val;
    break;
  default:
    break;
  }
}

void ldx_read_stack(uintptr_t *stack, struct ldx_args *a) {
  a->stack = stack;
  a->argc = (int)stack[0];
  a->argv = (char **)(stack + 1);
  a->envp = a->argv + a->argc + 1;
  char **e = a->envp;
  while (*e)
    e++;
  struct ldx_auxv *x = &a->auxv;
  *x = (struct ldx_auxv){.vector = (Elf64_auxv_t *)(e + 1), .minsigstksz = 2048};
  for (const Elf64_auxv_t *v = x->vector; v->a_type != AT_NULL; v++, x->count++)
    note(x, v);
  x->count++;
}

void ldx_shift_arguments(struct ldx_args *a, int n) {
  char *from = (char *)(a->argv + n), *end = (char *)(a->auxv.vector + a->auxv.count);
  memmove(a->argv, from, (size_t)(end - from));
  a->argc -= n;
  *(uint64_t *)a->stack = (uint64_t)a->argc;
  a->envp -= n;
  a->auxv.vector = (Elf64_auxv_t *)((char *)a->auxv.vector - (size_t)n * sizeof(char *));
}

void ldx_set_auxv(struct ldx_args *a, uint64_t type, uint64_t value) {
  for (Elf64_auxv_t *v = a->auxv.vector; v->a_type != AT_NULL; v++)
    if (v->a_type == type)
      v->a_un.a_val = value;
}

const char *ldx_getenv(const struct ldx_args *a, const char *name) {
  size_t n = strlen(name);
  for (char **e = a->envp; *e; e++)
    if (!strncmp(*e, name, n) && (*e)[n] == '=')
      return *e + n + 1;
  return NULL;
}

void ldx_unsetenv(struct ldx_args *a, const char *name) {
  size_t n = strlen(name);
  char **to = a->envp;
  for (char **from = a->envp; *from; from++)
    if (strncmp(*from, name, n) || (*from)[n] != '=')
      *to++ = *from;
  /* the auxiliary vector stays where it is: glibc's loader does not move it either */
  while (*to)
    *to++ = NULL;
}
