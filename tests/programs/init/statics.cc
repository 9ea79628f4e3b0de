// Static objects of C++ in several libraries, each of which uses the one below it while it is made.
#include <iostream>
#include <map>
#include <string>
#ifndef LEVEL
#define LEVEL 0
#endif
std::map<std::string, int> &registry();
#if LEVEL == 1
std::map<std::string, int> &registry() {
  static std::map<std::string, int> all;
  return all;
}
#endif
namespace {
struct Entry {
  Entry() {
    std::cout << "enter " << LEVEL << " after " << registry().size() << std::endl,
        registry()[std::to_string(LEVEL)] = LEVEL;
  }
  ~Entry() {
    std::cout << "leave " << LEVEL << " of " << registry().size() << std::endl,
        registry().erase(std::to_string(LEVEL));
  }
};
Entry entry;
} // namespace
#if LEVEL == 0
int main() { std::cout << "main sees " << registry().size() << std::endl; }
#endif
