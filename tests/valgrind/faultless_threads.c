/* Threads that share by the rules, and a loader that they share without a thought: each opens, uses and closes a
 * library with thread-local memory while the others do. */
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, ROUNDS = 6 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int ready, total;
static __thread int mine;

static void wait_for_all(void) {
  pthread_mutex_lock(&lock);
  ready++;
  pthread_cond_broadcast(&changed);
  while (ready < THREADS)
    pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
}

static void *work(void *text) {
  wait_for_all();
  for (int i = 0; i < ROUNDS; i++) {
    void *h = dlopen("libplugin.so", RTLD_LAZY);
    int (*use)(const char *) = (int (*)(const char *))dlsym(h, "plugin_use");
    mine += use(text) > 0;
    char line[64];
    snprintf(line, sizeof line, "%d %.3f", mine, cos(mine)); /* bound late, by several threads at once */
    char *copy = strdup(line);
    pthread_mutex_lock(&lock);
    total += copy[0] == '0' + mine;
    pthread_mutex_unlock(&lock);
    free(copy);
    dlclose(h);
  }
  return &total;
}

int main(void) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    if (pthread_create(&threads[i], NULL, work, "some text"))
      abort();
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  printf("%d\n", total);
  return total != THREADS * ROUNDS;
}
