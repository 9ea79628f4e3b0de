/* The private contract between one build of ld-linux-x86-64.so.2 and its libc.so.6, as numbers.
 *
 * Which members matter is said once, in the lists below; struct glibc_profile and the generator
 * (tools/glibc-profile.c, which fills it from debug information) are both made from them.
 * M(member): a member that a path names directly. P(field, path): one further down; the field is
 * named after the path, and a path through an array means the array's first element. */
#ifndef LDX_LIBC_GLIBC_PROFILE_H
#define LDX_LIBC_GLIBC_PROFILE_H

#include <stdint.h>

#define GLIBC_ABSENT 0xffffu /* this build has no such member */

/* clang-format off */

/* struct rtld_global_ro: what libc and its siblings read, written by the loader before it is sealed. */
#define GLIBC_RO_MEMBERS(M, P)                                                                               \
  M(_dl_debug_mask) M(_dl_osversion) M(_dl_platform) M(_dl_platformlen) M(_dl_pagesize)                      \
  M(_dl_minsigstacksize) M(_dl_inhibit_cache)                                                                \
  M(_dl_initial_searchlist) P(_dl_initial_searchlist_r_nlist, _dl_initial_searchlist.r_nlist)                \
  M(_dl_clktck) M(_dl_verbose) M(_dl_debug_fd) M(_dl_lazy) M(_dl_bind_not) M(_dl_dynamic_weak)               \
  M(_dl_fpu_control) M(_dl_correct_cache_id) M(_dl_hwcap) M(_dl_hwcap2) M(_dl_hwcap3) M(_dl_hwcap4)          \
  M(_dl_auxv) M(_dl_x86_cpu_features) M(_dl_x86_hwcap_flags) M(_dl_x86_platforms)                            \
  M(_dl_x86_tlsdesc_dynamic) M(_dl_x86_64_runtime_resolve)                                                   \
  P(_dl_x86_cpu_features_xsave_state_size, _dl_x86_cpu_features.xsave_state_size)                            \
  M(_dl_inhibit_rpath) M(_dl_origin_path) M(_dl_use_load_bias)                                               \
  M(_dl_tls_static_size) M(_dl_tls_static_align) M(_dl_tls_static_surplus)                                   \
  M(_dl_profile) M(_dl_profile_output) M(_dl_trace_prelink) M(_dl_trace_prelink_map) M(_dl_init_all_dirs)    \
  M(_dl_sysinfo_dso) M(_dl_sysinfo_map) M(_dl_dso_sort_algo)                                                 \
  M(_dl_vdso_clock_gettime64) M(_dl_vdso_gettimeofday) M(_dl_vdso_time) M(_dl_vdso_getcpu)                   \
  M(_dl_vdso_clock_getres_time64) M(_dl_vdso_getrandom)                                                      \
  M(_dl_debug_printf) M(_dl_mcount) M(_dl_lookup_symbol_x) M(_dl_open) M(_dl_close) M(_dl_catch_error)       \
  M(_dl_error_free) M(_dl_tls_get_addr_soft) M(_dl_libc_freeres) M(_dl_discover_osversion)                   \
  M(_dl_find_object) M(_dl_readonly_area) M(_dl_dlfcn_hook) M(_dl_audit) M(_dl_naudit)

/* struct rtld_global: shared mutable state. */
#define GLIBC_GLOBAL_MEMBERS(M, P)                                                                           \
  M(_dl_ns) M(_dl_nns) M(_dl_load_lock) M(_dl_load_write_lock) M(_dl_load_tls_lock) M(_dl_load_adds)         \
  M(_dl_initfirst) M(_dl_profile_map) M(_dl_num_relocations) M(_dl_num_cache_relocations) M(_dl_all_dirs)    \
  M(_dl_rtld_map) M(_dl_rtld_auditstate) M(_dl_rtld_lock_recursive) M(_dl_rtld_unlock_recursive)             \
  M(_dl_x86_feature_1) M(_dl_x86_feature_control) M(_dl_x86_legacy_bitmap)                                   \
  M(_dl_make_stack_executable_hook) M(_dl_stack_flags) M(_dl_stack_prot_flags) M(_dl_tls_dtv_gaps)           \
  M(_dl_tls_max_dtv_idx) M(_dl_tls_dtv_slotinfo_list) M(_dl_tls_static_nelem) M(_dl_tls_static_size)         \
  M(_dl_tls_static_used) M(_dl_tls_static_align) M(_dl_tls_static_optional) M(_dl_initial_dtv)               \
  M(_dl_tls_generation) M(_dl_init_static_tls) M(_dl_wait_lookup_done) M(_dl_scope_free_list)                \
  M(_dl_stack_used) M(_dl_stack_user) M(_dl_stack_cache) M(_dl_stack_cache_actsize)                          \
  M(_dl_in_flight_stack) M(_dl_stack_cache_lock)

