#include "loader/stack.h"

#include <string.h>

#include "base/sys.h"

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

static void note_variables(struct ldx_args *a) {
  a->ld_count = 0;
  a->ld_known = true;
  for (char **e = a->envp; *e; e++)
    if ((*e)[0] == 'L' && (*e)[1] == 'D') {
      a->ld_known = a->ld_count < LDX_COUNT(a->ld);
      if (!a->ld_known)
        return;
      a->ld[a->ld_count++] = *e;
    }
}

void ldx_read_stack(uintptr_t *stack, struct ldx_args *a) {
  a->stack = stack;
  a->argc = (int)stack[0];
  a->argv = (char **)(stack + 1);
  a->envp = a->argv + a->argc + 1;
  note_variables(a);
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

/* Strings of the first stack lie close together: four bytes can be read of the shortest. */
static uint32_t first_four(const char *s) {
  uint32_t v;
  memcpy(&v, s, sizeof v);
  return v;
}

static const char *value_of(const char *entry, const char *name, size_t n) {
  return !strncmp(entry, name, n) && entry[n] == '=' ? entry + n + 1 : NULL;
}

const char *ldx_getenv(const struct ldx_args *a, const char *name) {
  size_t n = strlen(name);
  const char *v = NULL;
  if (a->ld_known && name[0] == 'L' && name[1] == 'D') {
    for (uint32_t i = 0; i < a->ld_count && !v; i++)
      v = value_of(a->ld[i], name, n);
    return v;
  }
  for (char **e = a->envp; *e && !v; e++)
    if (n >= 4 && first_four(*e) == first_four(name))
      v = value_of(*e, name, n);
  return v;
}

void ldx_unsetenv(struct ldx_args *a, const char *name, const char *end) {
  a->ld_known = false;
  size_t n = strlen(name), m = strlen(end);
  char **to = a->envp;
  for (char **from = a->envp; *from; from++)
    if (strncmp(*from, name, n) || strncmp(*from + n, end, m))
      *to++ = *from;
  /* the auxiliary vector stays where it is: glibc's loader does not move it either */
  while (*to)
    *to++ = NULL;
}

/* Strings lie in one area: arguments, environment, and the file name that AT_EXECFN named at first. */
static char *end_of_arguments(const struct ldx_args *a) { return a->envp[0] ? a->envp[0] : (char *)a->auxv.execfn; }

void ldx_set_argv0(struct ldx_args *a, const char *argv0) {
  char *next = a->argc > 1 ? a->argv[1] : end_of_arguments(a);
  size_t n = strlen(argv0) + 1;
  a->argv[0] = argv0 < next ? memmove(next - n, argv0, n) : (char *)argv0;
}

/* struct prctl_mm_map of <linux/prctl.h> */
struct mm_map {
  uint64_t start_code, end_code, start_data, end_data, start_brk, brk, start_stack;
  uint64_t arg_start, arg_end, env_start, env_end;
  const void *auxv;
  uint32_t auxv_size, exe_fd;
};

uintptr_t ldx_break(void) {
  if (!ldx_self.heap_break)
    ldx_self.heap_break = (uintptr_t)LDX_SYS(SYS_brk, 0, 0, 0, 0, 0, 0);
  return ldx_self.heap_break;
}

/* The heap begins behind the program. A position-independent program was mapped below the heap that ldx has. */
static uint64_t heap_start(const struct ldx_args *a, const struct elf_image *im) {
  uint64_t brk = ldx_break(), end = im->bias + im->end;
  if (im->bias || !a->auxv.random)
    return brk;
  uint64_t pages = a->auxv.random[0] | (uint64_t)(a->auxv.random[1] & 0x1f) << 8; /* the kernel's 32 MiB */
  return end + (1 + pages) * LDX_PAGE;
}

/* Not the auxiliary vector: a debugger compares it with the file that the kernel runs, which is ldx, to know where
 * that lies. */
void ldx_tell_kernel(const struct ldx_args *a, const struct elf_image *im) {
  uint64_t brk = heap_start(a, im);
  const struct elf_segment *first = im->segments, *last = first + im->segment_count - 1;
  struct mm_map m = {.start_code = im->bias + first->vaddr,
                     .end_code = im->bias + first->vaddr + first->filesz,
                     .start_data = im->bias + last->vaddr,
                     .end_data = im->bias + last->vaddr + last->filesz,
                     .start_brk = brk,
                     .brk = brk,
                     .start_stack = (uint64_t)a->stack,
                     .arg_start = (uint64_t)a->argv[0],
                     .arg_end = (uint64_t)end_of_arguments(a),
                     .env_start = (uint64_t)end_of_arguments(a),
                     .env_end = (uint64_t)a->auxv.execfn,
                     .exe_fd = UINT32_MAX};
  for (uint32_t i = 0; i < im->segment_count; i++)
    if (im->segments[i].flags & PF_X)
      m.end_code = im->bias + im->segments[i].vaddr + im->segments[i].filesz;
  sys_prctl(35 /* PR_SET_MM */, 14 /* PR_SET_MM_MAP */, (long)&m, sizeof m, 0);
}
