/* Does what its arguments say: open=NAME, new=NAME (dlmopen), where=SYMBOL, ask=SYMBOL, tls, stack. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef BIG
static __thread char before[12345] = "first";
static __thread _Alignas(64) long many[1000] = {5};
#endif
#ifdef ANSWER
int answer(void);
static int (*table)(void) = answer;
#endif

#ifdef CHOICE
int chosen(void);
int inside(void);
static int (*pointer)(void) = chosen;
#endif

static void *handle;

static void where(const char *symbol) {
  Dl_info i;
  void *at = dlsym(handle ? handle : RTLD_DEFAULT, symbol);
  printf("%s in %s\n", symbol, at && dladdr(at, &i) ? i.dli_fname : "-");
}

static void open_it(const char *name, long ns) {
  handle = ns ? dlmopen(ns, name, RTLD_NOW) : dlopen(name, RTLD_NOW);
  printf("open %s: %s\n", name, handle ? "yes" : dlerror());
}

static void *in_thread(void *arg) {
#ifdef BIG
  printf("tls %s %ld %d\n", before, many[0]++, (int)((long)many % 64));
#endif
  int (*f)(void) = (int (*)(void))dlsym(handle ? handle : RTLD_DEFAULT, "local_value");
  if (f) {
    int first = f(), second = f();
    printf("library's tls %d %d\n", first, second);
  }
  return arg;
}

static void tls(void) {
  pthread_t t;
  in_thread(NULL);
  pthread_create(&t, NULL, in_thread, NULL);
  pthread_join(t, NULL);
}

static void stack(void) {
  char line[512];
  FILE *f = fopen("/proc/self/maps", "r");
  while (f && fgets(line, sizeof line, f))
    if (strstr(line, "[stack]"))
      printf("stack %.4s\n", strchr(line, ' ') + 1);
}

static __attribute__((constructor)) void begin(void) {
  printf("init main\n");
  fflush(stdout);
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    char *x = strchr(argv[i], '=');
    if (x)
      *x++ = '\0';
    if (!strcmp(argv[i], "open"))
      open_it(x, 0);
    else if (!strcmp(argv[i], "new"))
      open_it(x, LM_ID_NEWLM);
    else if (!strcmp(argv[i], "where"))
      where(x);
    else if (!strcmp(argv[i], "ask")) {
      int (*f)(void) = (int (*)(void))dlsym(handle ? handle : RTLD_DEFAULT, x);
      printf("%s() = %d\n", x, f ? f() : -1);
    } else if (!strcmp(argv[i], "tls"))
      tls();
    else if (!strcmp(argv[i], "stack"))
      stack();
    else if (!strcmp(argv[i], "close"))
      printf("close %d\n", dlclose(handle));
#ifdef CHOICE
    else if (!strcmp(argv[i], "choice"))
      printf("choice %d %d %d\n", chosen(), pointer(), inside());
#endif
#ifdef ANSWER
    else if (!strcmp(argv[i], "answer"))
      printf("answers %d %d\n", answer(), table());
#endif
    fflush(stdout);
  }
  puts("main");
  return 0;
}
