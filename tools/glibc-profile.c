/* Prints what ldx must know about one build of glibc, from its debug information: see
 * src/libc/glibc/profile.h, whose lists say which types, members and symbols that is. */
#include "elf-file.h"
#include "layout.h"
#include "libc/glibc/profile.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define MAX_ROOTS 16

struct entry {
  const char *field, *path;
};
struct group {
  const char *name, *type;
  const struct entry *entries;
  unsigned count;
};
struct measure_entry {
  const char *field, *group, *member;
};

#define ENTRY_M(member) {#member, #member},
#define ENTRY_P(field, path) {#field, #path},
#define ENTRY_SC(field, group, member) {#field, #group, #member},
#define ENTRY_V(symbol) #symbol,
#define GROUP_TABLE(group, type, members) static const struct entry group##_entries[] = {members(ENTRY_M, ENTRY_P)};
#define GROUP(group, type, members) {#group, #type, group##_entries, COUNT(group##_entries)},

GLIBC_LD_GROUPS(GROUP_TABLE)
GLIBC_LIBC_GROUPS(GROUP_TABLE)
static const struct group ld_groups[] = {GLIBC_LD_GROUPS(GROUP)};
static const struct group libc_groups[] = {GLIBC_LIBC_GROUPS(GROUP)};
static const struct entry map_bits[] = {GLIBC_MAP_BITS(ENTRY_M, ENTRY_P)};
static const struct measure_entry sizes[] = {GLIBC_SIZES(ENTRY_SC)};
static const struct measure_entry counts[] = {GLIBC_COUNTS(ENTRY_SC)};
static const char *const objects[] = {GLIBC_LD_OBJECTS(ENTRY_V)};
static const char *const functions[] = {GLIBC_LD_FUNCTIONS(ENTRY_V)};

enum style { STYLE_INITIALISER, STYLE_HEADER, STYLE_LIST };

struct options {
  enum style style;
  const char *roots[MAX_ROOTS];
  unsigned root_count;
  const char *ld_debug, *libc_debug;
};

/* One half of a pair: the library, its debug file and the types found there. */
struct half {
  struct elf_file library, debug;
  Dwarf *dwarf;
  uint8_t build_id[20];
  const struct group *groups;
  unsigned group_count;
  struct layout_type types[COUNT(ld_groups) + COUNT(libc_groups)];
};

struct pair {
  struct half ld, libc;
  char version[32], package[256];
};

static bool fail(const char *file, const char *format, ...) {
  va_list args;
  fprintf(stderr, "glibc-profile: %s: ", file);
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fputc('\n', stderr);
  return false;
}

/* --- finding and checking the input --- */

static bool has_section(struct elf_file *file, const char *name) {
  size_t names;
  if (elf_getshdrstrndx(file->elf, &names) != 0)
    return false;
  for (Elf_Scn *scn = NULL; (scn = elf_nextscn(file->elf, scn));) {
    GElf_Shdr shdr;
    const char *found = gelf_getshdr(scn, &shdr) ? elf_strptr(file->elf, names, shdr.sh_name) : NULL;
    if (found && !strcmp(found, name))
      return true;
  }
  return false;
}

/* Where the debug file of this build-id lies; the string is the caller's to free. */
static char *debug_path(const uint8_t id[20], const struct options *options) {
  char hex[41];
  for (unsigned i = 0; i < 20; i++)
    snprintf(hex + 2 * i, 3, "%02x", id[i]);
  for (unsigned i = 0; i < options->root_count; i++) {
    char *path;
    if (asprintf(&path, "%s/.build-id/%.2s/%s.debug", options->roots[i], hex, hex + 2) < 0)
      return NULL;
    if (access(path, R_OK) == 0)
      return path;
    free(path);
  }
  return NULL;
}

