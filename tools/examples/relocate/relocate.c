/* relocate: libraries from elsewhere, for software that was built at another place.
 *
 *   ldx --tool libldx-relocate.so,MAP PROGRAM
 *
 * MAP is a text file, two words a line, # begins a comment:
 *
 *   /build/stage/lib   /opt/app/lib       a folder, and all below it: in search paths, in paths that are asked for
 *   /build/stage       $ORIGIN/..         the same, relative to the folder of the object that asks
 *   libz.so.1          libz-ng.so.1       a name
 *   libfoo.so.*        /opt/foo/$0        names by a pattern (* stands for any characters); $0 is the name itself
 *
 * The first line that fits counts. A RUNPATH that says $ORIGIN means the folder that the library really is in.
 *
 * What this tool shows to those who write their own: the three steps of the pipeline (names, search paths, paths) and
 * how their answers work; what an answer says is copied, so that one buffer a thread is enough. */
#include <ldx/steer.h>

#include <fnmatch.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct line {
  struct line *next;
  char *from, *to;
  char why[64]; /* where the line stands */
};
static struct line *lines;
static const char *program;
static _Thread_local char buffer[4 * PATH_MAX];

/* `to` where $0 is the name and $ORIGIN the folder of who asks. */
static bool fill(char *out, size_t room, const char *to, const char *name, const char *asker) {
  const char *slash = strrchr(asker ? asker : "", '/');
  size_t n = 0;
  while (*to && n + 1 < room) {
    int wrote = 0;
    if (!strncmp(to, "$ORIGIN", 7)) {
      wrote =
          slash ? snprintf(out + n, room - n, "%.*s", (int)(slash - asker), asker) : snprintf(out + n, room - n, ".");
      to += 7;
    } else if (name && !strncmp(to, "$0", 2)) {
      wrote = snprintf(out + n, room - n, "%s", name);
      to += 2;
    } else {
      out[n] = *to++;
      wrote = 1;
    }
    n += (size_t)wrote;
  }
  if (n >= room)
    return false;
  out[n] = '\0';
  return !*to;
}

static const char *asker(const struct ldx_request *r) { return r->from && strchr(r->from, '/') ? r->from : program; }

/* What follows the prefix in the path: "" or "/...". NULL: it has another one. */
static const char *behind(const char *path, const char *prefix) {
  size_t n = strlen(prefix);
  return !strncmp(path, prefix, n) && (!path[n] || path[n] == '/') ? path + n : NULL;
}

/* A path that lies in a folder of the map: written to out. NULL: it does not. */
static const struct line *move_path(const struct ldx_request *r, const char *path, char *out, size_t room) {
  for (const struct line *l = lines; l; l = l->next) {
    const char *rest = *l->from == '/' ? behind(path, l->from) : NULL;
    if (!rest)
      continue;
    if (!fill(out, room, l->to, NULL, asker(r)) || strlen(out) + strlen(rest) >= room)
      return NULL;
    strcat(out, rest);
    return l;
  }
  return NULL;
}

static enum ldx_verdict changed(const struct line *l, struct ldx_answer *out) {
  if (!l)
    return LDX_PASS;
  out->text = buffer;
  out->why = l->why;
  return LDX_CHANGED;
}

static enum ldx_verdict name(void *ctx, const struct ldx_request *r, struct ldx_answer *out) {
  (void)ctx;
  if (strchr(r->name, '/'))
    return changed(move_path(r, r->name, buffer, sizeof buffer), out);
  for (const struct line *l = lines; l; l = l->next)
    if (*l->from != '/' && !fnmatch(l->from, r->name, 0) && fill(buffer, sizeof buffer, l->to, r->name, asker(r)))
      return changed(l, out);
  return LDX_PASS;
}

/* A list of folders, each on its own. */
static enum ldx_verdict paths(void *ctx, const struct ldx_request *r, const struct ldx_path_list *list,
                              struct ldx_answer *out) {
  char one[PATH_MAX], moved[PATH_MAX];
  const struct line *first = NULL;
  size_t n = 0;
  (void)ctx;
  if (!strcmp(list->source, "cache")) /* its "folders" are the cache's file */
    return LDX_PASS;
  for (const char *p = list->folders; *p; p += *p == ':') {
    size_t len = strcspn(p, ":");
    if (len >= sizeof one)
      return LDX_PASS;
    memcpy(one, p, len);
    one[len] = '\0';
    const struct line *l = move_path(r, one, moved, sizeof moved);
    int wrote = snprintf(buffer + n, sizeof buffer - n, "%s%s", n ? ":" : "", l ? moved : one);
    if (wrote < 0 || n + (size_t)wrote >= sizeof buffer)
      return LDX_PASS;
    n += (size_t)wrote;
    first = first ? first : l;
    p += len;
  }
  return changed(first, out);
}

/* What is left: paths of ld.so.cache, and those that other tools have made. */
static enum ldx_verdict path(void *ctx, const struct ldx_request *r, const char *candidate, struct ldx_answer *out) {
  (void)ctx;
  return changed(move_path(r, candidate, buffer, sizeof buffer), out);
}

static const struct ldx_steering steering = {.size = sizeof steering, .name = name, .paths = paths, .path = path};

static bool read_map(ldx_tool *self, const char *file) {
  char text[2 * PATH_MAX], message[PATH_MAX];
  struct line **end = &lines;
  FILE *f = fopen(file, "re");
  if (!f) {
    snprintf(message, sizeof message, "cannot read %s", file);
    ldx_tool_log(self, message);
    return false;
  }
  for (int number = 1; fgets(text, sizeof text, f); number++) {
    text[strcspn(text, "#")] = '\0';
    char *save, *from = strtok_r(text, " \t\n", &save), *to = strtok_r(NULL, " \t\n", &save);
    if (!from)
      continue;
    struct line *l = to && !strtok_r(NULL, " \t\n", &save) ? calloc(1, sizeof *l) : NULL;
    if (!l) {
      snprintf(message, sizeof message, "%s:%d: not two words", file, number);
      ldx_tool_log(self, message);
      fclose(f);
      return false;
    }
    l->from = strdup(from);
    l->to = strdup(to);
    snprintf(l->why, sizeof l->why, "%.40s:%d", file, number);
    *end = l;
    end = &l->next;
  }
  fclose(f);
  return true;
}

int ldx_tool_main(ldx_tool *self, const struct ldx_tool_args *args, struct ldx_tool_desc *out) {
  out->name = "relocate";
  program = args->program;
  if (args->argc != 1) {
    ldx_tool_log(self, "needs one argument: the file of what goes where");
    return 1;
  }
  return read_map(self, args->argv[0]) ? ldx_steer(self, &steering, NULL) : 1;
}
