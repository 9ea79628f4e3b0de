/* debug-protocol/changes.c: the ring, what is told as a whole, names, and who traces. */
#include "debug-protocol/changes.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"
#include "namespace/object.h"
#include "unit.h"

struct ldx_debug ldx_debug_block;

enum { RING = 16384 };
static struct ldx_heap heap;
static struct ldx_object one, other;
static struct ldx_namespace space = {.id = 3};

static int fresh(void **state) {
  (void)state;
  if (ldx_debug_block.changes)
    ldx_heap_free(&heap, (void *)ldx_debug_block.changes);
  ldx_debug_block = (struct ldx_debug){.reader = LDX_DEBUG_READS_CHANGES};
  ldx_changes_init(0x1000, 0x2000);
  stub_on_syscall(NULL);
  return 0;
}

static struct ldx_change change(uint32_t kind, const struct ldx_object *o, const char *name) {
  return (struct ldx_change){.kind = kind, .symbol_type = STT_FUNC, .object = o, .name = name, .value = 0x10};
}

static const struct ldx_debug_change *number(uint64_t n) {
  assert_in_range(n, ldx_debug_block.first, ldx_debug_block.next - 1);
  const struct ldx_debug_change *ring = (const void *)ldx_debug_block.changes,
                                *c = &ring[n % ldx_debug_block.ring_size];
  assert_int_equal(c->number, n);
  return c;
}

/* The changes of a large batch, of symbols of two objects. */
static void tell_many(size_t count, size_t of_other) {
  struct ldx_change *c = calloc(count, sizeof *c);
  for (size_t i = 0; i < count; i++)
    c[i] = change(LDX_DEBUG_SYMBOL_ADDED, i < count - of_other ? &one : &other, "f");
  ldx_changes_tell(&heap, &space, c, count);
  free(c);
}

static void begins_empty(void **state) {
  (void)state;
  const struct ldx_debug *d = &ldx_debug_block;
  assert_memory_equal(d->magic, "LDXD", 4);
  assert_int_equal(d->version, 1);
  assert_int_equal(d->size, sizeof *d);
  assert_int_equal(d->change_size, sizeof(struct ldx_debug_change));
  assert_int_equal(d->brk, (uintptr_t)_ldx_debug_changed);
  assert_int_equal(d->r_debug, 0x1000);
  assert_int_equal(d->made, 0x2000);
  assert_int_equal(d->generation, 0);
  assert_int_equal(d->first, d->next);
  assert_int_equal(d->changes, 0);
  assert_int_equal(d->reader, LDX_DEBUG_READS_CHANGES);
}

static void offsets_are_those_of_version_1(void **state) {
  (void)state;
  assert_int_equal(offsetof(struct ldx_debug, generation), 16);
  assert_int_equal(offsetof(struct ldx_debug, brk), 24);
  assert_int_equal(offsetof(struct ldx_debug, changes), 32);
  assert_int_equal(offsetof(struct ldx_debug, ring_size), 40);
  assert_int_equal(offsetof(struct ldx_debug, first), 48);
  assert_int_equal(offsetof(struct ldx_debug, next), 56);
  assert_int_equal(offsetof(struct ldx_debug, r_debug), 64);
  assert_int_equal(offsetof(struct ldx_debug, made), 72);
  assert_int_equal(offsetof(struct ldx_debug, reader), 80);
  assert_int_equal(offsetof(struct ldx_debug_change, kind), 16);
  assert_int_equal(offsetof(struct ldx_debug_change, ns), 20);
  assert_int_equal(offsetof(struct ldx_debug_change, object), 24);
  assert_int_equal(offsetof(struct ldx_debug_change, old), 48);
  assert_int_equal(offsetof(struct ldx_debug_change, whole_name), 56);
  assert_int_equal(offsetof(struct ldx_debug_change, name), 64);
}

static void one_announcement(void **state) {
  (void)state;
  struct ldx_change c[2] = {change(LDX_DEBUG_SYMBOL_ADDED, &one, "added"),
                            change(LDX_DEBUG_SYMBOL_MOVED, &one, "moved")};
  c[1].size = 5, c[1].old = 7;
  ldx_changes_tell(&heap, &space, c, 2);
  assert_int_equal(ldx_debug_block.generation, 2);
  assert_int_equal(ldx_debug_block.next, 3);
  const struct ldx_debug_change *a = number(1), *b = number(2);
  assert_int_equal(a->kind, LDX_DEBUG_SYMBOL_ADDED);
  assert_int_equal(a->generation, 2);
  assert_int_equal(a->symbol_type, STT_FUNC);
  assert_int_equal(a->ns, 3);
  assert_int_equal(a->object, (uintptr_t)&one.map);
  assert_int_equal(a->value, 0x10);
  assert_string_equal(a->name, "added");
  assert_int_equal(a->whole_name, (uintptr_t)c[0].name);
  assert_int_equal(b->kind, LDX_DEBUG_SYMBOL_MOVED);
  assert_int_equal(b->size, 5);
  assert_int_equal(b->old, 7);
  assert_string_equal(b->name, "moved");
}

