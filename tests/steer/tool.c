/* A tool that does what its arguments say, and writes what it is asked to stderr: each word is WHAT[=X[=Y]].
 * (Neither colons nor commas: the words come through LDX_TOOLS, too.) */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ldx/event.h>
#include <ldx/state.h>
#include <ldx/steer.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 32 };
struct word {
  const char *what, *x, *y;
};
static struct word words[MOST];
static int count;
static const char *me = "tool";
static ldx_tool *self;

static void say(const char *fmt, ...) {
  char text[1024];
  va_list ap;
  int n = snprintf(text, sizeof text, "[%s] ", me);
  va_start(ap, fmt);
  n += vsnprintf(text + n, sizeof text - (size_t)n, fmt, ap);
  va_end(ap);
  dprintf(2, "%s\n", text);
}

static const struct word *find(const char *what, const char *x) {
  for (int i = 0; i < count; i++)
    if (!strcmp(words[i].what, what) && (!x || (words[i].x && !strcmp(words[i].x, x))))
      return &words[i];
  return NULL;
}

static const char *file_of(const char *path) {
  const char *slash = path ? strrchr(path, '/') : NULL;
  return slash ? slash + 1 : path ? path : "-";
}

static enum ldx_verdict changed(struct ldx_answer *out, const char *text, const char *why) {
  out->text = text;
  out->why = why;
  return LDX_CHANGED;
}

static enum ldx_verdict name(void *ctx, const struct ldx_request *r, struct ldx_answer *out) {
  (void)ctx;
  if (find("log", NULL))
    say("name %s by %s origin %u", r->name, file_of(r->from), r->origin);
  if (find("deny", r->name)) {
    out->error = find("deny", r->name)->y ? atoi(find("deny", r->name)->y) : 0;
    out->why = "it is forbidden";
    return LDX_DENY;
  }
  if (find("stop", r->name))
    return LDX_STOP;
  const struct word *w = find("rename", r->name);
  return w ? changed(out, w->y, "renamed") : LDX_PASS;
}

static enum ldx_verdict paths(void *ctx, const struct ldx_request *r, const struct ldx_path_list *list,
                              struct ldx_answer *out) {
  (void)ctx, (void)r;
  if (find("log-lists", NULL))
    say("list %s of %s for %s", *list->source ? list->source : "(own)", file_of(list->owner), r->name);
  if (!*list->source && find("own-list", NULL))
    return changed(out, find("own-list", NULL)->x, "own list");
  const struct word *w = find("list", list->source);
  return w ? changed(out, w->y ? w->y : "", "another list") : LDX_PASS;
}

static enum ldx_verdict path(void *ctx, const struct ldx_request *r, const char *candidate, struct ldx_answer *out) {
  static char buffer[4096];
  (void)ctx, (void)r;
  for (int i = 0; i < count; i++) {
    size_t n = words[i].x ? strlen(words[i].x) : 0;
    if (strcmp(words[i].what, "path") || strncmp(candidate, words[i].x, n))
      continue;
    snprintf(buffer, sizeof buffer, "%s%s", words[i].y, candidate + n);
    return changed(out, buffer, "moved");
  }
  return LDX_PASS;
}

static int tell_list(void *arg, const struct ldx_path_list *list) {
  (void)arg;
  say("would search %s", list->source);
  return 0;
}

/* The folder "search" names, by its own rule: NAME.real, then NAME. */
static enum ldx_verdict search(void *ctx, const struct ldx_request *r, ldx_search *s, struct ldx_answer *out) {
  char file[4096];
  const char *folder = find("search", NULL)->x;
  (void)ctx;
  if (find("log-lists", NULL))
    ldx_search_lists(s, tell_list, NULL);
  for (int i = 0; i < 2; i++) {
    snprintf(file, sizeof file, "%s/%s%s", folder, r->name, i ? "" : ".real");
    int error = ldx_search_try(s, file);
    say("try %s: %s", file_of(file), error ? strerror(error) : "found");
    if (!error) {
      out->why = "its own algorithm";
      return LDX_CHANGED;
    }
  }
  return find("only", NULL) ? LDX_STOP : LDX_PASS;
}

