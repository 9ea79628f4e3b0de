// Exceptions across libraries: linked, opened with RTLD_LOCAL, in threads, nested, rethrown, and uncaught.
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
struct Odd : std::runtime_error {
  using std::runtime_error::runtime_error;
  virtual int code() const { return 6; }
};
using Thrower = int (*)(int, int *);
static std::string try_one(Thrower thrower, int (*pass)(Thrower, int, int *), int what) {
  int cleaned = 0;
  std::string seen;
  try {
    seen = "returned " + std::to_string(pass ? pass(thrower, what, &cleaned) : thrower(what, &cleaned));
  } catch (int n) {
    seen = "int " + std::to_string(n);
  } catch (const Odd &odd) {
    seen = std::string("Odd ") + odd.what() + " " + std::to_string(odd.code());
  } catch (const std::string &text) {
    seen = "string " + text;
  } catch (const std::exception &e) {
    seen = std::string("exception ") + e.what();
  }
  return seen + ", cleaned " + std::to_string(cleaned);
}
int main(int argc, char **argv) {
  void *a = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL), *b = dlopen(argv[2], RTLD_LAZY | RTLD_LOCAL);
  if (!a || !b)
    return std::puts(dlerror());
  auto thrower = reinterpret_cast<Thrower>(dlsym(a, "throw_it"));
  auto pass = reinterpret_cast<int (*)(Thrower, int, int *)>(dlsym(b, "pass_on"));
  for (int what : {0, 1, 2, 3, 9})
    std::printf("%s | %s\n", try_one(thrower, nullptr, what).c_str(), try_one(thrower, pass, what).c_str());
  std::vector<std::thread> threads;
  std::vector<std::string> seen(8);
  for (int i = 0; i < 8; i++)
    threads.emplace_back([&, i] {
      for (int j = 0; j < 200; j++)
        seen[i] = try_one(thrower, pass, i % 4);
    });
  for (auto &thread : threads)
    thread.join();
  for (auto &text : seen)
    std::printf("%s\n", text.c_str());
  std::exception_ptr saved;
  std::thread([&] {
    try {
      thrower(1, new int);
    } catch (...) {
      saved = std::current_exception();
    }
  }).join();
  try {
    std::rethrow_exception(saved);
  } catch (const std::exception &e) {
    std::printf("carried over: %s\n", e.what());
  }
  saved = nullptr;
  std::printf("close %d %d\n", dlclose(b), dlclose(a));
  try {
    throw std::runtime_error("after closing");
  } catch (const std::exception &e) {
    std::printf("%s\n", e.what());
  }
  std::fflush(stdout);
  if (argc > 3) {
    std::set_terminate([] {
      std::puts("terminate");
      std::fflush(stdout);
      std::_Exit(55);
    });
    throw 1;
  }
}
