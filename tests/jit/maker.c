/* A library that makes an object, in the namespace that it lives in. Its references to ldx are strong, and undefined;
 * when a program is linked with it, weak. */
#include <elf.h>
#include <ldx/jit.h>
#include <string.h>

#ifdef AT_BEGIN
#pragma weak ldx_jit_new
#pragma weak ldx_jit_alloc
#pragma weak ldx_jit_writable
#pragma weak ldx_jit_bind
#pragma weak ldx_jit_publish
#pragma weak ldx_jit_delete
#endif

static ldx_jit *jit;

ldx_jit *make(const char *name, uint32_t flags) {
  jit = NULL;
  return ldx_jit_new(name, flags, NULL, &jit) ? NULL : jit;
}

int error_of_make(const char *name) {
  ldx_jit *none;
  return ldx_jit_new(name, 0, NULL, &none);
}

void *add(const char *name, int value) {
  unsigned char code[6] = {0xb8, 0, 0, 0, 0, 0xc3};
  memcpy(code + 1, &value, 4);
  void *at = ldx_jit_alloc(jit, sizeof code, 16, LDX_JIT_CODE);
  memcpy(ldx_jit_writable(jit, at), code, sizeof code);
  struct ldx_jit_symbol s = {.size = sizeof s, .name = name, .addr = at, .bytes = sizeof code, .type = STT_FUNC};
  return ldx_jit_bind(jit, &s) || ldx_jit_publish(jit) ? NULL : at;
}

int drop(void) { return ldx_jit_delete(jit); }

#ifdef AT_BEGIN
__attribute__((constructor)) static void begin(void) {
  make("libjit-made-at-begin.so", LDX_JIT_GLOBAL);
  add("jit_answer", AT_BEGIN);
}
#endif
#ifdef AT_END
int jit_answer(void) __attribute__((weak));
__attribute__((destructor)) static void end(void) {
  if (jit_answer && jit_answer() == AT_END)
    __builtin_printf("called at the end\n");
}
#endif
