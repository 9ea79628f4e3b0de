/* --help, --version, LD_SHOW_AUXV. */
#include "base/print.h"
#include "base/sys.h"
#include "loader/options.h"

_Noreturn void ldx_help(void) {
  ldx_print(1, "Usage: ldx [OPTION]... PROGRAM [ARGUMENT]...\n");
  sys_exit(0);
}

_Noreturn void ldx_version(void) {
  ldx_print(1, "ldx %s\n", LDX_VERSION);
  sys_exit(0);
}

void ldx_show_auxv(const struct ldx_auxv *x) { (void)x; }
