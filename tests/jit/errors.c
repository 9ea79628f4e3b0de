/* What is refused, with which error; and that nothing has changed then. */
#include "jit_test.h"
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

struct state {
  size_t objects, mappings, descriptors;
};
static struct state state_now(void) {
  return (struct state){loaded_objects(), memory_file_mappings(), open_descriptors()};
}
#define UNCHANGED(before)                                                                                            \
  do {                                                                                                               \
    struct state now_ = state_now();                                                                                 \
    SAME(now_.objects, (before).objects);                                                                            \
    SAME(now_.mappings, (before).mappings);                                                                          \
    SAME(now_.descriptors, (before).descriptors);                                                                    \
  } while (0)

static void names_taken(void) {
  ldx_jit *jit = make_jit("libjit-taken.so", 0), *other = (ldx_jit *)1;
  struct state before = state_now();
  SAME(ldx_jit_new("libjit-taken.so", 0, NULL, &other), -EEXIST);
  SAME(ldx_jit_new("libc.so.6", 0, NULL, &other), -EEXIST);
  SAME(ldx_jit_new("libjit-taken.so", LDX_JIT_GLOBAL, NULL, &other), -EEXIST);
  CHECK(other == (ldx_jit *)1);
  UNCHANGED(before);
  SAME(ldx_jit_delete(jit), 0);
  SAME(ldx_jit_new("libjit-taken.so", 0, NULL, &jit), 0);

  void *library = dlopen("libjit-user-lazy.so", RTLD_LAZY);
  MUST(library);
  SAME(ldx_jit_new("libjit-user-lazy.so", 0, NULL, &other), -EEXIST);
  dlclose(library);
}

static void bad_news(void) {
  struct state before = state_now();
  ldx_jit *jit = (ldx_jit *)1;
  struct ldx_jit_limits bad_size = {.size = 3}, huge = {.size = sizeof huge, .code = UINT64_MAX},
                        huge_data = {.size = sizeof huge_data, .data = UINT64_C(1) << 62},
                        huge_rodata = {.size = sizeof huge_rodata, .rodata = UINT64_MAX - 4095};
  CHECK(ldx_jit_new(NULL, 0, NULL, &jit) < 0);
  CHECK(ldx_jit_new("", 0, NULL, &jit) < 0);
  CHECK(ldx_jit_new("libjit-bad.so", 0, &bad_size, &jit) < 0);
  CHECK(ldx_jit_new("libjit-bad.so", 0x80000000, NULL, &jit) < 0);
  CHECK(ldx_jit_new("libjit-bad.so", 0, &huge, &jit) < 0);
  CHECK(ldx_jit_new("libjit-bad.so", 0, &huge_data, &jit) < 0);
  CHECK(ldx_jit_new("libjit-bad.so", 0, &huge_rodata, &jit) < 0);
  CHECK(jit == (ldx_jit *)1);
  UNCHANGED(before);
  CHECK(ldx_jit_new("libjit-bad.so", 0, NULL, &jit) == 0);

  /* The kernel takes 249 characters for a name of such memory; the object's can be longer. */
  static char name[4000];
  memset(name, 'n', sizeof name - 1);
  SAME(ldx_jit_new(name, 0, NULL, &jit), 0);
  CHECK(dlopen(name, RTLD_NOW | RTLD_NOLOAD) == (void *)jit);
  publish_function(jit, "f", 1);
  SAME(ldx_jit_delete(jit), 0);
  SAME(ldx_jit_new("with/a slash.so", 0, NULL, &jit), 0);
  publish_function(jit, "f", 1);
}

