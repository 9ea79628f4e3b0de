/* From the kernel to the program's entry. */
#include "loader/start.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/print.h"
#include "base/sys.h"
#include "base/text.h"
#include "base/valgrind.h"
#include "loader/control.h"
#include "loader/error.h"
#include "loader/event_log.h"
#include "loader/guest.h"
#include "loader/jit_object.h"
#include "loader/launch_cache.h"
#include "loader/load.h"
#include "loader/musl.h"
#include "loader/audit.h"
#include "loader/named_tools.h"
#include "loader/options.h"
#include "loader/plan.h"
#include "loader/policy.h"
#include "loader/preload.h"
#include "loader/record.h"
#include "loader/stack.h"
#include "loader/steer_policy.h"
#include "loader/tell_library.h"
#include "loader/steer.h"
#include "loader/tell_process.h"
#include "loader/tell_thread.h"
#include "loader/tools.h"
#include "loader/trace.h"

struct ldx_process ldx_self;
/* Debuggers that take ldx for the program, which was started as a command, look for this name. */
extern struct ldx_r_debug _r_debug __attribute__((alias("ldx_self"), visibility("default"), used));
/* And for this one, which has another name within ldx. */
__asm__(".globl _ldx_debug, ldx_debug_block\n"
        ".hidden ldx_debug_block\n"
        ".type _ldx_debug, @object\n"
        ".size _ldx_debug, 88\n"
        ".set _ldx_debug, ldx_self + 80\n"
        ".set ldx_debug_block, _ldx_debug\n");
_Static_assert(offsetof(struct ldx_process, changes) == 80, "_ldx_debug");
_Static_assert(sizeof(struct ldx_debug) == 88, "_ldx_debug");
_Static_assert(offsetof(struct ldx_r_debug, ns) == offsetof(struct ldx_debug_space, ns), "what debuggers read");
_Static_assert(offsetof(struct ldx_jit_object, object) == offsetof(struct ldx_debug_made, object), "the same");
_Static_assert(offsetof(struct ldx_jit_object, name) == offsetof(struct ldx_debug_made, name), "the same");

extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));
void _start(void);

static void init_process(uintptr_t *stack) {
  ldx_no_race_checks(&ldx_self, sizeof ldx_self);
  ldx_heap_seed(&ldx_self.heap, ldx_self.seed, sizeof ldx_self.seed);
  ldx_read_stack(stack, &ldx_self.args);
  ldx_cpu_init(&ldx_self.cpu, ldx_self.args.auxv.hwcap2);
  ldx_self.early_tcb[0] = (uint64_t)ldx_self.early_tcb;
  ldx_self.early_tcb[2] = (uint64_t)ldx_self.early_tcb;
  ldx_set_thread_pointer(&ldx_self.cpu, (uintptr_t)ldx_self.early_tcb);
  ldx_self.tls.heap = &ldx_self.heap;
  ldx_self.tls.dtv_at = LDX_TCB_DTV;
  ldx_self.tls.watch = &ldx_tls_watch;
  ldx_self.search.heap = ldx_self.hooks.heap = &ldx_self.heap;
  ldx_self.search.closing = &ldx_self.closing;
  ldx_self.io.heap = &ldx_self.heap;
  ldx_self.search.io = &ldx_self.io;
  ldx_self.base_unique.heap = &ldx_self.heap;
  ldx_self.base.unique = &ldx_self.base_unique;
  ldx_self.base.debug = &ldx_self.r_debug;
  ldx_r_debug_init(&ldx_self.r_debug, &ldx_self.r_debug, (uintptr_t)&__ehdr_start);
  ldx_changes_init((uintptr_t)&ldx_self.r_debug, (uintptr_t)&ldx_self.jits);
}

static void trace_search(void *arg, const char *line) {
  (void)arg;
  ldx_debug("%s", line);
}

