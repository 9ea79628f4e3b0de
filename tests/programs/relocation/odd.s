# One 8-byte slot for each relocation that the linker would not write; retype.py changes their types afterwards.
    .globl odd_table, odd_near
    .data
    .balign 8
odd_near:
    .long 4321
    .type odd_near, @object
    .size odd_near, 4
    .balign 8
odd_table:
    .quad odd_pc32 + 0
    .quad odd_pc64 + 16
    .quad odd_low32 + 3
    .quad odd_none
    .quad odd_glob_dat
    .type odd_table, @object
    .size odd_table, 40
    .section .note.GNU-stack, "", @progbits