static enum ldx_verdict image(void *ctx, const struct ldx_request *r, const char *candidate, struct ldx_answer *out) {
  (void)ctx, (void)candidate;
  const struct word *w = find("image", r->name), *f = find("image-fd", r->name);
  if (f)
    out->fd = open(f->y, O_RDONLY | O_CLOEXEC);
  if (!w)
    return f ? LDX_CHANGED : LDX_PASS;
  struct stat st;
  int fd = open(w->y, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &st))
    return LDX_PASS;
  char *bytes = malloc((size_t)st.st_size);
  out->image = bytes;
  out->image_size = (size_t)read(fd, bytes, (size_t)st.st_size);
  close(fd);
  return LDX_CHANGED;
}

static enum ldx_verdict turn(void *ctx, int64_t ns, struct ldx_order_item *items, size_t n, struct ldx_answer *out) {
  (void)ctx, (void)ns, (void)out;
  const struct word *w = find("first", NULL);
  for (size_t i = 1; w && i < n; i++) {
    if (strcmp(file_of(items[i].path), w->x))
      continue;
    struct ldx_order_item it = items[i];
    memmove(items + 1, items, i * sizeof *items);
    items[0] = it;
    return LDX_CHANGED;
  }
  return LDX_PASS;
}

static enum ldx_verdict lose(void *ctx, int64_t ns, struct ldx_order_item *items, size_t n, struct ldx_answer *out) {
  (void)ctx, (void)ns, (void)out;
  if (n > 1)
    items[1] = items[0];
  return LDX_CHANGED;
}

static int seventy_seven(void) { return 77; }

static enum ldx_verdict bind(void *ctx, const struct ldx_binding_request *r, void **value, struct ldx_answer *out) {
  (void)ctx, (void)out;
  if (!find("bind", r->symbol))
    return LDX_PASS;
  if (find("log", NULL))
    say("bind %s of %s to %s by %u", r->symbol, file_of(r->from_path), file_of(r->to_path), r->relocation);
  *value = (void *)seventy_seven;
  return LDX_CHANGED;
}

static struct ldx_steering steering = {.size = sizeof steering};

static void told(void *ctx, const struct ldx_event *e) {
  static const char *const names[] = {"cancelled"};
  (void)ctx, (void)names;
  if (e->type == LDX_EV_MAPPED && e->ns == 0)
    say("%s %s", ldx_event_name(e->type), file_of(e->u.lib.name));
  else if (e->type == LDX_EV_REWRITTEN)
    say("%s %s to %s by %s", ldx_event_name(e->type), e->u.lib.name, file_of(e->u.lib.path), e->u.lib.author);
  else if (e->type == LDX_EV_DENIED)
    say("%s %s by %s", ldx_event_name(e->type), e->u.lib.name, e->u.lib.author);
  else if (e->type == LDX_EV_TOOL_CONFLICT)
    say("%s %s %s: %s", ldx_event_name(e->type), e->u.tool.name, e->u.tool.other, e->u.tool.text);
  else if (e->type == LDX_EV_EXIT)
    say("exit");
}

static volatile int stopped, turns;
static void *work(void *arg) {
  while (!stopped) {
    void *p = malloc(100);
    free(p);
    turns++;
    usleep(1000);
  }
  return arg;
}

static void end_threads(void *ctx, const struct ldx_event *e) {
  pthread_t *t = ctx;
  (void)e;
  stopped = 1;
  for (int i = 0; i < 3; i++)
    pthread_join(t[i], NULL);
  say("threads %s", turns ? "worked" : "idle");
}

