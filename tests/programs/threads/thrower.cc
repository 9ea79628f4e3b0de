// A library that throws, catches and passes on; with a type of its own that only its name makes the same elsewhere.
#include <stdexcept>
#include <string>
struct Odd : std::runtime_error {
  using std::runtime_error::runtime_error;
  virtual int code() const { return 5; }
};
struct Guard {
  int *counter;
  ~Guard() { ++*counter; }
};
extern "C" int throw_it(int what, int *cleaned) {
  Guard guard{cleaned};
  switch (what) {
  case 0:
    throw 42;
  case 1:
    throw Odd("odd");
  case 2:
    throw std::string("text");
  case 3:
    return std::stoi("no number");
  case 4:
    throw;
  }
  return what;
}
extern "C" int pass_on(int (*next)(int, int *), int what, int *cleaned) {
  Guard guard{cleaned};
  try {
    return next(what, cleaned);
  } catch (const Odd &) {
    throw;
  } catch (int n) {
    throw n + 1;
  }
}
