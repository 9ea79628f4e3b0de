/* The entry of a program for a C library before 2.34: there a program brings the code that runs its own constructors,
 * and this machine's start files no longer do. */
#include <stdint.h>

typedef void constructor(int argc, char **argv, char **envp);
extern constructor *__init_array_start[] __attribute__((visibility("hidden")));
extern constructor *__init_array_end[] __attribute__((visibility("hidden")));

int main(int argc, char **argv, char **envp);
int __libc_start_main(int (*program)(int, char **, char **), int argc, char **argv, constructor *init,
                      void (*fini)(void), void (*loader_fini)(void), void *stack_end);

static void construct(int argc, char **argv, char **envp) {
  for (constructor **f = __init_array_start; f < __init_array_end; f++)
    (*f)(argc, argv, envp);
}

static void destruct(void) {} /* the loader's work */

void start_program(uintptr_t *stack, void (*loader_fini)(void));
void start_program(uintptr_t *stack, void (*loader_fini)(void)) {
  __libc_start_main(main, (int)stack[0], (char **)(stack + 1), construct, destruct, loader_fini, stack);
}

__asm__(".globl _start\n"
        "_start:\n"
        "  xor %ebp, %ebp\n"
        "  mov %rsp, %rdi\n"
        "  mov %rdx, %rsi\n"
        "  and $-16, %rsp\n"
        "  call start_program\n"
        "  hlt\n");
