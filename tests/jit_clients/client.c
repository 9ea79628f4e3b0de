/* client tcc|gccjit [again]: compiles two functions into an object made at run time, which a library calls by name.
 */
#include <dlfcn.h>
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caller.h"
#include "compile.h"
#include "compilers.h"
#include "object.h"

static const char source[] = "int jit_sum(int n) {\n"
                             "  int total = 0;\n"
                             "  int i;\n"
                             "  for (i = 1; i <= n; i++)\n"
                             "    total += i;\n"
                             "  return total;\n"
                             "}\n"
                             "int jit_twice(int (*f)(int), int x) {\n"
                             "  x = f(x);\n"
                             "  return f(x);\n"
                             "}\n";

static void report(int r, const char *what) {
  if (r) {
    fprintf(stderr, "%s: %s\n", what, r < 0 ? strerror(-r) : "failed");
    exit(1);
  }
}

static char *compile(const char *compiler, size_t *size) {
  char *bytes = NULL;
  if (!strcmp(compiler, "gccjit"))
    return compile_with_gccjit(size);
  return compile_with_tcc(source, "sums.src", &bytes, size) ? NULL : bytes;
}

__attribute__((noinline)) int add_one(int x) {
  void *frames[32];
  Dl_info info;
  int n = backtrace(frames, 32);
  for (int i = 0; i < n; i++)
    if (dladdr(frames[i], &info) && info.dli_sname && !strncmp(info.dli_sname, "jit_", 4))
      printf("called from %s\n", info.dli_sname);
  return x + 1;
}

static void show(void *handle, const char *name) {
  Dl_info info;
  void *at = dlsym(handle, name);
  printf("%s: %s, by everybody %s\n", name, at && dladdr(at, &info) && info.dli_sname ? info.dli_sname : "not found",
         at && at == dlsym(RTLD_DEFAULT, name) ? "the same" : "another");
}

int main(int argc, char **argv) {
  const char *compiler = argc > 1 ? argv[1] : "tcc";
  char error[256];
  size_t size;
  ldx_jit *jit;
  report(ldx_jit_new("libcompiled.so", LDX_JIT_GLOBAL, NULL, &jit), "ldx_jit_new");
  char *bytes = compile(compiler, &size);
  if (!bytes ||
      jit_add_object(jit, bytes, size, strcmp(compiler, "tcc") ? 0 : JIT_FRAME_POINTERS, error, sizeof error)) {
    fprintf(stderr, "%s: %s\n", compiler, bytes ? error : "no object file");
    return 1;
  }
  free(bytes);
  report(ldx_jit_publish(jit), "ldx_jit_publish");
  show(jit, "jit_sum");
  show(jit, "jit_twice");
  printf("sum %d\n", call_sum(10));
  printf("twice %d\n", call_twice(add_one, 5));
  report(ldx_jit_delete(jit), "ldx_jit_delete");
  puts("done");
  return 0;
}
