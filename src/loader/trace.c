/* LD_DEBUG output (ld.so(8)). Every line begins with the process number; a message is one write where it fits. */
#include "loader/trace.h"

#include <stdarg.h>
#include <string.h>

#include "base/print.h"
#include "base/sys.h"
#include "base/text.h"

struct sink {
  size_t n;
  bool inside; /* a line has begun */
  char buf[4096];
};

/* Not an initialiser: the buffer needs no clearing. */
static void begin(struct sink *s) {
  s->n = 0;
  s->inside = false;
}

static void flush(struct sink *s) {
  if (s->n)
    sys_write(ldx_self.options.debug_fd, s->buf, s->n);
  s->n = 0;
}

static void put_raw(struct sink *s, const char *p, size_t n) {
  while (n) {
    size_t room = sizeof s->buf - s->n, part = n < room ? n : room;
    memcpy(s->buf + s->n, p, part);
    s->n += part;
    p += part;
    n -= part;
    if (s->n == sizeof s->buf)
      flush(s);
  }
}

static void put(struct sink *s, const char *text) {
  while (*text) {
    if (!s->inside) {
      char prefix[24];
      put_raw(s, prefix, ldx_format(prefix, sizeof prefix, "%10ld:\t", sys_getpid()));
    }
    size_t n = ldx_until(text, "\n");
    s->inside = text[n] == '\0';
    n += !s->inside;
    put_raw(s, text, n);
    text += n;
  }
}

static void put_format(struct sink *s, const char *fmt, va_list ap) {
  char stack[1024], *text = stack;
  va_list again;
  va_copy(again, ap);
  size_t n = ldx_vformat(stack, sizeof stack, fmt, ap);
  if (n >= sizeof stack && (text = ldx_new(n + 1)))
    ldx_vformat(text, n + 1, fmt, again);
  va_end(again);
  put(s, text ? text : stack);
  if (text != stack)
    ldx_delete(text);
}

static void write_lines(const char *fmt, va_list ap, const char *end) {
  struct sink s;
  begin(&s);
  put_format(&s, fmt, ap);
  put(&s, end);
  flush(&s);
}

void ldx_debug(const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  write_lines(fmt, ap, "\n");
  va_end(ap);
}

void ldx_guest_debug_printf(const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  write_lines(fmt, ap, "");
  va_end(ap);
}

void ldx_trace_tried(const struct ldx_sym_request *r, const struct ldx_object *o) {
  ldx_debug("symbol=%s;  lookup in file=%s [%ld]", r->name.text, ldx_display_name(o), o->ns->id);
}

void ldx_trace_binding(const struct ldx_sym_request *r, bool protected) {
  if (!ldx_tracing(LDX_DEBUG_BINDINGS))
    return;
  ldx_debug("binding file %s [%ld] to %s [%ld]: %s symbol `%s'%s%s%s", ldx_display_name(r->from), r->from->ns->id,
            ldx_display_name(r->object), r->object->ns->id, protected ? "protected" : "normal", r->name.text,
            r->version ? " [" : "", r->version ? r->version->name : "", r->version ? "]" : "");
}

void ldx_trace_dependency(const struct ldx_object *o, const struct ldx_object *by) {
  if (ldx_tracing(LDX_DEBUG_FILES))
    ldx_debug("\nfile=%s [%ld];  needed by %s [%ld] (relocation dependency)\n", ldx_display_name(o), o->ns->id,
              ldx_display_name(by), by->ns->id);
}

void ldx_trace_map(const char *name, const struct ldx_namespace *ns) {
  if (ldx_tracing(LDX_DEBUG_FILES))
    ldx_debug("file=%s [%ld];  generating link map", name, ns->id);
}

void ldx_trace_flags(const struct ldx_object *o) {
  const uint64_t heeded =
      DF_1_NOW | DF_1_NODELETE | DF_1_INITFIRST | DF_1_NOOPEN | DF_1_ORIGIN | DF_1_NODEFLIB | DF_1_PIE;
  if (ldx_tracing(LDX_DEBUG_FILES) && (o->dyn.flags_1 & ~heeded))
    ldx_debug("\nWARNING: Unsupported flag value(s) of 0x%lx in DT_FLAGS_1.", o->dyn.flags_1 & ~heeded);
}

void ldx_trace_mapped(const struct ldx_object *o) {
  if (!ldx_tracing(LDX_DEBUG_FILES))
    return;
  const struct elf_segment *last = &o->image.segments[o->image.segment_count - 1];
  ldx_trace_flags(o);
  ldx_debug("  dynamic: 0x%016lx  base: 0x%016lx   size: 0x%016lx\n"
            "    entry: 0x%016lx  phdr: 0x%016lx  phnum:   %*u\n",
            (uintptr_t)o->map.l_ld, o->map.l_addr, o->map.l_addr + last->vaddr + last->memsz - o->map_start,
            o->entry ? o->entry : o->map.l_addr, (uintptr_t)o->phdrs, 16, o->image.phnum);
}

void ldx_trace_destroyed(const struct ldx_object *o) {
  ldx_debug("\nfile=%s [%ld];  destroying link map", o->map.l_name, o->ns->id);
}

void ldx_trace_pinned(const struct ldx_object *o, const struct ldx_object *by) {
  if (!ldx_tracing(LDX_DEBUG_BINDINGS))
    return;
  if (by->kind == LDX_PROGRAM)
    ldx_debug("marking %s [%ld] as NODELETE due to reference from main program", o->map.l_name, o->ns->id);
  else
    ldx_debug("marking %s [%ld] as NODELETE due to reference from %s [%ld]", o->map.l_name, o->ns->id, by->map.l_name,
              by->ns->id);
}

/* LD_DEBUG=unused asks for what is used, whatever else is wrong. */
void ldx_trace_error(const struct ldx_diag *d, const char *what, bool continued) {
  if (ldx_tracing(~(uint32_t)LDX_DEBUG_STATISTICS) && !ldx_tracing(LDX_DEBUG_UNUSED))
    ldx_debug("%s: error: %s error: %s (%s)", d->object ? d->object : "", what, d->text ? d->text : "",
              continued ? "continued" : "fatal");
}

static void put_slot(struct sink *s, uint32_t index, const struct ldx_scope_list *list) {
  char head[32];
  ldx_format(head, sizeof head, " scope %u:", index);
  put(s, head);
  for (uint32_t i = 0; list && i < list->count; i++) {
    put(s, " ");
    put(s, ldx_display_name(list->at[i].object));
  }
  put(s, "\n");
}

void ldx_trace_scope(const struct ldx_object *o, uint32_t first) {
  struct sink s;
  begin(&s);
  ldx_debug("object=%s [%ld]", ldx_display_name(o), o->ns->id);
  for (uint32_t i = first; o->scope && o->scope[i]; i++)
    put_slot(&s, i, o->scope[i]->list);
  put(&s, o->scope ? "\n" : " no scope\n\n");
  flush(&s);
}

/* ldx is an object of the process, but nothing looks symbols up in it or from it. */
void ldx_trace_scopes(const struct ldx_load *l) {
  ldx_debug("\nInitial object scopes");
  for (uint32_t i = 0; i < l->fresh.count; i++)
    if (l->fresh.at[i]->kind != LDX_LOADER)
      ldx_trace_scope(l->fresh.at[i], 0);
}
