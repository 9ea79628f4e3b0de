#include "libc/glibc/glibc.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "elf/notes.h"
#include "libc/glibc/profiles.h"

/* Stores into the guest's structs; a member this build lacks is skipped. */
static void put64(char *base, uint16_t off, uint64_t v) {
  if (off != GLIBC_ABSENT)
    memcpy(base + off, &v, 8);
}
static void put32(char *base, uint16_t off, uint32_t v) {
  if (off != GLIBC_ABSENT)
    memcpy(base + off, &v, 4);
}
static void put16(char *base, uint16_t off, uint16_t v) {
  if (off != GLIBC_ABSENT)
    memcpy(base + off, &v, 2);
}
static void put_bits(char *base, struct glibc_bits b, unsigned v) {
  if (b.byte == GLIBC_ABSENT)
    return;
  unsigned mask = ((1u << b.width) - 1) << b.shift;
  base[b.byte] = (char)((base[b.byte] & ~mask) | ((v << b.shift) & mask));
}
static void put_ptr(char *base, uint16_t off, const void *p) { put64(base, off, (uint64_t)p); }

static bool same_id(struct ldx_span id, const uint8_t want[20]) {
  return id.size == 20 && !memcmp(id.base, want, 20);
}

/* Later builds call the loader's catcher through a pointer of _rtld_global_ro. */
static void choose_errors(struct glibc_state *g) {
  const struct glibc_profile *f = g->profile;
  uintptr_t signal = ldx_address_of(g->libc, "_dl_signal_exception"), create = f->function._dl_exception_create;
  if (f->ro._dl_catch_error != GLIBC_ABSENT || !signal || !create)
    return;
  g->create_exception = (void (*)(void *, const char *, const char *))(g->ld->map.l_addr + create);
  g->signal_exception = (void (*)(int, void *, const char *))signal;
}

/* libc NULL: not known yet; the loader's build decides. */
static const struct glibc_profile *profile_of(struct ldx_object *ld, struct ldx_object *libc) {
  struct ldx_span a = elf_build_id(&ld->image, ld->phdrs, ld->image.phnum), b = {0};
  if (libc)
    b = elf_build_id(&libc->image, libc->phdrs, libc->image.phnum);
  for (size_t i = 0; i < LDX_COUNT(glibc_profiles); i++) {
    const struct glibc_profile *p = &glibc_profiles[i];
    if (same_id(a, p->ld_build_id) && (!libc || same_id(b, p->libc_build_id)) && p->map.size <= LDX_GUEST_MAP_SIZE)
      return p;
  }
  return NULL;
}

bool glibc_choose_loader(struct glibc_state *g, struct ldx_object *ld) {
  const struct glibc_profile *p = profile_of(ld, NULL);
  if (!p)
    return false;
  *g = (struct glibc_state){.profile = p,
                            .ld = ld,
                            .ro = (char *)ld->map.l_addr + p->object._rtld_global_ro,
                            .global = (char *)ld->map.l_addr + p->object._rtld_global};
  return true;
}

bool glibc_choose(struct glibc_state *g, struct ldx_object *ld, struct ldx_object *libc) {
  const struct glibc_profile *p = profile_of(ld, libc);
  if (!p || (g->profile && (p != g->profile || ld != g->ld)) || (!g->profile && !glibc_choose_loader(g, ld)))
    return false;
  g->profile = p;
  g->libc = libc;
  choose_errors(g);
  return true;
}

bool glibc_catches_errors(const struct glibc_state *g) { return g->profile->ro._dl_catch_error != GLIBC_ABSENT; }

size_t glibc_tcb_size(const struct glibc_state *g) { return g->profile->pthread.size; }

static char *ld_object(const struct glibc_state *g, uint32_t offset) {
  return offset ? (char *)g->ld->map.l_addr + offset : NULL;
}