static bool open_debug(struct half *half, const char *given, const struct options *options) {
  uint8_t id[20];
  const char *path = given;
  if (!path && has_section(&half->library, ".debug_info"))
    path = half->library.path;
  if (!path)
    path = debug_path(half->build_id, options);
  if (!path)
    return fail(half->library.path, "no debug information found (package libc6-dbg? --debug-root?)");
  if (!elf_file_open(&half->debug, path))
    return false;
  if (!elf_file_build_id(&half->debug, id) || memcmp(id, half->build_id, 20))
    return fail(path, "is not the debug information of %s (another build-id)", half->library.path);
  half->dwarf = dwarf_begin_elf(half->debug.elf, DWARF_C_READ, NULL);
  return half->dwarf || fail(path, "%s", dwarf_errmsg(-1));
}

static bool find_types(struct half *half) {
  for (unsigned i = 0; i < half->group_count; i++)
    half->types[i].name = half->groups[i].type;
  if (!layout_find_types(half->dwarf, half->debug.path, half->types, half->group_count))
    return false;
  for (unsigned i = 0; i < half->group_count; i++)
    if (half->types[i].size == 0)
      return fail(half->debug.path, "has no type %s", half->types[i].name);
  return true;
}

static bool open_half(struct half *half, const char *path, const char *debug, const struct options *options) {
  if (!elf_file_open(&half->library, path))
    return false;
  if (!elf_file_build_id(&half->library, half->build_id))
    return fail(path, "has no build-id");
  return open_debug(half, debug, options) && find_types(half);
}

static void close_half(struct half *half) {
  if (half->dwarf)
    dwarf_end(half->dwarf);
  if (half->debug.elf)
    elf_file_close(&half->debug);
  if (half->library.elf)
    elf_file_close(&half->library);
}

static struct layout_type *type_of_group(struct pair *pair, const char *group) {
  struct half *halves[] = {&pair->ld, &pair->libc};
  for (unsigned h = 0; h < 2; h++)
    for (unsigned i = 0; i < halves[h]->group_count; i++)
      if (!strcmp(halves[h]->groups[i].name, group))
        return &halves[h]->types[i];
  fprintf(stderr, "glibc-profile: profile.h names an unknown group %s\n", group);
  exit(2);
}

/* The banner that every libc.so.6 carries: "GNU C Library (PACKAGE) stable release version 2.36." */
static bool read_banner(struct pair *pair) {
  static const char lead[] = "GNU C Library (", middle[] = " release version ";
  size_t size;
  const char *bytes = elf_file_bytes(&pair->libc.library, &size);
  const char *banner = bytes ? memmem(bytes, size, lead, sizeof lead - 1) : NULL;
  if (!banner)
    return fail(pair->libc.library.path, "has no version banner: is it libc.so.6?");
  char text[256];
  size_t left = (size_t)(bytes + size - banner) - (sizeof lead - 1);
  snprintf(text, sizeof text, "%.*s", (int)(left < 255 ? left : 255), banner + sizeof lead - 1);
  char *end = strchr(text, ')'), *version = strstr(text, middle);
  if (!end || !version)
    return fail(pair->libc.library.path, "has a version banner of an unknown form");
  *end = '\0';
  version += sizeof middle - 1;
  size_t length = strspn(version, "0123456789.");
  if (length && version[length - 1] == '.')
    length--;
  snprintf(pair->package, sizeof pair->package, "%s", text);
  snprintf(pair->version, sizeof pair->version, "%.*s", (int)length, version);
  return true;
}

/* The library's own symbol must be as large as the type that the debug information gives it. */
static bool check_symbol_size(struct pair *pair, const char *symbol, const char *group) {
  GElf_Sym sym;
  uint64_t size = type_of_group(pair, group)->size;
  if (!elf_file_symbol(&pair->ld.library, symbol, &sym))
    return fail(pair->ld.library.path, "defines no %s", symbol);
  return sym.st_size == size || fail(pair->ld.library.path, "%s has %lu bytes, its type %lu", symbol,
                                     (unsigned long)sym.st_size, (unsigned long)size);
}

