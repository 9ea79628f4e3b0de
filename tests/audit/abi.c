#include "abi.h"

#include <stdarg.h>

int abi_int(int a) { return a + 1; }
long abi_nine(long a, long b, long c, long d, long e, long f, long g, long h, long i) {
  return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i;
}
double abi_double(double a, double b) { return a * b; }
double abi_doubles(double a, double b, double c, double d, double e, double f, double g, double h, double i,
                   double j) {
  return a + b * 2 + c * 3 + d * 4 + e * 5 + f * 6 + g * 7 + h * 8 + i * 9 + j * 10;
}
long double abi_long_double(long double a, long double b) { return a / b; }
_Complex long double abi_complex(_Complex long double a) { return a * a; }
struct pair abi_pair(long a) {
  return (struct pair){a, -a};
}
struct mixed abi_mixed(long a, double b) {
  return (struct mixed){a * 2, b * 2};
}
struct doubles abi_struct_doubles(double a) {
  return (struct doubles){a + 1, a - 1};
}
struct big abi_big(long a, struct big b, long c) {
  for (int i = 0; i < 8; i++)
    b.a[i] = b.a[i] * a + c;
  return b;
}
double abi_varargs(int count, ...) {
  va_list ap;
  double sum = 0;
  va_start(ap, count);
  for (int i = 0; i < count; i++)
    sum += i % 2 ? va_arg(ap, double) : va_arg(ap, int);
  va_end(ap);
  return sum;
}
int abi_callback(int (*f)(int), int a) { return f(a) + 1; }
__m256 abi_ymm(__m256 a, __m256 b) { return a + b; }
__m512 abi_zmm(__m512 a, __m512 b) { return a * b; }

static int one(int a) { return a + 100; }
static int (*choose(void))(int) { return one; }
int abi_choice(int a) __attribute__((ifunc("choose")));
