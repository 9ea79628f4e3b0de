// A C++ library with five dependencies: three parts, their base, and libstdc++.
#include <map>
#include <stdexcept>
#include <string>

#include "cxx-part.h"

namespace bench {

int sum();
int sum() {
  std::map<std::string, int> values;
  for (const Part *part : {part1(), part2(), part3()})
    values[part->name()] = part->value();
  int sum = 0;
  for (const auto &value : values)
    sum += value.second;
  if (sum != 12)
    throw std::logic_error("wrong sum");
  return sum;
}

static int first = sum();
int *first_sum();
int *first_sum() { return &first; }

} // namespace bench
