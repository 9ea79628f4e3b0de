#include "loader/dump.h"

#include <string.h>

#include "base/print.h"
#include "base/sys.h"
#include "loader/state.h"

enum { PIECE = 1024 };

struct writer {
  ldx_dump_sink *sink;
  void *arg;
  bool more; /* something stands before on this level: a comma comes first */
  size_t used;
  char piece[PIECE];
};

static void flush(struct writer *w) {
  if (w->used)
    w->sink(w->arg, w->piece, w->used);
  w->used = 0;
}

static void put(struct writer *w, const char *text, size_t n) {
  while (n) {
    size_t room = PIECE - w->used, now = n < room ? n : room;
    memcpy(w->piece + w->used, text, now);
    w->used += now;
    text += now;
    n -= now;
    if (w->used == PIECE)
      flush(w);
  }
}

static void put_text(struct writer *w, const char *text) { put(w, text, strlen(text)); }

/* How many bytes the UTF-8 character has that begins here; 0: it is none (RFC 3629). */
static size_t utf8_size(const unsigned char *p) {
  size_t n = p[0] < 0x80                   ? 1
             : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
             : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
             : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                           : 0;
  for (size_t i = 1; i < n; i++)
    if ((p[i] & 0xc0) != 0x80)
      return 0;
  bool bad = n > 2 && ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) ||
                       (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90));
  return bad ? 0 : n;
}

static void put_string(struct writer *w, const char *text) {
  if (!text) {
    put_text(w, "null");
    return;
  }
  put(w, "\"", 1);
  for (const unsigned char *p = (const unsigned char *)text; *p;) {
    size_t n = utf8_size(p);
    char code[8];
    if (*p == '"' || *p == '\\') {
      put(w, "\\", 1);
      put(w, (const char *)p, 1);
    } else if (*p < 0x20) {
      ldx_format(code, sizeof code, "\\u%04x", *p);
      put_text(w, code);
    } else if (n) {
      put(w, (const char *)p, n);
    } else {
      put_text(w, "\\ufffd");
    }
    p += n ? n : 1;
  }
  put(w, "\"", 1);
}

/* --- members ---------------------------------------------------------------------------------------------- */

static void next(struct writer *w) {
  if (w->more)
    put_text(w, ", ");
  w->more = true;
}

static void name(struct writer *w, const char *key) {
  next(w);
  put_string(w, key);
  put_text(w, ": ");
}

static void text_member(struct writer *w, const char *key, const char *value) {
  name(w, key);
  put_string(w, value);
}

static void number_member(struct writer *w, const char *key, uint64_t value) {
  char text[24];
  name(w, key);
  ldx_format(text, sizeof text, "%lu", value);
  put_text(w, text);
}

static void signed_member(struct writer *w, const char *key, int64_t value) {
  char text[24];
  name(w, key);
  ldx_format(text, sizeof text, "%ld", (long)value);
  put_text(w, text);
}

static void bool_member(struct writer *w, const char *key, bool value) {
  name(w, key);
  put_text(w, value ? "true" : "false");
}

static void address_member(struct writer *w, const char *key, uintptr_t value) {
  char text[24];
  name(w, key);
  ldx_format(text, sizeof text, value ? "\"0x%lx\"" : "null", value);
  put_text(w, text);
}

static void id_member(struct writer *w, const char *key, uint64_t id) {
  if (id) {
    number_member(w, key, id);
    return;
  }
  name(w, key);
  put_text(w, "null");
}

static void open_list(struct writer *w, const char *key) {
  name(w, key);
  put_text(w, "[");
  w->more = false;
}

static void close_list(struct writer *w) {
  put_text(w, "]");
  w->more = true;
}

/* An element of a list of objects, on a line of its own. */
static void open_element(struct writer *w) {
  put_text(w, w->more ? ",\n  {" : "\n  {");
  w->more = false;
}

static void close_element(struct writer *w) {
  put_text(w, "}");
  w->more = true;
}

