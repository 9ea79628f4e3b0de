// Unwinds where nobody expects it: out of signal handlers, at every instruction of the loader's own code, out of
// blocked threads. The argument says which. With -DLIBUNWIND the frames are walked by that library, not by gcc's.
#include "unwound.h"

#include <atomic>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>
#ifdef LIBUNWIND
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#endif

// --- one walk up the stack: does it come to main? -----------------------------------------------------------

int main(int argc, char **argv);

#ifdef LIBUNWIND
static bool reaches_main() {
  unw_context_t context;
  unw_cursor_t cursor;
  unw_getcontext(&context);
  unw_init_local(&cursor, &context);
  for (int depth = 0; depth < 200; depth++) {
    unw_proc_info_t info;
    if (!unw_get_proc_info(&cursor, &info) && info.start_ip == (unw_word_t)main)
      return true;
    if (unw_step(&cursor) <= 0)
      return false;
  }
  return false;
}
#else
struct walk {
  int depth;
  bool found;
};

static _Unwind_Reason_Code visit(_Unwind_Context *context, void *arg) {
  walk *w = static_cast<walk *>(arg);
  int before = 0;
  uintptr_t ip = _Unwind_GetIPInfo(context, &before);
  w->found = w->found || _Unwind_FindEnclosingFunction((void *)(ip - !before)) == (void *)main;
  return w->found || ++w->depth == 200 ? _URC_NORMAL_STOP : _URC_NO_REASON;
}

static bool reaches_main() {
  walk w = {};
  _Unwind_Backtrace(visit, &w);
  return w.found;
}
#endif

// --- signals at every instruction, or in time ---------------------------------------------------------------

static volatile long walks, failures, inside;
static volatile uintptr_t first_failure;
static uintptr_t loader_start, loader_end;

static void on_signal(int, siginfo_t *, void *context) {
  int saved = errno;
  uintptr_t ip = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
  walks = walks + 1;
  inside = inside + (ip >= loader_start && ip < loader_end);
  if (!reaches_main()) {
    if (!failures)
      first_failure = ip;
    failures = failures + 1;
  }
  errno = saved;
}

static void handle(int signal) {
  struct sigaction action = {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(signal, &action, nullptr);
}

// Where the code lies that binds a call when it is made for the first time: in the loader.
static void find_loader() {
  dl_iterate_phdr(
      [](dl_phdr_info *info, size_t, void *) {
        const char *slash = strrchr(info->dlpi_name, '/');
        const char *base = slash ? slash + 1 : info->dlpi_name;
        if (strncmp(base, "ldx", 3) && strncmp(base, "ld-linux", 8))
          return 0;
        for (int i = 0; i < info->dlpi_phnum; i++)
          if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
            loader_start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            loader_end = loader_start + info->dlpi_phdr[i].p_memsz;
          }
        return 0; // the last one: ldx stands behind the guest's loader
      },
      nullptr);
}

static inline __attribute__((always_inline)) void step(bool on) {
  if (on)
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
  else
    __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
}

static void *open_library(struct unwound *u) {
  void *library = dlopen("./libunwound.so", RTLD_LAZY);
  if (!library) {
    puts(dlerror());
    exit(1);
  }
  u->call_all = (int (*)(int))dlsym(library, "unwound_call_all");
  u->locals = (int (*)(void))dlsym(library, "unwound_locals");
  u->block = (void (*)(int))dlsym(library, "unwound_block");
  u->throw_from = (void (*)(int))dlsym(library, "unwound_throw");
  u->crash = (int (*)(volatile int *))dlsym(library, "unwound_crash");
  u->sort = (void (*)(int (*)(const void *, const void *)))dlsym(library, "unwound_sort");
  return library;
}

static int count_objects() {
  int n = 0;
  dl_iterate_phdr([](dl_phdr_info *, size_t, void *arg) { return ++*static_cast<int *>(arg), 0; }, &n);
  return n > 0;
}

// `all`: every walk must have come to main. (Not while libraries come and go: a part of the way may be one that is no
// more.)
static void report(const char *what, bool all) {
  long lost = all ? failures : 0;
  printf("%s: walked %s, inside the loader %s, failures %ld\n", what, walks > 100 ? "often" : "seldom",
         inside > 0 ? "too" : "never", lost);
  Dl_info info = {};
  if (lost && dladdr((void *)first_failure, &info))
    printf("first failure at %s in %s\n", info.dli_sname ? info.dli_sname : "?", info.dli_fname);
  walks = failures = inside = 0;
  fflush(stdout);
}

