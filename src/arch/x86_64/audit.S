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

/* The three ways to work with vectors; %r11 and what no argument is passed in may be used. With wide registers in use
 * the old encoding of the narrow ones is slow. */
	.macro WIDE_sse from, to
	movups	\from, \to
	.endm
	.macro WIDE_avx from, to
	vmovdqu	\from, \to
	.endm
	.macro WIDE_avx512 from, to
	vmovdqu64 \from, \to
	.endm

/* Stores the low parts of all registers at R_XMM and COPY. */
	.macro KEEP_LOW_sse
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	movaps	%xmm\n, R_XMM+16*\n(%rbx)
	movaps	%xmm\n, COPY+16*\n(%rbx)
	.endr
	.endm
	.macro PAIR_avx low, high, at
	vinserti128 $1, %xmm\high, %ymm\low, %ymm8
	vmovdqa	%ymm8, R_XMM+16*\at(%rbx)
	vmovdqa	%ymm8, COPY+16*\at(%rbx)
	.endm
	.macro KEEP_LOW_avx
	PAIR_avx 0, 1, 0
	PAIR_avx 2, 3, 2
	PAIR_avx 4, 5, 4
	PAIR_avx 6, 7, 6
	.endm
	.macro FOUR_avx512 a, b, c, d, at, with, other
	vinserti32x4 $1, %xmm\b, %ymm\a, %ymm\with
	vinserti32x4 $1, %xmm\d, %ymm\c, %ymm\other
	vinserti64x4 $1, %ymm\other, %zmm\with, %zmm\with
	vmovdqa64 %zmm\with, R_XMM+16*\at(%rbx)
	vmovdqa64 %zmm\with, COPY+16*\at(%rbx)
	.endm
	.macro KEEP_LOW_avx512
	FOUR_avx512 0, 1, 2, 3, 0, 16, 17
	FOUR_avx512 4, 5, 6, 7, 4, 18, 19
	.endm

/* Jumps when the low parts are as they were. */
	.macro IF_SAME_sse target
	movdqa	R_XMM(%rbx), %xmm0
	pcmpeqb	COPY(%rbx), %xmm0
	.irp	n, 1, 2, 3, 4, 5, 6, 7
	movdqa	R_XMM+16*\n(%rbx), %xmm1
	pcmpeqb	COPY+16*\n(%rbx), %xmm1
	pand	%xmm1, %xmm0
	.endr
	pmovmskb %xmm0, %eax
	cmp	$0xffff, %eax
	je	\target
	.endm
	.macro IF_SAME_avx target
	vmovdqa	R_XMM(%rbx), %ymm0
	vmovdqa	R_XMM+32(%rbx), %ymm1
	vmovdqa	R_XMM+64(%rbx), %ymm2
	vmovdqa	R_XMM+96(%rbx), %ymm3
	vpxor	COPY(%rbx), %ymm0, %ymm0
	vpxor	COPY+32(%rbx), %ymm1, %ymm1
	vpxor	COPY+64(%rbx), %ymm2, %ymm2
	vpxor	COPY+96(%rbx), %ymm3, %ymm3
	vpor	%ymm0, %ymm1, %ymm0
	vpor	%ymm2, %ymm3, %ymm2
	vpor	%ymm0, %ymm2, %ymm0
	vptest	%ymm0, %ymm0
	je	\target
	.endm
	.macro IF_SAME_avx512 target
	vmovdqa64 R_XMM(%rbx), %zmm0
	vmovdqa64 R_XMM+64(%rbx), %zmm1
	vpxorq	COPY(%rbx), %zmm0, %zmm0
	vpxorq	COPY+64(%rbx), %zmm1, %zmm1
	vporq	%zmm0, %zmm1, %zmm0
	vptestmq %zmm0, %zmm0, %k1
	kmovw	%k1, %eax
	test	%eax, %eax
	je	\target
	.endm

/* Result register n. */
	.macro KEEP_RESULT kind, vector, n
	WIDE_\kind %\vector\n, V_VECTOR+64*\n(%rbx)
	WIDE_\kind\()_LOW %xmm\n, V_XMM+16*\n(%rbx)
	WIDE_\kind\()_LOW %xmm\n, COPY+16*\n(%rbx)
	.endm
	.macro WIDE_sse_LOW from, to
	movaps	\from, \to
	.endm
	.macro WIDE_avx_LOW from, to
	vmovdqa	\from, \to
	.endm
	.macro WIDE_avx512_LOW from, to
	vmovdqa	\from, \to
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
	WIDE_\kind %\vector\n, R_VECTOR+64*\n(%rbx)
	.endr
	KEEP_LOW_\kind
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
	IF_SAME_\kind 4f
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
	KEEP_RESULT \kind, \vector, 0
	KEEP_RESULT \kind, \vector, 1
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
