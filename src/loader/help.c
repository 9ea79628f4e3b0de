/* --help, --version, LD_DEBUG=help, LD_SHOW_AUXV: what ldx says of itself and of its surroundings. */
#include "base/print.h"
#include "base/sys.h"
#include "loader/options.h"

/* A new option without its line here does not go unnoticed: cli.options reads both. */
static const char usage[] =
    "Usage: ldx [OPTION]... PROGRAM [ARGUMENT]...\n"
    "\n"
    "Runs PROGRAM as the kernel would, but loads its libraries by ldx instead of by the loader the program names.\n"
    "A PROGRAM without a slash is looked for in PATH.\n"
    "\n"
    "Look, and run nothing:\n"
    "  --list                print the libraries that PROGRAM would get, and where each was found. Further words "
    "are\n"
    "                        symbols: print where each is defined\n"
    "  --verify              exit with 0 if PROGRAM is dynamically linked and names a loader, with 2 if it names "
    "none\n"
    "                        (a library, most often), with 1 if ldx cannot load it\n"
    "  --plan[=FORM]         print what would be loaded, from where, why, and in which order; as text, as json, or "
    "with\n"
    "                        every reference and its definition: bindings (LDX_PLAN=FORM)\n"
    "  --tree                print who needs which library (LDX_PLAN=tree)\n"
    "  --explain[=PATTERN]   print for each library why it is the file it is, and what differs from a start without\n"
    "                        tools, policies and caches, by whom; =json as JSON (LDX_PLAN=explain)\n"
    "  --check POLICY        print which rules of this policy apply to PROGRAM, and run nobody's code, tools' "
    "neither.\n"
    "                        With --json as JSON; with --strict exit with 1 when some rule applies to nothing\n"
    "\n"
    "Keep to what was decided:\n"
    "  --record FILE         write there which file each request got (LDX_RECORD)\n"
    "  --frozen FILE         follow this record, and refuse whatever deviates from it, with exit status 1 "
    "(LDX_FROZEN)\n"
    "  --sbom FILE           write there, at exit, which files were loaded, with their sums: CycloneDX (LDX_SBOM)\n"
    "\n"
    "Change where libraries come from:\n"
    "  --library-path PATHS  search these folders (a:b:c) in place of those in LD_LIBRARY_PATH\n"
    "  --preload NAMES       load these libraries (a:b:c) before all others, after those in LD_PRELOAD\n"
    "  --inhibit-cache       do not look into /etc/ld.so.cache\n"
    "  --inhibit-rpath NAMES disregard the RPATH and RUNPATH of these objects (a:b:c)\n"
    "  --glibc-hwcaps-prepend NAMES\n"
    "                        search these glibc-hwcaps folders (a:b:c) before the CPU's own\n"
    "  --glibc-hwcaps-mask NAMES\n"
    "                        of the CPU's own glibc-hwcaps folders, search only these (a:b:c)\n"
    "  --audit NAMES         run these auditors (rtld-audit(7)), as LD_AUDIT says too\n"
    "  --cache FILES         use these launch caches (a:b, files or folders), nearest first, and keep there what is "
    "learnt;\n"
    "                        'auto': beside the program, the user's, the system's; 'none': none (LDX_CACHE; see "
    "ldx-cache)\n"
    "  --cache-key KIND      files in them are known again by: path (inode, size, times), build-id, content, "
    "soname,\n"
    "                        tool:NAME (LDX_CACHE_KEY)\n"
    "\n"
    "Change how the program is run:\n"
    "  --tool PATH[,ARG]...  load this tool, in a namespace of its own, before PROGRAM's libraries (LDX_TOOLS: "
    "a:b:c)\n"
    "  --tool-in-app PATH[,ARG]...\n"
    "                        load it in front of PROGRAM's own libraries, as one of them (LDX_TOOLS_IN_APP)\n"
    "  --policy FILE         obey this policy, after the program's own and those of LDX_POLICY (a:b:c). In place of "
    "a\n"
    "                        file, 'section' means the program's section .ldx.policy, 'none' takes back all before\n"
    "  --trace EVENTS        tell events on stderr, as lines of JSON: names or patterns (mapped,dl*) as in\n"
    "                        docs/tools.md (LDX_TRACE; a policy can name a file)\n"
    "  --perf FILES          write names of functions made at run time for profilers: map (/tmp/perf-PID.map), dump\n"
    "                        (jit-PID.dump in $JITDUMPDIR, or where the program stands), or both: map,dump "
    "(LDX_PERF)\n"
    "  --ctl                 make a thread that answers ldx-ctl, from the start (LDX_CTL=1)\n"
    "  --argv0 TEXT          give the program this argv[0]\n"
    "  --share PATTERNS      load these libraries (a:b*:c) once for all namespaces that dlmopen makes (LDX_SHARE)\n"
    "  --static-tls BYTES    room in each thread's stack for libraries that want static TLS and are loaded when "
    "threads\n"
    "                        are there already (LDX_STATIC_TLS; usually 65536, less where stacks are small)\n"
    "  --follow              programs that PROGRAM becomes or starts run under ldx, with the same tools "
    "(LDX_FOLLOW)\n"
    "  --followed            ldx itself says so to these, and they to their tools\n"
    "  --strict              refuse a program whose C library is not known to ldx, instead of handing it over to "
    "the\n"
    "                        loader that it names; and a load that two tools both want to change\n"
    "\n"
    "Ask ldx:\n"
    "  --list-tunables       print the settings that GLIBC_TUNABLES may change, each with its value and bounds\n"
    "  --list-diagnostics    not supported\n"
    "  --help                print this text\n"
    "  --version             print ldx's version\n"
    "  --                    end of options: the next word is PROGRAM, even if it begins with dashes\n"
    "\n"
    "The environment is obeyed as by ld.so: LD_LIBRARY_PATH, LD_PRELOAD, LD_BIND_NOW, LD_DEBUG (LD_DEBUG=help tells\n"
    "more), LD_TRACE_LOADED_OBJECTS and others. A program can name ldx as its own loader: see ldx-interp.\n";