static void set_steering(void) {
  if (find("log", NULL) || find("rename", NULL) || find("deny", NULL) || find("stop", NULL))
    steering.name = name;
  if (find("log-lists", NULL) || find("own-list", NULL) || find("list", NULL))
    steering.paths = paths;
  steering.path = find("path", NULL) ? path : NULL;
  steering.search = find("search", NULL) ? search : NULL;
  steering.image = find("image", NULL) || find("image-fd", NULL) ? image : NULL;
  steering.init_order = find("first", NULL) ? turn : find("lose", NULL) ? lose : NULL;
  steering.bind = find("bind", NULL) ? bind : NULL;
  ldx_steer(self, &steering, NULL);
}

static void read_words(const struct ldx_tool_args *args) {
  for (int i = 0; i < args->argc && i < MOST; i++) {
    char *text = strdup(args->argv[i]);
    words[count].what = strsep(&text, "=");
    words[count].x = text ? strsep(&text, "=") : NULL;
    words[count++].y = text;
  }
}

static int tell_tool(void *ctx, const struct ldx_tool_info *t) {
  (void)ctx;
  say("tool %s", t->name);
  return 0;
}

/* When the program is about to begin: load=PATH=WORD. */
static void load(void *ctx, const struct ldx_event *e) {
  const struct word *w = ctx;
  char text[4096];
  (void)e;
  snprintf(text, sizeof text, "%s,name=late,hello,%s", w->x, w->y);
  say("load %d", ldx_tool_load(text));
}

static void list_tools(void *ctx, const struct ldx_event *e) {
  (void)e;
  ldx_each_tool(tell_tool, ctx);
}

int ldx_tool_main(ldx_tool *tool, const struct ldx_tool_args *args, struct ldx_tool_desc *out) {
  static const char *before[MOST], *after[MOST], *conflicts[MOST], *provides[MOST];
  static pthread_t threads[3];
  int b = 0, a = 0, c = 0, p = 0;
  self = tool;
  read_words(args);
  for (int i = 0; i < count; i++) {
    const char *what = words[i].what, *x = words[i].x;
    if (!strcmp(what, "name"))
      me = out->name = x;
    else if (!strcmp(what, "before"))
      before[b++] = x;
    else if (!strcmp(what, "after"))
      after[a++] = x;
    else if (!strcmp(what, "conflicts"))
      conflicts[c++] = x;
    else if (!strcmp(what, "provides"))
      provides[p++] = x;
    else if (!strcmp(what, "priority"))
      out->priority = atoi(x);
    else if (!strcmp(what, "abi"))
      out->abi = (uint32_t)atoi(x);
  }
  out->before = before;
  out->after = after;
  out->conflicts = conflicts;
  out->provides = provides;
  out->flags = (find("optional", NULL) ? LDX_TOOL_OPTIONAL : 0u) | (find("in-app", NULL) ? LDX_TOOL_IN_APP : 0u);
  if (find("crash", NULL))
    abort();
  if (find("decline", NULL))
    return 3;
  set_steering();
  if (find("events", NULL))
    ldx_subscribe(tool,
                  LDX_EV_BIT(LDX_EV_MAPPED) | LDX_EV_BIT(LDX_EV_REWRITTEN) | LDX_EV_BIT(LDX_EV_DENIED) |
                      LDX_EV_BIT(LDX_EV_TOOL_CONFLICT) | LDX_EV_BIT(LDX_EV_EXIT),
                  told, NULL, 0);
  if (find("list-tools", NULL))
    ldx_subscribe(tool, LDX_EV_BIT(LDX_EV_MAIN), list_tools, NULL, 0);
  if (find("threads", NULL)) {
    for (int i = 0; i < 3; i++)
      pthread_create(&threads[i], NULL, work, NULL);
    ldx_subscribe(tool, LDX_EV_BIT(LDX_EV_EXIT), end_threads, threads, 0);
  }
  if (find("load", NULL))
    ldx_subscribe(tool, LDX_EV_BIT(LDX_EV_MAIN), load, (void *)find("load", NULL), 0);
  if (find("hello", NULL))
    say("hello late %u", args->late);
  return 0;
}
