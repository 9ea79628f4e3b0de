#include "loader/steer_policy.h"

#include <errno.h>
#include <string.h>

#include "base/print.h"
#include "base/text.h"
#include "hooks/policy.h"
#include "loader/options.h"
#include "loader/steer.h"
#include "loader/steer_bind.h"
#include "loader/tell.h"

enum { TEXT = 4096 };
_Static_assert(sizeof(struct ldx_tool_edge) == sizeof(struct ldx_policy_pair), "one shape");

/* The answer's text and image live until the next question of the thread that holds the writer lock. */
struct rules {
  const struct ldx_policy *policy;
  char text[TEXT], why[TEXT / 4];
  char *folders; /* heap */
  size_t folders_room;
  char *image; /* heap */
};

static bool matches(const char *glob, const char *text) { return ldx_policy_match(glob, text, NULL); }

/* "from" is a pattern for the path, or for the file, of who asks. */
static bool is_from(const char *glob, const char *from) {
  return !glob || (from && (matches(glob, from) || matches(glob, ldx_last_part(from))));
}

static bool is_in(const char *glob, int64_t ns) {
  char number[24];
  ldx_format(number, sizeof number, "%ld", (long)ns);
  return !glob || matches(glob, number) || (ns == 0 && matches(glob, "base"));
}

/* Where the rule stands, and what its author says. */
static const char *reason(struct rules *p, const char *where, const char *why) {
  ldx_format(p->why, sizeof p->why, "%s%s%s%s", why ? why : "rule", why ? " (" : " ", where, why ? ")" : "");
  return p->why;
}

static enum ldx_verdict changed(struct rules *p, const char *where, const char *why, struct ldx_answer *out) {
  out->text = p->text;
  out->why = reason(p, where, why);
  return LDX_CHANGED;
}

static bool applies(const struct ldx_policy_rewrite *w, uint32_t kind, const struct ldx_request *r, const char *text,
                    struct ldx_policy_captures *c) {
  return w->when.kind == kind && is_from(w->when.from, r->from) && is_in(w->when.ns, r->ns) &&
         ldx_policy_match(w->when.match, text, c);
}

/* The first rule of that kind that applies. */
static const struct ldx_policy_rewrite *rewrite_rule(struct rules *p, uint32_t kind, const struct ldx_request *r,
                                                     const char *text) {
  struct ldx_policy_captures c;
  for (uint32_t i = 0; i < p->policy->rewrite.count; i++) {
    const struct ldx_policy_rewrite *w = &p->policy->rewrite.at[i];
    if (applies(w, kind, r, text, &c) && ldx_policy_substitute(w->to, &c, p->text, sizeof p->text) < sizeof p->text)
      return w;
  }
  return NULL;
}

static const struct ldx_policy_deny *deny_rule(const struct rules *p, const struct ldx_request *r, const char *text) {
  for (uint32_t i = 0; i < p->policy->deny.count; i++) {
    const struct ldx_policy_deny *d = &p->policy->deny.at[i];
    if (is_from(d->from, r->from) && is_in(d->ns, r->ns) &&
        (matches(d->match, text) || matches(d->match, ldx_last_part(text))))
      return d;
  }
  return NULL;
}

static enum ldx_verdict deny(struct rules *p, const struct ldx_policy_deny *d, struct ldx_answer *out) {
  out->error = d->error ? (int32_t)d->error : EACCES;
  out->why = reason(p, d->where, d->why);
  return LDX_DENY;
}

static enum ldx_verdict steer_name(void *ctx, const struct ldx_request *r, struct ldx_answer *out) {
  struct rules *p = ctx;
  const struct ldx_policy_deny *d = deny_rule(p, r, r->name);
  if (d)
    return deny(p, d, out);
  const struct ldx_policy_rewrite *w =
      r->origin == LDX_FROM_NEEDED ? rewrite_rule(p, LDX_WHEN_SONAME, r, r->name) : NULL;
  if (!w)
    w = rewrite_rule(p, LDX_WHEN_NAME, r, r->name);
  return w ? changed(p, w->where, w->why, out) : LDX_PASS;
}

