/* Where the kernel starts ldx: the stack holds argc, argv, envp and the auxiliary vector (psABI 3.4.1). */
#include "arch/x86_64/asm.h"

FUNCTION(_start)
	.cfi_undefined rip
	xor	%ebp, %ebp
	mov	%rsp, %rdi
	lea	__ehdr_start(%rip), %rsi
	lea	_DYNAMIC(%rip), %rdx
	mov	%rsp, %rbx
	and	$-16, %rsp
	call	ldx_relocate_self
	mov	%rbx, %rdi
	call	ldx_main
	/* struct ldx_handoff: { entry, stack, fini } */
	mov	(%rax), %r11
	mov	8(%rax), %rsp
	mov	16(%rax), %rdx
	xor	%eax, %eax
	xor	%ebx, %ebx
	xor	%ecx, %ecx
	xor	%esi, %esi
	xor	%edi, %edi
	jmp	*%r11
END(_start)

	.section .note.GNU-stack,"",@progbits
