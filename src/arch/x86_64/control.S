/* For the control thread (loader/control.c): a way in from outside, a thread that no libc knows, and its end. */
#include "arch/x86_64/asm.h"
#include <sys/syscall.h>

/* tools/ldx-ctl has a stopped thread call this; the trap behind tells it that the call is over. The name is exported:
 * that is how it is found. */
	.text
	.p2align 4
	.globl ldx_control
	.type ldx_control, @function
ldx_control:
	.cfi_startproc
	.cfi_undefined rip
	call	ldx_control_start
	int3
	.cfi_endproc
	.size ldx_control, .- ldx_control

/* long ldx_clone_thread(unsigned long flags, void **stack, void *tls): a thread that begins with stack[0](stack[1]),
 * which must not return. */
FUNCTION(ldx_clone_thread)
	mov	%rdx, %r8
	xor	%edx, %edx
	xor	%r10d, %r10d
	mov	$SYS_clone, %eax
	syscall
	test	%rax, %rax
	jz	1f
	ret
1:	.cfi_undefined rip
	xor	%ebp, %ebp
	pop	%rax
	pop	%rdi
	call	*%rax
	hlt
END(ldx_clone_thread)

/* _Noreturn void ldx_end_thread(void *stack, size_t size): gives the stack back, and ends. */
FUNCTION(ldx_end_thread)
	mov	$SYS_munmap, %eax
	syscall
	xor	%edi, %edi
	mov	$SYS_exit, %eax
	syscall
	hlt
END(ldx_end_thread)

	.section .note.GNU-stack,"",@progbits
