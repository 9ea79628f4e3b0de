/* long ldx_syscall(long nr, long a, long b, long c, long d, long e, long f): result as the kernel gives it. */
#include "arch/x86_64/asm.h"

FUNCTION(ldx_syscall)
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	mov	%r8, %r10
	mov	%r9, %r8
	mov	8(%rsp), %r9
	syscall
	ret
END(ldx_syscall)

	.section .note.GNU-stack,"",@progbits
