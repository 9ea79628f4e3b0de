/* bench-runtime: the workloads in C. */
#include <dlfcn.h>
#include <string.h>

#include "workloads.h"

void *bench_group(void) {
  static void *handle;
  if (!handle)
    handle = bench_open(bench_path(GROUP_LIBRARY), RTLD_NOW | RTLD_GLOBAL);
  return handle;
}

int main(int argc, char **argv) {
  const struct bench_workloads *all[] = {&open_workloads, &symbol_workloads, &walk_workloads, &tls_workloads,
                                         &thread_workloads};
  struct bench_workload table[64];
  unsigned count = 0;
  for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++)
    for (unsigned j = 0; j < all[i]->count; j++)
      table[count++] = all[i]->at[j];
  return bench_main(argc, argv, table, count);
}
