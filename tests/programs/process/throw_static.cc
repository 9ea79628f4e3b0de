// Exceptions, thread_local and a thread in a statically linked program.
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>

struct Noisy {
  ~Noisy() { std::puts("thread_local destroyed"); }
  int value = 3;
};
thread_local Noisy noisy;

int main() {
  std::thread([] {
    try {
      if (noisy.value == 3)
        throw std::runtime_error("thrown in a thread");
    } catch (const std::exception &e) {
      std::puts(e.what());
    }
  }).join();
  try {
    std::string("abc").at(9);
  } catch (const std::out_of_range &) {
    std::puts("out of range");
  }
}
