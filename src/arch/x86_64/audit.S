/* PLT entry of audited objects: the lazy-binding stub's place, taken on every call. The auditors' functions are any
 * code, so all registers that carry arguments are kept in the frame, where auditors may change them. */
#include "arch/x86_64/asm.h"

/* The frame, from a 64-byte boundary up: struct ldx_call_regs, struct ldx_call_result, and what only this file reads.
 * (No spaces: these are parts of macros' arguments.) */
#define R_RDX 0
#define R_R8 8
#define R_R9 16
#define R_RCX 24
#define R_RSI 32
#define R_RDI 40
#define R_RBP 48
#define R_RSP 56
#define R_XMM 64
#define R_VECTOR 192
#define RESULT 768
#define V_RAX 768
#define V_RDX 776
#define V_XMM 784
#define V_ST0 816
#define V_ST1 832
#define V_VECTOR 848
#define COPY 1024	/* of the xmm values, as they were before the auditors saw them */
#define F_RAX 1152
#define F_R10 1160
#define F_SIZE 1168	/* the frame size that auditors ask for */
#define F_X87 1176	/* how many x87 registers hold a result */
#define FRAME 1216

/* The three ways to work with vectors. With wide ones in use the old encoding of the narrow ones is slow. */
	.macro WIDE_sse from, to
	movups	\from, \to
	.endm
	.macro WIDE_avx from, to
	vmovdqu	\from, \to
	.endm
	.macro WIDE_avx512 from, to
	vmovdqu64 \from, \to
	.endm
	.macro MOVE_sse from, to
	movdqa	\from, \to
	.endm
	.macro SAME_sse mem, reg
	pcmpeqb	\mem, \reg
	.endm
	.macro BOTH_sse from, to
	pand	\from, \to
	.endm
	.macro MASK_sse from, to
	pmovmskb \from, \to
	.endm
	.irp	kind, avx, avx512
	.macro MOVE_\kind from, to
	vmovdqa	\from, \to
	.endm
	.macro SAME_\kind mem, reg
	vpcmpeqb \mem, \reg, \reg
	.endm
	.macro BOTH_\kind from, to
	vpand	\from, \to, \to
	.endm
	.macro MASK_\kind from, to
	vpmovmskb \from, \to
	.endm
	.endr

/* Register n: whole at `wide`, its low part at `narrow` and in the copy. */
	.macro KEEP kind, vector, n, wide, narrow
	WIDE_\kind %\vector\n, \wide+64*\n(%rbx)
	MOVE_\kind %xmm\n, \narrow+16*\n(%rbx)
	MOVE_\kind %xmm\n, COPY+16*\n(%rbx)
	.endm

/* Values that auditors have changed at `narrow` go to where the registers are loaded from. */
	.macro MERGE count, narrow, wide
	mov	$\count, %ecx
	lea	\narrow(%rbx), %rsi
	lea	\wide(%rbx), %rdi
1:	mov	(%rsi), %rax
	mov	8(%rsi), %rdx
	cmp	COPY-\narrow(%rsi), %rax
	jne	2f
	cmp	COPY-\narrow+8(%rsi), %rdx
	je	3f
2:	mov	%rax, (%rdi)
	mov	%rdx, 8(%rdi)
3:	add	$16, %rsi
	add	$64, %rdi
	dec	%ecx
	jnz	1b
	.endm

	.macro LOAD_INTEGERS
	mov	R_RDX(%rbx), %rdx
	mov	R_R8(%rbx), %r8
	mov	R_R9(%rbx), %r9
	mov	R_RCX(%rbx), %rcx
	mov	R_RSI(%rbx), %rsi
	mov	R_RDI(%rbx), %rdi
	mov	F_RAX(%rbx), %rax
	mov	F_R10(%rbx), %r10
	.endm

/* Out of the frame, to where only the return address is on the stack. */
	.macro TO_CALLER
	mov	-8(%rbp), %rbx
	.cfi_restore rbx
	leave
	.cfi_def_cfa rsp, 24
	.cfi_restore rbp
	add	$16, %rsp
	.cfi_adjust_cfa_offset -16
	.endm

/* On entry as ldx_plt_stub: 0(%rsp) = object, 8(%rsp) = relocation index, 16(%rsp) = return address. %rbp is the frame
 * pointer by which unwinders pass, %rbx the frame. The function is called from here only when an auditor wants to know
 * of its end; it finds a copy of the caller's stack arguments. */
	.macro STUB kind, vector
