// Functions whose arguments fill every register that can carry one, to be called through lazy binding.
#include <stdarg.h>
typedef double v4d __attribute__((vector_size(32)));
typedef double v8d __attribute__((vector_size(64)));
typedef struct {
  long a, b;
} pair;
typedef struct {
  double a;
  long b;
} mixed;
typedef struct {
  long words[9];
} large;

long take_integers(long a, long b, long c, long d, long e, long f, long g, long h) {
  return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h;
}
double take_doubles(double a, double b, double c, double d, double e, double f, double g, double h) {
  return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h;
}
long double take_long_doubles(long double a, long double b) { return a * b; }
double take_variable(int count, ...) {
  va_list list;
  va_start(list, count);
  double sum = 0;
  for (int i = 0; i < count; i++)
    sum += (i + 1) * va_arg(list, double);
  va_end(list);
  return sum;
}
pair return_pair(long a, long b) { return (pair){a * 2, b * 3}; }
mixed return_mixed(double a, long b) { return (mixed){a / 2, b * 5}; }
large return_large(long a) { return (large){{a, a + 1, a + 2, 3, 4, 5, 6, 7, a * 8}}; }
_Complex double return_complex(double a, double b) { return a + b * 1.0i; }
__int128 return_wide(long a, long b) { return (__int128)a * b; }
__attribute__((target("avx"))) v4d take_ymm(v4d a, v4d b, v4d c, v4d d, v4d e, v4d f, v4d g, v4d h) {
  return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h;
}
__attribute__((target("avx512f"))) v8d take_zmm(v8d a, v8d b, v8d c, v8d d, v8d e, v8d f, v8d g, v8d h) {
  return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h;
}
