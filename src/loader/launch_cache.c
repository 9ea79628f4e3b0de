#include "loader/launch_cache.h"

#include <errno.h>
#include <string.h>

#include "base/print.h"
#include "loader/journal.h"
#include "loader/options.h"
#include "loader/stack.h"
#include "loader/steer.h"
#include "search/guide.h"
#include "search/search_context.h"

static struct ldx_launch_cache *self(void) { return ldx_self.cache; }

/* What tools decide in code is not foreseen: their answers may change, and so is not kept. The policy's rules are
 * part of the settings. */
static bool tools_decide(const struct ldx_find_request *r) {
  const struct ldx_tool_order *o = __atomic_load_n(&ldx_self.hooks.order, __ATOMIC_ACQUIRE);
  for (uint32_t i = 0; ldx_self.hooks.steered && r->origin != LDX_FROM_TOOL && o && i < o->count; i++) {
    const struct ldx_tool *t = o->at[i];
    const struct ldx_steering *s = t->state == LDX_TOOL_READY && t->object ? t->steering : NULL;
    if (s && (s->paths || s->path || s->search || s->image))
      return true;
  }
  return false;
}

static bool abstains(const struct ldx_find_request *r) {
  return !io_is_plain(&ldx_self.io) || ldx_self.search.audit || ldx_self.search.algorithm == LDX_ALGORITHM_FROZEN ||
         tools_decide(r);
}

static char *find(const struct ldx_find_request *r, uint32_t *level, int *nowhere) {
  struct ldx_launch_cache *c = self();
  *nowhere = 0;
  if (abstains(r))
    return NULL;
  if (*level == 0)
    c->context = ldx_search_context(&ldx_self.search, r);
  for (c->answer = NULL; !c->answer && *level < c->level_count; (*level)++)
    c->answer = ldx_level_answer(c, &c->levels[*level]);
  if (!c->answer)
    return NULL;
  const struct ldx_cache_level *l = &c->levels[*level - 1];
  const char *path = ldx_record_text(&l->record, c->answer->path);
  ldx_note_cache(l, path ? path : "(nowhere)", NULL);
  if (!path)
    *nowhere = (int)c->answer->error;
  return path ? ldx_strdup(&ldx_self.heap, path) : NULL;
}

static bool ask_tool(const struct ldx_launch_cache *c, const struct ldx_library_file *f, struct ldx_file_key *out) {
  const struct ldx_tool_order *o = __atomic_load_n(&ldx_self.hooks.order, __ATOMIC_ACQUIRE);
  const struct ldx_tool *t = NULL;
  for (uint32_t i = 0; o && i < o->count && !t; i++)
    if (o->at[i]->state == LDX_TOOL_READY && o->at[i]->steering && o->at[i]->steering->key &&
        !strcmp(o->at[i]->name, c->key_tool ? c->key_tool : ""))
      t = o->at[i];
  if (!t)
    return false;
  struct ldx_file_identity id;
  ldx_file_identify(&ldx_self.heap, &ldx_self.io, f->fd, (uint64_t)f->stat.st_size, &id);
  const struct ldx_file_facts facts = {.size = sizeof facts,
                                       .path = f->path,
                                       .dev = f->stat.st_dev,
                                       .ino = f->stat.st_ino,
                                       .bytes = (uint64_t)f->stat.st_size,
                                       .mtime_sec = f->stat.st_mtim.tv_sec,
                                       .mtime_nsec = f->stat.st_mtim.tv_nsec,
                                       .build_id = id.build_id_size ? id.build_id : NULL,
                                       .build_id_size = id.build_id_size,
                                       .soname = *id.soname ? id.soname : NULL};
  *out = (struct ldx_file_key){.kind = LDX_KEYED_BY_TOOL, .size = 32};
  return t->steering->key(t->steering_ctx, &facts, out->at) == LDX_CHANGED;
}

/* The key of an open file; fills in f->stat. */
static bool key_of(const struct ldx_launch_cache *c, struct ldx_library_file *f, struct ldx_file_key *out) {
  if (!f->has_stat && ldx_sys_failed(io_fstat(&ldx_self.io, f->fd, &f->stat)))
    return false;
  f->has_stat = true;
  if (c->key == LDX_KEYED_BY_TOOL && ask_tool(c, f, out))
    return true;
  ldx_file_key(&ldx_self.heap, &ldx_self.io, f->fd, &f->stat, c->key, out);
  return true;
}

static bool holds(const struct ldx_find_request *r, struct ldx_library_file *f) {
  struct ldx_launch_cache *c = self();
  struct ldx_file_key key;
  (void)r;
  if (key_of(c, f, &key) && ldx_same_key(&key, &c->answer->key))
    return true;
  ldx_note_cache(NULL, f->path, "stale: the file is not the one that it was");
  return false;
}

static int absent(const char *path) {
  return io_is_plain(&ldx_self.io) ? ldx_places_absent(&self()->places, path) : 0;
}

static void depends(const char *path, int error) { ldx_places_note(&self()->places, path, error); }

static void keep(const struct ldx_find_request *r, const struct ldx_cache_entry *e, const char *path) {
  struct ldx_launch_cache *c = self();
  const char *from = r->loader ? ldx_display_name(r->loader) : NULL;
  c->changed |= ldx_draft_entry(&c->draft, e, r->name, from, path);
}