static void blocks(void) {
  ldx_jit *jit = make_jit("libjit-error-blocks.so", 0);
  for (int kind = LDX_JIT_RODATA; kind <= LDX_JIT_CODE; kind++) {
    static const size_t bad[] = {0, 3, 6, 24, 4095, 4097, 8192, SIZE_MAX, (size_t)1 << 63};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
      CHECK(!ldx_jit_alloc(jit, 16, bad[i], (enum ldx_jit_kind)kind));
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 15, SIZE_MAX / 2, (size_t)1 << 40, (32 << 20) + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
      CHECK(!ldx_jit_alloc(jit, sizes[i], 4096, (enum ldx_jit_kind)kind));
    CHECK(ldx_jit_alloc(jit, 4 << 20, 4096, (enum ldx_jit_kind)kind));
    for (size_t align = 1; align <= 4096; align *= 2)
      CHECK((uintptr_t)ldx_jit_alloc(jit, 1, align, (enum ldx_jit_kind)kind) % align == 0);
  }
  CHECK(!ldx_jit_alloc(jit, 16, 16, (enum ldx_jit_kind)3));
  CHECK(!ldx_jit_alloc(jit, 16, 16, (enum ldx_jit_kind) - 1));

  char *block = ldx_jit_alloc(jit, 64, 64, LDX_JIT_DATA), *code = returns(jit, 1);
  int local;
  MUST(block);
  SAME(ldx_jit_free(jit, block + 8), -EINVAL);
  SAME(ldx_jit_free(jit, block + 64), -EINVAL);
  SAME(ldx_jit_free(jit, NULL), -EINVAL);
  SAME(ldx_jit_free(jit, &local), -EINVAL);
  SAME(ldx_jit_free(jit, ldx_jit_writable(jit, code)), -EINVAL);
  SAME(ldx_jit_free(jit, block), 0);
  SAME(ldx_jit_free(jit, block), -EINVAL);

  /* What is in use. */
  SAME(bind_function(jit, "f", code), 0);
  SAME(ldx_jit_free(jit, code), -EBUSY);
  SAME(ldx_jit_publish(jit), 0);
  SAME(ldx_jit_free(jit, code), -EBUSY);
  SAME(ldx_jit_unbind(jit, "f", NULL), 0);
  SAME(ldx_jit_free(jit, code), -EBUSY); /* still to be seen */
  SAME(ldx_jit_publish(jit), 0);
  SAME(bind_function(jit, "behind", code + 3), 0);
  SAME(ldx_jit_free(jit, code), -EBUSY);
  SAME(ldx_jit_discard(jit), 0);
  SAME(ldx_jit_free(jit, code), 0);
  SAME(ldx_jit_free(jit, code), -EINVAL);

  ldx_jit *other = make_jit("libjit-error-blocks2.so", 0);
  code = returns(jit, 1);
  SAME(ldx_jit_free(other, code), -EINVAL);
  SAME(ldx_jit_free(jit, code), 0);
}

static void symbols(void) {
  ldx_jit *jit = make_jit("libjit-error-symbols.so", 0);
  void *f = returns(jit, 1);
  static const uint32_t bad[] = {STT_SECTION, STT_FILE, STT_COMMON, STT_TLS, 7, 13, 16, 255, UINT32_MAX, 0x102};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    SAME(bind_as(jit, "f", NULL, f, 6, bad[i], 0), -EINVAL);
  SAME(bind_as(jit, "", NULL, f, 6, STT_FUNC, 0), -EINVAL);
  SAME(bind_as(jit, NULL, NULL, f, 6, STT_FUNC, 0), -EINVAL);
  SAME(bind_as(jit, "f", NULL, f, 6, STT_FUNC, 0x40000000), -EINVAL);
  SAME(ldx_jit_bind(jit, NULL), -EINVAL);
  struct ldx_jit_symbol small = {.size = 8, .name = "f", .addr = f, .type = STT_FUNC};
  SAME(ldx_jit_bind(jit, &small), -EINVAL);
  SAME(ldx_jit_unbind(jit, "f", NULL), -ENOENT);
  SAME(ldx_jit_unbind(jit, "", NULL), -ENOENT);
  CHECK(ldx_jit_unbind(jit, NULL, NULL) < 0);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(found_nowhere(jit, "f"));
}

