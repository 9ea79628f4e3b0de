/* Loads everything when MPI runs, all ranks in the same order. */
#include <dlfcn.h>
#include <mpi.h>
#include <stdio.h>

static int use(int i) {
  char name[40];
  snprintf(name, sizeof name, "libio-part%d.so", i);
  void *h = dlopen(name, RTLD_NOW);
  snprintf(name, sizeof name, "io_part_%d", i);
  int (*part)(void) = h ? (int (*)(void))dlsym(h, name) : NULL;
  int value = part ? part() : -1000;
  if (i == 2 && h)
    dlclose(h);
  return value;
}

int main(int argc, char **argv) {
  int mine = 0, sum;
  MPI_Init(&argc, &argv);
  for (int i = 0; i < 6; i++)
    mine += use(i);
  void *missing = dlopen("libio-missing.so", RTLD_NOW);
  const char *error = missing ? "found" : dlerror();
  MPI_Allreduce(&mine, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  printf("sum %d: %s\n", sum, error);
  MPI_Finalize();
  return 0;
}
