// Threads that open, look up and close the same libraries at once.
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
static int count(struct dl_phdr_info *info, size_t size, void *data) { return ++*(int *)data, 0; }
static void *work(void *number) {
  const char *names[] = {"./libtls-a.so", "./libtls-b.so", "./libtls-c.so"};
  const char *checks[] = {"a_check", "b_check", "c_check"};
  long good = 0;
  for (int i = 0; i < 100; i++) {
    int which = (i + (int)(long)number) % 3, objects = 0;
    void *handle = dlopen(names[which], RTLD_LAZY);
    int (*check)(int) = handle ? (int (*)(int))dlsym(handle, checks[which]) : NULL;
    dl_iterate_phdr(count, &objects);
    Dl_info info;
    good += check && check(0) > 0 && objects > 3 && dladdr((void *)check, &info) && dlclose(handle) == 0;
  }
  return (void *)good;
}
int main(void) {
  pthread_t threads[8];
  for (long i = 0; i < 8; i++)
    pthread_create(&threads[i], NULL, work, (void *)i);
  for (int i = 0; i < 8; i++) {
    void *good;
    pthread_join(threads[i], &good);
    printf("%ld\n", (long)good);
  }
}
