/* What the loader's policy reader finds in ldx, for an ordinary program: system calls, and no Valgrind to talk to. */
#include <errno.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/valgrind.h"

long ldx_syscall(long nr, long a, long b, long c, long d, long e, long f) {
  long r = syscall(nr, a, b, c, d, e, f);
  return r == -1 ? -errno : r;
}

uint64_t ldx_client_request(uint64_t request, uint64_t a, uint64_t b) {
  (void)request, (void)a, (void)b;
  return 0;
}
