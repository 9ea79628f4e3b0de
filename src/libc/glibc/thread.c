/* The main thread as glibc wants to find it: what its own loader does in __tls_init_tp. */
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "libc/glibc/glibc.h"

enum { RSEQ_SIG = 0x53053053, RSEQ_CPU_ID = 4 /* in the area */, RSEQ_CPU_ID_FAILED = -2 };
enum { RSEQ_AREA_SIZE = 32, RSEQ_AREA_ALIGN = 32, RSEQ_USED_SIZE = 20 }; /* where the kernel doesn't say */
enum { AT_RSEQ_FEATURE_SIZE_ = 27, AT_RSEQ_ALIGN_ = 28 };
enum { STACK_OF_THE_USER = 2, STATE_JOINABLE = 2 }; /* of pthread.stack_mode, pthread.joinstate */

static void put_ptr(char *base, uint16_t off, const void *p) { memcpy(base + off, &p, sizeof p); }
static void put32(char *base, uint16_t off, uint32_t v) { memcpy(base + off, &v, sizeof v); }

/* The main thread stands on the list of threads whose stack libc did not make. */
static void link_thread(const struct glibc_state *g, char *tcb) {
  const struct glibc_profile *f = g->profile;
  if (f->global._dl_stack_user == GLIBC_ABSENT || f->pthread.list == GLIBC_ABSENT)
    return;
  char *head = g->global + f->global._dl_stack_user, *node = tcb + f->pthread.list;
  put_ptr(node, 0, head);
  put_ptr(node, 8, head);
  put_ptr(head, 0, node);
  put_ptr(head, 8, node);
}

static char *set_robust(const struct glibc_state *g, char *tcb) {
  const struct glibc_profile *f = g->profile;
  char *head = tcb + f->pthread.robust_head;
  put_ptr(tcb, f->pthread.robust_prev, head);
  put_ptr(tcb, f->pthread.robust_head_list, head);
  int64_t futex_offset = -32; /* pthread_mutex_t: lock word before its list node */
  memcpy(tcb + f->pthread.robust_head_futex_offset, &futex_offset, 8);
  return head;
}

static void register_robust(const struct glibc_state *g, char *tcb) {
  LDX_SYS(SYS_set_robust_list, set_robust(g, tcb), 24, 0, 0, 0, 0);
}

static bool rseq_wanted(char *const *envp) {
  for (; *envp; envp++)
    if (**envp == 'G' && !strncmp(*envp, "GLIBC_TUNABLES=", 15) && ldx_find_text(*envp, "glibc.pthread.rseq=0"))
      return false;
  return true;
}

static uint64_t auxv_value(const Elf64_auxv_t *v, uint64_t type, uint64_t least) {
  for (; v->a_type != AT_NULL; v++)
    if (v->a_type == type && v->a_un.a_val > least)
      return v->a_un.a_val;
  return least;
}

/* Builds up to 2.40 keep the area in struct pthread, of a fixed size; later ones want a block below the thread
 * pointer, beyond all TLS, of the size that the kernel asks for. */
void glibc_place_rseq(struct glibc_state *g, struct ldx_tls *t, const Elf64_auxv_t *auxv, char *const *envp) {
  const struct glibc_profile *f = g->profile;
  if (!f || !f->object.__rseq_size)
    return;
  if (f->pthread.rseq_area != GLIBC_ABSENT) {
    g->rseq_offset = f->pthread.rseq_area;
    g->rseq_size = RSEQ_AREA_SIZE;
    return;
  }
  bool wanted = rseq_wanted(envp);
  uint64_t size = auxv_value(auxv, AT_RSEQ_FEATURE_SIZE_, RSEQ_USED_SIZE);
  uint64_t align = wanted ? auxv_value(auxv, AT_RSEQ_ALIGN_, RSEQ_AREA_ALIGN) : RSEQ_AREA_ALIGN;
  uint64_t room = wanted && size > RSEQ_AREA_SIZE ? size : RSEQ_AREA_SIZE;
  g->rseq_offset = -(int64_t)ldx_tls_reserve(t, ldx_align_up(room, align), align);
  g->rseq_size = (uint32_t)size;
}

static void register_rseq(const struct glibc_state *g, char *tcb, char *const *envp) {
  const struct glibc_profile *f = g->profile;
  if (!g->rseq_size)
    return;
  char *area = tcb + g->rseq_offset;
  uint32_t zero = 0, size = g->rseq_size > RSEQ_AREA_SIZE ? g->rseq_size : RSEQ_AREA_SIZE;
  int32_t failed = RSEQ_CPU_ID_FAILED;
  bool ok = rseq_wanted(envp) && !ldx_sys_failed(LDX_SYS(SYS_rseq, area, size, 0, RSEQ_SIG, 0, 0));
  if (!ok)
    memcpy(area + RSEQ_CPU_ID, &failed, 4);
  char *ld = (char *)g->ld->map.l_addr;
  memcpy(ld + f->object.__rseq_size, ok ? &g->rseq_size : &zero, 4);
  memcpy(ld + f->object.__rseq_offset, &g->rseq_offset, 8);
}

