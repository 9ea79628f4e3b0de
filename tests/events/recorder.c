/* A tool that writes what it is told, one line of JSON for each event, and misbehaves on request. Its words:
 *   to=FILE             where the lines go (appended)
 *   name=N before=N after=N priority=N
 *   types=A+B           event types, or all, or libraries
 *   watchdog=MS         how long a callback may take
 *   replay              what happened before is told first
 *   do=ACT@TYPE[=TEXT]  in the callback of the first event of that type, and of that name where TEXT has one:
 *       crash abort divide illegal jump overflow   ends in a signal
 *       write write-text                   writes to the event, or to its name
 *       hang=MS                            sleeps
 *       unsubscribe                        itself
 *       open=LIBRARY                       in the tool's own namespace
 *       open-there=LIBRARY                 in the program's
 *       close                              what `open` has opened
 *       fork                               tells in the child too */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ldx/event.h>
#include <ldx/tool.h>

static struct {
  ldx_tool *self;
  const char *name;
  int fd;
  char act[32], text[256];
  uint32_t act_type;
  void *opened;
} me = {.fd = 2};

static size_t add(char *line, size_t n, size_t size, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  n += (size_t)vsnprintf(line + n, size - n, fmt, ap);
  va_end(ap);
  return n;
}

static size_t add_text(char *line, size_t n, size_t size, const char *key, const char *value) {
  return value ? add(line, n, size, ", \"%s\": \"%s\"", key, value) : n;
}

static const char *name_of(const struct ldx_event *e) {
  switch (e->type) {
  case LDX_EV_START:
  case LDX_EV_SEARCH:
  case LDX_EV_FOUND:
  case LDX_EV_MAPPED:
  case LDX_EV_UNLOADED:
    return e->u.lib.name;
  case LDX_EV_BIND:
  case LDX_EV_IFUNC:
  case LDX_EV_DLSYM:
    return e->u.bind.symbol;
  case LDX_EV_DLOPEN:
  case LDX_EV_DLOPENED:
    return e->u.call.name;
  case LDX_EV_TOOL_FAULT:
    return e->u.tool.name;
  default:
    return NULL;
  }
}

static void record(const struct ldx_event *e) {
  char line[4096];
  const size_t size = sizeof line;
  size_t n =
      add(line, 0, size,
          "{\"tool\": \"%s\", \"type\": \"%s\", \"seq\": %lu, \"time\": %lu, \"tid\": %u, \"pid\": %u, \"ns\": %ld, "
          "\"object\": %lu, \"other\": %lu, \"addr\": %lu, \"flags\": %u",
          me.name, ldx_event_name(e->type), e->seq, e->time, e->tid, e->pid, (long)e->ns, e->object, e->other,
          (unsigned long)e->addr, e->flags);
  n = add_text(line, n, size, "name", name_of(e));
  switch (e->type) {
  case LDX_EV_FOUND:
  case LDX_EV_MAPPED:
  case LDX_EV_UNLOADED:
    n = add_text(line, n, size, "path", e->u.lib.path);
    n = add_text(line, n, size, "reason", e->u.lib.reason);
    n = add(line, n, size, ", \"base\": %lu", (unsigned long)e->u.lib.base);
    break;
  case LDX_EV_LOAD_END:
    n = add(line, n, size, ", \"status\": %d, \"objects\": %u", e->u.load.status, e->u.load.objects);
    n = add_text(line, n, size, "text", e->u.load.text);
    break;
  case LDX_EV_BIND:
  case LDX_EV_IFUNC:
  case LDX_EV_DLSYM:
    n = add_text(line, n, size, "version", e->u.bind.version);
    n = add(line, n, size, ", \"slot\": %lu, \"relocation\": %u, \"lazy\": %u, \"was\": %lu",
            (unsigned long)e->u.bind.slot, e->u.bind.relocation, e->u.bind.lazy, (unsigned long)e->u.bind.was);
    break;
  case LDX_EV_DLOPENED:
    n = add_text(line, n, size, "error", e->u.call.error);
    break;
  case LDX_EV_TOOL_FAULT:
    n = add_text(line, n, size, "text", e->u.tool.text);
    break;
  }
  n = add(line, n, size, "}\n");
  if (write(me.fd, line, n) != (ssize_t)n)
    abort();
}

static void say(const char *fmt, ...) {
  char line[1024];
  va_list ap;
  va_start(ap, fmt);
  int n = vsnprintf(line, sizeof line, fmt, ap);
  va_end(ap);
  if (write(2, line, (size_t)n) != n)
    abort();
}

static void on_event(void *ctx, const struct ldx_event *e);

static void hang(void) {
  long ms = strtol(me.text, NULL, 10);
  const struct timespec t = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&t, NULL);
}

