#include "loader/journal.h"

#include "base/print.h"
#include "loader/steer.h"
#include "loader/tell.h"

static const char *path_of(const struct ldx_object *o) {
  return *o->map.l_name ? o->map.l_name : ldx_display_name(o);
}

void ldx_journal_start(void) {
  ldx_self.journal.on = true;
  ldx_guide_searches();
}

const char *ldx_reason_text(const struct ldx_library_file *f) {
  char text[4200];
  if (!f->owner)
    return ldx_keep_text(f->source);
  ldx_format(text, sizeof text, "%s of %s", f->source, *f->owner ? f->owner : ldx_self.program_name);
  return ldx_keep_text(text);
}

struct ldx_decision *ldx_journal_begin(struct ldx_load *l, const char *name, const struct ldx_object *loader) {
  struct ldx_journal *j = &ldx_self.journal;
  struct ldx_decision *d = j->on ? ldx_new(sizeof *d) : NULL;
  if (!d)
    return NULL;
  d->name = ldx_keep_text(name);
  d->from = loader ? ldx_keep_text(path_of(loader)) : NULL;
  d->requester = loader ? loader->id : 0;
  d->ns = l->ns->id;
  d->origin = ldx_origin_of(l);
  d->outer = j->current;
  if (j->last)
    j->last->next = d;
  else
    j->first = d;
  j->last = j->current = d;
  j->count++;
  return d;
}

void ldx_journal_end(struct ldx_decision *d, const struct ldx_object *o, const struct ldx_diag *diag) {
  if (!d)
    return;
  ldx_self.journal.current = d->outer;
  if (o) {
    d->object = o->id;
    d->path = ldx_keep_text(path_of(o));
    d->reason = o->reason;
  } else if (diag->text) {
    d->error = ldx_keep_text(diag->text);
  }
}

static void keep(const char **text) { *text = ldx_keep_text(*text); }

void ldx_journal_step(const struct ldx_step *step) {
  struct ldx_decision *d = ldx_self.journal.current;
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
