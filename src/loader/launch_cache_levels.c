/* The levels of launch caches: which there are, and what they answer. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/print.h"
#include "base/text.h"
#include "loader/journal.h"
#include "loader/launch_cache.h"
#include "loader/stack.h"
#include "search/search_context.h"

/* --- which there are --- */

static void add_level(struct ldx_launch_cache *c, bool create, const char *folder, size_t n, const char *rest) {
  struct ldx_cache_level *l = &c->levels[c->level_count];
  size_t room = n + strlen(rest) + 1;
  if (c->level_count == LDX_CACHE_LEVELS || !(l->path = ldx_new(room)))
    return;
  ldx_format(l->path, room, "%.*s%s", (int)n, folder, rest);
  l->create = create;
  c->level_count++;
}

static void add_users(struct ldx_launch_cache *c) {
  const char *cache = ldx_getenv(&ldx_self.args, "XDG_CACHE_HOME"), *home = ldx_getenv(&ldx_self.args, "HOME");
  if (cache && *cache == '/')
    add_level(c, true, cache, strlen(cache), "/ldx/" LDX_CACHE_NAME);
  else if (home && *home == '/')
    add_level(c, true, home, strlen(home), "/.cache/ldx/" LDX_CACHE_NAME);
}

/* Beside the program, the user's, the system's. */
static void add_usual(struct ldx_launch_cache *c) {
  const char *slash = strrchr(c->program, '/');
  if (slash)
    add_level(c, false, c->program, (size_t)(slash - c->program), LDX_CACHE_BESIDE);
  add_users(c);
  add_level(c, false, LDX_CACHE_SYSTEM, strlen(LDX_CACHE_SYSTEM), "");
}

static void add_words(struct ldx_launch_cache *c, const char *words) {
  for (const char *p = words; *p; p += *p == ':') {
    size_t n = ldx_until(p, ":");
    if (n == 4 && !strncmp(p, "auto", n))
      add_usual(c);
    else if (n)
      add_level(c, true, p, n, p[n - 1] == '/' ? LDX_CACHE_NAME : "");
    p += n;
  }
}

void ldx_cache_set_levels(struct ldx_launch_cache *c) {
  const char *asked = ldx_self.options.cache;
  if (asked && *asked) {
    if (strcmp(asked, "none"))
      add_words(c, asked);
    return;
  }
  for (uint32_t i = 0; i < ldx_self.policy->cache.tiers.count; i++) {
    const char *path = ldx_self.policy->cache.tiers.at[i].text;
    size_t n = strlen(path);
    if (n)
      add_level(c, true, path, n, path[n - 1] == '/' ? LDX_CACHE_NAME : "");
  }
}

/* --- what they say --- */

void ldx_note_cache(const struct ldx_cache_level *l, const char *answer, const char *why) {
  if (ldx_self.journal.on)
    ldx_journal_step(&(struct ldx_step){
        .kind = LDX_STEP_CACHE, .what = "file", .source = l ? l->path : NULL, .to = answer, .why = why});
}

static void *read_piece(int fd, uint64_t at, uint64_t size) {
  char *bytes = size && size <= LDX_CACHE_MAX_SIZE ? ldx_new(size) : NULL;
  for (uint64_t done = 0; bytes && done < size;) {
    long n = io_pread(&ldx_self.io, fd, bytes + done, size - done, (int64_t)(at + done));
    if (ldx_sys_failed(n) || n == 0) {
      ldx_delete(bytes);
      return NULL;
    }
    done += (uint64_t)n;
  }
  return bytes;
}

/* The record of this program and these settings. Its bytes stay with the level. */
static bool read_record(struct ldx_launch_cache *c, struct ldx_cache_level *l, int fd,
                        const struct ldx_cache_view *v) {
  uint64_t id = ldx_cache_id(c->program, c->settings);
  for (uint32_t i = 0; i < v->records; i++) {
    const struct ldx_cache_slot *slot = &v->slots[i];
    if (slot->id != id)
      continue;
    struct ldx_cache_slot *kept = ldx_new(sizeof *kept);
    uint8_t *bytes = kept ? read_piece(fd, slot->offset, slot->size) : NULL;
    if (bytes) {
      *kept = *slot;
      if (!ldx_record_open(kept, (struct ldx_span){bytes, slot->size}, &l->record) &&
          ldx_record_is_of(&l->record, c->program, c->settings))
        return true;
    }
    ldx_delete(bytes);
    ldx_delete(kept);
  }
  l->record = (struct ldx_record_view){0};
  return false;
}

