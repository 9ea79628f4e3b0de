#include "loader/journal.h"

#include <dlfcn.h>
#include <string.h>

#include "base/print.h"
#include "loader/guard.h"
#include "loader/steer.h"
#include "loader/tell.h"

void ldx_journal_start(void) {
  struct ldx_journal *j = &ldx_self.journal;
  if (j->on)
    return;
  j->buckets = ldx_new(LDX_JOURNAL_BUCKETS * sizeof *j->buckets);
  j->orders = ldx_new(sizeof *j->orders);
  j->on = j->buckets && j->orders;
  ldx_guide_searches();
}

const char *ldx_reason_text(const struct ldx_library_file *f) {
  char text[4200];
  if (!f->owner)
    return ldx_keep_text(f->source);
  ldx_format(text, sizeof text, "%s of %s", f->source, *f->owner ? f->owner : ldx_self.program_name);
  return ldx_keep_text(text);
}

struct ldx_decision *ldx_journal_begin(struct ldx_load *l, const char *name, const struct ldx_object *loader,
                                       int mode) {
  struct ldx_journal *j = &ldx_self.journal;
  struct ldx_decision *d = j->on ? ldx_new(sizeof *d) : NULL;
  if (!d)
    return NULL;
  d->name = ldx_keep_text(name);
  d->from = loader ? ldx_keep_text(ldx_path_of(loader)) : NULL;
  d->requester = loader ? loader->id : 0;
  d->ns = l->ns->id;
  d->origin = ldx_origin_of(l);
  d->asks_only = mode & RTLD_NOLOAD;
  d->startup = l->startup;
  d->times = 1;
  d->began = ldx_now();
  d->outer = j->current;
  d->before = j->last;
  if (j->last)
    j->last->next = d;
  else
    j->first = d;
  j->last = j->current = d;
  j->count++;
  return d;
}

/* ---- the same once more. Kept texts that are equal are one text: pointers are compared. */

static struct ldx_decision **bucket_of(struct ldx_journal *j, const struct ldx_decision *d) {
  uintptr_t mix = (uintptr_t)d->name * 31 + (uintptr_t)d->from * 17 + (uintptr_t)d->path;
  return &j->buckets[(mix >> 4) % LDX_JOURNAL_BUCKETS];
}

static bool alike(const struct ldx_decision *a, const struct ldx_decision *b) {
  return a->name == b->name && a->from == b->from && a->ns == b->ns && a->origin == b->origin && a->path == b->path &&
         a->reason == b->reason && a->error == b->error && a->code == b->code && a->identity == b->identity &&
         a->asks_only == b->asks_only;
}

static void drop_last(struct ldx_journal *j) {
  struct ldx_decision *d = j->last;
  j->last = d->before;
  if (j->last)
    j->last->next = NULL;
  else
    j->first = NULL;
  j->count--;
  for (struct ldx_step *s = d->first, *next; s; s = next) {
    next = s->next;
    ldx_delete(s);
  }
  ldx_delete(d);
}

/* At start-up everything is kept: the order of requests counts there. */
static void merge(struct ldx_journal *j, struct ldx_decision *d) {
  struct ldx_decision **bucket = bucket_of(j, d), *known = *bucket;
  while (known && !alike(known, d))
    known = known->alike;
  if (known && j->last == d && !d->startup) {
    known->object = d->object;
    known->ended = d->ended;
    known->times++;
    drop_last(j);
  } else if (!known) {
    d->alike = *bucket;
    *bucket = d;
  }
}

void ldx_journal_end(struct ldx_decision *d, const struct ldx_object *o, const struct ldx_diag *diag) {
  if (!d)
    return;
  ldx_self.journal.current = d->outer;
  if (o) {
    d->object = o->id;
    d->path = ldx_keep_text(ldx_path_of(o));
    d->reason = o->reason;
  } else if (diag->text) {
    d->error = ldx_keep_text(diag->text);
    d->code = diag->error;
  }
  d->ended = ldx_now();
  merge(&ldx_self.journal, d);
}

void ldx_journal_fault(const struct ldx_diag *d) {
  struct ldx_fault *f = ldx_new(sizeof *f), **end = &ldx_self.journal.faults;
  char text[4200];
  if (!f)
    return;
  const char *object = d->object ? d->object : "";
  ldx_format(text, sizeof text, "%s%s%s%s%s", object, *object ? ": " : "", d->text ? d->text : "out of memory",
             d->error ? ": " : "", d->error ? ldx_errno_text(d->error) : "");
  f->text = ldx_keep_text(text);
  while (*end)
    end = &(*end)->next;
  *end = f;
}

static bool is_binding(const struct ldx_step *s) { return s->what && !strcmp(s->what, LDX_STEP_BINDING); }

static void keep(const char **text) { *text = ldx_keep_text(*text); }

void ldx_journal_step(const struct ldx_step *step) {
  struct ldx_journal *j = &ldx_self.journal;
  struct ldx_decision *d = j->current || is_binding(step) ? j->current : j->orders;
  struct ldx_step *s = d ? ldx_new(sizeof *s) : NULL;
  if (!s)
    return;
  *s = *step;
  s->next = NULL;
  keep(&s->from);
  keep(&s->to);
  keep(&s->source);
  keep(&s->author);
  keep(&s->why);
  if (d->last)
    d->last->next = s;
  else
    d->first = s;
  d->last = s;
}
