/* A stand-in for libFuzzer, without its feedback: damages seed files by chance, always the same for the same
 * arguments. An input that ends the program is kept in the file `crash`. */
#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_INPUT = 1 << 16 };

struct input {
  size_t size;
  uint8_t data[MAX_INPUT];
};

static struct input current;

static void keep_input(void) {
  FILE *f = fopen("crash", "wb");
  if (f && fwrite(current.data, 1, current.size, f) == current.size && !fclose(f))
    fprintf(stderr, "fuzz_driver: the input is kept in ./crash (%zu bytes)\n", current.size);
}

static void on_abort(int signal) {
  (void)signal;
  keep_input();
  _Exit(1);
}

static void read_seed(const char *path, struct input *out) {
  FILE *f = fopen(path, "rb");
  if (!f || (out->size = fread(out->data, 1, MAX_INPUT, f)) == 0) {
    fprintf(stderr, "fuzz_driver: cannot read %s\n", path);
    exit(2);
  }
  fclose(f);
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fprintf(stderr,
            "usage: %s RUNS SEED FILE...\n"
            "Damages the files RUNS times, and reads each result as the loader would. SEED chooses the damage.\n"
            "With RUNS 0 each file is read once as it is, for instance one that a fuzzer kept.\n",
            argv[0]);
    return 2;
  }
  uint32_t runs = (uint32_t)strtoul(argv[1], NULL, 0), seed = (uint32_t)strtoul(argv[2], NULL, 0);
  unsigned count = (unsigned)argc - 3;
  struct input *seeds = calloc(count, sizeof *seeds);
  __sanitizer_set_death_callback(keep_input);
  signal(SIGABRT, on_abort);
  for (unsigned i = 0; i < count; i++) {
    read_seed(argv[3 + i], &seeds[i]);
    current = seeds[i];
    LLVMFuzzerTestOneInput(current.data, current.size);
  }
  for (uint32_t r = 0; r < runs; r++) {
    const struct input *from = &seeds[r % count];
    memcpy(current.data, from->data, from->size);
    current.size = mutate_image(current.data, from->size, seed + r);
    LLVMFuzzerTestOneInput(current.data, current.size);
  }
  printf("%u files, %u damaged ones: no fault\n", count, runs);
  free(seeds);
  return 0;
}