/* The folder of a candidate is what a rule for folders is about. */
static const struct ldx_policy_rewrite *folder_rule(struct rules *p, const struct ldx_request *r, const char *path) {
  char folder[TEXT];
  const char *file = ldx_last_part(path);
  size_t n = (size_t)(file - path);
  if (n < 2 || n >= sizeof folder)
    return NULL;
  memcpy(folder, path, n - 1);
  folder[n - 1] = '\0';
  const struct ldx_policy_rewrite *w = rewrite_rule(p, LDX_WHEN_DIR, r, folder);
  size_t len = w ? strlen(p->text) : 0;
  if (!w || len + strlen(file) + 2 > sizeof p->text)
    return NULL;
  p->text[len] = '/';
  strcpy(p->text + len + 1, file);
  return w;
}

static bool is_there(const char *path) {
  struct stat st;
  return !ldx_sys_failed(io_stat(&ldx_self.io, path, &st));
}

/* A folder that is denied does no harm to libraries that it does not have. */
static enum ldx_verdict steer_path(void *ctx, const struct ldx_request *r, const char *candidate,
                                   struct ldx_answer *out) {
  struct rules *p = ctx;
  const struct ldx_policy_deny *d = deny_rule(p, r, candidate);
  if (d && is_there(candidate))
    return deny(p, d, out);
  const struct ldx_policy_rewrite *w = rewrite_rule(p, LDX_WHEN_PATH, r, candidate);
  if (!w)
    w = folder_rule(p, r, candidate);
  return w ? changed(p, w->where, w->why, out) : LDX_PASS;
}

/* A list being made in p->folders. */
struct list {
  struct rules *p;
  size_t n;
  bool failed; /* no memory */
};

static void make_room(struct list *l, size_t size) {
  while (!l->failed && l->p->folders_room < size)
    l->failed = !ldx_heap_grow(&ldx_self.heap, (void **)&l->p->folders, &l->p->folders_room, 1, TEXT);
}

static void add_folder(struct list *l, const char *text, size_t n) {
  make_room(l, l->n + n + 2);
  if (!n || l->failed)
    return;
  if (l->n)
    l->p->folders[l->n++] = ':';
  memcpy(l->p->folders + l->n, text, n);
  l->p->folders[l->n += n] = '\0';
}

static void add_folders(struct list *l, const ldx_policy_texts *t) {
  for (uint32_t i = 0; i < t->count; i++)
    add_folder(l, t->at[i].text, strlen(t->at[i].text));
}

/* The folders of a list, each as the rules have it. */
static const struct ldx_policy_rewrite *add_rewritten(struct list *l, const struct ldx_request *r,
                                                      const char *folders) {
  const struct ldx_policy_rewrite *first = NULL;
  char one[TEXT], out[TEXT];
  for (const char *f = folders; *f; f += *f == ':') {
    size_t n = ldx_until(f, ":");
    struct ldx_policy_captures c;
    const struct ldx_policy_rewrite *w = NULL;
    if (n < sizeof one) {
      memcpy(one, f, n);
      one[n] = '\0';
      for (uint32_t i = 0; i < l->p->policy->rewrite.count && !w; i++)
        if (applies(&l->p->policy->rewrite.at[i], LDX_WHEN_SEARCH, r, one, &c))
          w = &l->p->policy->rewrite.at[i];
    }
    if (w && ldx_policy_substitute(w->to, &c, out, sizeof out) < sizeof out)
      add_folder(l, out, strlen(out));
    else
      add_folder(l, f, n);
    first = first ? first : w;
    f += n;
  }
  return first;
}

