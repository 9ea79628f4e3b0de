/* Entries from the program's code: lazy binding and TLS descriptors. The C code behind them is built
 * without vector registers, so only the integer registers that carry arguments are kept here. */
#include "arch/x86_64/asm.h"

/* Debuggers that step into a function pass over what lies in a section of that name, and so come to what a lazy call
 * leads to, not to here. gdb knows the names as well: it runs through _dl_fixup in one go. */
	.globl	_dl_runtime_resolve
	.hidden	_dl_runtime_resolve
	.set	_dl_runtime_resolve, ldx_plt_stub

	.section .plt, "ax", @progbits
FUNCTION_HERE(_dl_fixup)
	jmp	ldx_bind_lazy
END(_dl_fixup)

/* From PLT0: 0(%rsp) = GOT[1], the object; 8(%rsp) = relocation index; 16(%rsp) = return address.
 * Kept: arguments, %rax (vector count), %r10 (static chain). psABI 5.2 "Procedure Linkage Table". */
FUNCTION_HERE(ldx_plt_stub)
	.cfi_adjust_cfa_offset 16
	PUSH(%rax)
	PUSH(%rcx)
	PUSH(%rdx)
	PUSH(%rsi)
	PUSH(%rdi)
	PUSH(%r8)
	PUSH(%r9)
	PUSH(%r10)
	PUSH(%r11)
	mov	72(%rsp), %rdi
	mov	80(%rsp), %rsi
	call	_dl_fixup
	add	$8, %rsp
	.cfi_adjust_cfa_offset -8
	mov	%rax, %r11
	POP(%r10)
	POP(%r9)
	POP(%r8)
	POP(%rdi)
	POP(%rsi)
	POP(%rdx)
	POP(%rcx)
	POP(%rax)
	add	$16, %rsp
	.cfi_adjust_cfa_offset -16
	jmp	*%r11
END(ldx_plt_stub)

/* uintptr_t ldx_call_xsave(uintptr_t (*fn)(uintptr_t), uint64_t mask, uint64_t size, uintptr_t arg): runs foreign code
 * from inside a lazy call: keeps every vector register of the caller. mask 0: no XSAVE, the 512 bytes of FXSAVE. */
FUNCTION(ldx_call_xsave)
	PUSH(%rbp)
	.cfi_offset rbp, -16
	mov	%rsp, %rbp
	.cfi_def_cfa_register rbp
	push	%rbx
	push	%r12
	push	%r13
	.cfi_offset rbx, -24
	.cfi_offset r12, -32
	.cfi_offset r13, -40
	mov	%rsi, %rbx
	mov	%rdi, %r12
	mov	%rcx, %r13
	sub	%rdx, %rsp
	and	$-64, %rsp
	test	%rbx, %rbx
	jz	1f
	xor	%eax, %eax
	lea	512(%rsp), %rdi
	mov	$8, %ecx
	rep stosq
	mov	%ebx, %eax
	mov	%rbx, %rdx
	shr	$32, %rdx
	xsave	(%rsp)
	mov	%r13, %rdi
	call	*%r12
	mov	%rax, %r12
	mov	%ebx, %eax
	mov	%rbx, %rdx
	shr	$32, %rdx
	xrstor	(%rsp)
	jmp	2f
1:	fxsave	(%rsp)
	mov	%r13, %rdi
	call	*%r12
	mov	%rax, %r12
	fxrstor	(%rsp)
2:	mov	%r12, %rax
	mov	-8(%rbp), %rbx
	mov	-16(%rbp), %r12
	mov	-24(%rbp), %r13
	leave
	.cfi_def_cfa rsp, 8
	ret
END(ldx_call_xsave)

/* TLS descriptors (psABI, "TLS Descriptors"): %rax points at the descriptor { function, argument }; the result is
 * the offset from the thread pointer, in %rax; every other register is kept. */
FUNCTION(ldx_tlsdesc_static)
	mov	8(%rax), %rax
	ret
END(ldx_tlsdesc_static)

/* A weak undefined symbol: its address is 0 + addend. */
FUNCTION(ldx_tlsdesc_undefweak)
	mov	8(%rax), %rax
	sub	%fs:0, %rax
	ret
