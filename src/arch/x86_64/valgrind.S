/* uint64_t ldx_client_request(uint64_t request, uint64_t a, uint64_t b). Valgrind (valgrind.h) takes for a call what
 * changes nothing on a CPU: %rdi rotated by 128 bits in all, %rbx moved to itself. %rax points at the request's number
 * and its five arguments; %rdx gets the answer. */
#include "arch/x86_64/asm.h"

FUNCTION(ldx_client_request)
	sub	$48, %rsp
	.cfi_adjust_cfa_offset 48
	xor	%ecx, %ecx
	mov	%rdi, (%rsp)
	mov	%rsi, 8(%rsp)
	mov	%rdx, 16(%rsp)
	mov	%rcx, 24(%rsp)
	mov	%rcx, 32(%rsp)
	mov	%rcx, 40(%rsp)
	mov	%rsp, %rax
	xor	%edx, %edx
	rol	$3, %rdi
	rol	$13, %rdi
	rol	$61, %rdi
	rol	$51, %rdi
	xchg	%rbx, %rbx
	mov	%rdx, %rax
	add	$48, %rsp
	.cfi_adjust_cfa_offset -48
	ret
END(ldx_client_request)

	.section .note.GNU-stack,"",@progbits
