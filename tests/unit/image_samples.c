/* Images with something of everything: the common ground of tests, and the fuzzer's first corpus. */
#include "base/span.h"
#include "image_writer.h"

static const char *const needed[] = {"libfirst.so.1", "libsecond.so.2", NULL};

static const struct image_symbol symbols[] = {
    {"outside", IMAGE_UNDEFINED, 0, 0, 4},
    {"weak_outside", IMAGE_UNDEFINED, 0, ELF64_ST_INFO(STB_WEAK, STT_NOTYPE), 5},
    {"alpha", IMAGE_TEXT, 0, 0, 2},
    {"alpha", IMAGE_TEXT, IMAGE_FUNCTION, 0, 0x8000 | 1},
    {"beta", IMAGE_TEXT, 2 * IMAGE_FUNCTION, 0, 2},
    {"gamma", IMAGE_TEXT, 3 * IMAGE_FUNCTION, ELF64_ST_INFO(STB_WEAK, STT_FUNC), 3},
    {"chosen", IMAGE_TEXT, 4 * IMAGE_FUNCTION, ELF64_ST_INFO(STB_GLOBAL, STT_GNU_IFUNC), 3},
    {"table", IMAGE_DATA, 8, 0, 2},
    {"single", IMAGE_DATA, 16, ELF64_ST_INFO(STB_GNU_UNIQUE, STT_OBJECT), 2},
    {"per_thread", IMAGE_ABSOLUTE, 8, ELF64_ST_INFO(STB_GLOBAL, STT_TLS), 2},
    {"constant", IMAGE_ABSOLUTE, 42, 0, 2},
    {0},
};

static const struct image_need needs[] = {{"libfirst.so.1", "FIRST_1", 4, false},
                                          {"libfirst.so.1", "FIRST_2", 0x8000 | 6, false},
                                          {"libsecond.so.2", "SECOND_1", 5, true},
                                          {0}};

static const struct image_def defs[] = {{"libsample.so.0", NULL, 1, VER_FLG_BASE},
                                        {"SAMPLE_1", NULL, 2, 0},
                                        {"SAMPLE_2", "SAMPLE_1", 3, VER_FLG_WEAK},
                                        {0}};

static const struct image_rela rela[] = {{0, R_X86_64_RELATIVE, NULL, 16},
                                         {8, R_X86_64_RELATIVE, NULL, 24},
                                         {16, R_X86_64_64, "alpha", 1},
                                         {24, R_X86_64_GLOB_DAT, "weak_outside", 0},
                                         {0}};

static const struct image_rela jmprel[] = {
    {32, R_X86_64_JUMP_SLOT, "outside", 0}, {40, R_X86_64_JUMP_SLOT, "beta", 0}, {0}};

static const uint64_t relr[] = {48, 7, 120, 3, 0};

#define WHOLE                                                                                                        \
  .soname = "libsample.so.0", .needed = needed, .symbols = symbols, .needs = needs, .defs = defs, .rela = rela,      \
  .jmprel = jmprel, .relr = relr, .build_id = "0123456789abcdefghij", .property = 3, .tls = true, .init_fini = true

static const struct image_spec samples[] = {
    {WHOLE, .gnu_hash = true, .sysv_hash = true},
    {WHOLE, .gnu_hash = true, .gnu_buckets = 1, .bloom_words = 1, .jmprel_in_rela = true},
    {WHOLE, .sysv_hash = true, .sysv_buckets = 1},
    {WHOLE, .gnu_hash = true, .last = IMAGE_GNU_HASH},
    {WHOLE, .sysv_hash = true, .last = IMAGE_SYSV_HASH},
    {WHOLE, .gnu_hash = true, .last = IMAGE_SYMTAB},
    {WHOLE, .gnu_hash = true, .last = IMAGE_VERNEED},
    {WHOLE, .gnu_hash = true, .last = IMAGE_VERDEF},
    {WHOLE, .gnu_hash = true, .last = IMAGE_STRTAB},
    {WHOLE, .gnu_hash = true, .last = IMAGE_NOTE},
    {WHOLE, .gnu_hash = true, .last = IMAGE_VERSYM},
    {.soname = "libsmall.so", .symbols = symbols, .gnu_hash = true},
    {.soname = "libempty.so", .gnu_hash = true, .sysv_hash = true},
};

const struct image_spec *image_sample(unsigned n) { return n < LDX_COUNT(samples) ? &samples[n] : NULL; }