END(ldx_tlsdesc_undefweak)

/* The end of a descriptor's function that has saved %rsi and %rdi, and has the argument in %rdi. */
	.macro CALL_TLSDESC_SLOW
	PUSH(%rcx)
	PUSH(%rdx)
	PUSH(%r8)
	PUSH(%r9)
	PUSH(%r10)
	PUSH(%r11)
	call	ldx_tlsdesc_slow
	sub	%fs:0, %rax
	POP(%r11)
	POP(%r10)
	POP(%r9)
	POP(%r8)
	POP(%rdx)
	POP(%rcx)
	POP(%rdi)
	POP(%rsi)
	ret
	.endm

/* The argument is struct ldx_tlsdesc { module, offset, generation }. */
FUNCTION(ldx_tlsdesc_dynamic)
	PUSH(%rsi)
	PUSH(%rdi)
	mov	%fs:8, %rsi
	mov	8(%rax), %rdi
	mov	16(%rdi), %rax
	cmp	%rax, (%rsi)
	jb	1f
	mov	(%rdi), %rax
	shl	$4, %rax
	mov	(%rax, %rsi), %rax
	cmp	$-1, %rax
	je	1f
	add	8(%rdi), %rax
	sub	%fs:0, %rax
	pop	%rdi
	.cfi_remember_state
	.cfi_adjust_cfa_offset -8
	POP(%rsi)
	ret
	.cfi_restore_state
1:	CALL_TLSDESC_SLOW
END(ldx_tlsdesc_dynamic)

FUNCTION(ldx_tlsdesc_call)
	PUSH(%rsi)
	PUSH(%rdi)
	mov	8(%rax), %rdi
	CALL_TLSDESC_SLOW
END(ldx_tlsdesc_call)

/* int vfork(void): child and parent have the stack in common, so that the return address waits in a register. */
FUNCTION(ldx_vfork)
	pop	%rdi
	.cfi_adjust_cfa_offset -8
	.cfi_register rip, rdi
	mov	$58, %eax
	syscall
	PUSH(%rdi)
	.cfi_offset rip, -8
	sub	$8, %rsp
	.cfi_adjust_cfa_offset 8
	mov	%rax, %rdi
	call	ldx_vforked
	add	$8, %rsp
	.cfi_adjust_cfa_offset -8
	ret
END(ldx_vfork)

/* Entered as a program is, with the first stack (psABI 3.4.1). */
FUNCTION(ldx_return_entry)
	.cfi_undefined rip
	xor	%ebp, %ebp
	mov	%rsp, %rbx
	and	$-16, %rsp
	call	ldx_musl_started
	mov	%rax, %r11
	mov	%rbx, %rsp
	xor	%eax, %eax
	xor	%ebx, %ebx
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%edi, %edi
	jmp	*%r11
END(ldx_return_entry)

/* int ldx_catch_enter(struct ldx_jump *j) returns 0; ldx_catch_throw(j) makes it return 1 again.
 * The callee-saved state of the psABI: rbx rbp r12-r15, rsp, return address. */
FUNCTION(ldx_catch_enter)
	mov	%rbx, (%rdi)
	mov	%rbp, 8(%rdi)
	mov	%r12, 16(%rdi)
	mov	%r13, 24(%rdi)
	mov	%r14, 32(%rdi)
	mov	%r15, 40(%rdi)
	lea	8(%rsp), %rax
	mov	%rax, 48(%rdi)
	mov	(%rsp), %rax
	mov	%rax, 56(%rdi)
	xor	%eax, %eax
	ret
END(ldx_catch_enter)

FUNCTION(ldx_catch_throw)
	mov	(%rdi), %rbx
	mov	8(%rdi), %rbp
	mov	16(%rdi), %r12
	mov	24(%rdi), %r13
	mov	32(%rdi), %r14
	mov	40(%rdi), %r15
	mov	48(%rdi), %rsp
	mov	$1, %eax
	jmp	*56(%rdi)
END(ldx_catch_throw)

	.section .note.GNU-stack,"",@progbits
