// Which definition wins, as seen by the program and by each library.
#include <dlfcn.h>
#include <stdio.h>
const char *who(void);
extern const char *who_data;
#ifdef DEFINES
const char *who(void) { return "program"; }
const char *who_data = "data of program";
#endif
static void ask(const char *name) {
  const char *(*function)(void) = (const char *(*)(void))dlsym(RTLD_DEFAULT, name);
  if (function)
    printf("%s: %s\n", name, function());
}
int main(void) {
#ifndef SILENT
  printf("program: %s, %s\n", who(), who_data);
#endif
  for (const char *letter = "abcdpqs"; *letter; letter++) {
    char name[40];
    snprintf(name, sizeof name, "seen_by_%c", *letter), ask(name);
    snprintf(name, sizeof name, "data_seen_by_%c", *letter), ask(name);
  }
}
