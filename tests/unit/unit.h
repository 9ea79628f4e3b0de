/* What every unit test needs of cmocka, and the tests' hold on the functions that the CPU folder would supply. */
#ifndef LDX_TESTS_UNIT_H
#define LDX_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CASE(function) cmocka_unit_test(function)
#define RUN(tests) cmocka_run_group_tests(tests, NULL, NULL)

/* Called for every system call of the code under test. What it returns is the call's result, unless that is
 * STUB_PASS: then the kernel is asked. */
#define STUB_PASS (-1000000L)
typedef long stub_hook(long nr, long a, long b, long c);

/* Sets the hook; NULL for none. */
void stub_on_syscall(stub_hook *hook);

#endif