static bool may_keep(const struct ldx_find_request *r) {
  return !self()->readonly && !self()->places.unfit && !abstains(r);
}

static void ended(const struct ldx_find_request *r, const struct ldx_library_file *f, bool steered) {
  struct ldx_launch_cache *c = self();
  struct ldx_cache_entry e = {0};
  if (steered || *f->path != '/' || !may_keep(r) || !key_of(c, (struct ldx_library_file *)f, &e.key))
    return;
  e.context = ldx_search_context(&ldx_self.search, r);
  keep(r, &e, f->path);
}

static void nowhere(const struct ldx_find_request *r, int error) {
  if (error != ENOENT || !may_keep(r))
    return;
  const struct ldx_cache_entry e = {.context = ldx_search_context(&ldx_self.search, r), .error = (uint32_t)error};
  keep(r, &e, NULL);
}

static void settle(void) {
  struct ldx_launch_cache *c = self();
  ldx_launch_cache_save(c);
  ldx_places_doubt(&c->places);
  for (uint32_t i = 0; i < c->level_count; i++)
    if (c->levels[i].state == LDX_LEVEL_SOUND)
      c->levels[i].state = LDX_LEVEL_UNCHECKED;
}

static const struct ldx_search_cache hooks = {find, holds, absent, depends, ended, nowhere, settle};

static enum ldx_key_kind key_of_policy(struct ldx_launch_cache *c) {
  static const uint8_t kinds[] = {0,
                                  [LDX_KEY_PATH] = LDX_KEYED_BY_STATE,
                                  [LDX_KEY_BUILD_ID] = LDX_KEYED_BY_BUILD_ID,
                                  [LDX_KEY_CONTENT] = LDX_KEYED_BY_CONTENT,
                                  [LDX_KEY_SONAME] = LDX_KEYED_BY_SONAME,
                                  [LDX_KEY_TOOL] = LDX_KEYED_BY_TOOL};
  const struct ldx_policy *p = ldx_self.policy;
  if (!p || !p->cache.key.is)
    return LDX_KEYED_BY_STATE;
  c->key_tool = p->cache.key.text;
  return (enum ldx_key_kind)kinds[p->cache.key.is];
}

/* "build-id", "tool:NAME", ... */
static enum ldx_key_kind key_of_word(struct ldx_launch_cache *c, const char *word) {
  if (!strncmp(word, "tool:", 5)) {
    c->key_tool = word + 5;
    return LDX_KEYED_BY_TOOL;
  }
  enum ldx_key_kind kind = ldx_key_kind_of(word);
  if (!kind || kind == LDX_KEYED_BY_TOOL)
    ldx_die_text("no such cache key: %s; there are path, build-id, content, soname, tool:NAME", word);
  return kind;
}

static void set_key(struct ldx_launch_cache *c) {
  const char *word = ldx_self.options.cache_key;
  if (!word && !ldx_self.args.auxv.secure)
    word = ldx_getenv(&ldx_self.args, "LDX_CACHE_KEY");
  c->key = word && *word ? key_of_word(c, word) : key_of_policy(c);
}

static const char *file_of_program(void) {
  char path[4096];
  if (ldx_self.exe_path)
    return ldx_self.exe_path;
  long n = sys_readlink("/proc/self/exe", path, sizeof path);
  return ldx_sys_failed(n) || n == sizeof path ? NULL : ldx_strndup(&ldx_self.heap, path, (size_t)n);
}

/* All that the policy says, as far as it can be said here: any change makes other settings. */
static uint64_t sum_of_policy(void) {
  char *text = ldx_self.policy ? ldx_policy_write(ldx_self.policy, &ldx_self.heap) : NULL;
  uint64_t sum = text ? ldx_sum(text, strlen(text), 1) : 0;
  ldx_delete(text);
  return sum;
}

static bool set_settings(struct ldx_launch_cache *c) {
  char more[512];
  ldx_format(more, sizeof more, "key=%s%s%s\npolicy=%lx\n", ldx_key_kind_name(c->key), c->key_tool ? ":" : "",
             c->key_tool ? c->key_tool : "", (unsigned long)sum_of_policy());
  c->settings = ldx_search_settings(&ldx_self.search, more);
  return c->settings;
}

void ldx_launch_cache_begin(void) {
  const struct ldx_policy *p = ldx_self.policy;
  const char *asked = ldx_self.options.cache;
  if ((!asked || !*asked) && (!p || !p->cache.tiers.count))
    return;
  struct ldx_launch_cache *c = ldx_new(sizeof *c);
  if (!c)
    return;
  c->places.heap = c->draft.heap = &ldx_self.heap;
  c->places.io = &ldx_self.io;
  c->readonly = ldx_self.args.auxv.secure || (p && p->cache.readonly == LDX_SWITCH_ON);
  c->program = file_of_program();
  set_key(c);
  if (!c->program || !set_settings(c))
    return;
  ldx_self.cache = c;
  ldx_cache_set_levels(c);
  ldx_self.guide.cache = c->level_count ? &hooks : NULL;
  if (c->level_count)
    ldx_guide_searches();
}
