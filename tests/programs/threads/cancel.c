// pthread_cancel unwinds with libgcc_s, which libc opens by itself when the first thread is cancelled.
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <unistd.h>
static sem_t started;
static void cleanup(void *name) { printf("cleanup %s\n", (char *)name); }
static void *sleeps(void *name) {
  pthread_cleanup_push(cleanup, name);
  pthread_cleanup_push(cleanup, "inner");
  sem_post(&started);
  for (;;)
    pause();
  pthread_cleanup_pop(0);
  pthread_cleanup_pop(0);
}
static void *spins(void *name) {
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
  sem_post(&started);
  for (volatile long i = 0;; i++)
    continue;
}
static void *leaves(void *name) {
  pthread_cleanup_push(cleanup, name);
  sem_post(&started);
  pthread_exit("left");
  pthread_cleanup_pop(0);
}
static void try(void *(*body)(void *), const char *name, int cancel) {
  pthread_t thread;
  void *result;
  pthread_create(&thread, NULL, body, (void *)name);
  sem_wait(&started);
  if (cancel)
    pthread_cancel(thread);
  pthread_join(thread, &result);
  printf("%s: %s\n", name, result == PTHREAD_CANCELED ? "cancelled" : (char *)result);
}
int main(void) {
  sem_init(&started, 0, 0);
  try(sleeps, "sleeper", 1);
  try(spins, "spinner", 1);
  try(leaves, "leaver", 0);
}
