/* An auditor that tells of every hook on stderr (unless AUDIT_QUIET is set), a line each, without addresses: objects
 * by their file names, cookies by whether they are what they should be. Which hooks it has is chosen when it is
 * compiled (SYMBIND, PLTENTER, PLTEXIT), because their mere presence changes what a loader does. */
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef NAME
#define NAME "log"
#endif
#ifndef FRAMESIZE
#define FRAMESIZE 256
#endif

static void say(const char *fmt, ...) {
  char line[1024];
  va_list ap;
  int n = snprintf(line, sizeof line, "%s: ", NAME);
  va_start(ap, fmt);
  n += vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
  va_end(ap);
  if (n > (int)sizeof line - 2)
    n = (int)sizeof line - 2;
  line[n++] = '\n';
  if (!getenv("AUDIT_QUIET") && write(2, line, (size_t)n) < 0)
    _exit(99);
}

static const char *base(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : *path ? path : "MAIN";
}

/* What a cookie points at: a loader begins with the link map, la_objopen puts this in its place. */
struct known {
  struct known *next;
  struct link_map *map;
  char name[200];
};
static struct known *all;
static const struct known *known(const uintptr_t *cookie) {
  const struct known *k = all;
  while (k && k != (const struct known *)*cookie)
    k = k->next;
  return k;
}
static const char *who(const uintptr_t *cookie) {
  const struct known *k = known(cookie);
  return k ? k->name : "UNOPENED";
}

unsigned la_version(unsigned version) {
  say("version %u", version);
  return getenv("AUDIT_VERSION") ? (unsigned)atoi(getenv("AUDIT_VERSION")) : version;
}

void la_activity(uintptr_t *cookie, unsigned flag) {
  static const char *const names[] = {"CONSISTENT", "ADD", "DELETE"};
  say("activity %s %s", who(cookie), flag < 3 ? names[flag] : "?");
}

char *la_objsearch(const char *name, uintptr_t *cookie, unsigned flag) {
  say("objsearch %s for %s flag %#x", name, who(cookie), flag);
  return (char *)name;
}

unsigned la_objopen(struct link_map *map, Lmid_t lmid, uintptr_t *cookie) {
  struct known *k = malloc(sizeof *k);
  k->map = map;
  k->next = all;
  all = k;
  snprintf(k->name, sizeof k->name, "%s", base(map->l_name));
  say("objopen %s lmid %ld cookie %s", k->name, (long)lmid, *cookie == (uintptr_t)map ? "map" : "other");
  *cookie = (uintptr_t)k;
  return getenv("AUDIT_FLAGS") ? (unsigned)atoi(getenv("AUDIT_FLAGS")) : LA_FLG_BINDTO | LA_FLG_BINDFROM;
}

void la_preinit(uintptr_t *cookie) { say("preinit %s", who(cookie)); }

unsigned la_objclose(uintptr_t *cookie) {
  say("objclose %s", who(cookie));
  return 0;
}

#ifdef SYMBIND
static int is_symbol(const Elf64_Sym *sym, unsigned index, const uintptr_t *definer, const char *name) {
  const struct known *k = known(definer);
  const char *str = NULL;
  const Elf64_Sym *tab = NULL;
  for (const Elf64_Dyn *d = k ? k->map->l_ld : NULL; d && d->d_tag; d++) {
    if (d->d_tag == DT_STRTAB)
      str = (const char *)d->d_un.d_ptr;
    if (d->d_tag == DT_SYMTAB)
      tab = (const Elf64_Sym *)d->d_un.d_ptr;
  }
  return tab && tab[index].st_name == sym->st_name && (!str || !strcmp(str + sym->st_name, name));
}

uintptr_t la_symbind64(Elf64_Sym *sym, unsigned index, uintptr_t *from, uintptr_t *to, unsigned *flags,
                       const char *name) {
  say("symbind %s from %s to %s flags %#x%s", name, who(from), who(to), *flags,
      is_symbol(sym, index, to, name) ? "" : " WRONG SYMBOL");
  return sym->st_value;
}
#endif

#ifdef PLTENTER
Elf64_Addr la_x86_64_gnu_pltenter(Elf64_Sym *sym, unsigned index, uintptr_t *from, uintptr_t *to,
                                  La_x86_64_regs *regs, unsigned *flags, const char *name, long *framesize) {
  say("pltenter %s from %s to %s flags %#x framesize %ld", name, who(from), who(to), *flags, *framesize);
  *framesize = FRAMESIZE;
  return sym->st_value;
}
#endif

#ifdef PLTEXIT
unsigned la_x86_64_gnu_pltexit(Elf64_Sym *sym, unsigned index, uintptr_t *from, uintptr_t *to,
                               const La_x86_64_regs *in, La_x86_64_retval *out, const char *name) {
  say("pltexit %s from %s to %s", name, who(from), who(to));
  return 0;
}
#endif
