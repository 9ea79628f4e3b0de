/* A tool: writes a line for each event of the types it is given. `--tool libwatcher.so,FILE,NAME,...`
 *
 * A line is "NAME pid=... tid=... object=... " and what the type tells, as key=value. Lines of several processes go
 * to one file. */
#include <fcntl.h>
#include <inttypes.h>
#include <ldx/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int file;
static const char *own_name = "watcher";

static int say_thread(char *p, size_t n, const struct ldx_event *e) {
  return snprintf(p, n, " thread=%" PRIu64 " low=%#lx high=%#lx tcb=%#lx", e->u.thread.thread, e->u.thread.stack_low,
                  e->u.thread.stack_high, e->u.thread.tcb);
}

static int say_tls(char *p, size_t n, const struct ldx_event *e) {
  return snprintf(p, n, " module=%" PRIu64 " bytes=%" PRIu64 " static=%" PRIu64 " thread=%" PRIu64 " block=%p",
                  e->u.tls.module, e->u.tls.bytes, e->u.tls.is_static, e->u.tls.thread, e->addr);
}

static int say_process(char *p, size_t n, const struct ldx_event *e) {
  return snprintf(p, n, " of=%" PRId64 " path=%s", e->u.process.pid, e->u.process.path ? e->u.process.path : "-");
}

static int say_memory(char *p, size_t n, const struct ldx_event *e) {
  free(malloc(100)); /* a tool may allocate */
  return snprintf(p, n, " function=%s bytes=%" PRIu64 " block=%p old=%p caller=%p", e->u.memory.function,
                  e->u.memory.bytes, e->addr, e->u.memory.old, e->u.memory.caller);
}

static int say(char *p, size_t n, const struct ldx_event *e) {
  if (e->type >= LDX_EV_THREAD_START && e->type <= LDX_EV_THREAD_EXIT)
    return say_thread(p, n, e);
  if (e->type >= LDX_EV_TLS_MODULE && e->type <= LDX_EV_TLS_BLOCK_GONE)
    return say_tls(p, n, e);
  if (e->type >= LDX_EV_FORK && e->type <= LDX_EV_EXEC)
    return say_process(p, n, e);
  if (e->type >= LDX_EV_ALLOC && e->type <= LDX_EV_FREE)
    return say_memory(p, n, e);
  return snprintf(p, n, " text=%s", e->u.lib.name ? e->u.lib.name : "-");
}

static void told(void *ctx, const struct ldx_event *e) {
  char line[1024];
  int n = snprintf(line, sizeof line, "%s pid=%u tid=%u object=%" PRIu64, ldx_event_name(e->type), e->pid, e->tid,
                   e->object);
  (void)ctx;
  n += say(line + n, sizeof line - (size_t)n - 1, e);
  line[n++] = '\n';
  if (write(file, line, (size_t)n) != n)
    abort();
}

static uint64_t type_named(const char *name) {
  for (uint32_t type = 1; type < LDX_EV_TYPES; type++)
    if (!strcmp(ldx_event_name(type), name))
      return LDX_EV_BIT(type);
  return 0;
}

int ldx_tool_main(ldx_tool *self, const struct ldx_tool_args *args, struct ldx_tool_desc *out) {
  uint64_t types = 0;
  if (args->argc < 2)
    return 1;
  for (int i = 1; i < args->argc; i++) {
    uint64_t type = type_named(args->argv[i]);
    if (!type)
      return 2;
    types |= type;
  }
  file = open(args->argv[0], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0)
    return 3;
  out->name = own_name;
  return -ldx_subscribe(self, types, told, NULL, 0);
}
