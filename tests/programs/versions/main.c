#include <dlfcn.h>
#include <stdio.h>
int versioned(void), stable(void);
extern int versioned_data;
int added(void)
#ifdef ADDED_WEAK
    __attribute__((weak))
#endif
    ;
static int call(void *function) { return function ? ((int (*)(void))function)() : -1; }
int main(void) {
  printf("versioned %d, stable %d, data %d\n", versioned(), stable(), versioned_data);
#ifdef ADDED
  printf("added %d\n", added());
#endif
#ifdef ADDED_WEAK
  printf("added %d\n", added ? added() : -1);
#endif
  void *self = dlopen(NULL, RTLD_NOW);
  printf("dlsym %d %d\n", call(dlsym(self, "versioned")), call(dlsym(RTLD_DEFAULT, "versioned")));
  for (const char **v = (const char *[]){"V1", "V2", "V3", "V9", 0}; *v; v++) {
    int value = call(dlvsym(RTLD_DEFAULT, "versioned", *v));
    printf("dlvsym %s %d %s\n", *v, value, value == -1 ? dlerror() : "");
  }
  printf("hidden %d\n", dlsym(self, "not_exported") != NULL);
}
