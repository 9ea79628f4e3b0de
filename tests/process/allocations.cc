// A thousand of each. Prints how many blocks it has had in all, so that nothing is optimised away.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <new>
#include <sys/mman.h>

enum { N = 1000 };
static void *volatile keep;
static long had;
static void *note(void *p) {
  had += p != nullptr;
  return keep = p;
}

struct alignas(128) Wide {
  char c[128];
};

// A pointer in data is a reference like any other.
static void *(*volatile by_pointer)(size_t) = std::malloc;

int main() {
  for (int i = 0; i < N; i++) {
    void *p = note(std::malloc(10));
    std::free(p);
    p = note(std::calloc(2, 20));
    p = note(std::realloc(p, 4000));
    std::free(p);
    std::free(note(aligned_alloc(64, 128)));
    std::free(note(memalign(64, 128)));
    if (posix_memalign(&p, 64, 100))
      return 1;
    std::free(note(p));
    std::free(note(reallocarray(nullptr, 3, 7)));
    std::free(note(by_pointer(30)));
    int *one = new int(4);
    note(one);
    delete one;
    char *many = new char[100];
    note(many);
    delete[] many;
    Wide *wide = new Wide;
    note(wide);
    delete wide;
    char *none = new (std::nothrow) char;
    note(none);
    delete none;
    p = note(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    munmap(p, 8192);
  }
  try {
    note(::operator new(SIZE_MAX / 2)); // left by an exception: nothing came, and what follows is told again
  } catch (const std::bad_alloc &) {
    std::free(note(std::malloc(77)));
  }
  char text[64]; // no printf: it allocates
  int n = std::snprintf(text, sizeof text, "%ld blocks\n", had);
  return fwrite(text, 1, static_cast<size_t>(n), stdout) == static_cast<size_t>(n) ? 0 : 1;
}
