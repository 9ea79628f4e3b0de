// Throws what another library or the program catches, and has a thread-local object with a destructor.
#include <cstdio>
#include <stdexcept>
#include <string>

struct Local {
  std::string name = "local";
  ~Local() { std::printf("%s destroyed\n", name.c_str()); }
};
thread_local Local local;

extern "C" void throw_it(int depth) {
  local.name = "used";
  if (depth > 0)
    throw_it(depth - 1);
  else
    throw std::runtime_error("from the library, " + local.name);
}
