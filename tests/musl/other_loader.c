/* An interpreter that is not musl's, though it goes by that name: says what it is asked to run. */
#include <stddef.h>
#include <sys/syscall.h>

static long call(long number, long a, const void *b, size_t c) {
  long r;
  __asm__ volatile("syscall" : "=a"(r) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return r;
}

__attribute__((used)) static void run(long *stack) {
  char **argv = (char **)(stack + 1);
  for (long i = 1; i < stack[0]; i++) {
    size_t n = 0;
    while (argv[i][n])
      n++;
    call(SYS_write, 1, argv[i], n);
    call(SYS_write, 1, "\n", 1);
  }
  call(SYS_exit_group, 23, NULL, 0);
}

__asm__(".globl start\nstart: mov %rsp, %rdi\n and $-16, %rsp\n call run\n");
