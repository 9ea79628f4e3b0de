/* What libc asks its loader for by itself: plug-ins, with and without success, and where an address belongs. */
#include <dlfcn.h>
#include <execinfo.h>
#include <iconv.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

void __libc_freeres(void);

static void plug_ins(void) {
  char in[] = "\xc1\xc2", out[20], *from = in, *to = out;
  size_t left = 2, room = sizeof out;
  iconv_t c = iconv_open("UTF-16LE", "KOI8-R");
  long converted = c == (iconv_t)-1 ? -1 : (long)iconv(c, &from, &left, &to, &room);
  printf("iconv %ld, %zu bytes, unknown %d\n", converted, sizeof out - room,
         iconv_open("NO-SUCH-SET", "UTF-8") == (iconv_t)-1);
  const struct passwd *p = getpwnam("nobody");
  printf("nobody %s\n", p ? p->pw_dir : "?");
  struct addrinfo *found = NULL;
  printf("localhost %d\n", getaddrinfo("127.0.0.1", "80", NULL, &found));
}

static void addresses(void) {
  void *at[] = {(char *)getauxval(AT_SYSINFO_EHDR) + 0x800, (void *)addresses, (void *)getpwnam};
  char **text = backtrace_symbols(at, 3);
  for (int i = 0; text && i < 3; i++) {
    const char *base = strrchr(text[i], '/');
    printf("%.8s\n", base ? base : text[i]);
  }
  char *p = malloc(100);
  printf("heap %d\n", p < (char *)sbrk(0) && p > (char *)sbrk(0) - (1 << 24));
}

static void libraries(void) {
  void *none = dlopen("libnone.so", RTLD_NOW);
  printf("%p %s\n", none, dlerror());
  void *m = dlopen("libm.so.6", RTLD_LAZY);
  const void *missing = dlsym(m, "no_such_function");
  const char *error = dlerror();
  printf("%p %s\n", missing, error ? strrchr(error, ':') : "?");
  double (*power)(double, double);
  *(void **)&power = dlsym(m, "pow");
  printf("pow %g\n", power(2, 10));
}

int main(void) {
  plug_ins();
  addresses();
  libraries();
  fflush(stdout);
  __libc_freeres(); /* memory checkers call it: it walks the loader's objects */
  _exit(0);
}
