// What the parts of the C++ library have in common.
#ifndef BENCH_CXX_PART_H
#define BENCH_CXX_PART_H

namespace bench {

class Part {
public:
  virtual ~Part();
  virtual int value() const = 0;
  virtual const char *name() const = 0;
};

Part *part1();
Part *part2();
Part *part3();

} // namespace bench

#endif