/* struct link_namespaces: one element of _rtld_global._dl_ns. */
#define GLIBC_NS_MEMBERS(M, P)                                                                               \
  M(_ns_loaded) M(_ns_nloaded) M(_ns_main_searchlist) M(_ns_global_scope_alloc)                              \
  M(_ns_global_scope_pending_adds) M(libc_map) M(_ns_unique_sym_table) M(_ns_debug) M(_ns_debug_unused)

/* struct link_map */
#define GLIBC_MAP_MEMBERS(M, P)                                                                              \
  M(l_addr) M(l_name) M(l_ld) M(l_next) M(l_prev) M(l_real) M(l_ns) M(l_libname) M(l_info) M(l_phdr)         \
  M(l_entry) M(l_phnum) M(l_ldnum) M(l_searchlist) P(l_searchlist_r_nlist, l_searchlist.r_nlist)             \
  M(l_symbolic_searchlist) M(l_loader) M(l_versions) M(l_nversions) M(l_nbuckets) M(l_gnu_bitmask_idxbits)   \
  M(l_gnu_shift) M(l_gnu_bitmask) M(l_gnu_buckets) M(l_chain) M(l_gnu_chain_zero) M(l_buckets)               \
  M(l_direct_opencount) M(l_nodelete_active) M(l_nodelete_pending) M(l_has_jump_slot_reloc)                  \
  M(l_x86_feature_1_and) M(l_x86_isa_1_needed) M(l_1_needed) M(l_rpath_dirs) M(l_reloc_result) M(l_versyms)  \
  M(l_origin) M(l_map_start) M(l_map_end) M(l_text_end) M(l_scope_mem) M(l_scope_max) M(l_scope)             \
  M(l_local_scope) M(l_file_id) M(l_runpath_dirs) M(l_initfini) M(l_init_called_next) M(l_reldeps)           \
  M(l_reldepsmax) M(l_used) M(l_feature_1) M(l_flags_1) M(l_flags) M(l_idx)                                  \
  P(l_mach_plt, l_mach.plt) P(l_mach_gotplt, l_mach.gotplt)                                                  \
  P(l_mach_tlsdesc_table, l_mach.tlsdesc_table) M(l_lookup_cache)                                            \
  M(l_tls_initimage) M(l_tls_initimage_size) M(l_tls_blocksize) M(l_tls_align) M(l_tls_firstbyte_offset)     \
  M(l_tls_offset) M(l_tls_modid) M(l_tls_dtor_count) M(l_relro_addr) M(l_relro_size) M(l_serial)

/* struct link_map's bit-fields. */
#define GLIBC_MAP_BITS(M, P)                                                                                 \
  M(l_type) M(l_dt_relr_ref) M(l_relocated) M(l_init_called) M(l_global) M(l_reserved) M(l_main_map)         \
  M(l_visited) M(l_map_used) M(l_map_done) M(l_phdr_allocated) M(l_soname_added) M(l_faked)                  \
  M(l_need_tls_init) M(l_auditing) M(l_audit_any_plt) M(l_removed) M(l_contiguous)                           \
  M(l_symbolic_in_local_scope) M(l_free_initfini) M(l_ld_readonly) M(l_find_object_processed)                \
  M(l_tls_in_slotinfo) M(l_property) M(l_cet)

/* tcbhead_t: the thread control block at %fs:0, also the start of struct pthread. */
#define GLIBC_TCB_MEMBERS(M, P)                                                                              \
  M(tcb) M(dtv) M(self) M(multiple_threads) M(gscope_flag) M(sysinfo) M(stack_guard) M(pointer_guard)        \
  M(feature_1) M(ssp_base)

