/* The whole life of a function by libdlbind's interface: room, code through the alias, a name, dlsym, a call. */
#include <assert.h>
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "dlbind.h"

static const unsigned char answer[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov $42, %eax; ret */

int main(void) {
  void *lib = dlcreate("libanswer");
  char *code = dlalloc(lib, sizeof answer, SHF_EXECINSTR);
  assert(code);
  memcpy(code + (32 << 20), answer, sizeof answer);
  void *same = dlbind(lib, "answer", code, sizeof answer, STT_FUNC);
  assert(same == lib);
  int (*function)(void) = (int (*)(void))(uintptr_t)dlsym(lib, "answer");
  assert(function);
  printf("%d\n", function());
  return 0;
}
