#include "search/search_context.h"

#include <ldx/steer.h>
#include <string.h>

#include "base/print.h"
#include "search/dst.h"
#include "search/state.h"

/* A list as it is written, and what $ORIGIN in it means. */
static void add_list(struct ldx_library_search *s, struct ldx_digest *d, struct ldx_object *o, int tag) {
  const char *text = o && o->dyn.info[tag] ? elf_dynamic_string(&o->dyn, tag) : NULL;
  ldx_digest_text(d, text);
  if (!text)
    return;
  if (ldx_has_dst(text))
    ldx_digest_text(d, ldx_object_origin(s, o));
  if (s->inhibit_rpath)
    ldx_digest_text(d, o->map.l_name);
}

/* As in try_rpaths of library.c. */
static void add_rpaths(struct ldx_library_search *s, struct ldx_digest *d, const struct ldx_find_request *r) {
  if (r->loader && r->loader->dyn.info[DT_RUNPATH])
    return;
  for (struct ldx_object *o = r->loader; o; o = o->loader)
    if (!o->dyn.info[DT_RUNPATH] && o->dyn.info[DT_RPATH])
      add_list(s, d, o, DT_RPATH);
  ldx_digest_text(d, NULL);
  if (r->program && !r->program->dyn.info[DT_RUNPATH])
    add_list(s, d, r->program, DT_RPATH);
}

/* Other algorithms: all that the chain of loaders has to say. */
static void add_chain(struct ldx_library_search *s, struct ldx_digest *d, const struct ldx_find_request *r) {
  for (struct ldx_object *o = r->loader; o; o = o->loader) {
    add_list(s, d, o, DT_RPATH);
    add_list(s, d, o, DT_RUNPATH);
    if (s->algorithm == LDX_ALGORITHM_ORIGIN_CACHE)
      ldx_digest_text(d, ldx_object_origin(s, o));
  }
  add_list(s, d, r->program, DT_RPATH);
  add_list(s, d, r->program, DT_RUNPATH);
}

struct ldx_digest ldx_search_context(struct ldx_library_search *s, const struct ldx_find_request *r) {
  struct ldx_digest d = {0};
  const struct ldx_object *asker = r->loader ? r->loader : r->program;
  const uint32_t facts[] = {r->mode, r->origin == LDX_FROM_TOOL, r->loader != NULL, r->program != NULL,
                            asker && (asker->dyn.flags_1 & DF_1_NODEFLIB)};
  ldx_digest_add(&d, facts, sizeof facts);
  ldx_digest_text(&d, r->name);
  if (s->musl_interp || s->algorithm != LDX_ALGORITHM_USUAL)
    add_chain(s, &d, r);
  else
    add_rpaths(s, &d, r);
  add_list(s, &d, r->loader, DT_RUNPATH);
  if (r->mode == LDX_FIND_AUDIT)
    add_list(s, &d, r->program, DT_RUNPATH);
  if (s->library_path && r->program && ldx_has_dst(s->library_path))
    ldx_digest_text(&d, ldx_object_origin(s, r->program));
  return d;
}

static const char *or_none(const char *text) { return text ? text : "(none)"; }

static size_t write_settings(const struct ldx_library_search *s, const char *more, char *text, size_t size) {
  const char *cache = s->inhibit_cache ? NULL : s->cache_file ? s->cache_file : LDX_CACHE_FILE;
  return ldx_format(text, size,
                    "ldx=%s\nLD_LIBRARY_PATH=%s\nLD_ORIGIN_PATH=%s\nplatform=%s\nhwcap=%lx\nhwcap-mask=%lx\n"
                    "glibc-hwcaps-prepend=%s\nglibc-hwcaps-mask=%s\ninhibit-rpath=%s\nld.so.cache=%s\nmusl=%s\n"
                    "secure=%u\nalgorithm=%u\nstore=%s\n%s",
                    LDX_VERSION, or_none(s->library_path), or_none(s->origin_path), or_none(s->platform),
                    (unsigned long)s->hwcap, (unsigned long)(s->hwcap_mask_set ? s->hwcap_mask : LDX_HWCAP_IMPORTANT),
                    or_none(s->hwcaps_prepend), or_none(s->hwcaps_mask), or_none(s->inhibit_rpath), or_none(cache),
                    or_none(s->musl_interp), s->secure, s->algorithm, or_none(s->store), more);
}

char *ldx_search_settings(struct ldx_library_search *s, const char *more) {
  size_t size = write_settings(s, more, NULL, 0) + 1;
  char *text = ldx_heap_alloc(s->heap, size);
  if (text)
    write_settings(s, more, text, size);
  return text;
}

const char *ldx_search_cpu(struct ldx_library_search *s, bool ask, char *text, size_t size) {
  if (!ask && !(s->state && s->state->have_hwcaps))
    return NULL;
  const struct ldx_hwcaps *h = ldx_search_hwcaps(s);
  if (!h)
    return NULL;
  ldx_format(text, size, "x86-64-v%u %s%s", h->isa.level, or_none(h->platform), h->isa.avx512_1 ? " avx512_1" : "");
  return text;
}