_Noreturn void ldx_help(struct ldx_library_search *s) {
  ldx_print(1, "%s", usage);
  ldx_search_help(s, 1);
  sys_exit(0);
}

_Noreturn void ldx_version(void) {
  ldx_print(1, "ldx %s\n", LDX_VERSION);
  sys_exit(0);
}

_Noreturn void ldx_debug_help(void) {
  ldx_print(1, "LD_DEBUG takes one or more of these words, with commas between them:\n\n");
  for (size_t i = 0; i < ldx_debug_category_count; i++)
    ldx_print(1, "  %-10s  %s\n", ldx_debug_categories[i].name, ldx_debug_categories[i].help);
  ldx_print(1, "\nThe lines go to standard error, or to the file NAME.PID where LD_DEBUG_OUTPUT is NAME.\n"
               "Example: LD_DEBUG=libs,versions LD_DEBUG_OUTPUT=/tmp/trace program\n");
  sys_exit(0);
}

enum form { NUMBER, PLAIN_HEX, HEX, TEXT };

/* Types of entries (psABI 3.4.3, <linux/auxvec.h>), and how each is shown. */
static const struct {
  uint8_t type, form;
  char label[22]; /* no pointer: a table without any is shared by all processes, and needs no work at start */
} auxv_forms[] = {
    {AT_EXECFD, NUMBER, "AT_EXECFD"},
    {AT_PHDR, HEX, "AT_PHDR"},
    {AT_PHENT, NUMBER, "AT_PHENT"},
    {AT_PHNUM, NUMBER, "AT_PHNUM"},
    {AT_PAGESZ, NUMBER, "AT_PAGESZ"},
    {AT_BASE, HEX, "AT_BASE"},
    {AT_FLAGS, HEX, "AT_FLAGS"},
    {AT_ENTRY, HEX, "AT_ENTRY"},
    {AT_NOTELF, PLAIN_HEX, "AT_NOTELF"},
    {AT_UID, NUMBER, "AT_UID"},
    {AT_EUID, NUMBER, "AT_EUID"},
    {AT_GID, NUMBER, "AT_GID"},
    {AT_EGID, NUMBER, "AT_EGID"},
    {AT_PLATFORM, TEXT, "AT_PLATFORM"},
    {AT_HWCAP, PLAIN_HEX, "AT_HWCAP"},
    {AT_CLKTCK, NUMBER, "AT_CLKTCK"},
    {AT_FPUCW, PLAIN_HEX, "AT_FPUCW"},
    {AT_SECURE, NUMBER, "AT_SECURE"},
    {AT_BASE_PLATFORM, TEXT, "AT_BASE_PLATFORM"},
    {AT_RANDOM, HEX, "AT_RANDOM"},
    {AT_HWCAP2, HEX, "AT_HWCAP2"},
    {AT_EXECFN, TEXT, "AT_EXECFN"},
    {AT_SYSINFO, HEX, "AT_SYSINFO"},
    {AT_SYSINFO_EHDR, HEX, "AT_SYSINFO_EHDR"},
    {51, NUMBER, "AT_MINSIGSTKSZ"},
};

static void show_entry(uint64_t type, uint64_t value) {
  for (size_t i = 0; i < LDX_COUNT(auxv_forms); i++) {
    if (auxv_forms[i].type != type)
      continue;
    char label[24];
    ldx_format(label, sizeof label, "%s:", auxv_forms[i].label);
    if (auxv_forms[i].form == TEXT)
      ldx_print(1, "%-22s%s\n", label, (const char *)value);
    else if (auxv_forms[i].form == NUMBER)
      ldx_print(1, "%-22s%lu\n", label, value);
    else
      ldx_print(1, "%-22s%s%lx\n", label, auxv_forms[i].form == HEX ? "0x" : "", value);
    return;
  }
  ldx_print(1, "AT_??? (0x%lx): 0x%lx\n", type, value);
}

void ldx_show_auxv(const struct ldx_auxv *x) {
  for (const Elf64_auxv_t *v = x->vector; v->a_type != AT_NULL; v++)
    if (v->a_type != AT_IGNORE && v->a_type != AT_IGNOREPPC)
      show_entry(v->a_type, v->a_un.a_val);
}
