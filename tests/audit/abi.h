/* Functions of every shape that the calling convention knows (psABI 3.2.3). */
#include <complex.h>
#include <immintrin.h>

struct pair {
  long a, b; /* rax, rdx */
};
struct mixed {
  long a;   /* rax */
  double b; /* xmm0 */
};
struct doubles {
  double a, b; /* xmm0, xmm1 */
};
struct big {
  long a[8]; /* memory; as an argument on the stack */
};

int abi_int(int a);
long abi_nine(long a, long b, long c, long d, long e, long f, long g, long h, long i);
double abi_double(double a, double b);
double abi_doubles(double a, double b, double c, double d, double e, double f, double g, double h, double i,
                   double j);
long double abi_long_double(long double a, long double b);
_Complex long double abi_complex(_Complex long double a);
struct pair abi_pair(long a);
struct mixed abi_mixed(long a, double b);
struct doubles abi_struct_doubles(double a);
struct big abi_big(long a, struct big b, long c);
double abi_varargs(int count, ...);
int abi_callback(int (*f)(int), int a);
__attribute__((target("avx"))) __m256 abi_ymm(__m256 a, __m256 b);
__attribute__((target("avx512f"))) __m512 abi_zmm(__m512 a, __m512 b);
int abi_choice(int a); /* an indirect function */
