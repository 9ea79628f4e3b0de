# Symbols that no compiler makes: absolute ones, one with the value 0, one without a type, sizes and aliases for dladdr.
        .globl  absolute_one, absolute_zero, untyped, first, inner, alias, no_size, after_gap, object_in_text, big, tail_one
        absolute_one = 0x1234
        absolute_zero = 0
        .type   absolute_one, @object
        .text
untyped: ret
        .balign 64
        .type   first, @function
first:  .skip   16, 0x90
        .type   inner, @function        # within first and beyond its end
inner:  .skip   16, 0x90
        .size   inner, 16
        .size   first, 24
        .skip   8, 0x90
        .type   alias, @function        # the same place as big, but shorter
        .type   big, @function
big:
alias:  .skip   32, 0x90
        .size   alias, 4
        .size   big, 32
        .type   no_size, @function
no_size: .skip  16, 0x90
        .skip   16, 0x90                # nobody's
        .type   after_gap, @function
after_gap: .skip 8, 0x90
        .size   after_gap, 8
        .type   object_in_text, @object
object_in_text: .skip 8, 0
        .size   object_in_text, 8
        .type   local_function, @function
local_function: .skip 8, 0x90
        .size   local_function, 8
        .weak   weak_label
        .type   weak_label, @function
weak_label: .skip 8, 0x90
        .size   weak_label, 8
        .hidden hidden_label
        .globl  hidden_label
        .type   hidden_label, @function
hidden_label: .skip 8, 0x90
        .size   hidden_label, 8
        .type   tail_one, @function
tail_one: .skip 8, 0x90
        .size   tail_one, 100000        # larger than the segment
        .section .note.GNU-stack, "", @progbits
