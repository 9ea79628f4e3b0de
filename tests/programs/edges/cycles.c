// Thousands of openings and closings, with and without thread-local data in use; nothing may pile up.
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int objects(struct dl_phdr_info *info, size_t size, void *data) { return ++*(int *)data, 0; }
static long resident(void) {
  long total = 0, pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  fscanf(file, "%ld %ld", &total, &pages);
  fclose(file);
  return pages;
}
static void *use(void *check) { return (void *)(long)((int (*)(int))check)(1); }
int main(int argc, char **argv) {
  int before = 0, after = 0, good = 0;
  long first = 0;
  dl_iterate_phdr(objects, &before);
  for (int i = 0; i < 3000; i++) {
    if (i == 500)
      first = resident();
    void *handle = dlopen(argv[1], RTLD_NOW);
    void *check = dlsym(handle, argv[2]);
    good += (int)(long)use(check) == 211239;
    if (i % 50 == 0) {
      pthread_t thread;
      pthread_create(&thread, NULL, use, check);
      pthread_join(thread, NULL);
    }
    good += dlclose(handle) == 0;
    dlopen("./libnothing.so", RTLD_NOW);
    dlerror();
  }
  dl_iterate_phdr(objects, &after);
  printf("%d good, objects %d, grown by less than 1 MiB: %d\n", good, after - before, resident() - first < 256);
}
