# Relocation types that a compiler does not write into a shared object, by hand.
    .globl direct_table, direct_sizes, direct_value
    .type direct_table, @object
    .size direct_table, 40
    .data
    .balign 8
direct_value:
    .quad 77                          # this object's own
    .type direct_value, @object
    .size direct_value, 8
direct_table:
    .quad other_data                  # R_X86_64_64
    .quad other_data + 4              # with an addend
    .quad other_function
    .quad weak_missing                # weak, undefined: zero
    .quad direct_value
    .weak weak_missing
direct_sizes:
    .long other_array@SIZE            # R_X86_64_SIZE32
    .long other_array@SIZE + 8
    .quad other_array@SIZE            # R_X86_64_SIZE64
    .quad direct_table@SIZE
    .type direct_sizes, @object
    .size direct_sizes, 24
    .section .note.GNU-stack, "", @progbits