static void limits(void) {
  ldx_jit *jit = NULL;
  struct ldx_jit_limits small = {.size = sizeof small, .symbols = 10, .code = 8192, .data = 4096, .rodata = 4096};
  MUST(ldx_jit_new("libjit-small.so", 0, &small, &jit) == 0);
  char name[32];
  void *f = returns(jit, 1), *g = returns(jit, 2);
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 10; i++) {
      snprintf(name, sizeof name, "f%d", i);
      SAME(bind_function(jit, name, f), 0);
    }
    SAME(bind_function(jit, "one_more", f), -ENOSPC);
    SAME(bind_function(jit, "f3", g), 0); /* is there */
    SAME(ldx_jit_publish(jit), 0);
    SAME(bind_function(jit, "one_more", f), -ENOSPC);
    CHECK(find(jit, "f3") == g && find(jit, "f4") == f && found_nowhere(jit, "one_more"));
    SAME(ldx_jit_unbind(jit, "f4", NULL), 0);
    SAME(ldx_jit_publish(jit), 0);
    SAME(bind_function(jit, "one_more", f), 0);
    SAME(ldx_jit_publish(jit), 0);
    CHECK(find(jit, "one_more") == f);
    for (int i = 0; i < 10; i++) {
      snprintf(name, sizeof name, i == 4 ? "one_more" : "f%d", i);
      SAME(ldx_jit_unbind(jit, name, NULL), 0);
    }
    SAME(ldx_jit_publish(jit), 0);
  }
  CHECK(!ldx_jit_alloc(jit, 8193, 1, LDX_JIT_CODE));
  CHECK(!ldx_jit_alloc(jit, 4097, 1, LDX_JIT_DATA));
  CHECK(ldx_jit_alloc(jit, 4096, 1, LDX_JIT_DATA));
  CHECK(!ldx_jit_alloc(jit, 1, 1, LDX_JIT_DATA));
  CHECK(ldx_jit_alloc(jit, 4096, 1, LDX_JIT_RODATA));
  CHECK(ldx_jit_alloc(jit, 4096, 4096, LDX_JIT_CODE));

  /* Room for a program's life: long names in great number, of which few live at a time. */
  MUST(ldx_jit_delete(jit) == 0 && ldx_jit_new("libjit-small.so", 0, &small, &jit) == 0);
  f = returns(jit, 1);
  static char long_name[2000];
  for (int i = 0; i < 3000; i++) {
    snprintf(long_name, sizeof long_name, "%0*d", 1990, i);
    SAME(bind_function(jit, long_name, f), 0);
    SAME(ldx_jit_publish(jit), 0);
    CHECK(find(jit, long_name) == f);
    SAME(ldx_jit_unbind(jit, long_name, NULL), 0);
    SAME(ldx_jit_publish(jit), 0);
    if (checks_failed)
      return;
  }
}

/* The default: 262,144 symbols. */
static void default_limit(void) {
  ldx_jit *jit = make_jit("libjit-full.so", 0);
  void *f = returns(jit, 1);
  char name[32];
  for (int i = 0; i < 262144 && !checks_failed; i++) {
    snprintf(name, sizeof name, "f%d", i);
    SAME(bind_function(jit, name, f), 0);
  }
  SAME(bind_function(jit, "one_more", f), -ENOSPC);
  SAME(ldx_jit_publish(jit), 0);
  SAME(bind_function(jit, "one_more", f), -ENOSPC);
  CHECK(find(jit, "f0") == f && find(jit, "f262143") == f);
}

/* What is no handle. */
static void handles(void) {
  void *library = dlopen("libjit-user-lazy.so", RTLD_LAZY);
  long local[64] = {0};
  ldx_jit *wrong_ones[] = {NULL, library, (ldx_jit *)local, (ldx_jit *)8, (ldx_jit *)-1L, dlopen(NULL, RTLD_NOW)};
  struct ldx_jit_symbol s = {.size = sizeof s, .name = "f", .addr = local, .type = STT_OBJECT};
  MUST(library);
  struct state before = state_now();
  for (size_t i = 0; i < sizeof wrong_ones / sizeof *wrong_ones; i++) {
    ldx_jit *jit = wrong_ones[i];
    CHECK(!ldx_jit_alloc(jit, 8, 8, LDX_JIT_DATA));
    CHECK(!ldx_jit_writable(jit, local));
    SAME(ldx_jit_free(jit, local), -EINVAL);
    SAME(ldx_jit_bind(jit, &s), -EINVAL);
    SAME(ldx_jit_unbind(jit, "f", NULL), -EINVAL);
    SAME(ldx_jit_frames(jit, local, 8, NULL), -EINVAL);
    SAME(ldx_jit_frame(jit, local, 8, LDX_JIT_FRAME_LEAF), -EINVAL);
    SAME(ldx_jit_lines(jit, local, 8, "file", NULL, 0), -EINVAL);
    SAME(ldx_jit_debug(jit, local, 8), -EINVAL);
    SAME(ldx_jit_publish(jit), -EINVAL);
    SAME(ldx_jit_discard(jit), -EINVAL);
    SAME(ldx_jit_delete(jit), -EINVAL);
  }
  UNCHANGED(before);
}

