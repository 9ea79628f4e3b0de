#include "debug-protocol/changes.h"

#include <fcntl.h>
#include <string.h>

#include "base/span.h"
#include "base/sys.h"
#include "base/text.h"
#include "debug-protocol/probes.h"
#include "namespace/object.h"

enum { RING = 16384 }; /* 2 MiB of addresses; memory as it fills */

_Static_assert(sizeof(struct ldx_debug_change) == 128, "version 1");
_Static_assert(sizeof(struct ldx_debug) == 88, "version 1");

__attribute__((noinline, visibility("default"), used)) void _ldx_debug_changed(void) {
  __asm__ volatile("" ::: "memory");
}

/* ---- writing */

static bool of_symbol(const struct ldx_change *c) {
  return c->kind >= LDX_DEBUG_SYMBOL_ADDED && c->kind <= LDX_DEBUG_SYMBOL_MOVED;
}

static struct ldx_debug_change *entry(const struct ldx_debug *d, uint64_t number) {
  return d->ring_size ? (struct ldx_debug_change *)d->changes + number % d->ring_size : NULL;
}

static void make_ring(struct ldx_heap *heap, struct ldx_debug *d) {
  if (d->changes)
    return;
  d->changes = (uintptr_t)ldx_heap_alloc(heap, RING * sizeof(struct ldx_debug_change));
  d->ring_size = d->changes ? RING : 0;
}

/* Into zeros. */
static void write_name(char *to, size_t size, const char *name) {
  size_t n = strlen(name);
  memcpy(to, name, n < size ? n : size - 4);
  if (n >= size)
    memcpy(to + size - 4, "...", 4);
}

static void fill(struct ldx_debug_change *e, const struct ldx_debug *d, const struct ldx_namespace *ns,
                 const struct ldx_change *c) {
  *e = (struct ldx_debug_change){.number = d->next,
                                 .generation = d->generation + 1,
                                 .kind = (uint16_t)c->kind,
                                 .symbol_type = (uint16_t)c->symbol_type,
                                 .ns = ns ? (int32_t)ns->id : 0,
                                 .object = (uintptr_t)c->object,
                                 .value = c->value,
                                 .size = c->size,
                                 .old = c->old,
                                 .whole_name = (uintptr_t)c->name};
  write_name(e->name, sizeof e->name, c->name ? c->name : "");
}

/* Where a debugger stops the process at any instruction, the entries from first to next are whole. Without a ring the
 * change only counts. */
static void write_change(struct ldx_debug *d, const struct ldx_namespace *ns, const struct ldx_change *c) {
  struct ldx_debug_change *e = entry(d, d->next);
  if (d->next - d->first == d->ring_size)
    d->first++;
  __atomic_thread_fence(__ATOMIC_RELEASE);
  if (e)
    fill(e, d, ns, c);
  __atomic_store_n(&d->next, d->next + 1, __ATOMIC_RELEASE);
}

/* One change for all of an object's symbols. */
static void write_summary(struct ldx_debug *d, const struct ldx_namespace *ns, const struct ldx_object *o) {
  write_change(d, ns, &(struct ldx_change){.kind = LDX_DEBUG_OBJECT_CHANGED, .object = o, .name = o->soname});
}

static void write_changes(struct ldx_debug *d, const struct ldx_namespace *ns, const struct ldx_change *c, size_t n) {
  size_t symbols = 0;
  for (size_t i = 0; i < n; i++)
    symbols += of_symbol(&c[i]);
  bool all = symbols <= RING / 2;
  const struct ldx_object *summed = NULL;
  for (size_t i = 0; i < n; i++) {
    if (all || !of_symbol(&c[i]))
      write_change(d, ns, &c[i]);
    else if (c[i].object != summed)
      write_summary(d, ns, summed = c[i].object);
  }
}

/* NULL: they are of several. */
static const struct ldx_object *common_object(const struct ldx_change *c, size_t n) {
  for (size_t i = 1; i < n; i++)
    if (c[i].object != c[0].object)
      return NULL;
  return n ? c[0].object : NULL;
}

/* Whoever reads a running process takes what it read for good when the generation was even before, and is the same
 * behind. It may be odd when this begins: in the child of a fork that came in between. */
void ldx_changes_tell(struct ldx_heap *heap, const struct ldx_namespace *ns, const struct ldx_change *changes,
                      size_t count) {
  struct ldx_debug *d = &ldx_debug_block;
  uint64_t before = d->next;
  __atomic_store_n(&d->generation, d->generation | 1, __ATOMIC_RELAXED);
  __atomic_thread_fence(__ATOMIC_RELEASE);
  make_ring(heap, d);
  write_changes(d, ns, changes, count);
  __atomic_store_n(&d->generation, d->generation + 1, __ATOMIC_RELEASE);
  _ldx_debug_changed();
  uintptr_t first = (uintptr_t)(before < d->next ? entry(d, before) : NULL);
  LDX_PROBE5("ldx", "symbols_changed", ns ? ns->id : 0, common_object(changes, count), d->generation, first,
             d->next - before);
}

/* ---- who traces */

static int read_status(char *text, size_t size) {
  long fd = sys_open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC);
  if (ldx_sys_failed(fd))
    return (int)fd;
  long n = sys_read((int)fd, text, size - 1);
  sys_close((int)fd);
  if (ldx_sys_failed(n))
    return (int)n;
  text[n] = 0;
  return 0;
}

int ldx_debugger(uint32_t *reader) {
  char status[512]; /* the line is among the first ten */
  int error = read_status(status, sizeof status), tracer = 0;
  if (reader)
    *reader = __atomic_load_n(&ldx_debug_block.reader, __ATOMIC_ACQUIRE);
  if (error)
    return error;
  const char *line = ldx_find_text(status, "\nTracerPid:\t");
  for (const char *p = line ? line + sizeof "\nTracerPid:" : ""; *p >= '0' && *p <= '9'; p++)
    tracer = tracer * 10 + (*p - '0');
  return tracer;
}
