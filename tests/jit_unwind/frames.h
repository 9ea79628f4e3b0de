// Functions that are made at run time, and what unwinders are told of them.
#pragma once
#include "../jit/jit_test.h"

#include <execinfo.h>
#include <unwind.h>

#include <functional>

using callback = void (*)();
using caller = int (*)(callback); // calls it

// push %rbp; mov %rsp,%rbp; call *%rdi; pop %rbp; ret
static const unsigned char POINTER_CODE[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};
// sub $8,%rsp; call *%rdi; add $8,%rsp; ret
static const unsigned char PLAIN_CODE[] = {0x48, 0x83, 0xec, 0x08, 0xff, 0xd7, 0x48, 0x83, 0xc4, 0x08, 0xc3};
// lea 1(%rdi),%eax; ret
static const unsigned char LEAF_CODE[] = {0x8d, 0x47, 0x01, 0xc3};

// As gcc writes it for PLAIN_CODE: what stands there as zeros is the distance to the code, and its size.
enum { FDE_CODE = 32, FDE_SIZE = 36 };
static const unsigned char PLAIN_FRAMES[] = "\x14\0\0\0\0\0\0\0\x01zR\0\x01\x78\x10\x01\x1b\x0c\x07\x08\x90\x01\0\0"
                                            "\x14\0\0\0\x1c\0\0\0\0\0\0\0\0\0\0\0\0\x44\x0e\x10\x46\x0e\x08\0"
                                            "\0\0\0";
static_assert(sizeof PLAIN_FRAMES == 52, "with the terminator");

struct plain_frames {
  unsigned char bytes[sizeof PLAIN_FRAMES];
  plain_frames(const void *code, size_t size, const void *where = nullptr) {
    memcpy(bytes, PLAIN_FRAMES, sizeof bytes);
    uintptr_t at = (uintptr_t)(where ? where : (const void *)bytes);
    int32_t distance = (int32_t)((uintptr_t)code - at - FDE_CODE), length = (int32_t)size;
    memcpy(bytes + FDE_CODE, &distance, 4);
    memcpy(bytes + FDE_SIZE, &length, 4);
  }
};

static inline int stage_plain(ldx_jit *jit, const void *code, size_t size = sizeof PLAIN_CODE) {
  // Read as if they were beside the code: the stack may be too far away for 32 bits.
  plain_frames f(code, size, code);
  return ldx_jit_frames(jit, f.bytes, sizeof f.bytes, code);
}

static inline caller new_plain(ldx_jit *jit) {
  void *f = put_code(jit, PLAIN_CODE, sizeof PLAIN_CODE);
  SAME(stage_plain(jit, f), 0);
  SAME(ldx_jit_publish(jit), 0);
  return (caller)f;
}

static inline caller new_pointer(ldx_jit *jit) {
  void *f = put_code(jit, POINTER_CODE, sizeof POINTER_CODE);
  SAME(ldx_jit_frame(jit, f, sizeof POINTER_CODE, LDX_JIT_FRAME_POINTER), 0);
  SAME(ldx_jit_publish(jit), 0);
  return (caller)f;
}

// Of libgcc, in no header.
struct dwarf_eh_bases {
  void *tbase, *dbase, *func;
};
extern "C" const void *_Unwind_Find_FDE(void *pc, dwarf_eh_bases *);

// Where the function begins that unwinders find at an address; NULL: none.
static inline void *function_found(const void *at) {
  dwarf_eh_bases bases = {};
  return _Unwind_Find_FDE((void *)at, &bases) ? bases.func : nullptr;
}

// --- a function that catches: code, the words that it needs, LSDA and .eh_frame in one piece that can be copied ----

asm(R"(
  .pushsection .catches, "aw", @progbits
  .balign 16
catches_begin:
  sub $8, %rsp
.Lcatches_try:
  call *%rdi
.Lcatches_tried:
  xor %eax, %eax
  add $8, %rsp
  ret
.Lcatches_pad:
  mov %rax, %rdi
  call *catches_begin_catch(%rip)
  mov (%rax), %eax
  mov %eax, 4(%rsp)
  call *catches_end_catch(%rip)
  mov 4(%rsp), %eax
  add $8, %rsp
  ret
catches_code_end:
  .balign 8
catches_begin_catch: .quad __cxa_begin_catch
catches_end_catch: .quad __cxa_end_catch
catches_personality: .quad __gxx_personality_v0
catches_int: .quad _ZTIi

catches_lsda:
  .byte 0xff, 0x9b
  .uleb128 .Lcatches_types - .Lcatches_sites_head
.Lcatches_sites_head:
  .byte 1
  .uleb128 .Lcatches_sites_end - .Lcatches_sites
.Lcatches_sites:
  .uleb128 .Lcatches_try - catches_begin
  .uleb128 .Lcatches_tried - .Lcatches_try
  .uleb128 .Lcatches_pad - catches_begin
  .uleb128 1
  .uleb128 .Lcatches_pad - catches_begin
  .uleb128 catches_code_end - .Lcatches_pad
  .uleb128 0
  .uleb128 0
.Lcatches_sites_end:
  .byte 1, 0
  .balign 4
  .long catches_int - .
.Lcatches_types:

  .balign 8
catches_frames:
  .long .Lcatches_cie_end - .Lcatches_cie
.Lcatches_cie:
  .long 0
  .byte 1
  .asciz "zPLR"
  .byte 1, 0x78, 16, 7, 0x9b
  .long catches_personality - .
  .byte 0x1b, 0x1b
  .byte 0x0c, 7, 8, 0x90, 1
  .balign 8, 0
.Lcatches_cie_end:
  .long .Lcatches_fde_end - .Lcatches_fde
.Lcatches_fde:
  .long .Lcatches_fde - .Lcatches_cie + 4
  .long catches_begin - .
  .long catches_code_end - catches_begin
  .byte 4
  .long catches_lsda - .
  .byte 0x44, 0x0e, 16
  .balign 8, 0
.Lcatches_fde_end:
catches_end:
  .popsection
)");
extern "C" const char catches_begin[], catches_code_end[], catches_frames[], catches_end[];

// An int that the argument throws is what it returns; 0 when nothing is thrown.
static inline caller new_catches(ldx_jit *jit, bool frames_in_place = true) {
  size_t size = catches_end - catches_begin, at = catches_frames - catches_begin;
  char *f = (char *)put_code(jit, catches_begin, size);
  // In place, or the original read as if it were there.
  int r = ldx_jit_frames(jit, frames_in_place ? f + at : catches_frames, size - at, f + at);
  SAME(r, 0);
  SAME(ldx_jit_publish(jit), 0);
  return (caller)f;
}