static void set_guards(char *tcb, const unsigned char *random) {
  uint64_t guard = 0, pointer = 0;
  if (random) {
    memcpy(&guard, random, 8);
    memcpy(&pointer, random + 8, 8);
  }
  guard &= ~(uint64_t)0xff; /* a string function stops before it leaks the rest */
  memcpy(tcb + LDX_TCB_GUARD, &guard, 8);
  memcpy(tcb + LDX_TCB_POINTER_GUARD, &pointer, 8);
}

void glibc_init_main_thread(const struct glibc_state *g, char *tcb, const struct glibc_process *p) {
  const struct glibc_profile *f = g->profile;
  set_guards(tcb, p->random);
  link_thread(g, tcb);
  put_ptr(tcb, f->pthread.specific, tcb + f->pthread.specific_1stblock);
  if (f->pthread.user_stack != GLIBC_ABSENT)
    tcb[f->pthread.user_stack] = 1;
  if (f->pthread.stack_mode != GLIBC_ABSENT)
    put32(tcb, f->pthread.stack_mode, STACK_OF_THE_USER);
  if (f->pthread.stackblock_size != GLIBC_ABSENT)
    put_ptr(tcb, f->pthread.stackblock_size, p->stack_end);
  if (f->object.__nptl_initial_report_events) /* a debugger may have set it before there was a thread */
    tcb[f->pthread.report_events] = *(char *)(g->ld->map.l_addr + f->object.__nptl_initial_report_events);
  /* the kernel clears this word when the thread ends */
  uint16_t ended = f->pthread.joinstate == GLIBC_ABSENT ? f->pthread.tid : f->pthread.joinstate;
  int32_t tid = (int32_t)LDX_SYS(SYS_set_tid_address, tcb + ended, 0, 0, 0, 0, 0);
  if (f->pthread.joinstate != GLIBC_ABSENT)
    put32(tcb, f->pthread.joinstate, STATE_JOINABLE);
  memcpy(tcb + f->pthread.tid, &tid, 4);
  register_robust(g, tcb);
  register_rseq(g, tcb, p->envp);
}

static uint64_t word_at(const char *tcb, uint16_t off) {
  uint64_t v = 0;
  if (off != GLIBC_ABSENT)
    memcpy(&v, tcb + off, sizeof v);
  return v;
}

static int32_t int_at(const char *tcb, uint16_t off) {
  int32_t v;
  memcpy(&v, tcb + off, sizeof v);
  return v;
}

bool glibc_read_thread(const struct glibc_state *g, const char *tcb, struct glibc_thread *out) {
  const struct glibc_profile *f = g->profile;
  uintptr_t block = word_at(tcb, f->pthread.stackblock);
  *out = (struct glibc_thread){.tid = int_at(tcb, f->pthread.tid), .is_first = !block};
  if (block) {
    out->stack_low = block + word_at(tcb, f->pthread.guardsize);
    out->stack_high = block + word_at(tcb, f->pthread.stackblock_size);
  }
  /* the word that the kernel clears when the thread ends */
  return out->tid > 0 && (f->pthread.joinstate == GLIBC_ABSENT || int_at(tcb, f->pthread.joinstate));
}

/* It stands on no list, and has no area of restartable sequences. */
void glibc_init_own_thread(const struct glibc_state *g, char *tcb) {
  const struct glibc_profile *f = g->profile;
  int32_t tid = (int32_t)LDX_SYS(SYS_gettid, 0, 0, 0, 0, 0, 0), none = RSEQ_CPU_ID_FAILED;
  put_ptr(tcb, f->pthread.specific, tcb + f->pthread.specific_1stblock);
  if (f->pthread.stack_mode != GLIBC_ABSENT)
    put32(tcb, f->pthread.stack_mode, STACK_OF_THE_USER);
  memcpy(tcb + f->pthread.tid, &tid, sizeof tid);
  set_robust(g, tcb);
  if (g->rseq_size)
    memcpy(tcb + g->rseq_offset + RSEQ_CPU_ID, &none, sizeof none);
}

void glibc_init_ctype(const struct glibc_state *g, const struct ldx_object *libc) {
  uintptr_t f = g->profile ? ldx_address_of(libc, "__ctype_init") : 0;
  if (f)
    ((void (*)(void))f)();
}
