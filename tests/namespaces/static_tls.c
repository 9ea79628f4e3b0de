// A library whose thread-local storage is addressed from the thread pointer: SIZE bytes that must lie in the static
// block.
#include <string.h>
struct block {
  int first;
  char rest[SIZE - sizeof(int)];
};
__thread struct block block
    __attribute__((tls_model("initial-exec"), aligned(16))) = {1234, {[0] = 'a', [SIZE - 5] = 'z'}};
int *tls_place(void) { return &block.first; }
int tls_intact(void) {
  for (unsigned i = 1; i + 1 < sizeof block.rest; i++)
    if (block.rest[i])
      return 0;
  return block.rest[0] == 'a' && block.rest[sizeof block.rest - 1] == 'z';
}
