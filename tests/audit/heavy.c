/* An auditor that is a program of its own: thread-local storage, stdio, malloc, libraries of its own; and whose hooks
 * run in all threads. At the end it tells what it has counted. */
#include <ctype.h>
#include <dlfcn.h>
#include <link.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static __thread long depth, calls;
static __thread char *copy;
static _Atomic long enters, exits, threads, wrong;
static double (*root)(double);

unsigned la_version(unsigned version) {
  void *h = dlopen("libm.so.6", RTLD_NOW);
  root = h ? (double (*)(double))dlsym(h, "sqrt") : NULL;
  fprintf(stderr, "heavy: %s\n", root && root(9) == 3 ? "ready" : "no libm");
  return version;
}

unsigned la_objopen(struct link_map *map, Lmid_t lmid, uintptr_t *cookie) {
  char *name = malloc(strlen(map->l_name) + 1);
  strcpy(name, map->l_name);
  *cookie = (uintptr_t)name;
  return lmid == LM_ID_BASE ? LA_FLG_BINDTO | LA_FLG_BINDFROM : 0;
}

Elf64_Addr la_x86_64_gnu_pltenter(Elf64_Sym *sym, unsigned index, uintptr_t *from, uintptr_t *to,
                                  La_x86_64_regs *regs, unsigned *flags, const char *name, long *framesize) {
  if (!strstr((char *)*to, "libaudit-")) {
    *flags |= LA_SYMB_NOPLTENTER | LA_SYMB_NOPLTEXIT;
    return sym->st_value;
  }
  if (!calls++)
    threads++;
  free(copy);
  copy = strdup(name);
  if (!isalpha((unsigned char)copy[0]) || root(16) != 4)
    wrong++;
  depth++;
  enters++;
  *framesize = 128;
  return sym->st_value;
}

unsigned la_x86_64_gnu_pltexit(Elf64_Sym *sym, unsigned index, uintptr_t *from, uintptr_t *to,
                               const La_x86_64_regs *in, La_x86_64_retval *out, const char *name) {
  char text[64];
  snprintf(text, sizeof text, "%.1f", 1.5);
  if (strcmp(text, "1.5") || depth < 1)
    wrong++;
  depth--;
  exits++;
  return 0;
}

static __attribute__((destructor)) void tell(void) {
  fprintf(stderr, "heavy: enters %ld exits %ld threads %ld wrong %ld\n", enters, exits, threads, wrong);
}