static bool read_word(struct elf_file *file, uint64_t address, uint32_t *word) {
  size_t count, size;
  const char *bytes = elf_file_bytes(file, &size);
  if (!bytes || elf_getphdrnum(file->elf, &count) != 0)
    return false;
  for (size_t i = 0; i < count; i++) {
    GElf_Phdr phdr;
    if (!gelf_getphdr(file->elf, (int)i, &phdr) || phdr.p_type != PT_LOAD)
      continue;
    if (address < phdr.p_vaddr || address - phdr.p_vaddr + 4 > phdr.p_filesz)
      continue;
    if (phdr.p_offset > size || phdr.p_filesz > size - phdr.p_offset)
      return false;
    memcpy(word, bytes + phdr.p_offset + (address - phdr.p_vaddr), 4);
    return true;
  }
  return false;
}

/* libc describes some offsets to libthread_db itself, as { size in bits, elements, offset }; they must
 * agree. (Before 2.34 these symbols stand in libpthread: nothing to compare with.) */
static bool check_thread_db(struct pair *pair, const char *symbol, const char *group, const char *member) {
  GElf_Sym sym;
  uint32_t offset;
  struct layout_member found;
  if (!elf_file_symbol(&pair->libc.library, symbol, &sym))
    return true;
  if (!read_word(&pair->libc.library, sym.st_value + 8, &offset))
    return fail(symbol, "unreadable");
  if (layout_member(type_of_group(pair, group), member, &found) && found.bit == 8ull * offset)
    return true;
  return fail(pair->libc.library.path, "%s disagrees with the debug information", symbol);
}

static bool check(struct pair *pair) {
  static const char *const descriptors[][3] = {
      {"_thread_db_pthread_list", "pthread", "list"},
      {"_thread_db_pthread_tid", "pthread", "tid"},
      {"_thread_db_pthread_cancelhandling", "pthread", "cancelhandling"},
      {"_thread_db_pthread_report_events", "pthread", "report_events"},
      {"_thread_db_pthread_specific", "pthread", "specific"},
      {"_thread_db_pthread_eventbuf", "pthread", "eventbuf"},
      {"_thread_db_pthread_dtvp", "tcb", "dtv"},
      {"_thread_db_dtv_t_pointer_val", "dtv", "pointer.val"},
      {"_thread_db_link_map_l_tls_modid", "map", "l_tls_modid"},
      {"_thread_db_link_map_l_tls_offset", "map", "l_tls_offset"},
      {"_thread_db_rtld_global__dl_stack_user", "global", "_dl_stack_user"},
      {"_thread_db_rtld_global__dl_tls_dtv_slotinfo_list", "global", "_dl_tls_dtv_slotinfo_list"},
  };
  GElf_Sym sym;
  uint32_t size;
  if (!check_symbol_size(pair, "_rtld_global", "global") || !check_symbol_size(pair, "_rtld_global_ro", "ro"))
    return false;
  if (elf_file_symbol(&pair->libc.library, "_thread_db_sizeof_pthread", &sym) &&
      (!read_word(&pair->libc.library, sym.st_value, &size) || size != type_of_group(pair, "pthread")->size))
    return fail(pair->libc.library.path, "_thread_db_sizeof_pthread disagrees with the debug information");
  for (unsigned i = 0; i < COUNT(descriptors); i++)
    if (!check_thread_db(pair, descriptors[i][0], descriptors[i][1], descriptors[i][2]))
      return false;
  return true;
}

/* --- printing --- */

/* Prints words separated by spaces, in lines of at most 110 columns. */
static void word(unsigned *column, const char *format, ...) {
  char text[160];
  va_list args;
  va_start(args, format);
  unsigned length = (unsigned)vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (*column && *column + 1 + length > 110) {
    putchar('\n');
    *column = 0;
  }
  if (*column == 0)
    *column = (unsigned)printf("     ");
  *column += (unsigned)printf(" %s", text);
}