/* l_info[]: natural tags at their number; of the others only the version words are read by libc. */
static void fill_info(const struct glibc_profile *p, char *m, const struct ldx_object *o) {
  char *info = m + p->map.l_info;
  for (unsigned tag = 0; tag < ELF_DT_NUM && tag < p->info.dt_num; tag++)
    put_ptr(info, (uint16_t)(tag * 8), o->dyn.info[tag]);
  for (unsigned i = 0; i < 16; i++)
    put_ptr(info, (uint16_t)((p->info.version_base + i) * 8), o->dyn.info[ELF_DT_NUM + i]);
  enum { GNU_HASH_INDEX = 0x6ffffeff - DT_GNU_HASH }; /* DT_ADDRTAGIDX */
  put_ptr(info, (uint16_t)((p->info.addr_base + GNU_HASH_INDEX) * 8), o->dyn.info[ELF_DT_GNU_HASH]);
}

/* Older builds know no dynamic section with offsets, as the vDSO's is. The entries that libc follows from l_info (the
 * SysV hash table where there is no other) get copies with addresses, in the room behind the guest's struct. */
static void fill_readonly_info(const struct glibc_profile *p, char *m, const struct ldx_object *o) {
  const struct elf_symtab *t = ldx_definitions(o);
  const Elf64_Dyn entries[] = {{DT_SYMTAB, {.d_ptr = (Elf64_Addr)t->sym}},
                               {DT_STRTAB, {.d_ptr = (Elf64_Addr)t->str}},
                               {DT_HASH, {.d_ptr = t->buckets ? (Elf64_Addr)(t->buckets - 2) : 0}}};
  size_t count = t->buckets && !t->bloom ? LDX_COUNT(entries) : LDX_COUNT(entries) - 1;
  size_t at = ldx_align_up(p->map.size, sizeof(uint64_t));
  if (!o->ld_readonly || p->map_bits.l_ld_readonly.byte != GLIBC_ABSENT || !t->sym ||
      at + sizeof entries > LDX_GUEST_MAP_SIZE)
    return;
  memcpy(m + at, entries, sizeof entries);
  for (size_t i = 0; i < count; i++)
    put_ptr(m + p->map.l_info, (uint16_t)(entries[i].d_tag * 8), m + at + i * sizeof entries[0]);
}

/* libc walks symbol tables itself for backtrace_symbols. */
static void fill_hash(const struct glibc_profile *p, char *m, const struct ldx_object *o) {
  const struct elf_symtab *t = ldx_definitions(o);
  put32(m, p->map.l_nbuckets, t->nbuckets);
  if (t->bloom) {
    put32(m, p->map.l_gnu_bitmask_idxbits, t->bloom_mask);
    put32(m, p->map.l_gnu_shift, t->bloom_shift);
    put_ptr(m, p->map.l_gnu_bitmask, t->bloom);
    put_ptr(m, p->map.l_gnu_buckets, t->buckets);
    put64(m, p->map.l_gnu_chain_zero, (uint64_t)t->chain - (uint64_t)t->symbias * 4);
  } else {
    put_ptr(m, p->map.l_chain, t->chain);
    put_ptr(m, p->map.l_buckets, t->buckets);
  }
}

/* libc frees the names behind the first, and so needs that one. It stands where the guest loader's lookup, which
 * never runs, would keep its latest answer. */
static void fill_name(const struct glibc_profile *p, char *m, const struct ldx_object *o) {
  enum { CACHE_SIZE = 32 };
  if (p->map.l_lookup_cache == GLIBC_ABSENT || p->libname_list.size > CACHE_SIZE)
    return;
  char *list = m + p->map.l_lookup_cache;
  put_ptr(list, p->libname_list.name, o->map.l_name);
  put32(list, p->libname_list.dont_free, 1);
  put_ptr(m, p->map.l_libname, list);
}

