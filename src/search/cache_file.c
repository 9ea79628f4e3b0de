#include "search/cache_file.h"

#include <string.h>

_Static_assert(sizeof(struct ldx_cache_header) == 32 && sizeof(struct ldx_cache_slot) == 40 &&
                   sizeof(struct ldx_cache_record) == 24 && sizeof(struct ldx_cache_witness) == 56 &&
                   sizeof(struct ldx_cache_entry) == 88,
               "the layout is a format: a new one has a new version");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian");

static uint64_t sum_of_head(const struct ldx_cache_header *h, const struct ldx_cache_slot *slots) {
  struct ldx_cache_header plain = *h;
  plain.sum = 0;
  return ldx_sum(slots, h->records * sizeof *slots, ldx_sum(&plain, sizeof plain, LDX_CACHE_VERSION));
}

const char *ldx_cache_open(struct ldx_span start, uint64_t file_size, struct ldx_cache_view *out) {
  const struct ldx_cache_header *h = ldx_span_at(start, 0, 1, sizeof *h);
  *out = (struct ldx_cache_view){.file = start};
  if (!h || memcmp(h->magic, LDX_CACHE_MAGIC, sizeof h->magic))
    return "is no launch cache";
  if (h->version != LDX_CACHE_VERSION)
    return "is of another version";
  const struct ldx_cache_slot *slots = ldx_span_at(start, sizeof *h, h->records, sizeof *slots);
  if (h->size != file_size || h->records > LDX_CACHE_MAX_RECORDS || !slots || sum_of_head(h, slots) != h->sum)
    return "is damaged";
  out->records = h->records;
  out->slots = slots;
  return NULL;
}

static bool is_text(const struct ldx_cache_record *r, uint32_t at) { return at < r->texts; }

static bool sound_witnesses(const struct ldx_cache_record *r, const struct ldx_cache_witness *w) {
  for (uint32_t i = 0; i < r->witnesses; i++)
    if (!w[i].path || !is_text(r, w[i].path) || w[i].kind < LDX_WITNESS_ABSENT || w[i].kind > LDX_WITNESS_CPU)
      return false;
  return true;
}

static bool sound_entries(const struct ldx_cache_record *r, const struct ldx_cache_entry *e) {
  for (uint32_t i = 0; i < r->entries; i++)
    if (!is_text(r, e[i].name) || !is_text(r, e[i].from) || !is_text(r, e[i].path) ||
        e[i].key.size > LDX_CACHE_KEY_SIZE || (!e[i].path && !e[i].error))
      return false;
  return true;
}

const char *ldx_record_open(const struct ldx_cache_slot *slot, struct ldx_span s, struct ldx_record_view *out) {
  const struct ldx_cache_record *r = ldx_span_at(s, 0, 1, sizeof *r);
  *out = (struct ldx_record_view){0};
  if (!r || s.size != slot->size || ldx_sum(s.base, s.size, slot->id) != slot->sum)
    return "is damaged";
  uint64_t entries = sizeof *r + (uint64_t)r->witnesses * sizeof *out->witnesses;
  uint64_t texts = entries + (uint64_t)r->entries * sizeof *out->entries;
  out->witnesses = ldx_span_at(s, sizeof *r, r->witnesses, sizeof *out->witnesses);
  out->entries = ldx_span_at(s, entries, r->entries, sizeof *out->entries);
  out->texts = ldx_span_at(s, texts, r->texts, 1);
  if (!out->witnesses || !out->entries || !out->texts || !r->texts || out->texts[r->texts - 1] ||
      !is_text(r, r->program) || !is_text(r, r->settings) || !sound_witnesses(r, out->witnesses) ||
      !sound_entries(r, out->entries)) {
    *out = (struct ldx_record_view){0};
    return "is damaged";
  }
  out->slot = slot;
  out->head = r;
  return NULL;
}

const char *ldx_cache_read(const struct ldx_cache_view *v, uint32_t index, struct ldx_record_view *out) {
  const struct ldx_cache_slot *slot = &v->slots[index];
  const uint8_t *bytes = slot->offset % 8 ? NULL : ldx_span_at(v->file, slot->offset, slot->size, 1);
  return ldx_record_open(slot, (struct ldx_span){bytes, bytes ? slot->size : 0}, out);
}

uint64_t ldx_cache_id(const char *program, const char *settings) {
  return ldx_sum(settings, strlen(settings), ldx_sum(program, strlen(program), 0));
}

bool ldx_record_is_of(const struct ldx_record_view *r, const char *program, const char *settings) {
  return !strcmp(r->texts + r->head->program, program) && !strcmp(r->texts + r->head->settings, settings);
}