static void names_are_cut_with_dots(void **state) {
  (void)state;
  char name[200];
  for (size_t length = 0; length < 80; length++) {
    memset(name, 'x', length);
    name[length] = 0;
    struct ldx_change c = change(LDX_DEBUG_SYMBOL_ADDED, &one, length ? name : NULL);
    ldx_changes_tell(&heap, NULL, &c, 1);
    const char *written = number(ldx_debug_block.next - 1)->name;
    assert_int_equal(strnlen(written, 64), length < 64 ? length : 63);
    assert_int_equal(strspn(written, "x"), length < 64 ? length : 60);
    if (length >= 64)
      assert_string_equal(written + 60, "...");
  }
}

static void the_ring_keeps_the_latest(void **state) {
  (void)state;
  uint64_t told = 0;
  for (int i = 0; i < 5000; i++, told += 7) {
    struct ldx_change c[7];
    for (int j = 0; j < 7; j++)
      c[j] = change(LDX_DEBUG_SYMBOL_REMOVED, &one, "f"), c[j].value = told + (uint64_t)j + 1;
    ldx_changes_tell(&heap, NULL, c, 7);
  }
  const struct ldx_debug *d = &ldx_debug_block;
  assert_int_equal(d->generation, 2 * 5000);
  assert_int_equal(d->next, told + 1);
  assert_int_equal(d->next - d->first, d->ring_size);
  assert_int_equal(d->ring_size, RING);
  for (uint64_t n = d->first; n < d->next; n++) {
    assert_int_equal(number(n)->value, n);
    assert_int_equal(number(n)->generation, 2 * ((n - 1) / 7 + 1));
  }
}

static void many_symbols_are_told_as_their_object(void **state) {
  (void)state;
  tell_many(RING / 2, 0);
  assert_int_equal(ldx_debug_block.next, RING / 2 + 1);
  one.soname = "one";
  tell_many(RING / 2 + 1, 3);
  assert_int_equal(ldx_debug_block.next, RING / 2 + 3);
  const struct ldx_debug_change *a = number(RING / 2 + 1), *b = number(RING / 2 + 2);
  assert_int_equal(a->kind, LDX_DEBUG_OBJECT_CHANGED);
  assert_int_equal(a->object, (uintptr_t)&one);
  assert_int_equal(a->symbol_type, 0);
  assert_string_equal(a->name, "one");
  assert_int_equal(b->kind, LDX_DEBUG_OBJECT_CHANGED);
  assert_int_equal(b->object, (uintptr_t)&other);
  assert_string_equal(b->name, "");
}

static void objects_are_told_beside_many_symbols(void **state) {
  (void)state;
  size_t count = RING;
  struct ldx_change *c = calloc(count, sizeof *c);
  for (size_t i = 0; i < count; i++)
    c[i] = change(LDX_DEBUG_SYMBOL_ADDED, &one, "f");
  c[0] = change(LDX_DEBUG_OBJECT_ADDED, &one, "new");
  ldx_changes_tell(&heap, NULL, c, count);
  free(c);
  assert_int_equal(ldx_debug_block.next, 3);
  assert_int_equal(number(1)->kind, LDX_DEBUG_OBJECT_ADDED);
  assert_int_equal(number(2)->kind, LDX_DEBUG_OBJECT_CHANGED);
}

static void nothing_is_an_announcement_too(void **state) {
  (void)state;
  ldx_changes_tell(&heap, NULL, NULL, 0);
  assert_int_equal(ldx_debug_block.generation, 2);
  assert_int_equal(ldx_debug_block.next, 1);
}

static long no_memory(long nr, long a, long b, long c) {
  (void)a, (void)b, (void)c;
  return nr == SYS_mmap ? -ENOMEM : STUB_PASS;
}