/* Frames, lines and debug information that are none. */
static void descriptions(void) {
  ldx_jit *jit = make_jit("libjit-descriptions.so", 0), *other = make_jit("libjit-descriptions2.so", 0);
  char *f = returns(jit, 1), *g = returns(other, 1);
  unsigned char junk[256];
  unsigned seed = 1;
  for (int round = 0; round < 2000; round++) {
    for (size_t i = 0; i < sizeof junk; i++)
      junk[i] = (unsigned char)((seed = seed * 1103515245 + 12345) >> 16);
    if (round % 2) { /* a likely begin */
      uint32_t length = 4 + round % 60;
      memcpy(junk, &length, 4);
      memset(junk + 4, 0, 4);
    }
    ldx_jit_frames(jit, junk, round % sizeof junk, round % 3 ? f : NULL);
    ldx_jit_debug(jit, junk, round % sizeof junk);
  }
  CHECK(ldx_jit_frames(jit, NULL, 16, f) < 0);
  CHECK(ldx_jit_frame(jit, g, 6, LDX_JIT_FRAME_LEAF) < 0); /* not its code */
  CHECK(ldx_jit_frame(jit, &seed, 4, LDX_JIT_FRAME_LEAF) < 0);
  CHECK(ldx_jit_frame(jit, f, SIZE_MAX, LDX_JIT_FRAME_LEAF) < 0);
  CHECK(ldx_jit_frame(jit, f, 6, (enum ldx_jit_frame)7) < 0);
  struct ldx_jit_line lines[] = {{0, 1}, {4, 2}}, back[] = {{4, 1}, {0, 2}}, beyond[] = {{0, 1}, {600, 2}};
  SAME(ldx_jit_lines(jit, f, 6, "file.c", lines, 2), 0);
  CHECK(ldx_jit_lines(jit, f, 6, "file.c", back, 2) < 0);
  CHECK(ldx_jit_lines(jit, f, 6, "file.c", beyond, 2) < 0);
  CHECK(ldx_jit_lines(jit, f, 6, NULL, lines, 2) < 0);
  CHECK(ldx_jit_lines(jit, f, 6, "file.c", NULL, 2) < 0);
  CHECK(ldx_jit_lines(jit, g, 6, "file.c", lines, 2) < 0);
  CHECK(ldx_jit_debug(jit, NULL, 64) < 0);
  CHECK(ldx_jit_debug(jit, "not an ELF file", 15) < 0);
  SAME(bind_function(jit, "f", f), 0);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(find(jit, "f") == f);
}

/* --- resources ------------------------------------------------------------------------------------------------- */

static void no_descriptors(void) {
  ldx_jit *jit = NULL;
  struct rlimit limit, before_limit;
  MUST(!getrlimit(RLIMIT_NOFILE, &before_limit));
  limit = before_limit;
  struct state before = state_now();
  limit.rlim_cur = 3; /* none is left */
  while (fcntl((int)limit.rlim_cur, F_GETFD) >= 0)
    limit.rlim_cur++;
  for (int extra = 0; extra < 4; extra++) { /* wherever it fails */
    struct rlimit few = {limit.rlim_cur + (rlim_t)extra, limit.rlim_max};
    MUST(!setrlimit(RLIMIT_NOFILE, &few));
    int r = ldx_jit_new("libjit-no-fd.so", 0, NULL, &jit);
    MUST(!setrlimit(RLIMIT_NOFILE, &before_limit));
    if (extra == 0)
      SAME(r, -EMFILE);
    CHECK(r == -EMFILE || r == 0);
    if (r == 0) {
      publish_function(jit, "f", 1);
      SAME(ldx_jit_delete(jit), 0);
    }
    UNCHANGED(before);
  }
  jit = make_jit("libjit-no-fd.so", 0);
  /* One that is there already needs no more of them. */
  MUST(!setrlimit(RLIMIT_NOFILE, &limit));
  publish_function(jit, "f", 1);
  MUST(!setrlimit(RLIMIT_NOFILE, &before_limit));
}

static size_t address_space(void) {
  unsigned long pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  MUST(f && fscanf(f, "%lu", &pages) == 1);
  fclose(f);
  return pages * 4096;
}
static void allow(size_t more) {
  static struct rlimit usual;
  if (!usual.rlim_max)
    MUST(!getrlimit(RLIMIT_AS, &usual));
  struct rlimit limit = usual;
  if (more != SIZE_MAX)
    limit.rlim_cur = address_space() + more;
  MUST(!setrlimit(RLIMIT_AS, &limit));
}

static void no_addresses(void) {
  ldx_jit *jit = NULL;
  allow(SIZE_MAX);
  struct state before = state_now();
  int failed = 0, succeeded = 0;
  for (size_t more = 0; more < (size_t)1 << 30; more += more < 64 << 10 ? 4096 : more / 2) {
    allow(more);
    int r = ldx_jit_new("libjit-no-memory.so", LDX_JIT_GLOBAL, NULL, &jit);
    allow(SIZE_MAX);
    CHECK(r == -ENOMEM || r == 0);
    failed += r != 0;
    succeeded += r == 0;
    if (r == 0) {
      publish_function(jit, "f", 1);
      SAME(ldx_jit_delete(jit), 0);
    }
    UNCHANGED(before);
  }
  if (failed < 10 || !succeeded)
    wrong(__FILE__, __LINE__, "%d failed, %d succeeded", failed, succeeded);
}

