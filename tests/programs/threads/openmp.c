#include <omp.h>
#include <stdio.h>
static double private_value;
#pragma omp threadprivate(private_value)
int main(void) {
  double sum = 0;
  int order[8] = {0};
#pragma omp parallel for reduction(+ : sum) num_threads(4) schedule(dynamic, 1)
  for (int i = 0; i < 1000; i++)
    private_value = i * 0.5, sum += private_value;
#pragma omp parallel num_threads(4)
  {
#pragma omp single
    for (int i = 0; i < 8; i++) {
#pragma omp task firstprivate(i)
      order[i] = i * i;
    }
#pragma omp critical
    sum += 1;
  }
  for (int i = 0; i < 8; i++)
    printf("%d ", order[i]);
  printf("%g %d\n", sum, omp_get_max_threads() > 0);
}
