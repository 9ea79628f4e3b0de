// Threads that throw through libraries at the same time: libgcc_s of this release finds frames by dl_iterate_phdr.
#include <atomic>
#include <dlfcn.h>
#include <fstream>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

extern "C" void thrower(int kind);

namespace {

struct Global {
  Global() { std::cout << "constructed\n"; }
  ~Global() { std::cout << "destroyed\n"; }
} global;

std::atomic<int> gone{0};
struct Local {
  int value = 1;
  ~Local() { gone++; }
};
thread_local Local local;

int catch_one(int kind) {
  try {
    thrower(kind);
  } catch (const std::exception &) {
    return 1;
  } catch (int number) {
    return number;
  }
  return 0;
}

} // namespace

int main() {
  std::vector<std::thread> threads;
  std::atomic<int> caught{0};
  for (int i = 0; i < 16; i++)
    threads.emplace_back([&caught] {
      local.value++;
      for (int k = 0; k < 200; k++)
        caught += catch_one(k & 1);
    });
  for (auto &t : threads)
    t.join();
  std::cout << "caught " << caught << ", thread-local destroyed " << gone << '\n';
  void *h = dlopen("libthrow2.so", RTLD_NOW);
  auto again = h ? reinterpret_cast<void (*)(int)>(dlsym(h, "thrower")) : nullptr;
  try {
    again(1);
  } catch (const std::out_of_range &e) {
    std::cout << e.what() << '\n';
  }
  std::cout << "closed " << dlclose(h) << '\n';
  std::ifstream in("/proc/self/comm");
  std::string word;
  in >> word;
  std::cout << "read " << !word.empty() << std::endl;
}