static void hex_member(struct writer *w, const char *key, const uint8_t *bytes, size_t size) {
  char digits[4];
  name(w, key);
  put_text(w, bytes ? "\"" : "null");
  for (size_t i = 0; bytes && i < size; i++) {
    ldx_format(digits, sizeof digits, "%02x", bytes[i]);
    put(w, digits, 2);
  }
  if (bytes)
    put_text(w, "\"");
}

/* --- state ----------------------------------------------------------------------------------------------- */

static int dump_namespace(void *arg, const struct ldx_namespace_info *i) {
  struct writer *w = arg;
  open_element(w);
  signed_member(w, "ns", i->ns);
  number_member(w, "objects", i->objects);
  bool_member(w, "isolated", i->isolated);
  bool_member(w, "of_tool", i->of_tool);
  close_element(w);
  return 0;
}

static void dump_flags(struct writer *w, uint32_t flags) {
  static const char names[][12] = {"program",  "loader", "vdso", "proxy",       "global",
                                   "nodelete", "ready",  "tool", "from_memory", "runtime"};
  open_list(w, "flags");
  for (size_t i = 0; i < LDX_COUNT(names); i++)
    if (flags >> i & 1) {
      next(w);
      put_string(w, names[i]);
    }
  close_list(w);
}

static int dump_object(void *arg, const struct ldx_object_info *i) {
  struct writer *w = arg;
  open_element(w);
  number_member(w, "id", i->id);
  signed_member(w, "ns", i->ns);
  text_member(w, "name", i->name);
  text_member(w, "path", i->path);
  text_member(w, "soname", i->soname);
  text_member(w, "reason", i->reason);
  address_member(w, "base", i->base);
  address_member(w, "low", i->low);
  address_member(w, "high", i->high);
  number_member(w, "opens", i->opens);
  id_member(w, "tls_module", i->tls_module);
  id_member(w, "requested_by", i->requested_by);
  id_member(w, "real", i->real);
  hex_member(w, "build_id", i->build_id, i->build_id_size);
  dump_flags(w, i->flags);
  close_element(w);
  return 0;
}

static int dump_thread(void *arg, const struct ldx_thread_info *i) {
  struct writer *w = arg;
  open_element(w);
  id_member(w, "id", i->id);
  id_member(w, "tid", i->tid);
  address_member(w, "stack_low", i->stack_low);
  address_member(w, "stack_high", i->stack_high);
  address_member(w, "tcb", i->tcb);
  close_element(w);
  return 0;
}

static int dump_tls(void *arg, const struct ldx_tls_info *i) {
  struct writer *w = arg;
  open_element(w);
  number_member(w, "module", i->module);
  number_member(w, "object", i->object);
  id_member(w, "thread", i->thread);
  address_member(w, "block", (uintptr_t)i->block);
  number_member(w, "bytes", i->bytes);
  number_member(w, "align", i->align);
  bool_member(w, "is_static", i->is_static);
  close_element(w);
  return 0;
}

static int dump_tool(void *arg, const struct ldx_tool_info *i) {
  struct writer *w = arg;
  open_element(w);
  text_member(w, "name", i->name);
  text_member(w, "version", i->version);
  text_member(w, "path", i->path);
  text_member(w, "why_here", i->why_here);
  signed_member(w, "ns", i->ns);
  text_member(w, "state", i->state ? "disabled" : "ready");
  open_list(w, "events");
  for (uint32_t type = 1; type < LDX_EV_TYPES; type++)
    if (i->events >> type & 1) {
      next(w);
      put_string(w, ldx_event_name(type));
    }
  close_list(w);
  number_member(w, "calls", i->calls);
  number_member(w, "nanoseconds", i->nanoseconds);
  close_element(w);
  return 0;
}

static void nothing(void *ctx, const struct ldx_event *e) { (void)ctx, (void)e; }

