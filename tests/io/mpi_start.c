/* Needs libraries from its start, one more later, and one that there is not. */
#include <dlfcn.h>
#include <mpi.h>
#include <stdio.h>

#define FOR_EACH(X) X(0) X(1) X(2) X(3) X(4)
#define DECLARE(i) int io_part_##i(void);
#define ADD(i) +io_part_##i()
FOR_EACH(DECLARE)

int main(int argc, char **argv) {
  int rank, sum, mine;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  mine = rank FOR_EACH(ADD);
  MPI_Allreduce(&mine, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  void *later = dlopen("libio-part5.so", RTLD_NOW);
  void *missing = dlopen("libio-missing.so", RTLD_NOW);
  printf("sum %d, later %d: %s\n", sum, later != NULL, missing ? "found" : dlerror());
  MPI_Finalize();
  return 0;
}
