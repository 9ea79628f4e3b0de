/* jit_sum and jit_twice by libgccjit, with line numbers of `sums.src`. */
#include "compilers.h"

#include <libgccjit.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static gcc_jit_location *line(gcc_jit_context *c, int n) { return gcc_jit_context_new_location(c, "sums.src", n, 1); }

/* 1 sum(n) 2 total = 0 3 i = 1 4 while i <= n 5 total += i 6 i += 1 7 return total */
static void make_sum(gcc_jit_context *c, gcc_jit_type *t) {
  gcc_jit_param *n = gcc_jit_context_new_param(c, line(c, 1), t, "n");
  gcc_jit_function *f =
      gcc_jit_context_new_function(c, line(c, 1), GCC_JIT_FUNCTION_EXPORTED, t, "jit_sum", 1, &n, 0);
  gcc_jit_block *first = gcc_jit_function_new_block(f, "first"), *test = gcc_jit_function_new_block(f, "test"),
                *body = gcc_jit_function_new_block(f, "body"), *last = gcc_jit_function_new_block(f, "last");
  gcc_jit_lvalue *total = gcc_jit_function_new_local(f, line(c, 2), t, "total"),
                 *i = gcc_jit_function_new_local(f, line(c, 3), t, "i");
  gcc_jit_rvalue *one = gcc_jit_context_one(c, t);
  gcc_jit_block_add_assignment(first, line(c, 2), total, gcc_jit_context_zero(c, t));
  gcc_jit_block_add_assignment(first, line(c, 3), i, one);
  gcc_jit_block_end_with_jump(first, line(c, 4), test);
  gcc_jit_rvalue *more = gcc_jit_context_new_comparison(c, line(c, 4), GCC_JIT_COMPARISON_LE,
                                                        gcc_jit_lvalue_as_rvalue(i), gcc_jit_param_as_rvalue(n));
  gcc_jit_block_end_with_conditional(test, line(c, 4), more, body, last);
  gcc_jit_block_add_assignment_op(body, line(c, 5), total, GCC_JIT_BINARY_OP_PLUS, gcc_jit_lvalue_as_rvalue(i));
  gcc_jit_block_add_assignment_op(body, line(c, 6), i, GCC_JIT_BINARY_OP_PLUS, one);
  gcc_jit_block_end_with_jump(body, line(c, 6), test);
  gcc_jit_block_end_with_return(last, line(c, 7), gcc_jit_lvalue_as_rvalue(total));
}

/* 11 twice(f, x) 12 x = f(x) 13 return f(x) */
static void make_twice(gcc_jit_context *c, gcc_jit_type *t) {
  gcc_jit_type *pointer = gcc_jit_context_new_function_ptr_type(c, NULL, t, 1, &t, 0);
  gcc_jit_param *p[] = {gcc_jit_context_new_param(c, line(c, 11), pointer, "f"),
                        gcc_jit_context_new_param(c, line(c, 11), t, "x")};
  gcc_jit_function *twice =
      gcc_jit_context_new_function(c, line(c, 11), GCC_JIT_FUNCTION_EXPORTED, t, "jit_twice", 2, p, 0);
  gcc_jit_block *b = gcc_jit_function_new_block(twice, "all");
  gcc_jit_rvalue *f = gcc_jit_param_as_rvalue(p[0]), *x = gcc_jit_param_as_rvalue(p[1]);
  gcc_jit_block_add_assignment(b, line(c, 12), gcc_jit_param_as_lvalue(p[1]),
                               gcc_jit_context_new_call_through_ptr(c, line(c, 12), f, 1, &x));
  gcc_jit_block_end_with_return(b, line(c, 13), gcc_jit_context_new_call_through_ptr(c, line(c, 13), f, 1, &x));
}

static char *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  struct stat st;
  char *bytes = file && !fstat(fileno(file), &st) ? malloc((size_t)st.st_size) : NULL;
  *size = bytes ? fread(bytes, 1, (size_t)st.st_size, file) : 0;
  if (file)
    fclose(file);
  return bytes;
}

char *compile_with_gccjit(size_t *size) {
  char path[] = "/tmp/object-XXXXXX";
  int fd = mkstemp(path);
  gcc_jit_context *c = gcc_jit_context_acquire();
  gcc_jit_type *t = gcc_jit_context_get_type(c, GCC_JIT_TYPE_INT);
  gcc_jit_context_set_bool_option(c, GCC_JIT_BOOL_OPTION_DEBUGINFO, 1);
  make_sum(c, t);
  make_twice(c, t);
  gcc_jit_context_compile_to_file(c, GCC_JIT_OUTPUT_KIND_OBJECT_FILE, path);
  const char *error = gcc_jit_context_get_first_error(c);
  if (error)
    fprintf(stderr, "libgccjit: %s\n", error);
  char *bytes = read_file(path, size);
  gcc_jit_context_release(c);
  close(fd);
  unlink(path);
  return bytes;
}
