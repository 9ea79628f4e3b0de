// CPU features: as the compiler's runtime sees them, and as the loader tells them.
#include <stdio.h>
#include <sys/platform/x86.h>
#include <unistd.h>
int main(void) {
  printf("%d %d %d\n", __builtin_cpu_supports("sse2") != 0, __builtin_cpu_supports("avx2") != 0,
         __builtin_cpu_supports("avx512f") != 0);
  printf("present %d %d %d %d\n", CPU_FEATURE_PRESENT(SSE2), CPU_FEATURE_PRESENT(AVX2), CPU_FEATURE_PRESENT(ERMS),
         CPU_FEATURE_PRESENT(FSGSBASE));
  printf("active %d %d %d %d\n", CPU_FEATURE_ACTIVE(SSE2), CPU_FEATURE_ACTIVE(AVX2), CPU_FEATURE_ACTIVE(AVX512F),
         CPU_FEATURE_ACTIVE(XSAVEC));
  printf("cache line %ld, L1 %ld, L2 %ld, L3 %ld\n", sysconf(_SC_LEVEL1_DCACHE_LINESIZE),
         sysconf(_SC_LEVEL1_DCACHE_SIZE), sysconf(_SC_LEVEL2_CACHE_SIZE), sysconf(_SC_LEVEL3_CACHE_SIZE));
}
