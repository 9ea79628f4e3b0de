/* Code on the stack; the linker marks this library as one that wants that. */
int run_on_stack(void);
int run_on_stack(void) {
  static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov $42, %eax; ret */
  volatile unsigned char copy[sizeof code];
  for (unsigned i = 0; i < sizeof code; i++)
    copy[i] = code[i];
  return ((int (*)(void))(void *)copy)();
}
