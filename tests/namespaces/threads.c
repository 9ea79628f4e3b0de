// Several threads make, use and close namespaces at the same time.
#include "check.h"

enum { THREADS = 4, ROUNDS = 40 };
static const int modes[] = {0, RTLD_SHARED, RTLD_ISOLATE, RTLD_GLOBAL};

static void *work(void *number) {
  long failures = 0;
  for (int i = 0; i < ROUNDS; i++) {
    const char *library = i & 1 ? "./libns-one.so" : "./libns-top.so";
    void *handle = dlmopen(LM_ID_NEWLM, library, RTLD_NOW | modes[(i + (long)number) % 4]);
    if (!handle) {
      tell("%s\n", why());
      failures++;
      continue;
    }
    void *block = FIND(handle, void *(*)(size_t), "allocate")(100);
    FIND(handle, void (*)(void *), "release")(block);
    failures += FIND(handle, int (*)(void), "value")() != (i & 1 ? 5 : 30);
    failures += object_of(dlsym(handle, "value")) == NULL;
    failures += dlclose(handle) != 0;
  }
  return (void *)failures;
}

int main(void) {
  pthread_t threads[THREADS];
  void *failures;
  for (long i = 0; i < THREADS; i++)
    CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
  for (int i = 0; i < THREADS; i++)
    CHECK(pthread_join(threads[i], &failures) == 0 && failures == NULL);
  return finish();
}
