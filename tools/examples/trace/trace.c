/* trace: what the loader does, as a file that chrome://tracing and https://ui.perfetto.dev open.
 *
 *   ldx --tool libldx-trace.so[,FILE][,binds] PROGRAM
 *
 * FILE is ldx-trace.json unless named; a child of fork writes FILE.PID. Bars: each load (dlopen too), how long each
 * library took to be found and mapped, to be relocated, and its constructors. With `binds` each reference that is
 * bound is a mark; there are thousands.
 *
 * What this tool shows to those who write their own: how to subscribe, what events carry, how to see that the process
 * has forked. Format: "Trace Event Format", JSON array form, which may lack its end when the
 * process does not come to its own. */
#include <ldx/event.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
  const char *path, *program;
  FILE *file;
  uint32_t pid; /* whose file it is */
  bool binds;
  const char **names; /* of objects, by their ids: only LDX_EV_MAPPED has them */
  size_t room;
  /* Libraries are searched for, mapped and relocated one after the other, under the loader's lock. */
  uint64_t search_began, step_ended;
} trace;

static void write_text(const char *text) {
  fputc('"', trace.file);
  for (const char *p = text ? text : ""; *p; p++)
    if (*p == '"' || *p == '\\')
      fprintf(trace.file, "\\%c", *p);
    else if ((unsigned char)*p < ' ')
      fprintf(trace.file, "\\u%04x", *p);
    else
      fputc(*p, trace.file);
  fputc('"', trace.file);
}

static bool open_file(const char *path, uint32_t pid) {
  trace.file = fopen(path, "we");
  trace.pid = pid;
  if (!trace.file)
    return false;
  setvbuf(trace.file, NULL, trace.binds ? _IOFBF : _IOLBF, BUFSIZ);
  fprintf(trace.file,
          "[\n"
          "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%u,\"tid\":%u,\"args\":{\"name\":",
          pid, pid);
  write_text(trace.program);
  fputs("}}", trace.file);
  return true;
}

/* What the parent had not written yet is the parent's. */
static void follow_fork(const struct ldx_event *e) {
  char path[4096];
  snprintf(path, sizeof path, "%s.%u", trace.path, e->pid);
  __fpurge(trace.file);
  fclose(trace.file);
  open_file(path, e->pid);
}

/* Ids are small numbers. Texts of events stay. */
static void note_name(const struct ldx_event *e) {
  if (e->object >= trace.room) {
    size_t room = 2 * (size_t)e->object + 64;
    const char **bigger = realloc(trace.names, room * sizeof *bigger);
    if (!bigger)
      return;
    memset(bigger + trace.room, 0, (room - trace.room) * sizeof *bigger);
    trace.names = bigger;
    trace.room = room;
  }
  trace.names[e->object] = e->u.lib.name;
}

static const char *name_of(const struct ldx_event *e) {
  return e->object < trace.room ? trace.names[e->object] : NULL;
}

/* Microseconds with three places: the format's unit. */
static void begin_entry(const struct ldx_event *e, char phase, uint64_t time, const char *what, const char *name) {
  fprintf(trace.file,
          ",\n{\"ph\":\"%c\",\"pid\":%u,\"tid\":%u,\"ts\":%" PRIu64 ".%03u,\"cat\":\"%s\",\"name\":", phase, e->pid,
          e->tid, time / 1000, (unsigned)(time % 1000), what);
  write_text(name);
}

static void add(const struct ldx_event *e, char phase, const char *what, const char *name) {
  begin_entry(e, phase, e->time, what, name);
  fputs(phase == 'i' ? ",\"s\":\"t\"}" : "}", trace.file);
}

/* A bar from `began` to now. */
static void add_bar(const struct ldx_event *e, uint64_t began, const char *what) {
  uint64_t length = e->time - began;
  begin_entry(e, 'X', began, what, name_of(e));
  fprintf(trace.file, ",\"dur\":%" PRIu64 ".%03u,\"args\":{\"path\":", length / 1000, (unsigned)(length % 1000));
  write_text(e->type == LDX_EV_MAPPED ? e->u.lib.path : "");
  fputs("}}", trace.file);
}

