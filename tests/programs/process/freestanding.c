// A program with nothing but its own _start: it sees the stack and the registers as the loader left them.
#include <elf.h>
#include <stddef.h>

static long call(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}

static void put(const char *text) {
  size_t size = 0;
  while (text[size])
    size++;
  call(1, 1, (long)text, (long)size);
}

static void put_fact(const char *name, unsigned long value) {
  char digits[24];
  int at = sizeof digits - 1;
  digits[at] = 0;
  do
    digits[--at] = (char)('0' + value % 10);
  while (value /= 10);
  put(name), put(" "), put(digits + at), put("\n");
}

static int shown = 5;
static int *const pointer = &shown; // a relative relocation in PIE
static int cleared[3000];
extern char __ehdr_start[];
#ifdef WITH_LIBRARY
int library_twice(int);
extern int library_value;
#endif

// A static-PIE relocates itself; a loader must not do it for it, and doing it twice is harmless here.
static void relocate_self(void) {
#ifdef RELOCATES_ITSELF
  extern Elf64_Dyn _DYNAMIC[] __attribute__((visibility("hidden")));
  unsigned long table = 0, size = 0;
  for (Elf64_Dyn *d = _DYNAMIC; d->d_tag != DT_NULL; d++) {
    if (d->d_tag == DT_RELA)
      table = d->d_un.d_ptr;
    if (d->d_tag == DT_RELASZ)
      size = d->d_un.d_val;
  }
  Elf64_Rela *rela = (Elf64_Rela *)(__ehdr_start + table);
  for (size_t i = 0; i < size / sizeof *rela; i++)
    *(unsigned long *)(__ehdr_start + rela[i].r_offset) = (unsigned long)__ehdr_start + rela[i].r_addend;
#endif
}

__attribute__((used)) static void begin(unsigned long *stack, unsigned long rdx, unsigned long flags) {
  relocate_self();
  unsigned long argc = stack[0];
  char **argv = (char **)(stack + 1), **environ = argv + argc + 1;
  put_fact("stack misaligned by", (unsigned long)stack % 16);
  put_fact("exit function given", rdx != 0);
  put_fact("direction flag", flags >> 10 & 1);
  put_fact("argc", argc);
  for (unsigned long i = 0; i < argc; i++)
    put(argv[i]), put("\n");
  char **end = environ;
  while (*end)
    end++;
  put_fact("variables", (unsigned long)(end - environ));
  for (Elf64_auxv_t *a = (Elf64_auxv_t *)(end + 1); a->a_type != AT_NULL; a++) {
    if (a->a_type == AT_PHDR)
      put_fact("AT_PHDR at", a->a_un.a_val - (unsigned long)__ehdr_start);
    if (a->a_type == AT_ENTRY)
      put_fact("AT_ENTRY inside", a->a_un.a_val - (unsigned long)__ehdr_start < 0x10000);
    if (a->a_type == AT_BASE)
      put_fact("AT_BASE given", a->a_un.a_val != 0);
    if (a->a_type == AT_EXECFN)
      put("AT_EXECFN "), put((char *)a->a_un.a_val), put("\n");
  }
  put_fact("data", (unsigned long)*pointer);
  put_fact("bss", (unsigned long)cleared[2999]);
  unsigned control = 0;
  __asm__ volatile("stmxcsr %0" : "=m"(control));
  put_fact("mxcsr", control);
#ifdef WITH_LIBRARY
  put_fact("library", (unsigned long)library_twice(library_value));
#endif
  call(231, 11, 0, 0);
}

__asm__(".globl _start\n_start:\n"
        "  pushfq\n  pop %rsi\n  mov %rsi, %rcx\n"
        "  mov %rsp, %rdi\n  mov %rdx, %rsi\n  mov %rcx, %rdx\n"
        "  and $-16, %rsp\n  call begin\n  hlt\n");