/* Whose word is taken: where the levels are looked for by themselves, anybody might have put a file. */
bool ldx_cache_trusted(const struct stat *st) {
  bool roots = st->st_uid == 0 && !(st->st_mode & 022);
  if (ldx_self.args.auxv.secure)
    return roots && S_ISREG(st->st_mode);
  const char *asked = ldx_self.options.cache;
  if (!S_ISREG(st->st_mode) || !asked || strcmp(asked, "auto"))
    return S_ISREG(st->st_mode);
  return roots || (st->st_uid == LDX_SYS(SYS_geteuid, 0, 0, 0, 0, 0, 0) && !(st->st_mode & 002));
}

/* Where a folder is named, the file is in it. */
static bool find_file(struct ldx_cache_level *l, struct stat *st) {
  long r = io_stat(&ldx_self.io, l->path, st);
  size_t n = strlen(l->path), room = n + sizeof "/" LDX_CACHE_NAME;
  if (ldx_sys_failed(r) || !S_ISDIR(st->st_mode))
    return !ldx_sys_failed(r);
  char *path = ldx_new(room);
  if (!path)
    return false;
  ldx_format(path, room, "%s/" LDX_CACHE_NAME, l->path);
  ldx_delete(l->path);
  l->path = path;
  return !ldx_sys_failed(io_stat(&ldx_self.io, path, st));
}

static bool read_level(struct ldx_launch_cache *c, struct ldx_cache_level *l) {
  struct stat st;
  struct ldx_cache_view view;
  if (!find_file(l, &st)) /* saves a failing open */
    return false;
  l->refused = !S_ISREG(st.st_mode); /* a device must not be replaced */
  if (l->refused)
    return false;
  long fd = io_open(&ldx_self.io, l->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (ldx_sys_failed(fd))
    return false;
  bool ok = !ldx_sys_failed(io_fstat(&ldx_self.io, (int)fd, &st)) && ldx_cache_trusted(&st);
  l->refused = !ok;
  uint64_t size = ok ? (uint64_t)st.st_size : 0, start = size < LDX_CACHE_HEAD ? size : LDX_CACHE_HEAD;
  uint8_t *head = read_piece((int)fd, 0, start);
  const char *fault = head ? ldx_cache_open((struct ldx_span){head, start}, size, &view) : "cannot be read";
  if (fault)
    ldx_note_cache(l, NULL, fault);
  ok = !fault && read_record(c, l, (int)fd, &view);
  ldx_delete(head);
  io_close(&ldx_self.io, (int)fd);
  return ok;
}

static bool same_cpu(const char *words) {
  char text[128];
  const char *cpu = ldx_search_cpu(&ldx_self.search, true, text, sizeof text);
  return cpu && !strcmp(cpu, words);
}

/* Whether everything is as it was that the record's answers depend on: asked once for each folder. */
static bool check_level(struct ldx_launch_cache *c, struct ldx_cache_level *l) {
  const struct ldx_record_view *r = &l->record;
  for (uint32_t i = 0; i < r->head->witnesses; i++) {
    const struct ldx_cache_witness *w = &r->witnesses[i];
    const char *path = r->texts + w->path;
    bool same = w->kind == LDX_WITNESS_CPU ? same_cpu(path) : ldx_places_hold(&c->places, path, w);
    if (!same) {
      ldx_note_cache(l, path, "stale: this is not what it was");
      return false;
    }
  }
  return true;
}

static const struct ldx_cache_entry *entry_of(struct ldx_cache_level *l, const struct ldx_digest *context) {
  const struct ldx_record_view *r = &l->record;
  for (uint32_t i = 0; i < r->head->entries; i++) {
    uint32_t at = l->hint + i < r->head->entries ? l->hint + i : l->hint + i - r->head->entries;
    const struct ldx_cache_entry *e = &r->entries[at];
    if (e->context.at[0] == context->at[0] && e->context.at[1] == context->at[1]) {
      l->hint = at + 1 < r->head->entries ? at + 1 : 0;
      return e;
    }
  }
  return NULL;
}

void ldx_level_read(struct ldx_launch_cache *c, struct ldx_cache_level *l) {
  if (l->state == LDX_LEVEL_UNREAD)
    l->state = read_level(c, l) ? LDX_LEVEL_UNCHECKED : LDX_LEVEL_NONE;
}

const struct ldx_cache_entry *ldx_level_answer(struct ldx_launch_cache *c, struct ldx_cache_level *l) {
  ldx_level_read(c, l);
  if (l->state == LDX_LEVEL_UNCHECKED)
    l->state = check_level(c, l) ? LDX_LEVEL_SOUND : LDX_LEVEL_STALE;
  return l->state == LDX_LEVEL_SOUND ? entry_of(l, &c->context) : NULL;
}
