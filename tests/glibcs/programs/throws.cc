// C++: threads, exceptions across libraries, thread-local objects, streams and locales.
#include <condition_variable>
#include <cstdio>
#include <dlfcn.h>
#include <iostream>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

extern "C" void throw_it(int depth);
static std::mutex mutex;
static std::condition_variable condition;
static int turn;

static void take_turns(int mine) {
  std::unique_lock<std::mutex> lock(mutex);
  condition.wait(lock, [mine] { return turn == mine; });
  try {
    throw_it(mine);
  } catch (const std::runtime_error &e) {
    std::printf("%d: %s\n", mine, e.what()); // a line at once: destructors of other threads print too
  }
  turn++;
  condition.notify_all();
}

int main() {
  std::vector<std::thread> threads;
  for (int i = 7; i >= 0; i--)
    threads.emplace_back(take_turns, i);
  for (auto &thread : threads)
    thread.join();
  static std::once_flag once;
  for (int i = 0; i < 2; i++)
    std::call_once(once, [i] { std::cout << "once, " << i << "\n"; });
  std::ostringstream out;
  out << std::hexfloat << 1.5 << " " << std::boolalpha << true;
  std::cout << out.str() << "\n";
  try {
    std::locale nowhere("no_SUCH");
  } catch (const std::exception &) {
    std::cout << "no such locale\n";
  }
  void *handle = dlopen("libopened.so", RTLD_NOW);
  auto opened = reinterpret_cast<void (*)(int)>(handle ? dlsym(handle, "throw_it") : nullptr);
  try {
    if (opened)
      opened(3);
  } catch (const std::exception &e) {
    std::cout << "opened: " << e.what() << std::endl;
  }
  return handle ? dlclose(handle) : 1;
}
