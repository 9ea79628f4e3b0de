/* A program without a fault, of what tools without knowledge of the libraries take for faults: string functions that
 * read whole words, memory that libc gives back at its end, libraries that come and go. */
#include <dlfcn.h>
#include <iconv.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Every function on heap strings of every length: each ends at another place of its last word. */
static size_t use_strings(size_t longest) {
  size_t sum = 0;
  for (size_t n = 1; n <= longest; n++) {
    char *a = malloc(n + 1), *b = malloc(n + 1);
    memset(a, 'x', n);
    a[n] = 0;
    strcpy(b, a);
    sum += strlen(a) + (size_t)(strchr(a, 0) - a) + (strrchr(b, 'y') == NULL) + strnlen(a, 2 * n);
    sum += (size_t)(strcmp(a, b) + strncmp(a, b, n + 9) + strcasecmp(a, b) + memcmp(a, b, n));
    sum += (size_t)((char *)memchr(a, 'x', n) - a) + strspn(a, "xyz") + (strstr(a, "xx") != NULL);
    sum += (size_t)(stpcpy(b, a) - b) + strcspn(b, "z");
    free(a);
    free(b);
  }
  return sum;
}

static void sort_words(void) {
  char *words[40];
  for (int i = 0; i < 40; i++)
    if (asprintf(&words[i], "word %d", i * 7919 % 40) < 0)
      abort();
  qsort(words, 40, sizeof *words, by_text);
  printf("%s ... %s\n", words[0], words[39]);
  for (int i = 0; i < 40; i++)
    free(words[i]);
}

static void convert(void) {
  iconv_t c = iconv_open("UTF-8", "IBM037"); /* a library that libc opens by itself */
  char in[] = "\xc8\x85\x93\x93\x96", out[16] = "", *from = in, *to = out;
  size_t left = sizeof in - 1, room = sizeof out - 1;
  if (c == (iconv_t)-1)
    abort();
  iconv(c, &from, &left, &to, &room);
  iconv_close(c);
  wchar_t wide[16];
  printf("%s %zu\n", out, mbstowcs(wide, out, 16));
}

static int use_plugin(void) {
  int sum = 0;
  for (int i = 0; i < 3; i++) {
    void *h = dlopen("libplugin.so", i & 1 ? RTLD_LAZY : RTLD_NOW);
    int (*use)(const char *) = h ? (int (*)(const char *))dlsym(h, "plugin_use") : NULL;
    if (!use)
      abort();
    sum += use("text");
    dlclose(h);
  }
  if (dlopen("libnone.so", RTLD_NOW) || !strstr(dlerror(), "libnone.so"))
    abort();
  return sum;
}

int main(void) {
  setlocale(LC_ALL, "C.UTF-8");
  printf("%zu\n", use_strings(80));
  sort_words();
  convert();
  printf("%d\n", use_plugin());
  void *p = NULL;
  if (posix_memalign(&p, 256, 1000) || (size_t)p % 256)
    abort();
  p = realloc(p, 5000);
  free(p);
  return 0;
}
