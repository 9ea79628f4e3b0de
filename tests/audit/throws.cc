// An exception passes through watched calls, with destructors on its way.
#include <cstdio>
#include <stdexcept>

#ifdef LIBRARY
struct Guard {
  int *count;
  ~Guard() { ++*count; }
};
extern "C" int throws_deep(int depth, int *ends) {
  Guard g{ends};
  if (!depth)
    throw std::runtime_error("thrown");
  return throws_deep(depth - 1, ends) + 1; // through the PLT: it can be interposed
}
#else
extern "C" int throws_deep(int depth, int *ends);
int main() {
  int ends = 0, caught = 0;
  for (int i = 0; i < 3; i++) {
    try {
      throws_deep(5, &ends);
    } catch (const std::runtime_error &e) {
      caught++;
    }
  }
  std::printf("caught %d ends %d\n", caught, ends);
  return 0;
}
#endif
