/* Looks for everything that a program needs, like a loader, but loads nothing: prints the trace of the search,
 * and the message of the first failure. For comparison with LD_DEBUG=libs of the system loader.
 *
 *   searcher [OPTIONS] PROGRAM [NAME...]   each NAME is then asked for as by dlopen in the program
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objects.h"
#include "stubs.h"

enum { MAX_OBJECTS = 1024 };

struct load {
  struct ldx_heap heap;
  struct ldx_library_search search;
  struct ldx_namespace ns;
  struct ldx_object *objects[MAX_OBJECTS];
  int count;
};

static void print_line(void *arg, const char *line) { puts(line); }

static bool is_loaded(struct load *l, const char *name) {
  if (!strcmp(name, "ld-linux-x86-64.so.2"))
    return true;
  for (int i = 0; i < l->count; i++)
    if (ldx_object_has_name(l->objects[i], name))
      return true;
  return false;
}

static struct ldx_object *same_file(struct load *l, const struct stat *st) {
  for (int i = 0; i < l->count; i++)
    if (l->objects[i]->dev == st->st_dev && l->objects[i]->ino == st->st_ino)
      return l->objects[i];
  return NULL;
}

static struct ldx_object *add_object(struct load *l, const char *path, const char *name) {
  struct stat st;
  if (stat(path, &st) || l->count == MAX_OBJECTS)
    return NULL;
  struct ldx_object *o = same_file(l, &st);
  if (o)
    return o;
  o = object_from_file(&l->heap, path, name);
  if (!o)
    return NULL;
  o->dev = st.st_dev;
  o->ino = st.st_ino;
  o->ns = &l->ns;
  if (o->soname)
    ldx_object_add_name(&l->heap, o, o->soname);
  l->objects[l->count++] = o;
  return o;
}

static bool fail(const struct ldx_diag *d, enum ldx_find_mode mode) {
  int error = mode == LDX_FIND_PRELOAD ? 0 : d->error; /* that warning never tells errno */
  printf("error: %s%s%s%s%s\n", d->object, *d->object ? ": " : "", d->text, error ? ": " : "",
         error ? strerror(error) : "");
  return false;
}

static bool ask_as(struct load *l, struct ldx_object *loader, const char *name, enum ldx_find_mode mode) {
  struct ldx_diag diag = {.heap = &l->heap};
  struct ldx_library_file file;
  const struct ldx_find_request r = {name, loader, l->objects[0], 0, mode, 0};
  if (is_loaded(l, name))
    return true;
  if (ldx_find(&l->search, &r, &file, &diag) != LDX_FOUND)
    return fail(&diag, mode);
  close(file.fd);
  struct ldx_object *o = add_object(l, file.path, file.path);
  if (!o)
    return false;
  if (!o->loader && o != l->objects[0])
    o->loader = loader;
  return ldx_object_add_name(&l->heap, o, name);
}

static bool ask(struct load *l, struct ldx_object *loader, const char *name) {
  return ask_as(l, loader, name, LDX_FIND_PLAIN);
}

static bool ask_needed(struct load *l, struct ldx_object *o) {
  for (uint32_t i = 0; i < o->dyn.count; i++) {
    if (o->dyn.table[i].d_tag != DT_NEEDED)
      continue;
    struct ldx_diag diag = {.heap = &l->heap};
    char *name = ldx_expand_needed(&l->search, o, elf_string(&o->dyn, o->dyn.table[i].d_un.d_val), &diag);
    if (!name)
      return fail(&diag, LDX_FIND_PLAIN);
    if (!ask(l, o, name))
      return false;
  }
  return true;
}

static void print_serinfo(void *arg, const char *dir, unsigned flag) { printf("%s\n", dir); }

static const struct option options[] = {
    {"library-path", required_argument, NULL, 'l'},
    {"env-path", required_argument, NULL, 'e'},
    {"inhibit-cache", no_argument, NULL, 'c'},
    {"inhibit-rpath", required_argument, NULL, 'r'},
    {"glibc-hwcaps-prepend", required_argument, NULL, 'p'},
    {"glibc-hwcaps-mask", required_argument, NULL, 'm'},
    {"hwcap-mask", required_argument, NULL, 'w'},
    {"cache", required_argument, NULL, 'f'},
    {"preload", required_argument, NULL, 'd'},
    {"explicit", no_argument, NULL, 'x'},
    {"secure", no_argument, NULL, 's'},
    {"help-text", no_argument, NULL, 'h'},
    {"serinfo", no_argument, NULL, 'i'},
    {"count", no_argument, NULL, 'n'},
    {0},
};

struct wishes {
  bool opened_here, help, serinfo, count;
  const char *preload;
};

static struct wishes read_options(struct load *l, int argc, char **argv) {
  struct wishes w = {0};
  struct ldx_library_search *s = &l->search;
  int c;
  while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1)
    switch (c) {
    case 'l':
    case 'e':
      s->library_path = optarg;
      s->library_path_source = c == 'l' ? "--library-path" : "LD_LIBRARY_PATH";
      break;
    case 'c':
      s->inhibit_cache = true;
      break;
    case 'r':
      s->inhibit_rpath = optarg;
      break;
    case 'p':
      s->hwcaps_prepend = optarg;
      break;
    case 'm':
      s->hwcaps_mask = optarg;
      break;
    case 'w':
      s->hwcap_mask = strtoull(optarg, NULL, 0);
      s->hwcap_mask_set = true;
      break;
    case 'f':
      s->cache_file = optarg;
      break;
    case 's':
      s->secure = true;
      break;
    case 'd':
      w.preload = optarg;
      break;
    case 'x':
      w.opened_here = true;
      break;
    case 'h':
      w.help = true;
      break;
    case 'i':
      w.serinfo = true;
      break;
    case 'n':
      w.count = true;
      break;
    default:
      exit(2);
    }
  return w;
}

/* The kernel would tell by /proc/self/exe; here the path given stands for it. */
static void name_program(struct load *l, const char *path, bool opened_here) {
  static char real[4096];
  l->search.program_name = path;
  l->search.program_path = opened_here ? path : realpath(path, real);
  l->objects[0]->kind = LDX_PROGRAM;
  l->ns.program = l->objects[0];
}

/* Breadth first from object `from` on. */
static bool load_needed(struct load *l, int from) {
  bool ok = true;
  for (int i = from; ok && i < l->count; i++)
    ok = ask_needed(l, l->objects[i]);
  return ok;
}

int main(int argc, char **argv) {
  static struct load l;
  l.search.heap = &l.heap;
  l.search.platform = (const char *)getauxval(AT_PLATFORM);
  struct wishes w = read_options(&l, argc, argv);
  if (w.help) {
    ldx_search_help(&l.search, 1);
    return 0;
  }
  if (optind == argc || !add_object(&l, argv[optind], ""))
    return 2;
  name_program(&l, argv[optind], w.opened_here);
  l.search.trace = w.serinfo || w.count ? NULL : print_line;
  if (w.preload) /* what cannot be preloaded is only mentioned */
    ask_as(&l, l.objects[0], w.preload, LDX_FIND_PRELOAD);
  bool ok = load_needed(&l, 0);
  for (int i = optind + 1; ok && i < argc; i++) {
    int before = l.count;
    if (!ask(&l, l.objects[0], argv[i]) || !load_needed(&l, before))
      l.count = before; /* what a failed dlopen loaded goes again */
  }
  if (w.serinfo)
    ldx_search_path(&l.search, l.objects[0], l.objects[0], print_serinfo, NULL);
  if (w.count)
    printf("%lu\n", stub_syscalls());
  return ok ? 0 : 1;
}