static struct ldx_object *must(struct ldx_object *o) {
  if (!o)
    ldx_die_text("%s: cannot allocate memory", ldx_self.program_name);
  return o;
}

/* An object whose image somebody else mapped: the kernel, or the linker of ldx itself. */
static struct ldx_object *adopt(enum ldx_object_kind kind, const char *name, const Elf64_Phdr *phdrs, uint32_t phnum,
                                uintptr_t bias, struct ldx_diag *d) {
  struct ldx_object *o = must(ldx_new_object(kind, name));
  o->ns = &ldx_self.base;
  o->image.bias = bias;
  if (!ldx_adopt_image(o, phdrs, phnum, d) || !ldx_read_object(o, d))
    ldx_die(d);
  o->relocated = o->init_called = o->fini_called = kind != LDX_PROGRAM;
  return o;
}

static uintptr_t bias_from_ehdr(const Elf64_Ehdr *eh, const Elf64_Phdr *ph, uint32_t n) {
  for (uint32_t i = 0; i < n; i++)
    if (ph[i].p_type == PT_LOAD && ph[i].p_offset == 0)
      return (uintptr_t)eh - ph[i].p_vaddr;
  return (uintptr_t)eh;
}

static struct ldx_object *adopt_ehdr(enum ldx_object_kind kind, const char *name, const Elf64_Ehdr *eh,
                                     struct ldx_diag *d) {
  const Elf64_Phdr *ph = (const Elf64_Phdr *)((const char *)eh + eh->e_phoff);
  return adopt(kind, name, ph, eh->e_phnum, bias_from_ehdr(eh, ph, eh->e_phnum), d);
}

_Noreturn static void bad_program(void) { ldx_die_text("%s: invalid program headers", ldx_self.program_name); }

/* The kernel maps what a damaged program says, which may leave nothing at AT_PHDR: have it look before we do. */
static bool is_mapped(uintptr_t addr) { return addr && sys_access((const char *)addr, 0) != -EFAULT; }

/* True when `addr` lies in a PT_LOAD that has all of `flags`, were the program loaded with this bias. */
static bool in_segment(const struct ldx_auxv *x, uintptr_t bias, uintptr_t addr, uint32_t flags) {
  for (uint64_t i = 0; i < x->phnum; i++) {
    const Elf64_Phdr *p = &x->phdr[i];
    if (p->p_type == PT_LOAD && (p->p_flags & flags) == flags && addr - bias - p->p_vaddr < p->p_filesz)
      return true;
  }
  return false;
}

static uintptr_t kernel_bias(const struct ldx_auxv *x) {
  uintptr_t at = (uintptr_t)x->phdr;
  if (at % LDX_PAGE != sizeof(Elf64_Ehdr) && (at % 8 || !is_mapped(at)))
    bad_program();
  /* without PT_PHDR: the table lies behind the file header, which is mapped at the start of its page */
  uintptr_t bias = bias_from_ehdr((const Elf64_Ehdr *)ldx_align_down(at, LDX_PAGE), x->phdr, (uint32_t)x->phnum);
  for (uint64_t i = 0; i < x->phnum; i++)
    if (x->phdr[i].p_type == PT_PHDR)
      bias = at - x->phdr[i].p_vaddr;
  if (bias % LDX_PAGE || !in_segment(x, bias, at, PF_R) || !in_segment(x, bias, x->entry, PF_X))
    bad_program();
  return bias;
}

/* The kernel maps a program that was cut short beyond its end, where reading kills. It can also tell: asked to
 * bring in pages it says what would happen. The segment that lies last in the file answers for all; the pages of a
 * small data segment will be written anyway. (Kernels before 5.14 refuse, and are not asked again.) */