static void fill_tls(const struct glibc_profile *p, char *m, const struct ldx_object *o) {
  put_ptr(m, p->map.l_tls_initimage, o->tls.memsz ? o->tls.image : NULL);
  put64(m, p->map.l_tls_initimage_size, o->tls.filesz);
  put64(m, p->map.l_tls_blocksize, o->tls.memsz);
  put64(m, p->map.l_tls_align, o->tls.align);
  put64(m, p->map.l_tls_firstbyte_offset, o->tls.first_byte);
  put64(m, p->map.l_tls_offset, (uint64_t)o->tls.offset);
  put64(m, p->map.l_tls_modid, o->tls.modid);
}

static unsigned guest_type(const struct ldx_object *o) {
  enum { EXECUTABLE, LIBRARY, LOADED };
  return o->kind == LDX_PROGRAM ? EXECUTABLE : o->dlopened ? LOADED : LIBRARY;
}

void glibc_fill_map(const struct glibc_state *g, struct ldx_object *o) {
  const struct glibc_profile *p = g->profile;
  if (!p)
    return;
  char *m = (char *)o->guest;
  put_ptr(m, p->map.l_real, o);
  put64(m, p->map.l_ns, (uint64_t)o->ns->id);
  fill_info(p, m, o);
  fill_readonly_info(p, m, o);
  fill_name(p, m, o);
  put_ptr(m, p->map.l_phdr, o->phdrs);
  put64(m, p->map.l_entry, o->entry);
  put16(m, p->map.l_phnum, (uint16_t)o->image.phnum);
  put16(m, p->map.l_ldnum, (uint16_t)o->dyn.count);
  put64(m, p->map.l_map_start, o->map_start);
  put64(m, p->map.l_map_end, o->map_end);
  put64(m, p->map.l_text_end, o->map_end);
  put_ptr(m, p->map.l_loader, o->loader);
  put_ptr(m, p->map.l_origin, o->origin && *o->origin ? o->origin : (char *)-1l);
  put64(m, p->map.l_relro_addr, o->image.relro ? o->image.relro->p_vaddr : 0);
  put64(m, p->map.l_relro_size, o->image.relro ? o->image.relro->p_memsz : 0);
  put32(m, p->map.l_flags_1, (uint32_t)o->dyn.flags_1);
  put32(m, p->map.l_flags, (uint32_t)o->dyn.flags);
  put_bits(m, p->map_bits.l_type, guest_type(o));
  put_bits(m, p->map_bits.l_relocated, o->relocated);
  put_bits(m, p->map_bits.l_init_called, o->init_called);
  put_bits(m, p->map_bits.l_global, o->global || o->kind == LDX_PROGRAM);
  put_bits(m, p->map_bits.l_main_map, o->kind == LDX_PROGRAM);
  put_bits(m, p->map_bits.l_contiguous, 1);
  put_bits(m, p->map_bits.l_ld_readonly, o->ld_readonly);
  fill_hash(p, m, o);
  fill_tls(p, m, o);
}

void glibc_note_init(const struct glibc_state *g, struct ldx_object *o) {
  if (g->profile)
    put_bits((char *)o->guest, g->profile->map_bits.l_init_called, 1);
}

void glibc_sync_namespace(const struct glibc_state *g, const struct ldx_namespace *ns) {
  const struct glibc_profile *p = g->profile;
  if (!p || ns->id < 0 || ns->id >= p->count._dl_ns)
    return;
  char *n = g->global + p->global._dl_ns + (size_t)ns->id * p->ns.size;
  put_ptr(n, p->ns._ns_loaded, ns->first);
  put32(n, p->ns._ns_nloaded, ns->count);
  put_ptr(n, p->ns.libc_map, ns->libc);
  uint64_t nns;
  memcpy(&nns, g->global + p->global._dl_nns, 8);
  if (nns <= (uint64_t)ns->id)
    put64(g->global, p->global._dl_nns, (uint64_t)ns->id + 1);
}