static void bind(const struct ldx_event *e) {
  begin_entry(e, 'i', e->time, "bind", e->u.bind.symbol);
  fprintf(trace.file, ",\"s\":\"t\",\"args\":{\"from\":%" PRIu64 ",\"to\":%" PRIu64 ",\"address\":\"%p\"}}",
          e->object, e->other, e->addr);
}

/* The loader tells of a library's steps when they are done; each one began when the step before it ended. */
static void library(const struct ldx_event *e) {
  if (e->type == LDX_EV_MAPPED) {
    note_name(e);
    add_bar(e, trace.search_began ? trace.search_began : e->time, "map");
    trace.search_began = 0;
  } else {
    add_bar(e, trace.step_ended ? trace.step_ended : e->time, "relocate");
  }
  trace.step_ended = e->time;
}

static void take(const struct ldx_event *e) {
  switch (e->type) {
  case LDX_EV_LOAD_BEGIN:
    trace.step_ended = e->time;
    add(e, 'B', "load", e->flags & LDX_LOAD_OUT ? "unload" : "load");
    break;
  case LDX_EV_LOAD_END:
    add(e, 'E', "load", "");
    break;
  case LDX_EV_SEARCH:
    trace.search_began = e->time;
    break;
  case LDX_EV_MAPPED:
  case LDX_EV_RELOCATED:
    library(e);
    break;
  case LDX_EV_INIT:
    add(e, 'B', "constructors", name_of(e));
    break;
  case LDX_EV_READY:
    add(e, 'E', "constructors", name_of(e));
    break;
  case LDX_EV_DLOPEN:
    add(e, 'B', "dlopen", e->u.call.name);
    break;
  case LDX_EV_DLOPENED:
    add(e, 'E', "dlopen", e->u.call.name);
    break;
  case LDX_EV_BIND:
    bind(e);
    break;
  case LDX_EV_UNLOADED:
    add(e, 'i', "unload", e->u.lib.name);
    break;
  case LDX_EV_MAIN:
    add(e, 'i', "main", "main");
    break;
  case LDX_EV_EXIT:
    add(e, 'i', "exit", "exit");
    fputs("\n]\n", trace.file);
    fclose(trace.file);
    trace.file = NULL;
    break;
  }
}

/* Several threads may come at once; the file's own lock keeps each entry in one piece. */
static void told(void *ctx, const struct ldx_event *e) {
  (void)ctx;
  if (trace.file && e->pid != trace.pid)
    follow_fork(e);
  FILE *file = trace.file;
  if (!file)
    return;
  flockfile(file);
  if (trace.file == file)
    take(e);
  if (trace.file == file)
    funlockfile(file);
}

int ldx_tool_main(ldx_tool *self, const struct ldx_tool_args *args, struct ldx_tool_desc *out) {
  uint64_t types = LDX_EV_LIBRARIES | LDX_EV_BIT(LDX_EV_SEARCH) | LDX_EV_BIT(LDX_EV_INIT) |
                   LDX_EV_BIT(LDX_EV_DLOPEN) | LDX_EV_BIT(LDX_EV_DLOPENED) | LDX_EV_BIT(LDX_EV_MAIN) |
                   LDX_EV_BIT(LDX_EV_EXIT);
  out->name = "trace";
  trace.path = "ldx-trace.json";
  trace.program = args->program;
  for (int i = 0; i < args->argc; i++)
    if (!strcmp(args->argv[i], "binds"))
      trace.binds = true;
    else
      trace.path = args->argv[i];
  if (!open_file(trace.path, (uint32_t)getpid())) {
    ldx_tool_log(self, "cannot write the trace");
    return 1;
  }
  types |= trace.binds ? LDX_EV_BIT(LDX_EV_BIND) : 0;
  return ldx_subscribe(self, types, told, NULL, args->late ? LDX_SUBSCRIBE_REPLAY : 0);
}
