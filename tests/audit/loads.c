/* Loads and looks up in all ways; auditors tell what they hear on the same descriptor. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

extern int first(int a), second(int a);
extern int second_variable;
static int (*in_data)(int) = second;

static void step(const char *text) { printf("== %s\n", text); }

static void *try(const char *name, int mode) {
  void *h = dlopen(name, mode);
  if (!h)
    printf("%s\n", mode & RTLD_NOLOAD ? "not loaded" : dlerror());
  return h;
}

static void opens(void) {
  step("dlopen");
  void *h = try("libaudit-third.so", RTLD_LAZY);
  step("again");
  void *again = try("libaudit-third.so", RTLD_NOW);
  step("by path");
  char path[4096];
  dlinfo(h, RTLD_DI_ORIGIN, path);
  void *same = try(strcat(path, "/libaudit-third.so"), RTLD_NOW);
  step("one that is there already");
  void *there = try("libaudit-first.so", RTLD_NOW);
  step("RTLD_NOLOAD");
  try("libaudit-fourth.so", RTLD_NOW | RTLD_NOLOAD);
  step("dlclose");
  dlclose(there);
  dlclose(same);
  dlclose(again);
  step("last");
  dlclose(h);
}

static void failures(void) {
  step("nowhere");
  try("libaudit-nowhere.so", RTLD_NOW);
  try("./libaudit-nowhere.so", RTLD_NOW);
  step("a dependency is missing");
  try("libaudit-needy.so", RTLD_NOW);
  step("a symbol is missing");
  try("libaudit-wanting.so", RTLD_NOW);
}

static void lookups(void) {
  step("dlsym");
  void *h = try("libaudit-third.so", RTLD_LAZY);
  int (*third)(int) = (int (*)(int))dlsym(h, "third");
  printf("%d\n", third(1));
  printf("%d\n", *(int *)dlsym(h, "third_variable"));
  step("dlsym, from everywhere");
  printf("%d\n", dlsym(RTLD_DEFAULT, "second") == (void *)second);
  printf("%d\n", dlsym(RTLD_NEXT, "second") == (void *)second);
  printf("%d\n", dlvsym(RTLD_DEFAULT, "second", "NONE") == NULL);
  printf("%d\n", dlsym(RTLD_DEFAULT, "nobody_has_this") == NULL);
  dlclose(h);
}

static void namespaces(void) {
  step("dlmopen");
  void *h = dlmopen(LM_ID_NEWLM, "libaudit-fourth.so", RTLD_NOW);
  Lmid_t id;
  dlinfo(h, RTLD_DI_LMID, &id);
  step("a second one there");
  void *other = dlmopen(id, "libaudit-third.so", RTLD_NOW);
  step("dlclose");
  dlclose(other);
  dlclose(h);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  printf("%d %d %d\n", first(1), in_data(1), second_variable);
  printf("%d\n", first(2));
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "opens"))
      opens();
    if (!strcmp(argv[i], "failures"))
      failures();
    if (!strcmp(argv[i], "lookups"))
      lookups();
    if (!strcmp(argv[i], "namespaces"))
      namespaces();
  }
  step("end");
  return 0;
}