bool ldx_cache_find(const struct ldx_cache_view *v, const char *program, const char *settings,
                    struct ldx_record_view *out) {
  uint64_t id = ldx_cache_id(program, settings);
  for (uint32_t i = 0; i < v->records; i++)
    if (v->slots[i].id == id && !ldx_cache_read(v, i, out) && ldx_record_is_of(out, program, settings))
      return true;
  *out = (struct ldx_record_view){0};
  return false;
}

uint32_t ldx_draft_text(struct ldx_draft *d, const char *text) {
  size_t n = text ? strlen(text) + 1 : 0, at = d->text_size ? d->text_size : 1; /* 0 is no text */
  if (!n)
    return 0;
  while (!d->failed && at + n > d->text_room)
    d->failed = !ldx_heap_grow(d->heap, (void **)&d->texts, &d->text_room, 1, 4096);
  if (d->failed || at + n > LDX_CACHE_MAX_SIZE / 2) {
    d->failed = true;
    return 0;
  }
  memcpy(d->texts + at, text, n);
  d->text_size = at + n;
  return (uint32_t)at;
}

static const struct ldx_cache_witness *witness_of(const struct ldx_draft *d, const char *path) {
  for (size_t i = 0; i < d->witness_count; i++)
    if (!strcmp(d->texts + d->witnesses[i].path, path))
      return &d->witnesses[i];
  return NULL;
}

void ldx_draft_witness(struct ldx_draft *d, const char *path, const struct ldx_cache_witness *w) {
  if (d->failed || witness_of(d, path))
    return;
  if (d->witness_count == LDX_CACHE_MAX_WITNESSES ||
      (d->witness_count == d->witness_room &&
       !ldx_heap_grow(d->heap, (void **)&d->witnesses, &d->witness_room, sizeof *d->witnesses, 32))) {
    d->failed = true;
    return;
  }
  struct ldx_cache_witness *added = &d->witnesses[d->witness_count];
  *added = *w;
  added->path = ldx_draft_text(d, path);
  d->witness_count++;
}

static bool same_context(const struct ldx_cache_entry *a, const struct ldx_cache_entry *b) {
  return a->context.at[0] == b->context.at[0] && a->context.at[1] == b->context.at[1];
}

static struct ldx_cache_entry *entry_of(const struct ldx_draft *d, const struct ldx_cache_entry *e) {
  for (size_t i = 0; i < d->entry_count; i++)
    if (same_context(&d->entries[i], e))
      return &d->entries[i];
  return NULL;
}

static bool same_text(const struct ldx_draft *d, uint32_t at, const char *text) {
  return at && text ? !strcmp(d->texts + at, text) : !at && !text;
}

static bool is_just_so(const struct ldx_draft *d, const struct ldx_cache_entry *old, const struct ldx_cache_entry *e,
                       const char *path) {
  return old->error == e->error && !memcmp(&old->key, &e->key, sizeof e->key) && same_text(d, old->path, path);
}

bool ldx_draft_entry(struct ldx_draft *d, const struct ldx_cache_entry *e, const char *name, const char *from,
                     const char *path) {
  struct ldx_cache_entry *at = entry_of(d, e);
  if (d->failed || (at && is_just_so(d, at, e, path)))
    return false;
  d->failed = !at && (d->entry_count == LDX_CACHE_MAX_ENTRIES ||
                      (d->entry_count == d->entry_room &&
                       !ldx_heap_grow(d->heap, (void **)&d->entries, &d->entry_room, sizeof *d->entries, 64)));
  if (d->failed)
    return false;
  if (!at)
    at = &d->entries[d->entry_count++];
  *at = *e;
  at->name = ldx_draft_text(d, name);
  at->from = ldx_draft_text(d, from);
  at->path = ldx_draft_text(d, path);
  return true;
}

static bool same_witness(const struct ldx_cache_witness *a, const struct ldx_cache_witness *b) {
  return a->kind == b->kind && a->error == b->error && !memcmp(&a->state, &b->state, sizeof a->state);
}

bool ldx_draft_conflicts(const struct ldx_draft *d, const struct ldx_record_view *r) {
  for (uint32_t i = 0; r->slot && i < r->head->witnesses; i++) {
    const struct ldx_cache_witness *w = witness_of(d, r->texts + r->witnesses[i].path);
    if (w && !same_witness(w, &r->witnesses[i]))
      return true;
  }
  return false;
}

void ldx_draft_merge(struct ldx_draft *d, const struct ldx_record_view *r) {
  for (uint32_t i = 0; r->slot && i < r->head->witnesses; i++)
    ldx_draft_witness(d, r->texts + r->witnesses[i].path, &r->witnesses[i]);
  for (uint32_t i = 0; r->slot && i < r->head->entries; i++) {
    const struct ldx_cache_entry *e = &r->entries[i];
    if (!entry_of(d, e))
      ldx_draft_entry(d, e, ldx_record_text(r, e->name), ldx_record_text(r, e->from), ldx_record_text(r, e->path));
  }
}