/* A batch for which memory is short is collected still, or visible as a whole. */
static void no_memory_to_publish(void) {
  enum { BATCH = 3000 };
  static void *at[BATCH];
  ldx_jit *jit = make_jit("libjit-short.so", LDX_JIT_GLOBAL);
  for (int i = 0; i < BATCH; i++)
    at[i] = returns(jit, i);
  int refused = 0, late = 0;
  allow(SIZE_MAX);
  for (int round = 0; round < 60 && !checks_failed; round++) {
    char name[48];
    static bool collected[BATCH];
    size_t more = round < 30 ? (size_t)round * 4096 : (size_t)(round - 29) * 65536;
    for (int twice = 0; twice < 2; twice++) { /* short while it is collected; while it is published */
      if (twice == 0)
        allow(more);
      for (int i = 0; i < BATCH; i++) {
        snprintf(name, sizeof name, "short_%d_%d_%d", round, twice, i);
        int r = bind_function(jit, name, at[i]);
        CHECK(r == 0 || (r == -ENOMEM && !twice));
        collected[i] = !r;
        refused += r != 0;
        if (i % 4 == 0) {
          r = ldx_jit_frame(jit, at[i], 6, LDX_JIT_FRAME_LEAF);
          CHECK(r == 0 || (r == -ENOMEM && !twice));
        }
      }
      if (twice == 1)
        allow(more);
      int r = ldx_jit_publish(jit);
      CHECK(r == 0 || r == -ENOMEM);
      late += r != 0;
      bool visible = r == 0;
      for (int i = 0; i < BATCH; i += 1 + i / 5) {
        snprintf(name, sizeof name, "short_%d_%d_%d", round, twice, i);
        CHECK(dlsym(jit, name) == (visible && collected[i] ? at[i] : NULL));
      }
      allow(SIZE_MAX);
      SAME(ldx_jit_publish(jit), 0);
      for (int i = 0; i < BATCH; i++) {
        snprintf(name, sizeof name, "short_%d_%d_%d", round, twice, i);
        CHECK(find(jit, name) == (collected[i] ? at[i] : NULL));
        if (collected[i])
          SAME(ldx_jit_unbind(jit, name, NULL), 0);
      }
      SAME(ldx_jit_publish(jit), 0);
    }
  }
  if (!refused && !late)
    wrong(__FILE__, __LINE__, "memory was never short");
}

/* A limit of file sizes is not meant for this: the program is not killed. */
static void no_files(void) {
  ldx_jit *jit = NULL;
  struct state before = state_now();
  struct rlimit small = {4096, RLIM_INFINITY};
  MUST(!setrlimit(RLIMIT_FSIZE, &small));
  int r = ldx_jit_new("libjit-no-file.so", 0, NULL, &jit);
  if (r == 0) {
    publish_function(jit, "f", 1);
    int status = STATUS_OF(publish_function(jit, "g", 2));
    SAME(status, 0);
    SAME(ldx_jit_delete(jit), 0);
  }
  UNCHANGED(before);
  CHECK(r <= 0);
}

/* A sandbox that does not know memfd_create. */
static void forbidden(void) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  ldx_jit *there = make_jit("libjit-there.so", 0), *jit = NULL;
  void *f = publish_function(there, "f", 1);
  struct state before = state_now();
  MUST(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
  SAME(ldx_jit_new("libjit-forbidden.so", 0, NULL, &jit), -EPERM);
  UNCHANGED(before);
  CHECK(!jit);
  SAME(((function *)publish_function(there, "g", 2))(), 2);
  SAME(STATUS_OF(SAME(((function *)f)(), 1)), 0); /* the child has no copy, but what was there */
  SAME(((function *)f)(), 1);
}

CASES({"names-taken", names_taken}, {"bad-news", bad_news}, {"blocks", blocks}, {"symbols", symbols},
      {"limits", limits}, {"default-limit", default_limit}, {"handles", handles}, {"descriptions", descriptions},
      {"no-descriptors", no_descriptors}, {"no-addresses", no_addresses},
      {"no-memory-to-publish", no_memory_to_publish}, {"no-files", no_files}, {"forbidden", forbidden})
