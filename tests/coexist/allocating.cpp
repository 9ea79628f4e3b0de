// A C++ program that works its allocator in several threads, through the library and by itself, and says what it
// made.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <dlfcn.h>
#include <malloc.h>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

static struct early {
  std::string text = std::string(100, 'e');
  ~early() { fprintf(stderr, "destroyed %zu\n", text.size()); }
} early_one;

static size_t fill(int seed) {
  std::map<int, std::unique_ptr<std::string>> map;
  for (int i = 0; i < 2000; i++)
    map[i * seed % 1009] = std::make_unique<std::string>(i % 300, 'x');
  size_t sum = 0;
  for (const auto &entry : map)
    sum += entry.second->size();
  return sum;
}

static bool aligned() {
  void *p = nullptr;
  if (posix_memalign(&p, 4096, 100))
    return false;
  void *q = aligned_alloc(64, 640), *r = memalign(128, 10);
  bool ok = !((size_t)p % 4096) && !((size_t)q % 64) && !((size_t)r % 128);
  free(p);
  free(q);
  free(r);
  return ok;
}

int main() {
  std::vector<std::thread> threads;
  size_t sums[4] = {};
  for (int i = 0; i < 4; i++)
    threads.emplace_back([&sums, i] { sums[i] = fill(i + 2); });
  for (std::thread &t : threads)
    t.join();
  printf("%zu %zu %zu %zu\n", sums[0], sums[1], sums[2], sums[3]);
  try {
    throw std::runtime_error(std::string(50, 'r'));
  } catch (const std::exception &e) {
    printf("%zu\n", strlen(e.what()));
  }
  char *p = static_cast<char *>(malloc(10));
  p = static_cast<char *>(realloc(p, 1000000));
  printf("usable %d aligned %d zero %d\n", malloc_usable_size(p) >= 1000000, aligned(),
         *static_cast<int *>(calloc(1, 4)));
  free(p);
  puts(dlopen("./nothing.so", RTLD_NOW) ? "opened" : dlerror());
  void *library = dlopen("libz.so.1", RTLD_NOW);
  printf("library %d year %d root %d\n", library && dlsym(library, "zlibVersion"), time(nullptr) < 1000000000,
         geteuid() == 0);
  if (library)
    dlclose(library);
}