void ldx_draft_free(struct ldx_draft *d) {
  ldx_heap_free(d->heap, d->witnesses);
  ldx_heap_free(d->heap, d->entries);
  ldx_heap_free(d->heap, d->texts);
  *d = (struct ldx_draft){.heap = d->heap};
}

/* A file that is being put together. */
struct writing {
  uint8_t *bytes;
  struct ldx_cache_slot *slots;
  uint32_t records;
  uint64_t end;
};

static void put(struct writing *w, const void *bytes, size_t n) {
  memcpy(w->bytes + w->end, bytes, n);
  w->end += n;
}

static void finish_record(struct writing *w, uint64_t id, uint64_t start, int64_t written) {
  w->slots[w->records++] =
      (struct ldx_cache_slot){id, start, w->end - start, ldx_sum(w->bytes + start, w->end - start, id), written};
  w->end = ldx_align_up(w->end, 8);
}

static size_t draft_size(const struct ldx_draft *d) {
  return sizeof(struct ldx_cache_record) + d->witness_count * sizeof *d->witnesses +
         d->entry_count * sizeof *d->entries + d->text_size + 8;
}

static void put_draft(struct writing *w, const struct ldx_draft *d, uint32_t program, uint32_t settings, uint64_t id,
                      int64_t now) {
  const struct ldx_cache_record head = {.witnesses = (uint32_t)d->witness_count,
                                        .entries = (uint32_t)d->entry_count,
                                        .texts = (uint32_t)d->text_size,
                                        .program = program,
                                        .settings = settings};
  uint64_t start = w->end;
  put(w, &head, sizeof head);
  put(w, d->witnesses, d->witness_count * sizeof *d->witnesses);
  put(w, d->entries, d->entry_count * sizeof *d->entries);
  put(w, d->texts, d->text_size);
  finish_record(w, id, start, now);
}

/* The oldest record that is to stay when there are too many. */
static int64_t oldest_to_stay(const struct ldx_cache_view *v) {
  int64_t oldest = INT64_MIN;
  for (;;) {
    uint32_t newer = 0;
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < v->records; i++) {
      newer += v->slots[i].written >= oldest;
      if (v->slots[i].written > oldest && v->slots[i].written < next)
        next = v->slots[i].written;
    }
    if (newer < LDX_CACHE_MAX_RECORDS || next == INT64_MAX)
      return oldest;
    oldest = next;
  }
}

static void put_others(struct writing *w, const struct ldx_cache_view *old, const char *program,
                       const char *settings) {
  int64_t oldest = old->records < LDX_CACHE_MAX_RECORDS ? INT64_MIN : oldest_to_stay(old);
  for (uint32_t i = 0; i < old->records && w->records + 1 < LDX_CACHE_MAX_RECORDS; i++) {
    struct ldx_record_view r;
    if (old->slots[i].written < oldest || ldx_cache_read(old, i, &r) || ldx_record_is_of(&r, program, settings))
      continue;
    uint64_t start = w->end;
    put(w, r.head, r.slot->size);
    finish_record(w, r.slot->id, start, r.slot->written);
  }
}

void *ldx_cache_write(struct ldx_heap *heap, const struct ldx_cache_view *old, struct ldx_draft *d,
                      const char *program, const char *settings, int64_t now, size_t *size) {
  uint32_t program_at = d ? ldx_draft_text(d, program) : 0, settings_at = d ? ldx_draft_text(d, settings) : 0;
  size_t room = sizeof(struct ldx_cache_header) + (old->records + 1ul) * (sizeof(struct ldx_cache_slot) + 8) +
                old->file.size + (d ? draft_size(d) : 0);
  if ((d && d->failed) || room > LDX_CACHE_MAX_SIZE)
    return NULL;
  struct writing w = {.bytes = ldx_heap_alloc(heap, room)};
  if (!w.bytes)
    return NULL;
  struct ldx_cache_header *h = (struct ldx_cache_header *)w.bytes;
  /* records are put behind a directory of full size, and moved when it is known how many there are */
  size_t directory = (old->records + 1ul) * sizeof *w.slots, first = sizeof *h + directory;
  w.slots = (struct ldx_cache_slot *)(h + 1);
  w.end = first;
  put_others(&w, old, program, settings);
  if (d)
    put_draft(&w, d, program_at, settings_at, ldx_cache_id(program, settings), now);
  size_t unused = directory - w.records * sizeof *w.slots;
  memmove(w.bytes + first - unused, w.bytes + first, w.end - first);
  for (uint32_t i = 0; i < w.records; i++)
    w.slots[i].offset -= unused;
  *size = w.end - unused;
  *h = (struct ldx_cache_header){
      .magic = LDX_CACHE_MAGIC, .version = LDX_CACHE_VERSION, .records = w.records, .size = *size};
  h->sum = sum_of_head(h, w.slots);
  return w.bytes;
}