static void dump_events(struct writer *w) {
  name(w, "events");
  put_text(w, "{");
  w->more = false;
  number_member(w, "next", ldx_history(UINT64_MAX, nothing, NULL));
  number_member(w, "lost", ldx_history_lost());
  put_text(w, "}");
}

/* The members of an object stand on lines of their own. */
static void new_line(struct writer *w) {
  put_text(w, ",\n ");
  w->more = false;
}

void ldx_dump_state(ldx_dump_sink *sink, void *arg) {
  struct writer w = {.sink = sink, .arg = arg};
  put_text(&w, "{");
  text_member(&w, "ldx", LDX_VERSION);
  number_member(&w, "pid", (uint64_t)sys_getpid());
  text_member(&w, "program", ldx_self.program_path);
  new_line(&w);
  open_list(&w, "namespaces");
  ldx_each_namespace(dump_namespace, &w);
  close_list(&w);
  new_line(&w);
  open_list(&w, "objects");
  ldx_each_object(-1, dump_object, &w);
  close_list(&w);
  new_line(&w);
  open_list(&w, "threads");
  ldx_each_thread(dump_thread, &w);
  close_list(&w);
  new_line(&w);
  open_list(&w, "tls");
  ldx_each_tls(dump_tls, &w);
  close_list(&w);
  new_line(&w);
  open_list(&w, "tools");
  ldx_each_tool(dump_tool, &w);
  close_list(&w);
  new_line(&w);
  dump_events(&w);
  put_text(&w, "}\n");
  flush(&w);
}

/* --- history --------------------------------------------------------------------------------------------- */

static void dump_library(struct writer *w, const struct ldx_event *e) {
  text_member(w, "name", e->u.lib.name);
  text_member(w, "path", e->u.lib.path);
  text_member(w, "reason", e->u.lib.reason);
  text_member(w, "author", e->u.lib.author);
  address_member(w, "base", e->u.lib.base);
}

static void dump_load(struct writer *w, const struct ldx_event *e) {
  number_member(w, "objects", e->u.load.objects);
  signed_member(w, "status", e->u.load.status);
  text_member(w, "text", e->u.load.text);
}

static void dump_binding(struct writer *w, const struct ldx_event *e) {
  text_member(w, "symbol", e->u.bind.symbol);
  text_member(w, "version", e->u.bind.version);
  address_member(w, "slot", (uintptr_t)e->u.bind.slot);
  number_member(w, "relocation", e->u.bind.relocation);
  bool_member(w, "lazy", e->u.bind.lazy);
  address_member(w, "was", (uintptr_t)e->u.bind.was);
}

static void dump_call(struct writer *w, const struct ldx_event *e) {
  text_member(w, "name", e->u.call.name);
  text_member(w, "error", e->u.call.error);
  signed_member(w, "mode", e->u.call.mode);
}

static void dump_thread_event(struct writer *w, const struct ldx_event *e) {
  id_member(w, "thread", e->u.thread.thread);
  address_member(w, "stack_low", e->u.thread.stack_low);
  address_member(w, "stack_high", e->u.thread.stack_high);
  address_member(w, "tcb", e->u.thread.tcb);
}

static void dump_tls_event(struct writer *w, const struct ldx_event *e) {
  number_member(w, "module", e->u.tls.module);
  number_member(w, "bytes", e->u.tls.bytes);
  number_member(w, "align", e->u.tls.align);
  bool_member(w, "is_static", e->u.tls.is_static);
  id_member(w, "thread", e->u.tls.thread);
}

static void dump_process(struct writer *w, const struct ldx_event *e) {
  id_member(w, "child_or_parent", (uint64_t)e->u.process.pid);
  text_member(w, "path", e->u.process.path);
}

static void dump_memory(struct writer *w, const struct ldx_event *e) {
  number_member(w, "bytes", e->u.memory.bytes);
  address_member(w, "old", (uintptr_t)e->u.memory.old);
  text_member(w, "function", e->u.memory.function);
  address_member(w, "caller", (uintptr_t)e->u.memory.caller);
}