/* struct pthread */
#define GLIBC_PTHREAD_MEMBERS(M, P)                                                                          \
  M(header) M(list) M(tid) M(robust_prev)                                                                    \
  M(robust_head) P(robust_head_list, robust_head.list)                                                       \
  P(robust_head_futex_offset, robust_head.futex_offset)                                                      \
  P(robust_head_list_op_pending, robust_head.list_op_pending)                                                \
  M(cleanup) M(cleanup_jmp_buf) M(cancelhandling) M(flags) M(specific_1stblock) M(specific)                  \
  M(specific_used) M(report_events) M(user_stack) M(stack_mode) M(stopped_start) M(setup_failed)             \
  M(parent_cancelhandling) M(lock) M(setxid_futex) M(joinid) M(joinstate) M(result) M(schedparam)            \
  M(schedpolicy) M(start_routine) M(arg) M(eventbuf) M(nextevent) M(exc) M(stackblock)                       \
  M(stackblock_size) M(guardsize) M(reported_guardsize) M(tpp) M(res) M(sigmask) M(rtld_catch) M(c11)        \
  M(exiting) M(exit_lock) M(tls_state) M(getrandom_buf) M(rseq_area)                                         \
  P(rseq_area_cpu_id_start, rseq_area.cpu_id_start) P(rseq_area_cpu_id, rseq_area.cpu_id)                    \
  P(rseq_area_rseq_cs, rseq_area.rseq_cs) P(rseq_area_flags, rseq_area.flags)

/* dtv_t, and the slot list that libthread_db walks. */
#define GLIBC_DTV_MEMBERS(M, P) M(counter) P(pointer_val, pointer.val) P(pointer_to_free, pointer.to_free)
#define GLIBC_SLOTINFO_LIST_MEMBERS(M, P) M(len) M(next) M(slotinfo)
#define GLIBC_SLOTINFO_MEMBERS(M, P) M(gen) M(map)

/* Small structs behind pointers of the above. */
#define GLIBC_SCOPE_ELEM_MEMBERS(M, P) M(r_list) M(r_nlist)
#define GLIBC_FOUND_VERSION_MEMBERS(M, P) M(name) M(hash) M(hidden) M(filename)
#define GLIBC_LIBNAME_LIST_MEMBERS(M, P) M(name) M(next) M(dont_free)
#define GLIBC_EXCEPTION_MEMBERS(M, P) M(objname) M(errstring) M(message_buffer)

/* __rtld_lock_recursive_t: a recursive pthread mutex. */
#define GLIBC_LOCK_MEMBERS(M, P)                                                                             \
  M(mutex) P(lock, mutex.__data.__lock) P(count, mutex.__data.__count) P(owner, mutex.__data.__owner)        \
  P(nusers, mutex.__data.__nusers) P(kind, mutex.__data.__kind)

/* tunable_t. name and env_alias are arrays in the struct (their length is in `count`) or, in old
 * builds, pointers (length 0). */
#define GLIBC_TUNABLE_MEMBERS(M, P)                                                                          \
  M(name) M(type) P(type_code, type.type_code) P(type_min, type.min) P(type_max, type.max) M(def) M(val)     \
  M(initialized) M(security_level) M(env_alias)

/* G(group, type, member list): groups found in ld.so's and in libc's debug information. */
#define GLIBC_LD_GROUPS(G)                                                                                   \
  G(ro, rtld_global_ro, GLIBC_RO_MEMBERS)                                                                    \
  G(global, rtld_global, GLIBC_GLOBAL_MEMBERS)                                                               \
  G(ns, link_namespaces, GLIBC_NS_MEMBERS)                                                                   \
  G(map, link_map, GLIBC_MAP_MEMBERS)                                                                        \
  G(slotinfo_list, dtv_slotinfo_list, GLIBC_SLOTINFO_LIST_MEMBERS)                                           \
  G(slotinfo, dtv_slotinfo, GLIBC_SLOTINFO_MEMBERS)                                                          \
  G(scope_elem, r_scope_elem, GLIBC_SCOPE_ELEM_MEMBERS)                                                      \
  G(found_version, r_found_version, GLIBC_FOUND_VERSION_MEMBERS)                                             \
  G(libname_list, libname_list, GLIBC_LIBNAME_LIST_MEMBERS)                                                  \
  G(exception, dl_exception, GLIBC_EXCEPTION_MEMBERS)                                                        \
  G(lock, __rtld_lock_recursive_t, GLIBC_LOCK_MEMBERS)                                                       \
  G(tunable, tunable_t, GLIBC_TUNABLE_MEMBERS)
