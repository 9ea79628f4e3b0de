// Weak references: to nothing, and to what another object may bring.
#include <stdio.h>
extern int weak_function(int) __attribute__((weak));
extern int weak_data __attribute__((weak));
extern __thread int weak_tls __attribute__((weak));
static int (*table[])(int) = {weak_function};
static int *data_table[] = {&weak_data};
int main(void) {
  printf("function %d, data %d\n", weak_function != NULL, &weak_data != NULL);
  printf("in tables %d %d\n", table[0] != NULL, data_table[0] != NULL);
  if (weak_function)
    printf("call %d\n", weak_function(5));
  if (&weak_data)
    printf("value %d\n", weak_data);
}
