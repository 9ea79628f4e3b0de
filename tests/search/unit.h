/* cmocka and what it needs. */
#ifndef LDX_TESTS_SEARCH_UNIT_H
#define LDX_TESTS_SEARCH_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#endif
