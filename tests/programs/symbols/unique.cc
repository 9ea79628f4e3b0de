// Inline and template statics are STB_GNU_UNIQUE: one for the whole process, even with RTLD_LOCAL.
#include <cstdio>
template <class T> struct Counter { static int count; };
template <class T> int Counter<T>::count = 100;
struct Shared {
  static inline int inline_count = 10;
};
inline int &local_static() {
  static int value = 1;
  return value;
}
extern "C" int unique_bump(int) {
  return ++Counter<int>::count * 10000 + ++Shared::inline_count * 100 + ++local_static();
}
extern "C" void *unique_address(int n) {
  return n == 0 ? (void *)&Counter<int>::count : n == 1 ? (void *)&Shared::inline_count : (void *)&local_static();
}
