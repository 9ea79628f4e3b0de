/* A good program that needs libvictim.so. */
#include <unistd.h>
#include "victim.h"

int main(void) {
  static const char good[] = "value 42\n", bad[] = "another value\n";
  if (victim_value() == VICTIM_VALUE)
    return write(1, good, sizeof good - 1) < 0;
  return write(1, bad, sizeof bad - 1), 3;
}
