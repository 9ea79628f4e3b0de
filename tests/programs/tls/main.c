// The same questions to each module: in the main thread, in threads, and after both have written.
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#define EACH(one) one(p) one(a) one(b) one(c)
#define DECLARE(x)                                                                                                   \
  int x##_check(int), *x##_address(void);                                                                            \
  extern __thread int x##_value;
DECLARE(p)
#ifdef LIBRARIES
DECLARE(a)
DECLARE(b)
DECLARE(c)
#endif
static void *ask(void *name) {
  printf("%s p: %d %d %d\n", (char *)name, p_check(1), p_check(2), *p_address() == p_value);
#ifdef LIBRARIES
  printf("%s a: %d %d %d\n", (char *)name, a_check(1), a_check(2), a_address() == &a_value);
  printf("%s b: %d %d %d\n", (char *)name, b_check(1), b_check(2), b_address() == &b_value);
  printf("%s c: %d %d %d\n", (char *)name, c_check(1), c_check(2), c_address() == &c_value);
#endif
  return p_address();
}
static int show(struct dl_phdr_info *info, size_t size, void *data) {
  if (info->dlpi_tls_modid == 1)
    printf("module 1: %s, data %d\n", info->dlpi_name[0] ? "library" : "program", info->dlpi_tls_data != NULL);
  return 0;
}
int main(void) {
  void *main_address = ask("main"), *thread_address;
  for (int i = 0; i < 3; i++) {
    pthread_t thread;
    pthread_create(&thread, NULL, ask, (void *)(i ? "again" : "thread"));
    pthread_join(thread, &thread_address);
    printf("an address of its own: %d\n", thread_address != main_address);
  }
  ask("main");
  dl_iterate_phdr(show, NULL);
}
