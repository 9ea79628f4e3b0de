# A word in code that has to be relocated.
	.text
	.globl get
	.type get, @function
get:	movabs $variable, %rax
	ret
	.size get, .-get
	.data
	.globl variable
	.type variable, @object
	.size variable, 8
variable:
	.quad 0
	.section .note.GNU-stack, "", @progbits