static void check_length(const Elf64_Phdr *ph, uint64_t n, uintptr_t bias) {
  enum { MADV_POPULATE_READ_ = 22, MADV_POPULATE_WRITE_ = 23, SMALL = 16 };
  const Elf64_Phdr *last = NULL;
  for (uint64_t i = 0; i < n; i++)
    if (ph[i].p_type == PT_LOAD && ph[i].p_filesz &&
        (!last || ph[i].p_offset + ph[i].p_filesz > last->p_offset + last->p_filesz))
      last = &ph[i];
  if (!last)
    return;
  uint64_t start = ldx_align_down(bias + last->p_vaddr, LDX_PAGE);
  uint64_t end = ldx_align_up(bias + last->p_vaddr + last->p_filesz, LDX_PAGE);
  if (end - start > SMALL * LDX_PAGE || !(last->p_flags & PF_W))
    start = end - LDX_PAGE;
  if (sys_madvise((void *)start, end - start, last->p_flags & PF_W ? MADV_POPULATE_WRITE_ : MADV_POPULATE_READ_) ==
      -14)
    ldx_die_text("%s: %s", ldx_self.program_name, elf_error_text(ELF_TRUNCATED));
}

/* The kernel mapped the program: ldx is its PT_INTERP. */
static struct ldx_object *program_from_kernel(struct ldx_diag *d) {
  const struct ldx_auxv *x = &ldx_self.args.auxv;
  uintptr_t bias = kernel_bias(x);
  check_length(x->phdr, x->phnum, bias);
  struct ldx_object *o = adopt(LDX_PROGRAM, "", x->phdr, (uint32_t)x->phnum, bias, d);
  o->entry = x->entry;
  ldx_trace_flags(o);
  ldx_self.program_path = x->execfn ? x->execfn : ldx_self.args.argv[0];
  return o;
}

/* `ldx PROGRAM`: a name without slash is looked for in PATH, as a shell does. */
static const char *find_in_path(const char *name) {
  const char *p = ldx_getenv(&ldx_self.args, "PATH");
  struct stat st;
  if (strchr(name, '/') || !*name || !p)
    return name;
  size_t room = strlen(p) + strlen(name) + 3;
  char *buf = ldx_new(room);
  while (buf && *p) {
    size_t n = ldx_until(p, ":");
    ldx_format(buf, room, "%.*s%s%s", (int)n, p, n ? "/" : "", name);
    if (!io_access(&ldx_self.io, buf, 1 /* X_OK */) && !ldx_sys_failed(io_stat(&ldx_self.io, buf, &st)) &&
        S_ISREG(st.st_mode))
      return buf;
    p += n + (p[n] == ':');
  }
  ldx_delete(buf);
  return name;
}

/* The program itself cannot be had. --verify says so by its exit status. */
static _Noreturn void refuse(const struct ldx_diag *d) {
  if (ldx_self.options.mode == LDX_VERIFY)
    sys_exit(1);
  ldx_self.program_name = "";
  ldx_die(d);
}

static void open_program(const char *path, struct ldx_library_file *f, struct stat *st) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  long fd = io_open(&ldx_self.io, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block */
  if (!ldx_sys_failed(fd)) {
    f->fd = (int)fd;
    long n = io_read(&ldx_self.io, f->fd, f->head, sizeof f->head);
    f->head_size = ldx_sys_failed(n) ? 0 : (size_t)n;
    long r = ldx_sys_failed(n) ? n : io_fstat(&ldx_self.io, f->fd, st);
    f->path = ldx_strdup(&ldx_self.heap, path);
    if (!ldx_sys_failed(r) && f->path)
      return;
    ldx_fail(&d, LDX_DIAG_LOAD, (int)-r, path, "cannot read file data");
    refuse(&d);
  }
  ldx_fail(&d, LDX_DIAG_LOAD, (int)-fd, path, "cannot open shared object file");
  refuse(&d);
}

