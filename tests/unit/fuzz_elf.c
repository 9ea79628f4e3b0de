/* Fuzzing of src/elf, in libFuzzer's form: the input is a file that is checked, mapped and read to the last table; or
 * unwind information.
 * AddressSanitizer guards the copy of the file and each segment; exercise.c guards what is promised beyond that. */
#include <stdlib.h>
#include <string.h>

#include "exercise.h"
#include "mutate.h"

enum { MAX_MEMORY = 1 << 20 };

static void exercise_file(struct ldx_span file) {
  struct mapped m;
  if (mapped_layout(&m, file) != ELF_OK)
    return;
  exercise_layout(&m, file.size);
  if (mapped_load(&m, file, MAX_MEMORY)) {
    exercise_notes(&m);
    if (elf_read_dynamic(&m.im, &m.d) == ELF_OK)
      exercise_dynamic(&m);
  }
  mapped_close(&m);
}

/* The loader reads a first part of a file, and the program headers by themselves when they lie beyond it. */
static void exercise_head(struct ldx_span file) {
  struct ldx_span head = {file.base, file.size < 512 ? file.size : 512};
  enum elf_error e;
  if (elf_check_header(head) == ELF_OK)
    elf_phdrs(head, file.size, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint8_t *exact = malloc(size ? size : 1);
  memcpy(exact, data, size);
  struct ldx_span file = {exact, size};
  exercise_head(file);
  exercise_file(file);
  exercise_frames(file);
  free(exact);
  return 0;
}

#ifdef LDX_WITH_LIBFUZZER
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed) {
  return seed % 4 ? mutate_image(data, size, seed / 4) : LLVMFuzzerMutate(data, size, max);
}
#endif
