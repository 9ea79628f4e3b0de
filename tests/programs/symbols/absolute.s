# Symbols of unusual kinds: absolute, untyped, without size.
    .globl absolute_symbol, untyped_function, untyped_data, absolute_zero
    .set absolute_symbol, 0x1234
    .set absolute_zero, 0
    .text
untyped_function:
    mov $55, %eax
    ret
    .data
untyped_data:
    .long 66
    .section .note.GNU-stack, "", @progbits
