/* The main thread as glibc wants to find it: what its own loader does in __tls_init_tp. */
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "libc/glibc/glibc.h"

enum { RSEQ_SIG = 0x53053053, RSEQ_CPU_ID_FAILED = -2 };

static void put_ptr(char *base, uint16_t off, const void *p) { memcpy(base + off, &p, sizeof p); }

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

static void register_robust(const struct glibc_state *g, char *tcb) {
  const struct glibc_profile *f = g->profile;
  char *head = tcb + f->pthread.robust_head;
  put_ptr(tcb, f->pthread.robust_prev, head);
  put_ptr(tcb, f->pthread.robust_head_list, head);
  int64_t futex_offset = -32; /* pthread_mutex_t: lock word before its list node */
  memcpy(tcb + f->pthread.robust_head_futex_offset, &futex_offset, 8);
  LDX_SYS(SYS_set_robust_list, head, 24, 0, 0, 0, 0);
}

static bool rseq_wanted(char *const *envp) {
  for (; *envp; envp++)
    if (**envp == 'G' && !strncmp(*envp, "GLIBC_TUNABLES=", 15) && ldx_find_text(*envp, "glibc.pthread.rseq=0"))
      return false;
  return true;
}

static void register_rseq(const struct glibc_state *g, char *tcb, char *const *envp) {
  const struct glibc_profile *f = g->profile;
  if (f->pthread.rseq_area == GLIBC_ABSENT || !f->object.__rseq_size)
    return;
  char *area = tcb + f->pthread.rseq_area;
  uint32_t size = f->size.rseq_area >= 32 ? f->size.rseq_area : 32, zero = 0;
  int32_t failed = RSEQ_CPU_ID_FAILED;
  int64_t offset = f->pthread.rseq_area;
  bool ok = rseq_wanted(envp) && !ldx_sys_failed(LDX_SYS(SYS_rseq, area, size, 0, RSEQ_SIG, 0, 0));
  if (!ok)
    memcpy(tcb + f->pthread.rseq_area_cpu_id, &failed, 4);
  char *ld = (char *)g->ld->map.l_addr;
  memcpy(ld + f->object.__rseq_size, ok ? &size : &zero, 4);
  memcpy(ld + f->object.__rseq_offset, &offset, 8);
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
  if (f->pthread.stackblock_size != GLIBC_ABSENT)
    put_ptr(tcb, f->pthread.stackblock_size, p->stack_end);
  int32_t tid = (int32_t)LDX_SYS(SYS_set_tid_address, tcb + f->pthread.tid, 0, 0, 0, 0, 0);
  memcpy(tcb + f->pthread.tid, &tid, 4);
  register_robust(g, tcb);
  register_rseq(g, tcb, p->envp);
}
