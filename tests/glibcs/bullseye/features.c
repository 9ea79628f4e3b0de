/* What ld-linux found out of the CPU, byte for byte; and whether libc obeys a tunable. */
#include <stdio.h>
#include <stdlib.h>

const unsigned char *__get_cpu_features(void);

int main(void) {
  enum { SIZE = 168, LINE = 24 /* of struct cpu_features in 2.31 */, APIC_ID = 7 /* says on which CPU it ran */ };
  const unsigned char *features = __get_cpu_features();
  for (int i = 0; i < SIZE; i++)
    printf("%02x%s", i == APIC_ID ? 0 : features[i], i % LINE == LINE - 1 ? "\n" : "");
  const unsigned char *fresh = malloc(5000);
  printf("fresh memory %d, tunables %s\n", fresh ? fresh[100] : -1, getenv("GLIBC_TUNABLES"));
  return 0;
}