static void begin_group(unsigned *column, const char *name) {
  printf("    .%s = {\n", name);
  *column = 0;
}

static void end_group(unsigned column) { printf("%s    },\n", column ? "\n" : ""); }

static void print_group(const struct group *group, struct layout_type *type, enum style style) {
  unsigned column = 0;
  struct layout_member member;
  if (style == STYLE_LIST) {
    printf("%s size %lu\n", group->type, (unsigned long)type->size);
  } else {
    begin_group(&column, group->name);
    word(&column, ".size = %lu,", (unsigned long)type->size);
  }
  for (unsigned i = 0; i < group->count; i++) {
    const struct entry *entry = &group->entries[i];
    bool found = layout_member(type, entry->path, &member);
    if (style == STYLE_LIST && found)
      printf("%s.%s %lu\n", group->type, entry->path, (unsigned long)member.bit / 8);
    else if (style != STYLE_LIST && found)
      word(&column, ".%s = %lu,", entry->field, (unsigned long)member.bit / 8);
    else if (style != STYLE_LIST)
      word(&column, ".%s = GLIBC_ABSENT,", entry->field);
  }
  if (style != STYLE_LIST)
    end_group(column);
}

static void print_bits(struct layout_type *map, enum style style) {
  unsigned column = 0;
  struct layout_member member;
  if (style != STYLE_LIST)
    begin_group(&column, "map_bits");
  for (unsigned i = 0; i < COUNT(map_bits); i++) {
    bool found = layout_member(map, map_bits[i].path, &member);
    unsigned long byte = member.bit / 8, shift = member.bit % 8, width = member.bit_size;
    if (found && (width == 0 || shift + width > 8)) {
      fprintf(stderr, "glibc-profile: link_map.%s is no bit-field within a byte\n", map_bits[i].path);
      exit(1);
    }
    if (style == STYLE_LIST && found)
      printf("link_map.%s %lu:%lu:%lu\n", map_bits[i].path, byte, shift, width);
    else if (style != STYLE_LIST && found)
      word(&column, ".%s = {%lu, %lu, %lu},", map_bits[i].field, byte, shift, width);
    else if (style != STYLE_LIST)
      word(&column, ".%s = {GLIBC_ABSENT, 0, 0},", map_bits[i].field);
  }
  if (style != STYLE_LIST)
    end_group(column);
}

static void print_measures(struct pair *pair, const char *name, const struct measure_entry *entries, unsigned count,
                           bool elements, enum style style) {
  unsigned column = 0;
  struct layout_member member;
  if (style != STYLE_LIST)
    begin_group(&column, name);
  for (unsigned i = 0; i < count; i++) {
    bool found = layout_member(type_of_group(pair, entries[i].group), entries[i].member, &member);
    unsigned long value = !found ? 0 : elements ? member.count : member.size;
    if (style == STYLE_LIST)
      printf("%s(%s) %lu\n", name, entries[i].field, value);
    else
      word(&column, ".%s = %lu,", entries[i].field, value);
  }
  if (style != STYLE_LIST)
    end_group(column);
}

/* glibc keeps some functions only under their hidden alias. */
static bool find_symbol(struct elf_file *file, const char *name, GElf_Sym *sym) {
  char alias[64];
  snprintf(alias, sizeof alias, "__GI_%s", name);
  return elf_file_symbol(file, name, sym) || elf_file_symbol(file, alias, sym);
}

static void print_symbols(struct half *ld, const char *name, const char *const *symbols, unsigned count,
                          enum style style) {
  unsigned column = 0;
  GElf_Sym sym;
  if (style != STYLE_LIST)
    begin_group(&column, name);
  for (unsigned i = 0; i < count; i++) {
    if (!find_symbol(&ld->debug, symbols[i], &sym))
      continue;
    if (style == STYLE_LIST)
      printf("%s(%s) %#lx\n", name, symbols[i], (unsigned long)sym.st_value);
    else
      word(&column, ".%s = %#lx,", symbols[i], (unsigned long)sym.st_value);
  }
  if (style != STYLE_LIST)
    end_group(column);
}

