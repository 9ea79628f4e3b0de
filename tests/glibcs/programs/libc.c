// One facet of libc after the other, each of which leans on the loader in its own way.
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <execinfo.h>
#include <gnu/libc-version.h>
#include <iconv.h>
#include <langinfo.h>
#include <locale.h>
#include <malloc.h>
#include <math.h>
#include <netdb.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

static void convert(const char *to) {
  char text[] = "gr\303\274n \342\202\254", out[64], *from = text, *end = out;
  size_t left = strlen(text), room = sizeof out;
  iconv_t cd = iconv_open(to, "UTF-8");
  if (cd == (iconv_t)-1) {
    printf("%s: %m\n", to);
    return;
  }
  size_t r = iconv(cd, &from, &left, &end, &room);
  printf("%s: %zd", to, r);
  for (char *p = out; p < end; p++)
    printf(" %02x", (unsigned char)*p);
  printf("\n");
  iconv_close(cd);
}

static void conversions(void) {
  const char *sets[] = {"UTF-16",           "ISO-8859-15", "CP1252", "EUC-JP//TRANSLIT",
                        "KOI8-R//TRANSLIT", "UTF-7",       "NOWHERE"};
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
    convert(sets[i]);
}

static void names(void) {
  struct passwd *p = getpwnam("root");
  struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *found = NULL;
  printf("root %s\n", p ? p->pw_name : "unknown");
  printf("nobody's number %d\n", getpwuid(4000000) == NULL);
  printf("numeric host %d\n", getaddrinfo("127.0.0.1", "80", &hints, &found));
  if (found)
    freeaddrinfo(found);
  hints.ai_flags = 0;
  int r = getaddrinfo("localhost", NULL, &hints, &found);
  printf("localhost %s\n", r ? gai_strerror(r) : "found");
  if (!r)
    freeaddrinfo(found);
  printf("service %s\n", getservbyname("no-such-service", "tcp") ? "known" : "unknown");
}

static void locales(void) {
  const char *set = setlocale(LC_ALL, "");
  printf("locale %s, %s\n", set ? set : "none", nl_langinfo(CODESET));
  wchar_t wide[8];
  size_t n = mbstowcs(wide, "\303\244\342\202\254", 8);
  printf("wide %zd, upper %lx\n", n, n == 2 ? (long)towupper_l(wide[0], newlocale(LC_ALL_MASK, "C.UTF-8", NULL)) : 0);
  printf("%ls|%'d|%s\n", n == 2 ? wide : L"?", 1234567, strerror(ENOENT));
}

static void numbers(void) {
  char text[64];
  volatile double third = 1.0 / 3, two = 2;
  int written = 0;
  snprintf(text, sizeof text, "%d%n", 1234, &written);
  printf("%a %La %.3e %g %s %d\n", third, (long double)third, third, 1e100, text, written);
  printf("%a %a %a\n", strtod("0x1.8p3", NULL), pow(two, 0.5), exp(two));
  printf("%a %a %a %a\n", sin(two), atan2(two, third), fma(two, two, third), log2(two));
}

static int handled;
static sigjmp_buf again;
static void handle(int s) {
  (void)s;
  handled++;
  siglongjmp(again, 1);
}

static void signals(void) {
  signal(SIGSEGV, handle);
  if (!sigsetjmp(again, 1))
    *(volatile int *)8 = 1;
  if (!sigsetjmp(again, 1))
    raise(SIGSEGV);
  printf("handled %d\n", handled);
#ifdef _SC_MINSIGSTKSZ
  printf("stack %ld\n", sysconf(_SC_MINSIGSTKSZ));
#endif
}

static void children(void) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    free(malloc(100000));
    printf("child of %d\n", getppid() > 0);
    fflush(stdout);
    _exit(3);
  }
  int status;
  waitpid(child, &status, 0);
  printf("child left with %d\n", WEXITSTATUS(status));
}

static __attribute__((noinline)) void frames(void) {
  void *at[50];
  int n = backtrace(at, 50);
  char **texts = backtrace_symbols(at, n);
  printf("frames %d, named %d\n", n >= 3, texts && strstr(texts[0], "libc-facets") != NULL);
  free(texts);
}

static void kernel(void) {
  struct timespec a, b, c;
  unsigned char random[64];
  int zeros = 0;
  clock_gettime(CLOCK_MONOTONIC, &a);
  clock_gettime(CLOCK_MONOTONIC, &b);
  clock_getres(CLOCK_REALTIME, &c);
  printf("time %d, resolution %ld\n", b.tv_sec > a.tv_sec || b.tv_nsec >= a.tv_nsec, c.tv_nsec);
  for (int i = 0; i < 200; i++)
    if (getrandom(random, sizeof random, 0) != sizeof random)
      return;
  for (int i = 0; i < 64; i++)
    zeros += !random[i];
  printf("random %d, page %lu, secure %lu\n", zeros < 20, getauxval(AT_PAGESZ), getauxval(AT_SECURE));
  printf("hwcap %d, platform %s\n", getauxval(AT_HWCAP) != 0, (char *)getauxval(AT_PLATFORM));
}

static void memory(void) {
  void *blocks[100];
  for (int i = 0; i < 100; i++)
    blocks[i] = malloc(((size_t)i * 7919) % 200000 + 1);
  unsigned char *first = malloc(5000); // too large for the cache, which hands out what was freed as it is
  const char *tunables = getenv("GLIBC_TUNABLES");
  if (tunables && strstr(tunables, "perturb"))
    printf("fresh %02x\n", first[2000]);
  printf("aligned %d\n", (size_t)aligned_alloc(4096, 8192) % 4096 == 0);
  for (int i = 0; i < 100; i++)
    free(blocks[i]);
  printf("trimmed %d\n", malloc_trim(0) >= 0);
}

static void last(void) { printf("last\n"); }

int main(int argc, char **argv) {
  (void)argc, (void)argv;
  atexit(last);
  printf("glibc %s\n", gnu_get_libc_version());
  conversions();
  names();
  locales();
  numbers();
  signals();
  children();
  frames();
  kernel();
  memory();
  return 5;
}
