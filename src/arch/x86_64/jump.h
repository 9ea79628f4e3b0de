/* Machine code that the loader writes itself. */
#ifndef LDX_ARCH_X86_64_JUMP_H
#define LDX_ARCH_X86_64_JUMP_H

#include <stdint.h>
#include <string.h>

enum {
  LDX_TRAP = 0xcc,    /* int3 */
  LDX_JUMP_SIZE = 16, /* room, and alignment */
};

/* Writes a function that jumps to where a word says; at: where it will run. endbr64; jmp *word(%rip) */
static inline void ldx_write_jump(void *to, uintptr_t at, uintptr_t word) {
  enum { OPCODES = 6, END = OPCODES + sizeof(int32_t) };
  int32_t distance = (int32_t)(word - at - END);
  memcpy(to, (const unsigned char[]){0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25}, OPCODES);
  memcpy((char *)to + OPCODES, &distance, sizeof distance);
}

#endif