static enum ldx_verdict steer_paths(void *ctx, const struct ldx_request *r, const struct ldx_path_list *list,
                                    struct ldx_answer *out) {
  struct rules *p = ctx;
  const struct ldx_policy *policy = p->policy;
  struct list l = {.p = p};
  const char *where = policy->search.where;
  if (!strcmp(list->source, "cache"))
    return LDX_PASS;
  make_room(&l, 1);
  if (!l.failed)
    *p->folders = '\0';
  if (!*list->source)
    add_folders(&l, &policy->search.prepend);
  if (!strcmp(list->source, "LD_LIBRARY_PATH") || !strcmp(list->source, "--library-path"))
    add_folders(&l, &policy->search.rpath);
  const struct ldx_policy_rewrite *w = add_rewritten(&l, r, list->folders);
  if (!strcmp(list->source, "system search path"))
    add_folders(&l, &policy->search.append);
  if (l.failed) {
    out->error = ENOMEM;
    out->why = reason(p, where, NULL);
    return LDX_DENY;
  }
  if (!strcmp(p->folders, list->folders))
    return LDX_PASS;
  out->text = p->folders;
  out->why = reason(p, w ? w->where : where, w ? w->why : NULL);
  return LDX_CHANGED;
}

static const struct ldx_policy_provide *provide_rule(const struct rules *p, const char *name) {
  for (uint32_t i = 0; i < p->policy->provide.count; i++)
    if (matches(p->policy->provide.at[i].name, name) || matches(p->policy->provide.at[i].name, ldx_last_part(name)))
      return &p->policy->provide.at[i];
  return NULL;
}

/* Files for names: what is in memory gets the path of where it comes from. */
static enum ldx_verdict steer_search(void *ctx, const struct ldx_request *r, ldx_search *s, struct ldx_answer *out) {
  struct rules *p = ctx;
  const struct ldx_policy_provide *v = provide_rule(p, r->name);
  if (!v)
    return LDX_PASS;
  if (v->from.is == LDX_PROVIDE_SECTION)
    ldx_format(p->text, sizeof p->text, "%s#%s", ldx_self.program_path, v->from.text);
  else
    ldx_format(p->text, sizeof p->text, "%s", v->from.text);
  out->why = reason(p, v->where, NULL);
  int error = ldx_search_try(s, p->text);
  if (!error)
    return LDX_CHANGED;
  out->error = error;
  return LDX_DENY;
}

static const char *program_file(void) { return ldx_self.exe_path ? ldx_self.exe_path : ldx_self.program_path; }

static enum ldx_verdict from_section(struct rules *p, const struct ldx_policy_provide *v, struct ldx_answer *out) {
  struct stat st;
  size_t size = 0;
  char *bytes = NULL;
  const char *fault = NULL;
  long fd = io_open(&ldx_self.io, program_file(), 0x80000 /* O_CLOEXEC */);
  if (ldx_sys_failed(fd))
    return LDX_PASS;
  if (ldx_sys_failed(io_fstat(&ldx_self.io, (int)fd, &st)))
    st.st_size = 0;
  const struct ldx_policy_bytes file = {.fd = (int)fd, .size = (uint64_t)st.st_size};
  int found = ldx_policy_find_section(&ldx_self.heap, &file, v->from.text, 1ul << 30, &bytes, &size, &fault);
  io_close(&ldx_self.io, (int)fd);
  if (found != 1) {
    ldx_format(p->why, sizeof p->why, "%s: %s (%s)", v->from.text, found ? fault : "there is no such section",
               v->where);
    out->why = p->why;
    out->error = ENOENT;
    return LDX_DENY;
  }
  out->image = p->image = bytes;
  out->image_size = size;
  out->why = reason(p, v->where, NULL);
  return LDX_CHANGED;
}