static void list_init(char *base, uint16_t off) {
  if (off == GLIBC_ABSENT)
    return;
  put_ptr(base, off, base + off);
  put_ptr(base, (uint16_t)(off + 8), base + off);
}

void glibc_set_stack_flags(const struct glibc_state *g, bool exec) {
  const struct glibc_profile *f = g->profile;
  put32(g->global, f->global._dl_stack_flags, exec ? PF_R | PF_W | PF_X : PF_R | PF_W);
  put32(g->global, f->global._dl_stack_prot_flags, PROT_READ | PROT_WRITE | (exec ? PROT_EXEC : 0));
}

static void set_global(const struct glibc_state *g, const struct glibc_process *p) {
  const struct glibc_profile *f = g->profile;
  const uint16_t lists[] = {f->global._dl_stack_used, f->global._dl_stack_user, f->global._dl_stack_cache};
  const uint16_t locks[] = {f->global._dl_load_lock, f->global._dl_load_write_lock, f->global._dl_load_tls_lock};
  for (size_t i = 0; i < LDX_COUNT(lists); i++)
    list_init(g->global, lists[i]);
  for (size_t i = 0; i < LDX_COUNT(locks); i++)
    if (locks[i] != GLIBC_ABSENT)
      put32(g->global, (uint16_t)(locks[i] + f->lock.kind), 1 /* recursive */);
  /* libc takes the loader's lock through these, until libpthread puts its own functions there */
  if (f->function.rtld_lock_default_lock_recursive)
    put64(g->global, f->global._dl_rtld_lock_recursive,
          g->ld->map.l_addr + f->function.rtld_lock_default_lock_recursive);
  if (f->function.rtld_lock_default_unlock_recursive)
    put64(g->global, f->global._dl_rtld_unlock_recursive,
          g->ld->map.l_addr + f->function.rtld_lock_default_unlock_recursive);
  glibc_set_stack_flags(g, p->exec_stack);
  put64(g->global, f->global._dl_nns, 1);
}

/* The vDSO's functions that libc calls by pointer. */
static void set_vdso(const struct glibc_state *g, struct ldx_object *vdso) {
  const struct glibc_profile *f = g->profile;
  const struct {
    const char *name;
    uint16_t off;
  } functions[] = {
      {"__vdso_clock_gettime", f->ro._dl_vdso_clock_gettime64},
      {"__vdso_gettimeofday", f->ro._dl_vdso_gettimeofday},
      {"__vdso_time", f->ro._dl_vdso_time},
      {"__vdso_getcpu", f->ro._dl_vdso_getcpu},
      {"__vdso_clock_getres", f->ro._dl_vdso_clock_getres_time64},
      {"__vdso_getrandom", f->ro._dl_vdso_getrandom},
  };
  if (!vdso)
    return;
  put64(g->ro, f->ro._dl_sysinfo_dso, vdso->map_start);
  put_ptr(g->ro, f->ro._dl_sysinfo_map, vdso);
  for (size_t i = 0; i < LDX_COUNT(functions); i++) {
    uintptr_t at = ldx_address_of(vdso, functions[i].name);
    if (at)
      put64(g->ro, functions[i].off, at);
  }
}

void glibc_set_tls(const struct glibc_state *g, const struct ldx_tls *t) {
  const struct glibc_profile *f = g->profile;
  if (!f)
    return;
  put64(g->global, f->global._dl_tls_max_dtv_idx, t->max_module);
  put_ptr(g->global, f->global._dl_tls_dtv_slotinfo_list, t->slots);
  put64(g->global, f->global._dl_tls_static_used, t->static_used);
  put64(g->global, f->global._dl_tls_static_size, t->static_size);
  put64(g->global, f->global._dl_tls_static_align, t->static_align);
  put64(g->global, f->global._dl_tls_generation, t->generation);
}

/* Builds before 2.34 keep a copy of the size that nobody can reach. */
bool glibc_can_set_static_tls(const struct glibc_state *g) {
  return g->profile && g->profile->ro._dl_tls_static_size != GLIBC_ABSENT;
}

