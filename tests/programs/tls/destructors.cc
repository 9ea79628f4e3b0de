// thread_local objects with constructors and destructors, in a program and in a library.
#include <cstdio>
#include <dlfcn.h>
#include <pthread.h>
#include <thread>
struct Noisy {
  const char *name;
  explicit Noisy(const char *n) : name(n) { std::printf("make %s\n", name); }
  ~Noisy() { std::printf("drop %s\n", name); }
  int touch() const { return name[0]; }
};
#ifdef LIBRARY
static thread_local Noisy noisy("library's");
static Noisy global("library's global");
extern "C" int touch_library() { return noisy.touch() + global.touch() - global.touch(); }
#else
static thread_local Noisy first("first"), second("second");
static Noisy global("global");
int main(int argc, char **argv) {
  std::thread([] { std::printf("touch %d %d\n", first.touch(), second.touch()); }).join();
  std::printf("main touches %d\n", second.touch());
  if (argc > 1) {
    void *handle = dlopen(argv[1], RTLD_NOW);
    if (!handle)
      return std::puts(dlerror());
    int (*touch)() = reinterpret_cast<int (*)()>(dlsym(handle, "touch_library"));
    std::thread([=] {
      std::printf("library %d\n", touch());
      std::printf("close in the thread %d\n", dlclose(handle));
      std::puts("thread ends");
    }).join();
    std::printf("still loaded: %d\n", dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD) != nullptr);
  }
}
#endif
