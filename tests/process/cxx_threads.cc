// Threads of C++: an exception that is caught, thread_local destructors, a detached one.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>
#include <vector>

static std::atomic<int> destroyed;
struct Noisy {
  int value = 3;
  ~Noisy() { destroyed++; }
};
static thread_local Noisy noisy;

static void work() {
  try {
    if (noisy.value == 3)
      throw std::runtime_error("x");
  } catch (const std::exception &) {
    noisy.value = 4;
  }
}

int main() {
  std::vector<std::thread> all;
  for (int i = 0; i < 5; i++)
    all.emplace_back(work);
  for (auto &t : all)
    t.join();
  std::printf("%d\n", destroyed.load());
  return destroyed == 5 ? 0 : 1;
}
