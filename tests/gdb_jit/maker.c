// Makes an object at run time in the namespace that this library is in.
#include <ldx/jit.h>
#include <string.h>

extern int ldx_jit_new(const char *, uint32_t, const struct ldx_jit_limits *, ldx_jit **);

void make(const char *name) {
  ldx_jit *jit;
  if (ldx_jit_new("elsewhere", 0, NULL, &jit))
    __builtin_trap();
  const unsigned char code[] = {0xb8, 7, 0, 0, 0, 0xc3};
  void *at = ldx_jit_alloc(jit, sizeof code, 16, LDX_JIT_CODE);
  memcpy(ldx_jit_writable(jit, at), code, sizeof code);
  struct ldx_jit_symbol s = {
      .size = sizeof s, .name = name, .addr = at, .bytes = sizeof code, .type = 2 /* function */};
  if (ldx_jit_bind(jit, &s) || ldx_jit_publish(jit))
    __builtin_trap();
  ((int (*)(void))at)();
}
