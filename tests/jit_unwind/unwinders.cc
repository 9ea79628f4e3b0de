// Other unwinders than libgcc's: libunwind, and LLVM's library of that name. They find the search table by program
// headers.
#define UNW_LOCAL_ONLY
#include <libunwind.h>

#include "frames.h"

static ldx_jit *jit;

enum { DEPTH = 64 };
static uintptr_t trace[DEPTH];
static int traced;

static void libunwind_trace() {
  unw_context_t context;
  unw_cursor_t cursor;
  unw_getcontext(&context);
  SAME(unw_init_local(&cursor, &context), 0);
  traced = 0;
  do {
    unw_word_t ip;
    SAME(unw_get_reg(&cursor, UNW_REG_IP, &ip), 0);
    trace[traced++] = ip;
  } while (traced < DEPTH && unw_step(&cursor) > 0);
}
static void libunwind_backtrace() {
  void *at[DEPTH];
  traced = unw_backtrace(at, DEPTH);
  for (int i = 0; i < traced; i++)
    trace[i] = (uintptr_t)at[i];
}

static _Unwind_Reason_Code (*llvm_backtrace)(_Unwind_Trace_Fn, void *);
static _Unwind_Ptr (*llvm_ip)(_Unwind_Context *);
static _Unwind_Reason_Code note(_Unwind_Context *context, void *) {
  trace[traced++] = llvm_ip(context);
  return traced < DEPTH ? _URC_NO_REASON : _URC_END_OF_STACK;
}
static void llvm_trace() {
  traced = 0;
  llvm_backtrace(note, nullptr);
}

static int position(uintptr_t function, size_t size) {
  for (int i = 0; i < traced; i++)
    if (trace[i] - 1 - function < size)
      return i;
  return -1;
}

// The functions are found, inner before outer before this one.
static caller outer, inner;
static void (*tracer)();
__attribute__((noinline)) static void check_trace() {
  outer([] { inner(tracer); });
  int first = position((uintptr_t)inner, sizeof PLAIN_CODE), second = position((uintptr_t)outer, sizeof PLAIN_CODE),
      last = position((uintptr_t)check_trace, 256);
  CHECK(first > 0 && second > first && last > second);
}

// Tables move, and addresses are used again with other frames.
static void trace_with(void (*of)(), void (*forget)(), bool use_again = true) {
  tracer = of;
  jit = make_jit("libjit-unwinders.so", 0);
  for (int i = 0; i < 60; i++) {
    outer = i % 2 ? new_pointer(jit) : new_plain(jit);
    inner = i % 3 ? new_pointer(jit) : new_plain(jit);
    check_trace();
    check_trace();
    if (use_again && i % 4)
      SAME(ldx_jit_free(jit, (void *)outer), 0);
    if (use_again && i % 4 == 1)
      SAME(ldx_jit_free(jit, (void *)inner), 0);
    forget();
  }
}

// What libunwind keeps of an address must be taken from it, as its manual says, or it must keep nothing. Its
// unw_backtrace forgets nothing all the same (1.6).
static void flush() { unw_flush_cache(unw_local_addr_space, 0, 0); }
static void nothing() {}
static void steps() { trace_with(libunwind_trace, flush); }
static void backtraces() { trace_with(libunwind_backtrace, flush, false); }
static void uncached() {
  SAME(unw_set_caching_policy(unw_local_addr_space, UNW_CACHE_NONE), 0);
  trace_with(libunwind_trace, nothing);
}

static void names() {
  jit = make_jit("libjit-unwinders.so", 0);
  static caller f;
  f = new_plain(jit);
  f([] {
    unw_context_t context;
    unw_cursor_t cursor;
    unw_proc_info_t info = {};
    unw_getcontext(&context);
    unw_init_local(&cursor, &context);
    while (unw_step(&cursor) > 0) {
      SAME(unw_get_proc_info(&cursor, &info), 0);
      if (info.start_ip == (unw_word_t)f) {
        SAME(info.end_ip, (unw_word_t)f + sizeof PLAIN_CODE);
        return;
      }
    }
    CHECK(!"not found");
  });
}

static void llvm() {
  void *library = dlopen("libunwind.so.1", RTLD_NOW | RTLD_LOCAL);
  MUST(library);
  llvm_backtrace = (decltype(llvm_backtrace))dlsym(library, "_Unwind_Backtrace");
  llvm_ip = (decltype(llvm_ip))dlsym(library, "_Unwind_GetIP");
  MUST(llvm_backtrace && llvm_ip);
  trace_with(llvm_trace, nothing);
}

CASES({"steps", steps}, {"backtraces", backtraces}, {"uncached", uncached}, {"names", names}, {"llvm", llvm})
