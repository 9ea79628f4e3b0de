/* The tests' own image writer, judged by the system loader: it loads what is written, and finds and relocates
 * what the spec says. A writer that shared a misunderstanding with ldx would make all other tests worthless. */
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"

static const struct image_symbol symbols[] = {
    {"getpid", IMAGE_UNDEFINED, 0, 0, 4},
    {"no_such_function", IMAGE_UNDEFINED, 0, ELF64_ST_INFO(STB_WEAK, STT_NOTYPE), 1},
    {"three", IMAGE_TEXT, 3 * IMAGE_FUNCTION, 0, 2},
    {"five", IMAGE_TEXT, 5 * IMAGE_FUNCTION, 0, 3},
    {"six_or_seven", IMAGE_TEXT, 6 * IMAGE_FUNCTION, 0, 0x8002},
    {"six_or_seven", IMAGE_TEXT, 7 * IMAGE_FUNCTION, 0, 3},
    {"chosen", IMAGE_TEXT, 4 * IMAGE_FUNCTION, ELF64_ST_INFO(STB_GLOBAL, STT_GNU_IFUNC), 2},
    {"words", IMAGE_DATA, 0, 0, 2},
    {"constant", IMAGE_ABSOLUTE, 42, 0, 2},
    {0},
};
static const struct image_need needs[] = {{"libc.so.6", "GLIBC_2.2.5", 4, false}, {0}};
static const struct image_def defs[] = {
    {"libtwo.so", NULL, 1, VER_FLG_BASE}, {"TWO_1", NULL, 2, 0}, {"TWO_2", "TWO_1", 3, 0}, {0}};
static const struct image_rela rela[] = {{8, R_X86_64_RELATIVE, NULL, 16},
                                         {16, R_X86_64_64, "three", 1},
                                         {-40, R_X86_64_64, "three", 0},
                                         {-32, R_X86_64_64, "five", 0},
                                         {24, R_X86_64_GLOB_DAT, "no_such_function", 0},
                                         {0}};
static const struct image_rela jmprel[] = {{32, R_X86_64_JUMP_SLOT, "getpid", 0}, {0}};
static const uint64_t relr[] = {40, 5, 0};
static const char *const needed[] = {"libc.so.6", NULL};

static const struct image_spec base = {.soname = "libtwo.so",
                                       .needed = needed,
                                       .symbols = symbols,
                                       .needs = needs,
                                       .defs = defs,
                                       .rela = rela,
                                       .jmprel = jmprel,
                                       .build_id = "build-id",
                                       .property = 3,
                                       .tls = true,
                                       .init_fini = true};

/* Loads an image that exists in memory only. */
static void *load(const struct image_spec *spec) {
  struct image im = image_write(spec);
  int fd = memfd_create("image", MFD_CLOEXEC);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, im.bytes, im.size), im.size);
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  void *handle = dlopen(path, RTLD_NOW);
  if (!handle)
    fail_msg("%s", dlerror());
  close(fd);
  image_free(&im);
  return handle;
}

static int call(void *function) {
  assert_non_null(function);
  return ((int (*)(void))function)();
}

static void check_symbols(void *handle) {
  assert_int_equal(call(dlsym(handle, "three")), 3);
  assert_int_equal(call(dlsym(handle, "five")), 5);
  assert_int_equal(call(dlvsym(handle, "six_or_seven", "TWO_1")), 6);
  assert_int_equal(call(dlvsym(handle, "six_or_seven", "TWO_2")), 7);
  assert_int_equal((uintptr_t)dlsym(handle, "chosen"), 4); /* what the resolver returned */
  assert_int_equal((uintptr_t)dlsym(handle, "constant"), 42);
  assert_null(dlvsym(handle, "five", "TWO_1"));
  assert_null(dlsym(handle, "no_such_function"));
}

static void check_relocations(void *handle, bool with_relr) {
  const uint64_t *words = dlsym(handle, "words");
  assert_non_null(words);
  assert_int_equal(words[0], 0);
  assert_ptr_equal((void *)words[1], &words[2]);
  assert_ptr_equal((void *)words[2], (char *)dlsym(handle, "three") + 1);
  assert_ptr_equal((void *)words[3], NULL);
  assert_int_equal(call((void *)words[4]), getpid());
  uint64_t bias = with_relr ? words[5] - 5 : 0;
  assert_int_equal(words[6], 6);
  assert_int_equal(words[7], 7 + bias); /* bit 1 is set, bit 2 of the bitmap leaves one word out */
  assert_int_equal(words[8], 8);
}

static void system_loader_takes_images(void **state) {
  for (unsigned hashes = 1; hashes < 4; hashes++) {
    struct image_spec spec = base;
    spec.gnu_hash = hashes & 1;
    spec.sysv_hash = hashes & 2;
    void *handle = load(&spec);
    check_symbols(handle);
    check_relocations(handle, false);
    dlclose(handle);
  }
}

static void system_loader_takes_any_order(void **state) {
  for (unsigned last = 1; last < IMAGE_RELR; last++) {
    struct image_spec spec = base;
    spec.gnu_hash = spec.sysv_hash = true;
    spec.last = last;
    spec.jmprel_in_rela = last != IMAGE_RELA && last != IMAGE_JMPREL; /* these must be neighbours for it */
    void *handle = load(&spec);
    check_symbols(handle);
    check_relocations(handle, false);
    dlclose(handle);
  }
}

/* glibc takes RELR from objects only that need this version. */
static void system_loader_takes_relr(void **state) {
  static const struct image_need with_relr[] = {
      {"libc.so.6", "GLIBC_2.2.5", 4, false}, {"libc.so.6", "GLIBC_ABI_DT_RELR", 5, false}, {0}};
  struct image_spec spec = base;
  spec.gnu_hash = true;
  spec.needs = with_relr;
  spec.relr = relr;
  void *handle = load(&spec);
  check_symbols(handle);
  check_relocations(handle, true);
  dlclose(handle);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(system_loader_takes_images),
      CASE(system_loader_takes_any_order),
      CASE(system_loader_takes_relr),
  };
  return RUN(tests);
}