/* The five parts of l_info[] and their lengths; only the first two vary, and a build before 2.36, which
 * brought DT_RELR, knows no processor tags there. */
static bool print_info(struct pair *pair, enum style style) {
  enum { VERSION_TAGS = 16, EXTRA_TAGS = 3, VALUE_TAGS = 12, ADDRESS_TAGS = 11 };
  enum { TAGS_BEFORE_RELR = 35, TAGS_WITH_RELR = 38 };
  struct layout_member info;
  layout_member(type_of_group(pair, "map"), "l_info", &info);
  unsigned long base = info.count - VERSION_TAGS - EXTRA_TAGS - VALUE_TAGS - ADDRESS_TAGS;
  unsigned long tags = base >= TAGS_WITH_RELR ? TAGS_WITH_RELR : TAGS_BEFORE_RELR;
  unsigned long extra = base + VERSION_TAGS, value = extra + EXTRA_TAGS, address = value + VALUE_TAGS;
  if (base != TAGS_BEFORE_RELR && base != TAGS_WITH_RELR && base != TAGS_WITH_RELR + 4)
    return fail(pair->ld.library.path, "l_info has an unknown length, %lu", (unsigned long)info.count);
  printf(style == STYLE_LIST ? "l_info %lu %lu %lu %lu %lu\n"
                             : "    .info = {.dt_num = %lu, .version_base = %lu, .extra_base = %lu, .val_base = %lu, "
                               ".addr_base = %lu},\n",
         tags, base, extra, value, address);
  return true;
}

static void print_build_id(const char *field, const uint8_t id[20]) {
  printf("    .%s = {", field);
  for (unsigned i = 0; i < 20; i++)
    printf("%s0x%02x", i ? ", " : "", id[i]);
  printf("},\n");
}

static bool print_pair(struct pair *pair, enum style style) {
  GElf_Sym tunables;
  bool list = style == STYLE_LIST;
  if (list) {
    printf("version %s\npackage %s\n", pair->version, pair->package);
  } else {
    printf("  {\n    .version = \"%s\",\n    .package = \"%s\",\n", pair->version, pair->package);
    print_build_id("ld_build_id", pair->ld.build_id);
    print_build_id("libc_build_id", pair->libc.build_id);
  }
  for (unsigned i = 0; i < pair->ld.group_count; i++)
    print_group(&pair->ld.groups[i], &pair->ld.types[i], style);
  for (unsigned i = 0; i < pair->libc.group_count; i++)
    print_group(&pair->libc.groups[i], &pair->libc.types[i], style);
  print_bits(type_of_group(pair, "map"), style);
  print_measures(pair, "size", sizes, COUNT(sizes), false, style);
  print_measures(pair, "count", counts, COUNT(counts), true, style);
  if (!print_info(pair, style))
    return false;
  print_symbols(&pair->ld, "object", objects, COUNT(objects), style);
  print_symbols(&pair->ld, "function", functions, COUNT(functions), style);
  if (!elf_file_symbol(&pair->ld.debug, "tunable_list", &tunables))
    return fail(pair->ld.debug.path, "has no tunable_list");
  printf(list ? "tunable_list_size %lu\n" : "    .tunable_list_size = %lu,\n", (unsigned long)tunables.st_size);
  if (!list)
    printf("  },\n");
  return true;
}