bool glibc_set_static_tls(const struct glibc_state *g, size_t size) {
  char *where = g->ro + g->profile->ro._dl_tls_static_size;
  void *page = (void *)ldx_align_down((uintptr_t)where, LDX_PAGE);
  if (ldx_sys_failed(sys_mprotect(page, LDX_PAGE, PROT_READ | PROT_WRITE)))
    return false;
  put64(where, 0, size);
  return !ldx_sys_failed(sys_mprotect(page, LDX_PAGE, PROT_READ));
}

void glibc_set_globals(const struct glibc_state *g, const struct glibc_process *p) {
  const struct glibc_profile *f = g->profile;
  set_global(g, p);
  /* libc takes a loader without search folders for one that never ran; when it frees all it has, equal lists are
   * empty */
  put_ptr(g->ro, f->ro._dl_init_all_dirs, g->global);
  put_ptr(g->global, f->global._dl_all_dirs, g->global);
  put64(g->ro, f->ro._dl_pagesize, p->pagesize);
  put64(g->ro, f->ro._dl_minsigstacksize, p->minsigstksz);
  put32(g->ro, f->ro._dl_clktck, (uint32_t)p->clktck);
  put16(g->ro, f->ro._dl_fpu_control, (uint16_t)p->fpucw);
  put32(g->ro, f->ro._dl_lazy, !p->bind_now);
  put64(g->ro, f->ro._dl_hwcap, p->hwcap);
  put64(g->ro, f->ro._dl_hwcap2, p->hwcap2);
  put_ptr(g->ro, f->ro._dl_auxv, p->auxv);
  put_ptr(g->ro, f->ro._dl_platform, p->platform);
  put64(g->ro, f->ro._dl_platformlen, p->platform ? strlen(p->platform) : 0);
  put32(g->ro, f->ro._dl_debug_mask, p->debug_mask);
  put32(g->ro, f->ro._dl_debug_fd, (uint32_t)p->debug_fd);
  put64(g->ro, f->ro._dl_tls_static_size, p->tls->static_size);
  put64(g->ro, f->ro._dl_tls_static_align, p->tls->static_align);
  put64(g->ro, f->ro._dl_tls_static_surplus, p->tls->surplus);
  set_vdso(g, p->vdso);
  glibc_set_tls(g, p->tls);
  char *argv = ld_object(g, f->object._dl_argv), *end = ld_object(g, f->object.__libc_stack_end);
  char *secure = ld_object(g, f->object.__libc_enable_secure), *random = ld_object(g, f->object._dl_random);
  char *env = ld_object(g, f->object.__environ);
  if (f->object.__stack_prot) /* what libc gives stacks if they ever become executable; sealed later */
    put32(ld_object(g, f->object.__stack_prot), 0, 7 | 0x01000000 /* PROT_GROWSDOWN */);
  if (argv)
    put_ptr(argv, 0, p->argv);
  if (f->object._dl_argc)
    put32(ld_object(g, f->object._dl_argc), 0, (uint32_t)p->argc);
  if (env)
    put_ptr(env, 0, p->envp);
  if (end)
    put_ptr(end, 0, p->stack_end);
  if (secure)
    put32(secure, 0, p->secure);
  if (random)
    put_ptr(random, 0, p->random);
}

static void enter_nothing(const Elf64_Phdr *phdr, Elf64_Word phnum, Elf64_Addr *entry, Elf64_auxv_t *auxv) {
  (void)phdr, (void)phnum, (void)entry, (void)auxv;
}

void glibc_start_loader(const struct glibc_state *g, const struct glibc_process *p) {
  const struct glibc_profile *f = g->profile;
  if (f->function._dl_x86_init_cpu_features || !f->function._dl_sysdep_start)
    return;
  typedef Elf64_Addr start(void *stack,
                           void (*dl_main)(const Elf64_Phdr *, Elf64_Word, Elf64_Addr *, Elf64_auxv_t *));
  ((start *)(g->ld->map.l_addr + f->function._dl_sysdep_start))(p->stack_end, enter_nothing);
}

