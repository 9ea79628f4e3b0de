/* profile: which library makes a program start slowly.
 *
 *   ldx --tool libldx-profile.so[,json][,FILE] PROGRAM
 *
 * When the program ends, a table goes to stderr, or to FILE: for each library how long it took to find and map it, to
 * relocate it (and how many of its references are to symbols), and how long its own constructors ran, without those
 * of what they loaded. The most expensive library comes first; times are microseconds.
 *
 * What this tool shows to those who write their own: how to tell one object's events from another's (ids, which are
 * never used twice), how to look into an object's own tables, and how to keep a stack for each thread. */
#include <ldx/event.h>
#include <ldx/state.h>

#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEEPEST = 64 };

struct library {
  ldx_id id;
  const char *name, *path;
  uint64_t map, relocate, construct; /* nanoseconds */
  uint64_t references;
};

static struct {
  pthread_mutex_t lock;
  struct library *at;
  size_t count, room;
  uint64_t search_began, step_ended;
  FILE *out;
  bool json;
} profile = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Constructors under way on this thread: when each one began, and what others inside it took. */
static _Thread_local struct { uint64_t began, inside; } stack[DEEPEST];
static _Thread_local unsigned depth;

static struct library *find(const struct ldx_event *e) {
  for (size_t i = profile.count; i-- > 0;)
    if (profile.at[i].id == e->object)
      return &profile.at[i];
  if (profile.count == profile.room) {
    size_t room = profile.room ? 2 * profile.room : 64;
    struct library *bigger = realloc(profile.at, room * sizeof *bigger);
    if (!bigger)
      abort();
    profile.at = bigger;
    profile.room = room;
  }
  struct library *l = &profile.at[profile.count++];
  *l = (struct library){.id = e->object, .name = e->u.lib.name, .path = e->u.lib.path};
  return l;
}

static uint64_t symbolic(const ElfW(Rela) * at, uint64_t bytes) {
  uint64_t n = 0;
  for (uint64_t i = 0; at && i < bytes / sizeof *at; i++)
    n += ELF64_R_SYM(at[i].r_info) != 0;
  return n;
}

/* The dynamic section holds addresses once the object is relocated, unless it cannot be written. */
static const void *table(const struct ldx_object_info *o, uint64_t value) {
  return (const void *)(value < o->base ? value + o->base : value);
}

static uint64_t count_references(const struct ldx_object_info *o) {
  uint64_t rela = 0, bytes = 0, plt = 0, plt_bytes = 0;
  for (const ElfW(Dyn) *d = o->dynamic; d && d->d_tag != DT_NULL; d++) {
    rela = d->d_tag == DT_RELA ? d->d_un.d_ptr : rela;
    bytes = d->d_tag == DT_RELASZ ? d->d_un.d_val : bytes;
    plt = d->d_tag == DT_JMPREL ? d->d_un.d_ptr : plt;
    plt_bytes = d->d_tag == DT_PLTRELSZ ? d->d_un.d_val : plt_bytes;
  }
  return (rela ? symbolic(table(o, rela), bytes) : 0) + (plt ? symbolic(table(o, plt), plt_bytes) : 0);
}

static void count(const struct ldx_event *e) {
  struct ldx_object_info info = {.size = sizeof info};
  if (ldx_find_object_by_id(e->object, &info) == 0 && info.dynamic && !(info.flags & LDX_OBJECT_VDSO))
    find(e)->references = count_references(&info);
}

static void begin_constructors(const struct ldx_event *e) {
  if (depth < DEEPEST) {
    stack[depth].began = e->time;
    stack[depth].inside = 0;
  }
  depth++;
}

static void end_constructors(const struct ldx_event *e) {
  if (!depth || --depth >= DEEPEST)
    return;
  uint64_t all = e->time - stack[depth].began;
  find(e)->construct += all - stack[depth].inside;
  if (depth)
    stack[depth - 1].inside += all;
}

