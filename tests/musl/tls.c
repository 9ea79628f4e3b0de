/* Thread-local variables of every model, in the program and in libraries it is linked with, in many threads. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 8 };

struct block {
  char *text;
  int numbers[5];
};

/* From the library: values of its own, by general dynamic and initial exec access. */
int lib_next(void), lib_next_ie(void);
char *lib_text(void);
struct block *lib_block(void);
unsigned long lib_aligned(void);
extern __thread int lib_shared;

static __thread int counter = 100;
static __thread char buffer[3000];
static __thread _Alignas(64) char aligned[64] = "aligned";
static int here;
static __thread int *pointer = &here; /* relocated before it is copied */
__thread int exported = 7;

static int check(int self) {
  int bad = 0;
  for (int i = 0; i < 1000; i++) {
    bad += ++counter != 101 + i;
    bad += lib_next() != 201 + i;
    bad += lib_next_ie() != 301 + i;
    buffer[i] = (char)self;
    lib_shared += self;
    exported += self;
  }
  bad += pointer != &here || strcmp(aligned, "aligned") || strcmp(lib_text(), "relocated");
  bad += (uintptr_t)aligned % 64 != 0 || lib_aligned() % 256 != 0;
  bad += lib_block()->numbers[4] != 5 || strcmp(lib_block()->text, "block");
  bad += lib_shared != 11 + 1000 * self || exported != 7 + 1000 * self || buffer[999] != self || buffer[1000] != 0;
  return bad;
}

static void *thread(void *arg) { return (void *)(intptr_t)check((int)(intptr_t)arg); }

int main(void) {
  pthread_t t[THREADS];
  int bad = 0;
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < THREADS; i++)
      pthread_create(&t[i], NULL, thread, (void *)(intptr_t)(i + 1));
    for (int i = 0; i < THREADS; i++) {
      void *r;
      pthread_join(t[i], &r);
      bad += (int)(intptr_t)r;
    }
  }
  bad += check(1);
  printf("%d differences\n", bad);
  return bad != 0;
}