#define GLIBC_LIBC_GROUPS(G)                                                                                 \
  G(tcb, tcbhead_t, GLIBC_TCB_MEMBERS)                                                                       \
  G(pthread, pthread, GLIBC_PTHREAD_MEMBERS)                                                                 \
  G(dtv, dtv_t, GLIBC_DTV_MEMBERS)

/* S(field, group, member): sizes in bytes; C(field, group, member): array lengths, 0 for no array. */
#define GLIBC_SIZES(S)                                                                                       \
  S(_dl_x86_cpu_features, ro, _dl_x86_cpu_features) S(l_file_id, map, l_file_id)                             \
  S(specific_1stblock, pthread, specific_1stblock) S(eventbuf, pthread, eventbuf) S(res, pthread, res)       \
  S(rseq_area, pthread, rseq_area) S(tunable_val, tunable, val)
#define GLIBC_COUNTS(C)                                                                                      \
  C(_dl_ns, global, _dl_ns) C(l_info, map, l_info) C(l_scope_mem, map, l_scope_mem)                          \
  C(specific, pthread, specific) C(specific_1stblock, pthread, specific_1stblock)                            \
  C(tunable_name, tunable, name) C(tunable_env_alias, tunable, env_alias)

/* Objects of ld.so that its functions, called from libc, read; libc imports some of them. */
#define GLIBC_LD_OBJECTS(V)                                                                                  \
  V(_rtld_global) V(_rtld_global_ro) V(_dl_argc) V(_dl_argv) V(__environ) V(__libc_enable_secure)            \
  V(__libc_stack_end) V(__rseq_offset) V(__rseq_size) V(__rseq_flags) V(_rseq_align)                         \
  V(__nptl_initial_report_events) V(_dl_random) V(__pointer_chk_guard_local) V(__stack_prot)                 \
  V(__rtld_malloc) V(__rtld_calloc) V(__rtld_realloc) V(__rtld_free)                                         \
  V(alloc_ptr) V(alloc_end) V(alloc_last_block) V(__curbrk)                                                  \
  V(___rtld_mutex_lock) V(___rtld_mutex_unlock)                                                              \
  V(catch_hook) V(receiver) V(rtld_catch_notls) V(rtld_errno)                                                \
  V(tls_init_tp_called) V(__rtld_tls_init_tp_called) V(_dl_tls_initial_modid_limit)                          \
  V(_dl_tls_threads_in_update) V(_dl_x86_features_tlsdesc_state_size)                                        \
  V(__x86_cpu_features_p) V(__pthread_force_elision) V(tunable_list) V(_dl_rtld_map) V(_dl_rtld_auditstate)  \
  V(_dl_rtld_libname) V(_dl_rtld_libname2) V(__rtld_search_dirs) V(__rtld_env_path_list)                     \
  V(max_dirnamelen) V(_dlfo_main) V(_dlfo_nodelete_mappings) V(_dlfo_nodelete_mappings_size)                 \
  V(_dlfo_loaded_mappings) V(_dlfo_loaded_mappings_version)                                                  \
  V(_r_debug) V(_r_debug_extended) V(_r_debug_main) V(_r_debug_array) V(__libc_multiple_libcs)               \
  V(_dl_skip_args) V(start_time) V(load_time) V(relocate_time) V(decorate_maps)