static void open_library(Lmid_t ns) {
  me.opened = ns == LM_ID_BASE ? dlmopen(ns, me.text, RTLD_NOW) : dlopen(me.text, RTLD_NOW);
  say("%s: opened: %s\n", me.name, me.opened ? "yes" : dlerror());
}

static void fork_here(const struct ldx_event *e) {
  pid_t child = fork();
  if (!child) {
    say("%s: child has event %lu\n", me.name, e->seq);
    _exit(0);
  }
  waitpid(child, NULL, 0);
}

#pragma GCC diagnostic ignored "-Winfinite-recursion"
static int overflow(volatile char *p) {
  volatile char more[4096];
  more[0] = *p;
  return overflow(more) + more[0];
}

static void act(const struct ldx_event *e) {
  volatile int zero = 0;
  if (!strcmp(me.act, "crash"))
    *(volatile int *)16 = 1;
  else if (!strcmp(me.act, "abort"))
    abort();
  else if (!strcmp(me.act, "divide"))
    zero = 77 / zero;
  else if (!strcmp(me.act, "illegal"))
    __builtin_trap();
  else if (!strcmp(me.act, "jump"))
    ((void (*)(void))64)();
  else if (!strcmp(me.act, "overflow"))
    overflow(me.act);
  else if (!strcmp(me.act, "write"))
    ((struct ldx_event *)e)->seq = 0;
  else if (!strcmp(me.act, "write-text"))
    *(char *)name_of(e) = 'x';
  else if (!strcmp(me.act, "hang"))
    hang();
  else if (!strcmp(me.act, "unsubscribe"))
    say("%s: unsubscribe: %d\n", me.name, ldx_unsubscribe(me.self, on_event, NULL));
  else if (!strcmp(me.act, "open"))
    open_library(LM_ID_NEWLM);
  else if (!strcmp(me.act, "open-there"))
    open_library(LM_ID_BASE);
  else if (!strcmp(me.act, "fork"))
    fork_here(e);
}

static void on_event(void *ctx, const struct ldx_event *e) {
  record(e);
  if (e->type != me.act_type)
    return;
  me.act_type = 0;
  act(e);
}

static uint32_t type_of(const char *name, size_t n) {
  for (uint32_t i = 1; i < LDX_EV_TYPES; i++)
    if (strlen(ldx_event_name(i)) == n && !strncmp(ldx_event_name(i), name, n))
      return i;
  say("recorder: no event %.*s\n", (int)n, name);
  exit(99);
}

static uint64_t types_of(const char *words) {
  uint64_t types = 0;
  while (*words) {
    size_t n = strcspn(words, "+");
    if (n == 3 && !strncmp(words, "all", n))
      types |= LDX_EV_ALL;
    else if (n == 9 && !strncmp(words, "libraries", n))
      types |= LDX_EV_LIBRARIES;
    else
      types |= LDX_EV_BIT(type_of(words, n));
    words += n + (words[n] == '+');
  }
  return types;
}

static void read_act(const char *word) {
  size_t n = strcspn(word, "@"), t = strcspn(word + n + 1, "=");
  snprintf(me.act, sizeof me.act, "%.*s", (int)n, word);
  me.act_type = type_of(word + n + 1, t);
  snprintf(me.text, sizeof me.text, "%s", word[n + 1 + t] ? word + n + t + 2 : "");
}

int ldx_tool_main(ldx_tool *self, const struct ldx_tool_args *args, struct ldx_tool_desc *out) {
  static const char *before[2], *after[2];
  uint64_t types = LDX_EV_LIBRARIES;
  uint32_t flags = 0;
  me.self = self;
  me.name = "recorder";
  for (int i = 0; i < args->argc; i++) {
    const char *word = args->argv[i], *value = strchr(word, '=');
    value = value ? value + 1 : "";
    if (!strncmp(word, "to=", 3))
      me.fd = open(value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    else if (!strncmp(word, "name=", 5))
      me.name = value;
    else if (!strncmp(word, "before=", 7))
      before[0] = value;
    else if (!strncmp(word, "after=", 6))
      after[0] = value;
    else if (!strncmp(word, "priority=", 9))
      out->priority = atoi(value);
    else if (!strncmp(word, "watchdog=", 9))
      out->watchdog = strtoul(value, NULL, 10) * 1000000;
    else if (!strncmp(word, "types=", 6))
      types = types_of(value);
    else if (!strcmp(word, "replay"))
      flags = LDX_SUBSCRIBE_REPLAY;
    else if (!strncmp(word, "do=", 3))
      read_act(value);
  }
  out->name = me.name;
  out->before = before;
  out->after = after;
  return ldx_subscribe(self, types, on_event, NULL, flags);
}