FUNCTION(ldx_audit_stub_\kind)
	.cfi_adjust_cfa_offset 16
	PUSH(%rbp)
	.cfi_rel_offset rbp, 0
	mov	%rsp, %rbp
	.cfi_def_cfa_register rbp
	push	%rbx
	.cfi_offset rbx, -40
	sub	$FRAME, %rsp
	and	$-64, %rsp
	mov	%rsp, %rbx
	mov	%rdx, R_RDX(%rbx)
	mov	%r8, R_R8(%rbx)
	mov	%r9, R_R9(%rbx)
	mov	%rcx, R_RCX(%rbx)
	mov	%rsi, R_RSI(%rbx)
	mov	%rdi, R_RDI(%rbx)
	mov	%rax, F_RAX(%rbx)
	mov	%r10, F_R10(%rbx)
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	KEEP	\kind, \vector, \n, R_VECTOR, R_XMM
	.endr
	mov	(%rbp), %rax
	lea	24(%rbp), %rcx
	mov	%rax, R_RBP(%rbx)
	mov	%rcx, R_RSP(%rbx)
	mov	8(%rbp), %rdi
	mov	16(%rbp), %rsi
	mov	%rbx, %rdx
	lea	F_SIZE(%rbx), %rcx
	call	ldx_audit_enter
	mov	%rax, %r11
	MOVE_\kind R_XMM(%rbx), %xmm0
	SAME_\kind COPY(%rbx), %xmm0
	.irp	n, 1, 2, 3, 4, 5, 6, 7
	MOVE_\kind R_XMM+16*\n(%rbx), %xmm1
	SAME_\kind COPY+16*\n(%rbx), %xmm1
	BOTH_\kind %xmm1, %xmm0
	.endr
	MASK_\kind %xmm0, %eax
	cmp	$0xffff, %eax
	je	4f
	MERGE	8, R_XMM, R_VECTOR
4:	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	WIDE_\kind R_VECTOR+64*\n(%rbx), %\vector\n
	.endr
	mov	F_SIZE(%rbx), %rcx
	test	%rcx, %rcx
	jns	5f
	LOAD_INTEGERS
	.cfi_remember_state
	TO_CALLER
	jmp	*%r11
	.cfi_restore_state
5:	add	$15, %rcx
	and	$-16, %rcx
	sub	%rcx, %rsp
	jmp	7f
6:	mov	24(%rbp, %rcx), %rax
	mov	%rax, -8(%rsp, %rcx)
	mov	16(%rbp, %rcx), %rax
	mov	%rax, -16(%rsp, %rcx)
	sub	$16, %rcx
7:	test	%rcx, %rcx
	jnz	6b
	LOAD_INTEGERS
	call	*%r11
	mov	%rax, V_RAX(%rbx)
	mov	%rdx, V_RDX(%rbx)
	KEEP	\kind, \vector, 0, V_VECTOR, V_XMM
	KEEP	\kind, \vector, 1, V_VECTOR, V_XMM
	mov	%rbx, %rsp
	call	keep_x87
	mov	8(%rbp), %rdi
	mov	16(%rbp), %rsi
	mov	%rbx, %rdx
	lea	RESULT(%rbx), %rcx
	call	ldx_audit_leave
	MERGE	2, V_XMM, V_VECTOR
	WIDE_\kind V_VECTOR(%rbx), %\vector\()0
	WIDE_\kind V_VECTOR+64(%rbx), %\vector\()1
	call	give_x87
	mov	V_RAX(%rbx), %rax
	mov	V_RDX(%rbx), %rdx
	TO_CALLER
	ret
END(ldx_audit_stub_\kind)
	.endm

	STUB	sse, xmm
	STUB	avx, ymm
	STUB	avx512, zmm

/* A function leaves at most two values on the x87 stack (psABI 3.2.3: classes X87, COMPLEX_X87). An empty register is
 * what fxam says is one: C3 = 1, C2 = 0, C0 = 1. */
	.text
	.p2align 4
	.type keep_x87, @function
keep_x87:
	.cfi_startproc
	movq	$0, F_X87(%rbx)
	fxam
	fnstsw	%ax
	and	$0x4500, %eax
	cmp	$0x4100, %eax
	je	1f
	fstpt	V_ST0(%rbx)
	incq	F_X87(%rbx)
	fxam
	fnstsw	%ax
	and	$0x4500, %eax
	cmp	$0x4100, %eax
	je	1f
	fstpt	V_ST1(%rbx)
	incq	F_X87(%rbx)
1:	ret
	END(keep_x87)

	.p2align 4
	.type give_x87, @function
give_x87:
	.cfi_startproc
	cmpq	$1, F_X87(%rbx)
	jb	1f
	je	2f
	fldt	V_ST1(%rbx)
2:	fldt	V_ST0(%rbx)
1:	ret
	END(give_x87)

	.section .note.GNU-stack,"",@progbits
