// libmvec, chosen by the compiler, with its own resolvers; and libm's.
#include <math.h>
#include <stdio.h>
int main(void) {
  double in[64], out[64];
  for (int i = 0; i < 64; i++)
    in[i] = i * 0.1;
  for (int i = 0; i < 64; i++)
    out[i] = exp(in[i]) + sin(in[i]);
  double sum = 0;
  for (int i = 0; i < 64; i++)
    sum += out[i];
  printf("%.6f %.6f %.6Lf\n", sum, fma(2, 3, floor(4.5)), sqrtl(2));
}
