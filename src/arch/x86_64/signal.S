/* Unwinders and debuggers know a signal's frame by these two instructions. */
	.text
	.p2align 4
	nop
	.globl ldx_signal_return
	.hidden ldx_signal_return
	.type ldx_signal_return, @function
ldx_signal_return:
	mov	$15, %rax /* rt_sigreturn */
	syscall
	.size ldx_signal_return, .- ldx_signal_return

	.section .note.GNU-stack,"",@progbits