static void note_exe_path(int fd) {
  char link[32], path[4096];
  const char *known = ldx_io_path(&ldx_self.io, fd); /* a provider's: the kernel has no name for it */
  if (known) {
    ldx_self.exe_path = ldx_self.search.program_path = ldx_strdup(&ldx_self.heap, known);
    return;
  }
  ldx_format(link, sizeof link, "/proc/self/fd/%d", fd);
  long n = sys_readlink(link, path, sizeof path - 1);
  if (!ldx_sys_failed(n))
    ldx_self.exe_path = ldx_self.search.program_path = ldx_strndup(&ldx_self.heap, path, (size_t)n);
}

static struct ldx_object *program_from_file(const char *path, struct ldx_load *l) {
  struct ldx_library_file f;
  struct stat st;
  open_program(path, &f, &st);
  note_exe_path(f.fd);
  /* ldd's readers know $ORIGIN as the folder of the name that was given */
  if (ldx_listing() && ldx_self.options.mode != LDX_PLAN)
    ldx_self.search.program_path = path;
  ldx_trace_map(path, l->ns);
  struct ldx_object *o = ldx_map_file(l, &f, &st, path, LDX_PROGRAM);
  io_close_later(&ldx_self.io, &ldx_self.closing, f.fd);
  if (!o)
    refuse(l->diag);
  ldx_trace_mapped(o);
  ldx_self.program_path = path;
  o->dev = o->ino = 0; /* as when the kernel opened it: dlopen of its file does not mean the program */
  ldx_delete(o->map.l_name);
  o->map.l_name = ldx_strdup(&ldx_self.heap, "");
  return o;
}

static void dress_as_program(struct ldx_object *o, const char *path) {
  struct ldx_args *a = &ldx_self.args;
  sys_prctl(15 /* PR_SET_NAME */, (long)ldx_last_part(path), 0, 0, 0);
  ldx_set_auxv(a, AT_PHDR, (uint64_t)o->phdrs);
  ldx_set_auxv(a, AT_PHNUM, o->image.phnum);
  ldx_set_auxv(a, AT_ENTRY, o->entry);
  ldx_set_auxv(a, AT_BASE, o->image.interp ? (uint64_t)&__ehdr_start : 0);
  ldx_set_auxv(a, AT_EXECFN, (uint64_t)path);
  ldx_tell_kernel(a, &o->image);
}

static bool needs_loader(const struct ldx_object *o) { return o->image.interp || o->dyn.info[DT_NEEDED]; }

static void check_entry(const struct ldx_object *o) {
  if (!o->entry || !ldx_object_has_code(o, o->entry))
    ldx_die_text("%s: no entry point", ldx_self.program_name);
}

static struct ldx_handoff *enter_static(struct ldx_object *o) {
  ldx_set_thread_pointer(&ldx_self.cpu, 0);
  ldx_self.handoff = (struct ldx_handoff){o->entry, (uintptr_t)ldx_self.args.stack, 0};
  return &ldx_self.handoff;
}

/* A program without an interpreter needs nothing of a loader: the kernel starts it as it starts any. Only when
 * it may not (no execute permission, say) is the image that was mapped here entered. */
static struct ldx_handoff *run_static(struct ldx_object *o) {
  check_entry(o);
  ldx_close_flush(&ldx_self.closing);
  const struct ldx_args *a = &ldx_self.args;
  if (!ldx_on_valgrind()) /* it would lose sight of the program */
    LDX_SYS(SYS_execve, ldx_self.program_path, a->argv, a->envp, 0, 0, 0);
  return enter_static(o);
}

static void enlist(struct ldx_load *l, struct ldx_object *o) {
  o->ns = l->ns;
  o->pending = true;
  ldx_namespace_append(l->ns, o);
  if (!ldx_list_add(&ldx_self.heap, &l->fresh, o) || (o->tls.memsz && !ldx_tls_add_module(&ldx_self.tls, o)))
    must(NULL);
  l->tls_added |= o->tls.memsz != 0;
}

