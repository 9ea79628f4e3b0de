/* Calls functions of every shape, and tells what they return: an auditor that changes nothing must not be seen. */
#include "abi.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static jmp_buf place;
static int leaves(int a) { longjmp(place, a); }
static int (*pointer)(int) = abi_int; /* a word in .data */

__attribute__((target("avx"), noinline)) static void wide(void) {
  __m256 v = abi_ymm(_mm256_set_ps(1, 2, 3, 4, 5, 6, 7, 8), _mm256_set1_ps(0.5f));
  float f[8];
  memcpy(f, &v, sizeof f);
  printf("ymm %g %g %g %g\n", f[0], f[3], f[4], f[7]);
}

__attribute__((target("avx512f"), noinline)) static void widest(void) {
  __m512 v = abi_zmm(_mm512_set_ps(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16), _mm512_set1_ps(3));
  float f[16];
  memcpy(f, &v, sizeof f);
  printf("zmm %g %g %g %g\n", f[0], f[5], f[10], f[15]);
}

static void vectors(void) {
  if (__builtin_cpu_supports("avx"))
    wide();
  if (__builtin_cpu_supports("avx512f"))
    widest();
}

static void structures(void) {
  struct pair p = abi_pair(7);
  struct mixed m = abi_mixed(8, 1.5);
  struct doubles d = abi_struct_doubles(2.5);
  struct big b = abi_big(2, (struct big){{1, 2, 3, 4, 5, 6, 7, 8}}, 3);
  printf("pair %ld %ld mixed %ld %g doubles %g %g big %ld %ld\n", p.a, p.b, m.a, m.b, d.a, d.b, b.a[0], b.a[7]);
}

/* Values stay on the x87 stack over calls that leave nothing there. */
static void x87(void) {
  long double sum = 0;
  for (int i = 1; i < 40; i++)
    sum += abi_long_double(i, 4) + abi_int(i);
  _Complex long double c = abi_complex(3.0L + 4.0Li);
  printf("long double %Lg complex %Lg %Lg\n", sum, creall(c), cimagl(c));
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  printf("int %d pointer %d choice %d\n", abi_int(41), pointer(1), abi_choice(1));
  printf("nine %ld\n", abi_nine(1, 2, 3, 4, 5, 6, 7, 8, 9));
  printf("double %g doubles %g\n", abi_double(1.5, 4), abi_doubles(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
  printf("varargs %g\n", abi_varargs(10, 1, 2.5, 3, 4.5, 5, 6.5, 7, 8.5, 9, 10.5));
  structures();
  x87();
  vectors();
  int back = setjmp(place);
  if (!back)
    abi_callback(leaves, 5);
  printf("longjmp %d\n", back);
  pid_t child = vfork();
  if (!child)
    _exit(3);
  int status;
  waitpid(child, &status, 0);
  printf("vfork %d\n", WEXITSTATUS(status));
  return 0;
}