static void without_memory_it_counts(void **state) {
  (void)state;
  stub_on_syscall(no_memory);
  struct ldx_change c = change(LDX_DEBUG_SYMBOL_ADDED, &one, "f");
  for (int i = 0; i < 3; i++)
    ldx_changes_tell(&heap, NULL, &c, 1);
  const struct ldx_debug *d = &ldx_debug_block;
  assert_int_equal(d->generation, 6);
  assert_int_equal(d->next, 4);
  assert_int_equal(d->first, 4);
  assert_int_equal(d->ring_size, 0);
  stub_on_syscall(NULL);
  ldx_changes_tell(&heap, NULL, &c, 1);
  assert_int_equal(d->first, 4);
  assert_int_equal(number(4)->generation, 8);
}

static uint64_t while_writing;

static long note_generation(long nr, long a, long b, long c) {
  (void)a, (void)b, (void)c;
  if (nr == SYS_mmap)
    while_writing = ldx_debug_block.generation;
  return STUB_PASS;
}

static void the_generation_is_odd_while_it_writes(void **state) {
  (void)state;
  struct ldx_change c = change(LDX_DEBUG_SYMBOL_ADDED, &one, "f");
  stub_on_syscall(note_generation); /* of the ring's memory */
  ldx_changes_tell(&heap, NULL, &c, 1);
  assert_int_equal(while_writing, 1);
  assert_int_equal(ldx_debug_block.generation, 2);
}

/* In the child of a fork that came in the middle of an announcement. */
static void an_odd_generation_becomes_even(void **state) {
  (void)state;
  ldx_debug_block.generation = 9;
  ldx_changes_tell(&heap, NULL, NULL, 0);
  assert_int_equal(ldx_debug_block.generation, 10);
}

static void the_bridge(void **state) {
  (void)state;
  assert_false(ldx_changes_no_bridge());
  ldx_debug_block.reader |= LDX_DEBUG_NO_BRIDGE;
  assert_true(ldx_changes_no_bridge());
}

/* ---- who traces */

static const char *status;
static long opened; /* what opening /proc answers with */

static long proc(long nr, long a, long b, long c) {
  if (nr == SYS_openat && !strcmp((const char *)b, "/proc/thread-self/status"))
    return opened;
  if (nr == SYS_close && a == opened)
    return 0;
  if (nr != SYS_read || a != opened)
    return STUB_PASS;
  size_t n = strlen(status) < (size_t)c ? strlen(status) : (size_t)c;
  memcpy((void *)b, status, n);
  return (long)n;
}

static int tracer(const char *text) {
  status = text, opened = 777;
  stub_on_syscall(proc);
  uint32_t bits = 0;
  int pid = ldx_debugger(&bits);
  assert_int_equal(bits, LDX_DEBUG_READS_CHANGES);
  return pid;
}

static void the_tracer_is_read(void **state) {
  (void)state;
  assert_int_equal(tracer("Name:\tx\nState:\tR\nTracerPid:\t4711\nUid:\t0\n"), 4711);
  assert_int_equal(tracer("Name:\tx\nTracerPid:\t0\nUid:\t5\n"), 0);
  assert_int_equal(tracer("Name:\tTracerPid:\\t9\nTracerPid:\t12"), 12);
  assert_int_equal(tracer("Name:\tx\n"), 0);
  assert_int_equal(tracer(""), 0);
  opened = -ENOENT;
  uint32_t bits = 0;
  assert_int_equal(ldx_debugger(&bits), -ENOENT);
  assert_int_equal(bits, LDX_DEBUG_READS_CHANGES);
  assert_int_equal(ldx_debugger(NULL), -ENOENT);
  stub_on_syscall(NULL);
  assert_int_equal(ldx_debugger(NULL), 0);
}

int main(void) {
#define FRESH(function) cmocka_unit_test_setup(function, fresh)
  const struct CMUnitTest tests[] = {
      FRESH(begins_empty),
      FRESH(offsets_are_those_of_version_1),
      FRESH(one_announcement),
      FRESH(names_are_cut_with_dots),
      FRESH(the_ring_keeps_the_latest),
      FRESH(many_symbols_are_told_as_their_object),
      FRESH(objects_are_told_beside_many_symbols),
      FRESH(nothing_is_an_announcement_too),
      FRESH(without_memory_it_counts),
      FRESH(the_generation_is_odd_while_it_writes),
      FRESH(an_odd_generation_becomes_even),
      FRESH(the_bridge),
      FRESH(the_tracer_is_read),
  };
  return RUN(tests);
}
