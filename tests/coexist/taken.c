/* Says so when it is loaded into a privileged program; also an auditor and a converter of iconv. */
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void come(void) {
  static const char text[] = "TAKEN\n";
  if (write(1, text, sizeof text - 1) < 0)
    abort();
}

unsigned la_version(unsigned version) { return version; }
int gconv(void) { return 0; }
int gconv_init(void *step) { return step == NULL; }
