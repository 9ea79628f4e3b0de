#include <stdexcept>
#include <string>

extern "C" void thrower(int kind) {
  thread_local std::string text("thread-local ");
  text += 'x';
  if (kind)
    throw std::out_of_range(text);
  throw 42;
}
