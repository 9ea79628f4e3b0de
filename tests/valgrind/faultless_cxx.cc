// C++ without a fault: containers, streams, exceptions, thread_local objects, operators new of every kind.
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

struct Noted {
  std::string text;
  explicit Noted(std::string t) : text(std::move(t)) {}
};

static Noted begin("made before main");
static thread_local Noted own("made by each thread");

static std::size_t fail(int depth) {
  std::vector<std::string> held(static_cast<std::size_t>(depth), "held");
  if (!depth)
    throw std::runtime_error("from the depth");
  return fail(depth - 1) + held.size();
}

struct alignas(64) Wide {
  double values[8];
};

int main() {
  std::map<std::string, std::vector<int>> table;
  for (int i = 0; i < 300; i++)
    table["key " + std::to_string(i % 17)].push_back(i);
  std::ostringstream out;
  for (const auto &[key, values] : table)
    out << key << ':' << values.size() << ' ';
  std::cout << out.str() << begin.text << '\n';
  try {
    std::cout << fail(20) << '\n';
  } catch (const std::exception &e) {
    std::cout << e.what() << '\n';
  }
  std::string seen;
  std::thread other([&] { seen = own.text; });
  other.join();
  auto wide = std::make_unique<Wide>();
  wide->values[7] = 1.5;
  std::cout << seen << ' ' << own.text.size() << ' ' << wide->values[7] << '\n';
}
