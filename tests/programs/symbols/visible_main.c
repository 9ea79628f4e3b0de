#include <dlfcn.h>
#include <stdio.h>
int visible_sum(void), visible_data(void);
void *visible_address(int);
#ifdef DEFINES
int shown_function(void) { return 7; }
int shown_data = 7;
int protected_function(void) { return 8; }
int protected_data = 8;
int hidden_function(void) { return 9; }
int internal_function(void) { return 9; }
#else
int shown_function(void), protected_function(void);
extern int protected_data, shown_data;
#endif
int main(void) {
  printf("%d %d\n", visible_sum(), visible_data());
  printf("%d %d\n", visible_address(0) == (void *)shown_function, visible_address(1) == (void *)protected_function);
  printf("%d %d\n", protected_data, protected_function());
#ifdef WRITES
  protected_data = 5, shown_data = 5;
  printf("after a write %d\n", visible_data());
#endif
  printf("%d %d\n", dlsym(RTLD_DEFAULT, "hidden_function") != NULL, dlsym(RTLD_DEFAULT, "internal_function") != NULL);
}
