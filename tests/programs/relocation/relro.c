// What the loader seals must fault when written, what it must not seal must not.
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
static sigjmp_buf out;
static void caught(int s) { siglongjmp(out, 1); }
static int target;
static int *const sealed[] = {&target};
static int *open_table[] = {&target};
extern void *library_sealed(void), *library_open(void);
extern void *_GLOBAL_OFFSET_TABLE_[];
static int faults(void *address) {
  if (sigsetjmp(out, 1))
    return 1;
  *(void *volatile *)address = *(void *volatile *)address;
  return 0;
}
int main(void) {
  signal(SIGSEGV, caught);
  printf("program: relro %d, data %d, got %d\n", faults((void *)sealed), faults(open_table),
         faults(_GLOBAL_OFFSET_TABLE_));
  printf("library: relro %d, data %d\n", faults(library_sealed()), faults(library_open()));
  printf("code %d %d\n", faults((void *)main), faults((void *)printf));
}
