#include <stdint.h>

struct block {
  char *text;
  int numbers[5];
};

static __thread int dynamic = 200;
static __thread __attribute__((tls_model("initial-exec"))) int initial = 300;
static __thread char *text = "relocated";
static __thread struct block block = {"block", {1, 2, 3, 4, 5}};
static __thread _Alignas(256) char aligned[10];
__thread int lib_shared = 11;

int lib_next(void) { return ++dynamic; }
int lib_next_ie(void) { return ++initial; }
char *lib_text(void) { return text; }
struct block *lib_block(void) {
  return &block;
}
unsigned long lib_aligned(void) { return (uintptr_t)aligned; }
