// One of the libraries that the C++ library needs: a class with a vtable, type information and a constructor at load.
#include "cxx-part.h"

#define JOIN(a, b) a##b
#define CLASS(number) JOIN(Part, number)
#define FUNCTION(number) JOIN(part, number)

namespace bench {

class CLASS(PART) : public Part {
public:
  explicit CLASS(PART)(int value) : value_(value) {}
  ~CLASS(PART)() override;
  int value() const override;
  const char *name() const override;

private:
  int value_;
};

CLASS(PART)::~CLASS(PART)() {}
int CLASS(PART)::value() const { return value_ + PART; }
const char *CLASS(PART)::name() const { return __PRETTY_FUNCTION__; }

static CLASS(PART) first(PART);

Part *FUNCTION(PART)() { return &first; }

} // namespace bench