/* The file's bytes, in memory: it is not open while the program runs. */
static enum ldx_verdict from_copy(struct rules *p, const struct ldx_policy_provide *v, struct ldx_answer *out) {
  struct stat st;
  long fd = io_open(&ldx_self.io, v->from.text, 0x80000 /* O_CLOEXEC */);
  if (ldx_sys_failed(fd))
    return LDX_PASS;
  char *bytes = ldx_sys_failed(io_fstat(&ldx_self.io, (int)fd, &st)) ? NULL : ldx_new((size_t)st.st_size);
  size_t done = 0;
  while (bytes && done < (size_t)st.st_size) {
    long n = io_read(&ldx_self.io, (int)fd, bytes + done, (size_t)st.st_size - done);
    if (n <= 0)
      break;
    done += (size_t)n;
  }
  io_close(&ldx_self.io, (int)fd);
  p->image = bytes;
  if (!bytes || done < (size_t)st.st_size) {
    out->error = bytes ? EIO : ENOMEM;
    out->why = reason(p, v->where, NULL);
    return LDX_DENY;
  }
  out->image = bytes;
  out->image_size = done;
  out->why = reason(p, v->where, NULL);
  return LDX_CHANGED;
}

static enum ldx_verdict steer_image(void *ctx, const struct ldx_request *r, const char *path,
                                    struct ldx_answer *out) {
  struct rules *p = ctx;
  const struct ldx_policy_provide *v = provide_rule(p, r->name);
  ldx_delete(p->image);
  p->image = NULL;
  if (!v)
    return LDX_PASS;
  if (v->from.is == LDX_PROVIDE_SECTION && strchr(path, '#'))
    return from_section(p, v, out);
  if (v->from.is == LDX_PROVIDE_MEMFD && !strcmp(path, v->from.text))
    return from_copy(p, v, out);
  return LDX_PASS;
}

static bool is_item(const struct ldx_order_item *i, const char *name) {
  return matches(name, i->name) || matches(name, i->path) || matches(name, ldx_last_part(i->path));
}

static uint32_t rank_of(const ldx_policy_texts *order, const struct ldx_order_item *item) {
  uint32_t i = 0;
  while (i < order->count && !is_item(item, order->at[i].text))
    i++;
  return i;
}

/* Those that the policy names take the places that they have among them, in its order. */
static enum ldx_verdict steer_scope(void *ctx, int64_t ns, struct ldx_order_item *items, size_t count,
                                    struct ldx_answer *out) {
  struct rules *p = ctx;
  const ldx_policy_texts *order = &p->policy->load_order;
  bool any = false;
  (void)ns;
  for (size_t i = 1; order->count && i < count; i++) /* the root stays first */
    for (size_t k = i + 1; k < count; k++) {
      uint32_t a = rank_of(order, &items[i]), b = rank_of(order, &items[k]);
      if (b >= a || a == order->count)
        continue;
      struct ldx_order_item t = items[i];
      items[i] = items[k];
      items[k] = t;
      any = true;
    }
  out->why = any ? reason(p, order->at[0].where, NULL) : NULL;
  return any ? LDX_CHANGED : LDX_PASS;
}

/* Whether item i must wait for one that is not placed yet. */
static bool waits(const struct rules *p, const struct ldx_order_item *items, size_t count, const bool *placed,
                  size_t i) {
  for (uint32_t e = 0; e < p->policy->init_order.count; e++) {
    const struct ldx_policy_pair *pair = &p->policy->init_order.at[e];
    if (!is_item(&items[i], pair->second))
      continue;
    for (size_t k = 0; k < count; k++)
      if (k != i && !placed[k] && is_item(&items[k], pair->first))
        return true;
  }
  return false;
}

