/* A library to preload: tells when it comes and goes, and stands before functions of libc, next to others that do so.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

static void say(const char *text) {
  if (write(2, text, __builtin_strlen(text)) < 0)
    abort();
}

__attribute__((constructor)) static void come(void) { say("come " TEXT(NAME) "\n"); }
__attribute__((destructor)) static void go(void) { say("go " TEXT(NAME) "\n"); }
__attribute__((constructor(200))) static void come_early(void) { say("come early " TEXT(NAME) "\n"); }
__attribute__((destructor(200))) static void go_late(void) { say("go late " TEXT(NAME) "\n"); }

int puts(const char *text) {
  char copy[200]; /* dlerror's text lives until the next call of a dl function */
  snprintf(copy, sizeof copy, "%s", text);
  int (*next)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "puts");
  printf("<" TEXT(NAME) ">");
  return next(copy);
}

time_t time(time_t *t) {
  time_t (*next)(time_t *) = (time_t(*)(time_t *))dlsym(RTLD_NEXT, "time");
  say("time " TEXT(NAME) "\n");
  return next(t);
}

uid_t geteuid(void) {
  uid_t (*next)(void) = (uid_t(*)(void))dlsym(RTLD_NEXT, "geteuid");
  say("geteuid " TEXT(NAME) "\n");
  return next();
}