static void dump_tool_event(struct writer *w, const struct ldx_event *e) {
  text_member(w, "name", e->u.tool.name);
  text_member(w, "other_tool", e->u.tool.other);
  text_member(w, "text", e->u.tool.text);
}

static void dump_io(struct writer *w, const struct ldx_event *e) {
  text_member(w, "path", e->u.io.path);
  text_member(w, "call", e->u.io.call);
  text_member(w, "provider", e->u.io.provider);
  signed_member(w, "error", e->u.io.error);
}

/* What the type tells beyond what all tell. */
static void dump_details(struct writer *w, const struct ldx_event *e) {
  switch (e->type) {
  case LDX_EV_START:
  case LDX_EV_SEARCH:
  case LDX_EV_FOUND:
  case LDX_EV_DENIED:
  case LDX_EV_REWRITTEN:
  case LDX_EV_MAPPED:
  case LDX_EV_RELOCATED:
  case LDX_EV_INIT:
  case LDX_EV_READY:
  case LDX_EV_FINI:
  case LDX_EV_DLCLOSE:
  case LDX_EV_MAIN:
  case LDX_EV_EXIT:
  case LDX_EV_UNLOADED:
    dump_library(w, e);
    break;
  case LDX_EV_LOAD_BEGIN:
  case LDX_EV_LOAD_END:
    dump_load(w, e);
    break;
  case LDX_EV_BIND:
  case LDX_EV_IFUNC:
  case LDX_EV_DLSYM:
    dump_binding(w, e);
    break;
  case LDX_EV_DLOPEN:
  case LDX_EV_DLOPENED:
    dump_call(w, e);
    break;
  case LDX_EV_THREAD_START:
  case LDX_EV_THREAD_EXIT:
    dump_thread_event(w, e);
    break;
  case LDX_EV_TLS_MODULE:
  case LDX_EV_TLS_MODULE_GONE:
  case LDX_EV_TLS_BLOCK:
  case LDX_EV_TLS_BLOCK_GONE:
    dump_tls_event(w, e);
    break;
  case LDX_EV_FORK:
  case LDX_EV_VFORK:
  case LDX_EV_CLONE:
  case LDX_EV_SPAWN:
  case LDX_EV_CHILD:
  case LDX_EV_EXEC:
    dump_process(w, e);
    break;
  case LDX_EV_ALLOC:
  case LDX_EV_REALLOC:
  case LDX_EV_FREE:
    dump_memory(w, e);
    break;
  case LDX_EV_TOOL:
  case LDX_EV_TOOL_CONFLICT:
  case LDX_EV_TOOL_FAULT:
    dump_tool_event(w, e);
    break;
  case LDX_EV_IO:
    dump_io(w, e);
    break;
  }
}

static void dump_event(void *ctx, const struct ldx_event *e) {
  struct writer *w = ctx;
  w->more = false;
  put_text(w, "{");
  number_member(w, "seq", e->seq);
  number_member(w, "time", e->time);
  text_member(w, "type", ldx_event_name(e->type));
  number_member(w, "tid", e->tid);
  number_member(w, "pid", e->pid);
  signed_member(w, "ns", e->ns);
  id_member(w, "object", e->object);
  id_member(w, "other", e->other);
  address_member(w, "addr", (uintptr_t)e->addr);
  dump_details(w, e);
  put_text(w, "}\n");
}

void ldx_dump_event(const struct ldx_event *e, ldx_dump_sink *sink, void *arg) {
  struct writer w = {.sink = sink, .arg = arg};
  dump_event(&w, e);
  flush(&w);
}

uint64_t ldx_dump_history(uint64_t from, ldx_dump_sink *sink, void *arg) {
  struct writer w = {.sink = sink, .arg = arg};
  uint64_t following = ldx_history(from, dump_event, &w);
  flush(&w);
  return following;
}
