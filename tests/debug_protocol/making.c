// What `changing` does with objects made at run time: one of them, with functions that return a number.
#include "making.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ldx/jit.h>

#pragma weak ldx_jit_new
#pragma weak ldx_jit_alloc
#pragma weak ldx_jit_writable
#pragma weak ldx_jit_bind
#pragma weak ldx_jit_unbind
#pragma weak ldx_jit_publish
#pragma weak ldx_jit_delete

static ldx_jit *object;

static void must(int error) {
  if (error) {
    printf("error %d\n", error);
    exit(8);
  }
}

static void bind(const char *name) {
  static int number;
  unsigned char code[6] = {0xb8, 0, 0, 0, 0, 0xc3}; // mov $number, %eax; ret
  void *at = ldx_jit_alloc(object, sizeof code, 16, LDX_JIT_CODE);
  if (!at)
    must(1);
  number++;
  memcpy(code + 1, &number, sizeof number);
  memcpy(ldx_jit_writable(object, at), code, sizeof code);
  struct ldx_jit_symbol s = {.size = sizeof s, .name = name, .addr = at, .bytes = sizeof code, .type = STT_FUNC};
  must(ldx_jit_bind(object, &s));
}

static void each(const char *pattern, void (*act)(const char *name)) {
  int count = atoi(pattern);
  for (int i = 0; i < count; i++) {
    char name[64];
    snprintf(name, sizeof name, "many_%d", i);
    act(name);
  }
}

static void unbind(const char *name) { must(ldx_jit_unbind(object, name, NULL)); }

int make(const char *word, const char *value) {
  if (!strncmp(word, "new=", 4))
    must(ldx_jit_new(value, 0, NULL, &object));
  else if (!strncmp(word, "bind=", 5))
    bind(value);
  else if (!strncmp(word, "unbind=", 7))
    unbind(value);
  else if (!strncmp(word, "bind-many=", 10))
    each(value, bind);
  else if (!strncmp(word, "unbind-many=", 12))
    each(value, unbind);
  else if (!strcmp(word, "publish"))
    must(ldx_jit_publish(object));
  else if (!strcmp(word, "delete"))
    must(ldx_jit_delete(object));
  else
    return 0;
  return 1;
}
