// Asks libc for its old and its new definition of one name.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
__asm__(".symver old_memcpy, memcpy@GLIBC_2.2.5");
void *old_memcpy(void *, const void *, size_t);
__asm__(".symver old_realpath, realpath@GLIBC_2.2.5");
char *old_realpath(const char *, char *);
int main(void) {
  char text[10] = "";
  old_memcpy(text, "old", 4);
  printf("%s %d\n", text,
         dlvsym(RTLD_DEFAULT, "memcpy", "GLIBC_2.2.5") == dlvsym(RTLD_DEFAULT, "memcpy", "GLIBC_2.14"));
  printf("%d %d\n", old_realpath("/", NULL) == NULL, realpath("/", NULL) != NULL);
  printf("%d\n", dlvsym(RTLD_DEFAULT, "memcpy", "GLIBC_2.99") != NULL);
}