// Single steps: a signal behind every instruction of what is between on and off.
static void at_every_instruction() {
  struct unwound u;
  handle(SIGTRAP);
  reaches_main();
  open_library(&u);
  step(true);
  u.call_all(3);
  step(false);
  report("first calls", true);
  step(true);
  u.locals();
  step(false);
  report("first thread-local data", true);
#ifndef LIBUNWIND // too slow: it asks dl_iterate_phdr for every frame
  step(true);
  count_objects();
  step(false);
  report("dl_iterate_phdr", true);
  step(true);
  dlsym(RTLD_DEFAULT, "no such symbol");
  step(false);
  dlerror();
  report("dlsym", true);
#endif
}

static volatile bool late;
static void rounds_under(int signal, int timer, long enough) {
  handle(signal);
  reaches_main();
  struct itimerval often = {{0, 200}, {0, 200}};
  setitimer((__itimer_which)timer, &often, nullptr);
  while (walks < enough && !late) {
    struct unwound u;
    void *library = open_library(&u);
    u.call_all(1);
    u.locals();
    count_objects();
    try {
      u.throw_from(3);
    } catch (int) {
    }
    dlclose(library);
  }
  often = {};
  setitimer((__itimer_which)timer, &often, nullptr);
  report("profile", false);
}

// --- crashes ------------------------------------------------------------------------------------------------

static sigjmp_buf back;
static void on_crash(int) {
  void *frames[50];
  int n = backtrace(frames, 50);
  bool seen = false;
  for (int i = 0; i < n; i++) {
    Dl_info info = {};
    bool known = dladdr((char *)frames[i] - (i > 2), &info) && info.dli_sname;
    seen = seen || (known && !strcmp(info.dli_sname, "unwound_crash"));
    if (seen)
      printf("  %s\n", known ? info.dli_sname : "?");
    if (known && !strcmp(info.dli_sname, "main"))
      break;
  }
  siglongjmp(back, 1);
}

static unwound shared;
extern "C" int crash_in_comparison(const void *, const void *) { return shared.crash(nullptr); }

static void crash() {
  void *warm[1];
  backtrace(warm, 1);
  open_library(&shared);
  signal(SIGSEGV, on_crash);
  puts("called directly");
  if (!sigsetjmp(back, 1))
    shared.crash(nullptr);
  puts("called by qsort, called by a library");
  if (!sigsetjmp(back, 1))
    shared.sort(crash_in_comparison);
}

struct told {
  const char *name;
  ~told() { printf("destroyed %s\n", name); }
};

static void throwing(int) { throw 42; }

static void throw_from_handler() {
  open_library(&shared);
  struct sigaction action = {};
  action.sa_handler = throwing;
  action.sa_flags = SA_NODEFER;
  sigaction(SIGSEGV, &action, nullptr);
  for (int i = 0; i < 3; i++) {
    told outer{"outer"};
    try {
      told inner{"inner"};
      shared.crash(nullptr);
    } catch (int n) {
      printf("caught %d\n", n);
    }
    try {
      told inner{"around qsort"};
      shared.sort(crash_in_comparison);
    } catch (int n) {
      printf("caught %d\n", n);
    }
  }
}

// --- cancelled threads --------------------------------------------------------------------------------------

static std::atomic<int> blocked;
static void *blocking(void *arg) {
  told here{"thread"};
  pthread_cleanup_push([](void *) { puts("cleaned up"); }, nullptr);
  blocked++;
  shared.block(*static_cast<int *>(arg));
  pthread_cleanup_pop(0);
  return nullptr;
}

static void *exiting(void *) {
  told here{"thread that exits"};
  shared.locals();
  pthread_exit((void *)7);
}

static void cancel() {
  void *library = open_library(&shared);
  int ends[2];
  if (pipe(ends))
    exit(1);
  for (int i = 0; i < 3; i++) {
    pthread_t thread;
    void *result = nullptr;
    int before = blocked;
    pthread_create(&thread, nullptr, blocking, ends);
    while (blocked == before)
      usleep(1000);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    puts(result == PTHREAD_CANCELED ? "cancelled" : "ended");
  }
  pthread_t thread;
  void *result = nullptr;
  pthread_create(&thread, nullptr, exiting, nullptr);
  pthread_join(thread, &result);
  printf("exited %ld\n", (long)result);
  printf("closed %d\n", dlclose(library));
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  signal(SIGALRM, [](int) { late = true; });
  alarm(50);
  find_loader();
  if (!strcmp(what, "step"))
    at_every_instruction();
  else if (!strcmp(what, "profile"))
    rounds_under(SIGPROF, ITIMER_PROF, 300);
  else if (!strcmp(what, "crash"))
    crash();
  else if (!strcmp(what, "throw"))
    throw_from_handler();
  else if (!strcmp(what, "cancel"))
    cancel();
  return late;
}