static void add_vdso(struct ldx_load *l) {
  const Elf64_Ehdr *eh = ldx_self.args.auxv.vdso;
  struct ldx_diag d = {.heap = &ldx_self.heap};
  if (!eh)
    return;
  struct ldx_object *o = adopt_ehdr(LDX_VDSO, "linux-vdso.so.1", eh, &d);
  o->ld_readonly = true;
  ldx_self.vdso = o;
  enlist(l, o);
  ldx_object_add_name(&ldx_self.heap, o, "linux-vdso.so.1");
}

static void enlist_loader(struct ldx_load *l) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  const char *name = ldx_self.options.command ? ldx_self.command_path : ldx_self.interp_name;
  struct ldx_object *o = adopt_ehdr(LDX_LOADER, name, &__ehdr_start, &d);
  const struct elf_segment *last = &o->image.segments[o->image.segment_count - 1];
  o->map_end = ldx_align_up(o->map.l_addr + last->vaddr + last->filesz, LDX_PAGE); /* memory behind is the heap's */
  o->pending = true;
  ldx_namespace_append(l->ns, o);
}

static void add_loader(struct ldx_load *l) {
  struct ldx_object *o = l->ns->first;
  while (o->kind != LDX_LOADER)
    o = o->map.l_next;
  if (!ldx_list_add(&ldx_self.heap, &l->fresh, o))
    must(NULL);
  if (ldx_wants(LDX_EV_MAPPED))
    ldx_tell_mapped(o, o->map.l_name);
  if (ldx_audited())
    ldx_audit_opened(l, o);
}

/* With other folders to search it may be another file than the program names. */
static bool is_guest_interp(const struct ldx_object *o) {
  struct stat st;
  if (!ldx_self.search.library_path && !ldx_self.base.program->dyn.info[DT_RPATH] &&
      !ldx_self.base.program->dyn.info[DT_RUNPATH])
    return true;
  return !ldx_sys_failed(io_stat(&ldx_self.io, ldx_self.guest_interp, &st)) && st.st_dev == o->dev &&
         st.st_ino == o->ino;
}

/* The guest's loader comes in as a dependency of libc; it is called what the program calls it. */
static void name_support(struct ldx_load *l) {
  for (uint32_t i = 0; i < l->fresh.count; i++) {
    struct ldx_object *o = l->fresh.at[i];
    const char *base = ldx_self.guest_interp ? strrchr(ldx_self.guest_interp, '/') : NULL;
    if (!base || !o->soname || strcmp(o->soname, base + 1) || o->kind != LDX_LIBRARY || !is_guest_interp(o))
      continue;
    char *name = ldx_strdup(&ldx_self.heap, ldx_self.guest_interp);
    if (name) {
      ldx_delete(o->map.l_name);
      o->map.l_name = name;
    }
  }
}

static bool discover(struct ldx_load *l) {
  struct ldx_object_list preloads = {0};
  ldx_self.statistics.begin_load = ldx_cycles();
  bool ok = ldx_load_preloads(l, &preloads);
  l->preloads = preloads.count;
  ok = ok && ldx_load_dependencies(l, l->root, preloads.at, preloads.count);
  ldx_delete(preloads.at);
  if (ok && l->spare) /* nobody has asked for it */
    ldx_take_spare(l);
  if (ok) {
    name_support(l);
    add_loader(l); /* behind all others: sanitizers look for themselves as the first library */
  }
  ldx_self.statistics.end_load = ldx_cycles();
  return ok;
}

static const char *program_interp(const struct ldx_object *o) {
  const Elf64_Phdr *i = o->image.interp;
  const char *s = i && i->p_filesz ? elf_at(&o->image, i->p_vaddr, i->p_filesz) : NULL;
  return s && !s[i->p_filesz - 1] ? s : NULL;
}

