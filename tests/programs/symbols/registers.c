#include <complex.h>
#include <fenv.h>
#include <stdio.h>
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
long take_integers(long, long, long, long, long, long, long, long);
double take_doubles(double, double, double, double, double, double, double, double);
long double take_long_doubles(long double, long double);
double take_variable(int, ...);
pair return_pair(long, long);
mixed return_mixed(double, long);
large return_large(long);
_Complex double return_complex(double, double);
__int128 return_wide(long, long);
v4d take_ymm(v4d, v4d, v4d, v4d, v4d, v4d, v4d, v4d) __attribute__((target("avx")));
v8d take_zmm(v8d, v8d, v8d, v8d, v8d, v8d, v8d, v8d) __attribute__((target("avx512f")));

__attribute__((target("avx"))) static void ymm(void) {
  v4d v = {1, 10, 100, 1000}, r = take_ymm(v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6, v + 7);
  printf("ymm %g %g %g %g\n", r[0], r[1], r[2], r[3]);
}
__attribute__((target("avx512f"))) static void zmm(void) {
  v8d v = {1, 2, 3, 4, 5, 6, 7, 8}, r = take_zmm(v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6, v + 7);
  for (int i = 0; i < 8; i++)
    printf("zmm %g\n", r[i]);
}
int main(void) {
  fesetround(FE_DOWNWARD); // the loader's code must not depend on the rounding mode, nor change it
  printf("integers %ld\n", take_integers(1, 2, 3, 4, 5, 6, 7, 8));
  printf("doubles %g\n", take_doubles(1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5));
  printf("long doubles %Lg\n", take_long_doubles(1.25L, -8));
  printf("variable %g\n", take_variable(10, 1., 2., 3., 4., 5., 6., 7., 8., 9., 10.));
  pair p = return_pair(5, 6);
  mixed m = return_mixed(9, 7);
  large l = return_large(4);
  _Complex double c = return_complex(3, 4);
  __int128 w = return_wide(1L << 62, 1L << 40);
  printf("pair %ld %ld, mixed %g %ld, large %ld %ld\n", p.a, p.b, m.a, m.b, l.words[0], l.words[8]);
  printf("complex %g %g, wide %ld\n", creal(c), cimag(c), (long)(w >> 64));
  if (__builtin_cpu_supports("avx"))
    ymm();
  if (__builtin_cpu_supports("avx512f"))
    zmm();
  printf("rounding %d\n", fegetround() == FE_DOWNWARD);
}
