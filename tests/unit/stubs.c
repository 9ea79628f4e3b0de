/* ldx_syscall and ldx_thread_pointer for an ordinary program of the host. */
#include <errno.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/sys.h"
#include "base/valgrind.h"
#include "unit.h"

static stub_hook *on_syscall;

void stub_on_syscall(stub_hook *hook) { on_syscall = hook; }

long ldx_syscall(long nr, long a, long b, long c, long d, long e, long f) {
  long r = on_syscall ? on_syscall(nr, a, b, c) : STUB_PASS;
  if (r != STUB_PASS)
    return r;
  int saved = errno;
  r = syscall(nr, a, b, c, d, e, f);
  if (r == -1)
    r = -errno;
  errno = saved;
  return r;
}

uint64_t ldx_client_request(uint64_t request, uint64_t a, uint64_t b) { return 0; }

uintptr_t ldx_thread_pointer(void) { return (uintptr_t)__builtin_thread_pointer(); }