/* DT_DEBUG of the program is where debuggers look first (gABI ch. 5). */
static void set_dt_debug(struct ldx_object *o) {
  Elf64_Dyn *d = o->dyn.info[DT_DEBUG];
  if (d && elf_at_memory(&o->image, (uintptr_t)d - o->map.l_addr, sizeof *d, PF_W))
    d->d_un.d_ptr = (uint64_t)ldx_debug_inside(&ldx_self.r_debug);
}

/* To debuggers that take ldx for the program. */
static void show_program(const struct ldx_object *program) {
  struct ldx_object *alias = ldx_new(LDX_GUEST_MAP_SIZE); /* as much of it as they read */
  const char *path = ldx_self.exe_path ? ldx_self.exe_path : ldx_self.program_path;
  if (!alias)
    return;
  memcpy(alias, program->guest, LDX_GUEST_MAP_SIZE);
  alias->map.l_name = (char *)path;
  alias->map.l_next = alias->map.l_prev = NULL;
  ldx_self.debug_command.alias.r_map = alias;
}

static void load_program(struct ldx_load *l) {
  enlist_loader(l);
  ldx_debug_set_list(l->ns);
  set_dt_debug(l->root);
  ldx_debug_start(l->ns);
  bool planned = ldx_plan_wanted();
  if (planned)
    ldx_plan_begin(l);
  ldx_read_policy(l->root);
  if (ldx_self.policy && !ldx_start_policy())
    must(NULL);
  struct ldx_diag d = {.heap = &ldx_self.heap};
  if ((ldx_self.policy || ldx_self.options.trace_events) && !ldx_start_event_log(&d))
    ldx_die(&d);
  ldx_launch_cache_begin();
  if (ldx_tools_wanted())
    ldx_start_tools(l);
  if ((ldx_self.policy || ldx_self.cache) && !ldx_self.in_app)
    ldx_check_named_tools();
  if (ldx_audited())
    ldx_audit_begin(l);
  if (ldx_self.hooks.steered)
    ldx_guide_searches();
  if (planned)
    ldx_record_begin(l);
  ldx_tell_followed();
  ldx_self.starting = true;
  if (ldx_wants(LDX_EV_START))
    ldx_tell_start(l);
  bool ok = ldx_run_load(l, discover);
  ldx_tell_load_end(l, ok);
  if (!ok)
    ldx_die(l->diag);
  if (ldx_self.options.command)
    show_program(l->root);
  ldx_debug_started(l->ns);
  if (ldx_audited())
    ldx_audit_consistent(l);
}

static _Noreturn void list_tunables(void) {
  if (!ldx_self.glibc.profile)
    ldx_die_text("%s: uses no glibc, and so has no tunables", ldx_self.program_name);
  glibc_print_tunables(&ldx_self.glibc, 1);
  sys_exit(0);
}

static struct ldx_handoff *run_program(struct ldx_load *l) {
  struct ldx_object *o = l->root;
  if (ldx_self.options.mode == LDX_TUNABLES)
    list_tunables();
  check_entry(o);
  ldx_self.starting = false;
  o->opens = 1;
  if (l->ns->libc)
    glibc_early_init(&ldx_self.glibc, l->ns->libc, true);
  ldx_register_at_fork();
  ldx_search_settle(&ldx_self.search);
  if (ldx_tracing(LDX_DEBUG_STATISTICS)) {
    ldx_self.statistics.end = ldx_cycles();
    ldx_print_start_statistics(o);
  }
  if (ldx_self.musl.active)
    return ldx_musl_handoff(o);
  ldx_tell_main_thread();
  if (ldx_self.options.control)
    ldx_control_stay();
  if (ldx_self.recorder && !ldx_write_record())
    sys_exit(127);
  ldx_self.entering = true;
  ldx_run_constructors(o, true);
  ldx_self.entering = false;
  if (ldx_wants(LDX_EV_MAIN))
    ldx_tell_object(LDX_EV_MAIN, o);
  ldx_self.handoff = (struct ldx_handoff){o->entry, (uintptr_t)ldx_self.args.stack, (uintptr_t)ldx_fini_all};
  return &ldx_self.handoff;
}

