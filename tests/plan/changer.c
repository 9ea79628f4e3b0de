/* A tool that changes what it is told to: NAME, then changes as KIND=FROM=TO, where KIND is name, path, folders,
 * init, scope or bind (to nothing), or before=TOOL. */
#include <ldx/steer.h>
#include <stdio.h>
#include <string.h>

static struct change {
  char kind[16];
  const char *from, *to;
} changes[16];
static int change_count;
static char texts[16][512], buf[512];
static const char *before[2];

static enum ldx_verdict change(const char *kind, const char *text, struct ldx_answer *out) {
  for (int i = 0; i < change_count; i++) {
    struct change *c = &changes[i];
    if (strcmp(c->kind, kind) || !strstr(text, c->from))
      continue;
    const char *at = strstr(text, c->from);
    snprintf(buf, sizeof buf, "%.*s%s%s", (int)(at - text), text, c->to, at + strlen(c->from));
    out->text = buf;
    out->why = "told to";
    return LDX_CHANGED;
  }
  return LDX_PASS;
}

static enum ldx_verdict on_name(void *ctx, const struct ldx_request *r, struct ldx_answer *out) {
  (void)ctx;
  return change("name", r->name, out);
}
static enum ldx_verdict on_path(void *ctx, const struct ldx_request *r, const char *path, struct ldx_answer *out) {
  (void)ctx;
  (void)r;
  return change("path", path, out);
}
static enum ldx_verdict on_paths(void *ctx, const struct ldx_request *r, const struct ldx_path_list *list,
                                 struct ldx_answer *out) {
  (void)ctx;
  (void)r;
  return *list->source && strcmp(list->source, "cache") ? change("folders", list->folders, out) : LDX_PASS;
}
static int names(const struct ldx_order_item *item, const char *text) { return strstr(item->path, text) != NULL; }

/* "init=A=B" and "scope=A=B": what A names goes in front of what B names. */
static enum ldx_verdict move(const char *kind, struct ldx_order_item *items, size_t count, struct ldx_answer *out) {
  for (int i = 0; i < change_count; i++) {
    size_t a = 0, b = 0;
    if (strcmp(changes[i].kind, kind))
      continue;
    while (a < count && !names(&items[a], changes[i].from))
      a++;
    while (b < count && !names(&items[b], changes[i].to))
      b++;
    if (a >= count || b >= a)
      continue;
    struct ldx_order_item item = items[a];
    memmove(items + b + 1, items + b, (a - b) * sizeof *items);
    items[b] = item;
    out->why = "told to";
    return LDX_CHANGED;
  }
  return LDX_PASS;
}
static enum ldx_verdict on_init(void *ctx, int64_t ns, struct ldx_order_item *items, size_t count,
                                struct ldx_answer *out) {
  (void)ctx;
  return ns ? LDX_PASS : move("init", items, count, out);
}
static enum ldx_verdict on_scope(void *ctx, int64_t ns, struct ldx_order_item *items, size_t count,
                                 struct ldx_answer *out) {
  (void)ctx;
  return ns ? LDX_PASS : move("scope", items, count, out);
}

static void instead(void) {}
static enum ldx_verdict on_bind(void *ctx, const struct ldx_binding_request *r, void **value,
                                struct ldx_answer *out) {
  (void)ctx;
  for (int i = 0; i < change_count; i++)
    if (!strcmp(changes[i].kind, "bind") && !strcmp(changes[i].from, r->symbol)) {
      *value = (void *)instead;
      out->why = "told to";
      return LDX_CHANGED;
    }
  return LDX_PASS;
}

static const struct ldx_steering steering = {.size = sizeof steering,
                                             .name = on_name,
                                             .path = on_path,
                                             .paths = on_paths,
                                             .scope_order = on_scope,
                                             .init_order = on_init,
                                             .bind = on_bind};

int ldx_tool_main(ldx_tool *self, const struct ldx_tool_args *args, struct ldx_tool_desc *out) {
  out->name = args->argc ? args->argv[0] : "changer";
  for (int i = 1; i < args->argc && i < 16; i++) {
    char *text = texts[i];
    snprintf(text, sizeof texts[i], "%s", args->argv[i]);
    char *first = strchr(text, '='), *second = first ? strchr(first + 1, '=') : NULL;
    if (!first)
      return 1;
    *first++ = '\0';
    if (!strcmp(text, "before")) {
      before[0] = first;
      out->before = before;
      continue;
    }
    if (second)
      *second++ = '\0';
    struct change *c = &changes[change_count++];
    snprintf(c->kind, sizeof c->kind, "%s", text);
    c->from = first;
    c->to = second ? second : "";
  }
  return ldx_steer(self, &steering, NULL);
}
