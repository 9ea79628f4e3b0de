// A library whose thread_local objects are still to be destroyed stays, however often it is closed.
#include <pthread.h>
#include <semaphore.h>
#include "tell.h"
#ifdef LIBRARY
struct Noisy {
  ~Noisy() { tell(" (destroyed)"); }
  int touched = 0;
};
static thread_local Noisy noisy;
extern "C" void touch() { noisy.touched++; }
__attribute__((destructor)) static void end() { tell(" -library"); }
#else
static const char library[] = "./libdl-pins.so";
static sem_t touched, leave[2];

static int loaded() {
  void *handle = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
  return handle && dlclose(handle) == 0;
}

static void *work(void *number) {
  void *handle = must_open(library, RTLD_NOW);
  reinterpret_cast<void (*)()>(must_find(handle, "touch"))();
  dlclose(handle);
  sem_post(&touched);
  sem_wait(&leave[reinterpret_cast<long>(number)]);
  return nullptr;
}

static void other() { dlclose(must_open("./libdl-a.so", RTLD_NOW)); }

int main(int argc, char **) {
  pthread_t threads[2];
  sem_init(&touched, 0, 0);
  for (long i = 0; i < 2; i++) {
    sem_init(&leave[i], 0, 0);
    pthread_create(&threads[i], nullptr, work, reinterpret_cast<void *>(i));
    sem_wait(&touched);
  }
  tell("two threads have touched it: loaded %d\n", loaded());
  for (int i = 0; i < 2; i++) {
    tell("one leaves:");
    sem_post(&leave[i]);
    pthread_join(threads[i], nullptr);
    tell(" loaded %d\n", loaded());
    other();
    tell(" after another close: loaded %d\n", loaded());
  }
  if (argc > 1) {
    void *handle = must_open(library, RTLD_NOW);
    reinterpret_cast<void (*)()>(must_find(handle, "touch"))();
    dlclose(handle);
    tell("the main thread has touched it: loaded %d\nexit:", loaded());
  }
}
#endif
