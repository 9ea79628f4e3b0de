/* What the CPU folder gives the loader, for ordinary programs. */
#include "stubs.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/sys.h"
#include "base/valgrind.h"

static struct {
  unsigned long calls;
  bool refuse_memory;
} stub;

unsigned long stub_syscalls(void) { return stub.calls; }

void stub_refuse_memory(bool on) { stub.refuse_memory = on; }

uint64_t ldx_client_request(uint64_t request, uint64_t a, uint64_t b) { return 0; }

long ldx_syscall(long nr, long a, long b, long c, long d, long e, long f) {
  if (stub.refuse_memory && nr == SYS_mmap && (d & MAP_ANONYMOUS))
    return -ENOMEM;
  int saved = errno;
  stub.calls++;
  long r = syscall(nr, a, b, c, d, e, f);
  if (r == -1)
    r = -errno;
  errno = saved;
  return r;
}

uintptr_t ldx_thread_pointer(void) { return (uintptr_t)__builtin_thread_pointer(); }
