/* Reads everything that can be read of an image, and holds it against what src/elf promises. Ends the program
 * where a promise is broken; accesses outside are for AddressSanitizer to find. */
#ifndef LDX_TESTS_EXERCISE_H
#define LDX_TESTS_EXERCISE_H

#include "mapped.h"

/* Of headers and segments, of a file of `file_size` bytes. */
void exercise_layout(const struct mapped *m, uint64_t file_size);
/* Of the notes, which need no dynamic section. */
void exercise_notes(const struct mapped *m);
/* Of unwind information: bytes of .eh_frame. */
void exercise_frames(struct ldx_span bytes);
/* Of the dynamic section and all that it leads to. */
void exercise_dynamic(const struct mapped *m);

#endif