static int costlier(const void *a, const void *b) {
  const struct library *x = a, *y = b;
  uint64_t p = x->map + x->relocate + x->construct, q = y->map + y->relocate + y->construct;
  return p < q ? 1 : p > q ? -1 : 0;
}

static void print_json(FILE *f) {
  fputs("{\"libraries\":[", f);
  for (size_t i = 0; i < profile.count; i++) {
    const struct library *l = &profile.at[i];
    fprintf(f,
            "%s\n{\"name\":\"%s\",\"path\":\"%s\",\"map_ns\":%" PRIu64 ",\"relocate_ns\":%" PRIu64
            ",\"references\":%" PRIu64 ",\"constructors_ns\":%" PRIu64 "}",
            i ? "," : "", l->name, l->path, l->map, l->relocate, l->references, l->construct);
  }
  fputs("\n]}\n", f);
}

static void print_table(FILE *f) {
  struct library all = {.name = "all"};
  fprintf(f, "%10s %10s %10s %10s %10s  %s\n", "total", "map", "relocate", "references", "construct", "library (us)");
  for (size_t i = 0; i <= profile.count; i++) {
    const struct library *l = i < profile.count ? &profile.at[i] : &all;
    fprintf(f, "%10.1f %10.1f %10.1f %10" PRIu64 " %10.1f  %s\n", (double)(l->map + l->relocate + l->construct) / 1e3,
            (double)l->map / 1e3, (double)l->relocate / 1e3, l->references, (double)l->construct / 1e3,
            l->path && *l->path ? l->path : l->name);
    all.map += l->map;
    all.relocate += l->relocate;
    all.references += l->references;
    all.construct += l->construct;
  }
}

static void print_all(void) {
  qsort(profile.at, profile.count, sizeof *profile.at, costlier);
  (profile.json ? print_json : print_table)(profile.out);
  fflush(profile.out);
}

static void take(const struct ldx_event *e) {
  switch (e->type) {
  case LDX_EV_LOAD_BEGIN:
    profile.step_ended = e->time;
    break;
  case LDX_EV_SEARCH:
    profile.search_began = e->time;
    break;
  case LDX_EV_MAPPED:
    find(e)->map += profile.search_began ? e->time - profile.search_began : 0;
    profile.search_began = 0;
    profile.step_ended = e->time;
    break;
  case LDX_EV_RELOCATED: /* objects are relocated one after the other */
    find(e)->relocate += e->time - profile.step_ended;
    profile.step_ended = e->time;
    break;
  case LDX_EV_INIT:
    count(e);
    begin_constructors(e);
    break;
  case LDX_EV_READY:
    end_constructors(e);
    break;
  case LDX_EV_EXIT:
    print_all();
    break;
  }
}

static void told(void *ctx, const struct ldx_event *e) {
  (void)ctx;
  pthread_mutex_lock(&profile.lock);
  take(e);
  pthread_mutex_unlock(&profile.lock);
}

/* Many programs close stderr before they end: the tool has a descriptor of its own. */
static FILE *open_output(const char *file) {
  int fd = file ? -1 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 100);
  return file ? fopen(file, "we") : fd >= 0 ? fdopen(fd, "w") : NULL;
}

int ldx_tool_main(ldx_tool *self, const struct ldx_tool_args *args, struct ldx_tool_desc *out) {
  const char *file = NULL;
  out->name = "profile";
  for (int i = 0; i < args->argc; i++)
    if (!strcmp(args->argv[i], "json"))
      profile.json = true;
    else
      file = args->argv[i];
  profile.out = open_output(file);
  if (!profile.out) {
    ldx_tool_log(self, "has nowhere to write to");
    return 1;
  }
  return ldx_subscribe(
      self, LDX_EV_LIBRARIES | LDX_EV_BIT(LDX_EV_SEARCH) | LDX_EV_BIT(LDX_EV_INIT) | LDX_EV_BIT(LDX_EV_EXIT), told,
      NULL, args->late ? LDX_SUBSCRIBE_REPLAY : 0);
}