/* A library may be named as ld.so.cache knows it; the tunables are those of the system's libc. */
static const char *find_program(const char *name) {
  const struct ldx_find_request r = {.name = name ? name : "libc.so.6"};
  struct ldx_diag d = {.heap = &ldx_self.heap};
  struct ldx_library_file f;
  const char *path = name ? find_in_path(name) : r.name;
  if (strchr(path, '/') || !io_access(&ldx_self.io, path, 4 /* R_OK */) ||
      ldx_find(&ldx_self.search, &r, &f, &d) != LDX_FOUND)
    return path;
  io_close(&ldx_self.io, f.fd);
  return f.path;
}

static struct ldx_object *command(struct ldx_load *l) {
  struct ldx_args *a = &ldx_self.args;
  ldx_debug_as_command(&ldx_self.r_debug, &ldx_self.debug_command);
  ldx_self.changes.r_debug = (uintptr_t)ldx_debug_inside(&ldx_self.r_debug);
  ldx_self.options.command = true;
  ldx_self.command_path = a->auxv.execfn ? a->auxv.execfn : a->argv[0];
  int first = ldx_read_arguments(a, &ldx_self.options, &ldx_self.search);
  char *path = ldx_strdup(&ldx_self.heap, find_program(a->argv[first]));
  if (!path)
    must(NULL);
  ldx_shift_arguments(a, first);
  if (ldx_self.options.argv0)
    ldx_set_argv0(a, ldx_self.options.argv0);
  ldx_self.program_name = ldx_self.search.program_name = a->argc ? a->argv[0] : path;
  struct ldx_object *o = program_from_file(path, l);
  if (ldx_self.options.mode == LDX_VERIFY)
    sys_exit(!o->image.dynamic ? 1 : o->image.interp ? 0 : 2);
  dress_as_program(o, path);
  return o;
}

struct ldx_handoff *ldx_main(uintptr_t *stack) {
  ldx_self.statistics.start = ldx_cycles();
  init_process(stack);
  struct ldx_args *a = &ldx_self.args;
  struct ldx_diag d = {.heap = &ldx_self.heap};
  struct ldx_load l = {.ns = &ldx_self.base, .diag = &d, .startup = true};
  ldx_self.program_name = a->argc ? a->argv[0] : "";
  ldx_read_environment(a, &ldx_self.options, &ldx_self.search);
  ldx_self.search.platform = a->auxv.platform;
  ldx_self.search.hwcap = a->auxv.hwcap;
  if (ldx_self.options.debug & LDX_DEBUG_LIBS)
    ldx_self.search.trace = trace_search;
  bool as_command = a->auxv.entry == (uintptr_t)_start;
  ldx_self.search.program_name = ldx_self.program_name;
  l.root = as_command ? command(&l) : program_from_kernel(&d);
  l.lazy = !ldx_self.options.bind_now;
  if (as_command && !needs_loader(l.root) && ldx_self.options.mode == LDX_RUN) {
    if (ldx_plan_wanted())
      ldx_record_static(&l);
    return run_static(l.root);
  }
  l.ns->program = l.root;
  ldx_self.interp_name = as_command ? NULL : program_interp(l.root);
  ldx_self.guest_interp = as_command ? program_interp(l.root) : LDX_DEFAULT_INTERP;
  if (!ldx_self.guest_interp)
    ldx_self.guest_interp = LDX_DEFAULT_INTERP;
  if (!ldx_self.interp_name)
    ldx_self.interp_name = ldx_self.guest_interp;
  if (musl_is_program(l.root))
    ldx_musl_begin(as_command && program_interp(l.root));
  l.lazy = l.lazy && !ldx_self.musl.active;
  enlist(&l, l.root);
  add_vdso(&l);
  load_program(&l);
  return run_program(&l);
}
