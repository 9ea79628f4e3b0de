// Threads, exceptions across libraries, thread_local objects with destructors, while tools look on.
#include <dlfcn.h>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static std::mutex lock;
static int sum, ended;

struct Counter {
  int n = 0;
  ~Counter() {
    std::lock_guard<std::mutex> g(lock);
    sum += n;
    ended++;
  }
};
static thread_local Counter counter;

static void work(int i) {
  for (int k = 0; k < 200; k++) {
    void *h = dlopen("libz.so.1", RTLD_NOW);
    try {
      if (h)
        throw std::runtime_error(std::to_string(i));
    } catch (const std::exception &e) {
      counter.n += std::stoi(e.what());
    }
    if (h)
      dlclose(h);
  }
}

int main() {
  std::vector<std::thread> all;
  for (int i = 1; i <= 6; i++)
    all.emplace_back(work, i);
  for (auto &t : all)
    t.join();
  std::cout << sum << " " << ended << std::endl;
}