static bool do_pair(const char *ld_path, const char *libc_path, const struct options *options) {
  struct pair pair = {
      .ld = {.groups = ld_groups, .group_count = COUNT(ld_groups)},
      .libc = {.groups = libc_groups, .group_count = COUNT(libc_groups)},
  };
  bool ok = open_half(&pair.ld, ld_path, options->ld_debug, options) &&
            open_half(&pair.libc, libc_path, options->libc_debug, options) && read_banner(&pair) && check(&pair) &&
            print_pair(&pair, options->style);
  close_half(&pair.ld);
  close_half(&pair.libc);
  return ok;
}

/* --- command line --- */

static void usage(FILE *out) {
  fputs("Usage: glibc-profile [options] LD_SO LIBC_SO [LD_SO LIBC_SO]...\n"
        "\n"
        "Prints what ldx needs to know of a glibc build: the layout of what its ld-linux-x86-64.so.2 and\n"
        "libc.so.6 share, as a C initialiser of struct glibc_profile. Read from the debug information,\n"
        "and compared with what the two libraries say of themselves.\n"
        "\n"
        "  --header           print a whole profiles.h for all the pairs given\n"
        "  --list             print one fact a line instead of C\n"
        "  --debug-root DIR   look for debug files below DIR/.build-id (may be given several times;\n"
        "                     /usr/lib/debug is looked in last)\n"
        "  --ld-debug FILE    the debug file of LD_SO    (one pair only)\n"
        "  --libc-debug FILE  the debug file of LIBC_SO  (one pair only)\n"
        "  -h, --help         this text\n"
        "\n"
        "Example: glibc-profile /lib64/ld-linux-x86-64.so.2 /lib/x86_64-linux-gnu/libc.so.6\n",
        out);
}

static bool parse(int argc, char **argv, struct options *options) {
  static const struct option longs[] = {{"header", no_argument, NULL, 'H'},
                                        {"list", no_argument, NULL, 'l'},
                                        {"debug-root", required_argument, NULL, 'r'},
                                        {"ld-debug", required_argument, NULL, 'L'},
                                        {"libc-debug", required_argument, NULL, 'C'},
                                        {"help", no_argument, NULL, 'h'},
                                        {0}};
  for (int c; (c = getopt_long(argc, argv, "h", longs, NULL)) != -1;) {
    switch (c) {
    case 'H':
      options->style = STYLE_HEADER;
      break;
    case 'l':
      options->style = STYLE_LIST;
      break;
    case 'L':
      options->ld_debug = optarg;
      break;
    case 'C':
      options->libc_debug = optarg;
      break;
    case 'r':
      if (options->root_count == MAX_ROOTS - 1)
        return fail("--debug-root", "given too often");
      options->roots[options->root_count++] = optarg;
      break;
    case 'h':
      usage(stdout);
      exit(0);
    default:
      return false;
    }
  }
  options->roots[options->root_count++] = "/usr/lib/debug";
  int files = argc - optind;
  if (files < 2 || files % 2)
    return fail("arguments", "LD_SO and LIBC_SO are given in pairs");
  if (files > 2 && (options->ld_debug || options->libc_debug))
    return fail("arguments", "debug files can be named for one pair only");
  return true;
}

int main(int argc, char **argv) {
  struct options options = {0};
  if (!parse(argc, argv, &options)) {
    usage(stderr);
    return 2;
  }
  if (options.style == STYLE_HEADER)
    printf("/* Generated by tools/glibc-profile --header; see profile.h. Do not edit. */\n"
           "#ifndef LDX_LIBC_GLIBC_PROFILES_H\n#define LDX_LIBC_GLIBC_PROFILES_H\n\n"
           "#include \"libc/glibc/profile.h\"\n\n"
           "/* clang-format off */\n"
           "static const struct glibc_profile glibc_profiles[] = {\n");
  bool ok = true;
  for (int i = optind; ok && i + 1 < argc; i += 2)
    ok = do_pair(argv[i], argv[i + 1], &options);
  if (options.style == STYLE_HEADER)
    printf("};\n\n#endif\n");
  return ok ? 0 : 1;
}
