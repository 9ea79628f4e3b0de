#include "elf/version.h"

static bool damaged(enum elf_error *error) {
  *error = ELF_BAD_VERSIONS;
  return false;
}

/* Moves to the next verneed entry; offsets only grow, so the walk ends. */
static bool enter_need(const struct elf_image *im, const struct elf_dynamic *d, struct elf_need_walk *w,
                       enum elf_error *error) {
  const Elf64_Verneed *vn;
  if (!w->started) {
    w->started = true;
    w->entry = elf_dynamic_value(d, ELF_DT_VERNEED);
    w->entries_left = d->info[ELF_DT_VERNEEDNUM] ? elf_dynamic_value(d, ELF_DT_VERNEEDNUM) : UINT64_MAX;
    w->total_left = elf_room(im, w->entry) / sizeof(Elf64_Vernaux);
    if (!w->entry || !w->entries_left)
      return false;
  } else {
    vn = elf_at(im, w->entry, sizeof *vn);
    if (!vn->vn_next || !w->entries_left)
      return false;
    w->entry += vn->vn_next;
  }
  vn = w->entry % 4 ? NULL : elf_at(im, w->entry, sizeof *vn);
  if (!vn || vn->vn_version != 1 || !(w->file = elf_string(d, vn->vn_file)))
    return damaged(error);
  w->entries_left--;
  w->aux_left = vn->vn_cnt;
  w->aux = w->entry + vn->vn_aux;
  return true;
}

bool elf_next_need(const struct elf_image *im, const struct elf_dynamic *d, struct elf_need_walk *w,
                   struct elf_need *out, enum elf_error *error) {
  *error = ELF_OK;
  while (!w->aux_left)
    if (!enter_need(im, d, w, error))
      return false;
  const Elf64_Vernaux *a = w->aux % 4 ? NULL : elf_at(im, w->aux, sizeof *a);
  if (!a || !w->total_left || !(out->name = elf_string(d, a->vna_name)))
    return damaged(error);
  out->file = w->file;
  out->hash = a->vna_hash;
  out->index = a->vna_other & ELF_VERSYM_INDEX;
  out->hidden = a->vna_other & ELF_VERSYM_HIDDEN;
  out->weak = a->vna_flags & VER_FLG_WEAK;
  w->total_left--;
  w->aux_left = a->vna_next ? w->aux_left - 1 : 0;
  w->aux += a->vna_next;
  return true;
}

static bool enter_def(const struct elf_image *im, const struct elf_dynamic *d, struct elf_def_walk *w) {
  w->started = true;
  w->entry = elf_dynamic_value(d, ELF_DT_VERDEF);
  w->left = d->info[ELF_DT_VERDEFNUM] ? elf_dynamic_value(d, ELF_DT_VERDEFNUM) : UINT64_MAX;
  w->room = elf_room(im, w->entry);
  w->at = (const uint8_t *)(im->bias + w->entry);
  return w->entry;
}

bool elf_next_def(const struct elf_image *im, const struct elf_dynamic *d, struct elf_def_walk *w,
                  struct elf_def *out, enum elf_error *error) {
  *error = ELF_OK;
  if ((!w->started && !enter_def(im, d, w)) || !w->left)
    return false;
  const Elf64_Verdef *vd = (const Elf64_Verdef *)w->at;
  if (w->entry % 4 || w->room < sizeof *vd || vd->vd_version != 1)
    return damaged(error);
  const Elf64_Verdaux *a = (const Elf64_Verdaux *)(w->at + vd->vd_aux);
  if (vd->vd_aux % 4 || !ldx_range_ok(w->room, vd->vd_aux, 1, sizeof *a) || !vd->vd_cnt ||
      !(out->name = elf_string(d, a->vda_name)))
    return damaged(error);
  out->hash = vd->vd_hash;
  out->index = vd->vd_ndx & ELF_VERSYM_INDEX;
  out->base = vd->vd_flags & VER_FLG_BASE;
  out->weak = vd->vd_flags & VER_FLG_WEAK;
  uint64_t next = vd->vd_next < w->room ? vd->vd_next : w->room;
  w->left = next ? w->left - 1 : 0;
  w->entry += next;
  w->at += next;
  w->room -= next;
  return true;
}