/* Functions of ld.so that can be called, or to which its pointers are set. */
#define GLIBC_LD_FUNCTIONS(V)                                                                                \
  V(__minimal_malloc) V(__minimal_calloc) V(__minimal_realloc) V(__minimal_free)                             \
  V(__rtld_malloc_init_stubs) V(__rtld_malloc_init_real) V(__rtld_mutex_init) V(rtld_mutex_dummy)            \
  V(rtld_lock_default_lock_recursive) V(rtld_lock_default_unlock_recursive)                                  \
  V(__tunables_init) V(__x86_cpu_features) V(_dl_x86_init_cpu_features) V(_dl_x86_get_cpu_features)          \
  V(__tls_init_tp) V(__tls_pre_init_tp)                                                                      \
  V(_dl_signal_error) V(_dl_signal_exception) V(_dl_catch_error) V(_dl_catch_exception)                      \
  V(_rtld_catch_error) V(_dl_error_free) V(_dl_exception_create) V(_dl_exception_free)                       \
  V(_dl_debug_printf) V(_dl_mcount) V(_dl_lookup_symbol_x) V(_dl_open) V(_dl_close)                          \
  V(_dl_tls_get_addr_soft) V(__rtld_libc_freeres) V(_dl_find_object) V(_dl_readonly_area)                    \
  V(_dl_discover_osversion) V(_dl_nothread_init_static_tls) V(_dl_init_static_tls)                           \
  V(_dl_make_stack_executable) V(_dl_make_stacks_executable) V(_dl_fini)                                     \
  V(_dl_runtime_resolve_fxsave) V(_dl_runtime_resolve_xsave) V(_dl_runtime_resolve_xsavec)                   \
  V(_dl_tlsdesc_return) V(_dl_tlsdesc_undefweak) V(_dl_tlsdesc_dynamic)                                      \
  V(_dl_tlsdesc_dynamic_fxsave) V(_dl_tlsdesc_dynamic_xsave) V(_dl_tlsdesc_dynamic_xsavec)                   \
  V(_dl_rtld_di_serinfo) V(_dl_debug_state) V(_dl_sysdep_start)

/* A bit-field: `width` bits from bit `shift` of the byte at `byte`. */
struct glibc_bits {
  uint16_t byte; /* or GLIBC_ABSENT */
  uint8_t shift, width;
};

#define GLIBC_FIELD_M(member) uint16_t member;
#define GLIBC_FIELD_P(field, path) uint16_t field;
#define GLIBC_FIELD_BITS_M(member) struct glibc_bits member;
#define GLIBC_FIELD_BITS_P(field, path) struct glibc_bits field;
#define GLIBC_FIELD_V(symbol) uint32_t symbol;
#define GLIBC_FIELD_SC(field, group, member) uint16_t field;
#define GLIBC_FIELD_GROUP(group, type, members)                                                              \
  struct {                                                                                                   \
    uint16_t size; /* of the whole struct */                                                                 \
    members(GLIBC_FIELD_M, GLIBC_FIELD_P)                                                                    \
  } group;

struct glibc_profile {
  char version[8];  /* "2.36" */
  char package[56]; /* as the library says it: "Debian GLIBC 2.36-9+deb12u14" */
  uint8_t ld_build_id[20], libc_build_id[20];

  /* Offsets in bytes from the start of each struct, or GLIBC_ABSENT. */
  GLIBC_LD_GROUPS(GLIBC_FIELD_GROUP)
  GLIBC_LIBC_GROUPS(GLIBC_FIELD_GROUP)
  struct { GLIBC_MAP_BITS(GLIBC_FIELD_BITS_M, GLIBC_FIELD_BITS_P) } map_bits;
  struct { GLIBC_SIZES(GLIBC_FIELD_SC) } size;
  struct { GLIBC_COUNTS(GLIBC_FIELD_SC) } count;

  /* l_info[]: a tag t < dt_num stands at t, a processor tag at dt_num + (t - DT_LOPROC), and
   * DT_VERSYM, DT_RELACOUNT, ... (DT_VERSIONTAGIDX) at version_base + DT_VERSIONTAGIDX(t); then
   * follow 3 DT_EXTRATAGIDX, 12 DT_VALTAGIDX and 11 DT_ADDRTAGIDX. */
  struct { uint16_t dt_num, version_base, extra_base, val_base, addr_base; } info;

  /* Addresses relative to ld.so's load address; 0: this build has none. */
  struct { GLIBC_LD_OBJECTS(GLIBC_FIELD_V) } object;
  struct { GLIBC_LD_FUNCTIONS(GLIBC_FIELD_V) } function;
  uint32_t tunable_list_size; /* in bytes: tunable.size times the number of entries */
};

#endif
