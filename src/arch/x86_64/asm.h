/* Assembly spelling shared by the .S files of this folder. */
#define FUNCTION(name)                                                                                               \
  .text;                                                                                                             \
  FUNCTION_HERE(name)
/* In the section that is being written. */
#define FUNCTION_HERE(name)                                                                                          \
  .p2align 4;                                                                                                        \
  .globl name;                                                                                                       \
  .hidden name;                                                                                                      \
  .type name, @function;                                                                                             \
  name:                                                                                                              \
  .cfi_startproc;
#define END(name)                                                                                                    \
  .cfi_endproc;                                                                                                      \
  .size name, .- name;
#define PUSH(reg)                                                                                                    \
  push reg;                                                                                                          \
  .cfi_adjust_cfa_offset 8;
#define POP(reg)                                                                                                     \
  pop reg;                                                                                                           \
  .cfi_adjust_cfa_offset - 8;