void glibc_redirect(const struct glibc_state *g, const struct glibc_services *s) {
  const struct glibc_profile *f = g->profile;
  const struct {
    uint16_t off;
    uintptr_t function;
  } all[] = {
      {f->ro._dl_lookup_symbol_x, s->lookup_symbol_x},
      {f->ro._dl_open, s->open},
      {f->ro._dl_close, s->close},
      {f->ro._dl_catch_error, s->catch_error},
      {f->ro._dl_error_free, s->error_free},
      {f->ro._dl_tls_get_addr_soft, s->tls_get_addr_soft},
      {f->ro._dl_find_object, s->find_object},
      {f->ro._dl_debug_printf, s->debug_printf},
      {f->ro._dl_readonly_area, s->readonly_area},
      {f->ro._dl_libc_freeres, s->libc_freeres},
  };
  for (size_t i = 0; i < LDX_COUNT(all); i++)
    if (all[i].function)
      put64(g->ro, all[i].off, all[i].function);
}

void glibc_settle(const struct glibc_state *g, uint64_t minsigstksz) {
  const struct glibc_profile *f = g->profile;
  uint64_t min;
  if (f->ro._dl_minsigstacksize == GLIBC_ABSENT)
    return;
  memcpy(&min, g->ro + f->ro._dl_minsigstacksize, 8);
  if (min < minsigstksz)
    put64(g->ro, f->ro._dl_minsigstacksize, minsigstksz);
}

void glibc_early_init(const struct glibc_state *g, struct ldx_object *libc, bool initial) {
  uintptr_t f = g->profile ? ldx_address_of(libc, "__libc_early_init") : 0;
  if (f)
    ((void (*)(bool))f)(initial);
}

size_t glibc_tls_dtor_count(const struct glibc_state *g, const struct ldx_object *o) {
  size_t n = 0;
  if (g->profile && g->profile->map.l_tls_dtor_count != GLIBC_ABSENT)
    memcpy(&n, o->guest + g->profile->map.l_tls_dtor_count, sizeof n);
  return n;
}

/* In older builds the threads' stacks belong to libpthread, which puts its function behind a pointer. */
static uintptr_t stacks_function(const struct glibc_state *g) {
  const struct glibc_profile *f = g->profile;
  uintptr_t hook = 0;
  if (f->function._dl_make_stacks_executable)
    return g->ld->map.l_addr + f->function._dl_make_stacks_executable;
  if (f->global._dl_make_stack_executable_hook != GLIBC_ABSENT)
    memcpy(&hook, g->global + f->global._dl_make_stack_executable_hook, sizeof hook);
  return hook;
}

static bool stacks_are_executable(const struct glibc_state *g) {
  const struct glibc_profile *f = g->profile;
  uint32_t flags = 0, prot = 0;
  if (f->global._dl_stack_flags != GLIBC_ABSENT)
    memcpy(&flags, g->global + f->global._dl_stack_flags, sizeof flags);
  if (f->global._dl_stack_prot_flags != GLIBC_ABSENT)
    memcpy(&prot, g->global + f->global._dl_stack_prot_flags, sizeof prot);
  return (flags & PF_X) || (prot & PROT_EXEC);
}

int glibc_make_stacks_executable(const struct glibc_state *g) {
  const struct glibc_profile *f = g->profile;
  if (stacks_are_executable(g))
    return 0;
  uintptr_t make = stacks_function(g);
  if (!make) /* since 2.41 stacks stay as they were at start */
    return EINVAL;
  void *end;
  memcpy(&end, ld_object(g, f->object.__libc_stack_end), sizeof end);
  return ((int (*)(void **))make)(&end);
}
