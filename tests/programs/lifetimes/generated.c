// dlsym() called by code that no object holds: nothing comes "next" there, and the default scope is the program's.
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
typedef void *(*lookup)(void *, const char *);
static lookup generate(void) {
  // sub $8, %rsp; movabs $dlsym, %rax; call *%rax; add $8, %rsp; ret
  static unsigned char code[] = {0x48, 0x83, 0xec, 8,    0x48, 0xb8, 0,    0,    0, 0,   0,
                                 0,    0,    0,    0xff, 0xd0, 0x48, 0x83, 0xc4, 8, 0xc3};
  void *target = dlsym, *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(code + 6, &target, sizeof target);
  memcpy(page, code, sizeof code);
  mprotect(page, 4096, PROT_READ | PROT_EXEC);
  return (lookup)page;
}
static void try(const char *label, lookup look_up, void *handle, const char *name) {
  void *found = look_up(handle, name);
  const char *text = dlerror();
  printf("%s %s: %d, %s\n", label, name, found != NULL, text ? text : "no error");
}
int main(void) {
  lookup look_up = generate();
  try("next", look_up, RTLD_NEXT, "puts");
  try("default", look_up, RTLD_DEFAULT, "puts");
  try("default", look_up, RTLD_DEFAULT, "nothing");
  try("handle", look_up, dlopen(NULL, RTLD_NOW), "puts");
}