/* Items come in the order in which they are to be initialised. */
static enum ldx_verdict steer_init(void *ctx, int64_t ns, struct ldx_order_item *items, size_t count,
                                   struct ldx_answer *out) {
  struct rules *p = ctx;
  (void)ns;
  if (!p->policy->init_order.count)
    return LDX_PASS;
  bool *placed = ldx_new(count), any = false;
  struct ldx_order_item *sorted = ldx_new(count * sizeof *sorted);
  for (size_t n = 0; placed && sorted && n < count; n++) {
    size_t i = 0, first = 0;
    while (first < count && placed[first])
      first++;
    for (i = first; i < count && (placed[i] || waits(p, items, count, placed, i)); i++)
      ;
    if (i == count) /* a circle: the policy was checked, but globs may make one */
      i = first;
    any |= i != first;
    placed[i] = true;
    sorted[n] = items[i];
  }
  if (any)
    memcpy(items, sorted, count * sizeof *sorted);
  ldx_delete(placed);
  ldx_delete(sorted);
  out->why = any ? reason(p, p->policy->init_order.at[0].where, NULL) : NULL;
  return any ? LDX_CHANGED : LDX_PASS;
}

static bool is_library(const struct ldx_object *o, const char *glob) {
  return !o->real && o->kind == LDX_LIBRARY && !o->faked &&
         ((o->soname && matches(glob, o->soname)) || matches(glob, o->map.l_name) ||
          matches(glob, ldx_last_part(o->map.l_name)));
}

/* Of the same namespace, also of the load under way. */
static struct ldx_object *library_named(const struct ldx_rebinding *r, const char *glob) {
  for (struct ldx_object *o = r->from->ns->first; o; o = o->map.l_next)
    if (is_library(o, glob))
      return o;
  for (uint32_t i = 0; r->load && i < r->load->fresh.count; i++)
    if (is_library(r->load->fresh.at[i], glob))
      return r->load->fresh.at[i];
  return NULL;
}

static bool is_bound_by(const struct ldx_policy_bind *b, const struct ldx_binding_request *r) {
  return matches(b->sym, r->symbol) && (!b->version || matches(b->version, r->version ? r->version : "")) &&
         is_from(b->caller, r->from_path) && (!b->definer || is_from(b->definer, r->to_path));
}

/* "to" names a library, whose definition is taken instead. Other threads may be here at the same time. */
static enum ldx_verdict steer_bind(void *ctx, const struct ldx_binding_request *r, void **value,
                                   struct ldx_answer *out) {
  const struct rules *p = ctx;
  for (uint32_t i = 0; i < p->policy->bind.count; i++) {
    const struct ldx_policy_bind *b = &p->policy->bind.at[i];
    struct ldx_object *o = is_bound_by(b, r) ? library_named((const struct ldx_rebinding *)r, b->to) : NULL;
    struct ldx_sym_request q = {.name = elf_name(r->symbol), .flags = LDX_SYM_NEWEST};
    const Elf64_Sym *s = o ? ldx_symbol_in(o, &q) : NULL;
    if (!s || ELF64_ST_TYPE(s->st_info) == STT_TLS)
      continue;
    uintptr_t at = o->overridden ? ldx_override(o, s) : 0;
    if (!at)
      at = ldx_symbol_address(o, s);
    if (ELF64_ST_TYPE(s->st_info) == STT_GNU_IFUNC && at == ldx_symbol_address(o, s)) {
      if (!o->relocated || !ldx_object_at(at)) /* its resolver cannot run yet */
        continue;
      at = ldx_resolve(o, at);
    }
    *value = (void *)at;
    out->why = b->where;
    return LDX_CHANGED;
  }
  return LDX_PASS;
}

/* Names as one list, separated by colons. */
static const char *joined(const ldx_policy_texts *t) {
  size_t n = 1;
  for (uint32_t i = 0; i < t->count; i++)
    n += strlen(t->at[i].text) + 1;
  char *all = t->count ? ldx_new(n) : NULL, *p = all;
  for (uint32_t i = 0; all && i < t->count; i++) {
    if (i)
      *p++ = ':';
    size_t len = strlen(t->at[i].text);
    memcpy(p, t->at[i].text, len + 1);
    p += len;
  }
  return all;
}

static void set_algorithm(const struct ldx_policy *p) {
  static const uint8_t by[] = {[LDX_SEARCH_MUSL] = LDX_ALGORITHM_MUSL,
                               [LDX_SEARCH_STORE] = LDX_ALGORITHM_STORE,
                               [LDX_SEARCH_FROZEN] = LDX_ALGORITHM_FROZEN,
                               [LDX_SEARCH_ORIGIN_CACHE] = LDX_ALGORITHM_ORIGIN_CACHE};
  uint32_t is = p->search.algorithm.is;
  ldx_self.search.algorithm = is < LDX_COUNT(by) ? by[is] : LDX_ALGORITHM_USUAL;
  ldx_self.search.depth_first = is == LDX_SEARCH_DEPTH_FIRST;
  ldx_self.search.store = joined(&p->search.store);
  ldx_self.search_tool = is == LDX_SEARCH_TOOL ? p->search.algorithm.text : NULL;
}

static void set_search(const struct ldx_policy *p) {
  const char *hwcaps = joined(&p->search.hwcaps), *mask = joined(&p->hwcaps_mask);
  set_algorithm(p);
  ldx_self.search.keep_origin = p->search.keep_origin == LDX_SWITCH_ON;
  if (hwcaps)
    ldx_self.search.hwcaps_prepend = hwcaps;
  if (mask)
    ldx_self.search.hwcaps_mask = mask;
}

static bool rewrites(const struct ldx_policy *p, uint32_t kind) {
  for (uint32_t i = 0; i < p->rewrite.count; i++)
    if (p->rewrite.at[i].when.kind == kind)
      return true;
  return false;
}

/* Only what there are rules for is asked. */
static struct ldx_steering table_for(const struct ldx_policy *p) {
  bool paths = p->search.prepend.count || p->search.append.count || p->search.rpath.count;
  return (struct ldx_steering){
      .size = sizeof(struct ldx_steering),
      .name = p->deny.count || rewrites(p, LDX_WHEN_NAME) || rewrites(p, LDX_WHEN_SONAME) ? steer_name : NULL,
      .paths = paths || rewrites(p, LDX_WHEN_SEARCH) ? steer_paths : NULL,
      .path = p->deny.count || rewrites(p, LDX_WHEN_PATH) || rewrites(p, LDX_WHEN_DIR) ? steer_path : NULL,
      .search = p->provide.count ? steer_search : NULL,
      .image = p->provide.count ? steer_image : NULL,
      .scope_order = p->load_order.count ? steer_scope : NULL,
      .init_order = p->init_order.count ? steer_init : NULL,
      .bind = p->bind.count ? steer_bind : NULL};
}

static bool steers(const struct ldx_steering *s) {
  return s->name || s->paths || s->path || s->search || s->image || s->scope_order || s->init_order || s->bind;
}

bool ldx_start_policy(void) {
  const struct ldx_policy *p = ldx_self.policy;
  struct ldx_hooks *h = &ldx_self.hooks;
  struct ldx_diag d = {.heap = &ldx_self.heap};
  if (!p)
    return true;
  h->on_conflict = p->order.on_conflict;
  h->edges = (const struct ldx_tool_edge *)p->order.edges.at; /* the same three texts */
  h->edge_count = p->order.edges.count;
  h->removed = (const struct ldx_tool_edge *)p->order.remove.at;
  h->removed_count = p->order.remove.count;
  ldx_self.options.strict |= p->security.strict == LDX_SWITCH_ON;
  ldx_self.options.follow |= p->follow.exec == LDX_SWITCH_ON || p->follow.fork == LDX_SWITCH_ON;
  set_search(p);
  struct ldx_tool *t = ldx_hooks_new_tool(h, "policy", "", NULL);
  struct rules *rules = ldx_new(sizeof *rules);
  struct ldx_steering *steering = ldx_new(sizeof *steering);
  if (!t || !rules || !steering)
    return false;
  rules->policy = p;
  *steering = table_for(p);
  if (steers(steering) && ldx_steer(t, steering, rules))
    return false;
  return ldx_hooks_add_tool(h, t, &d);
}
