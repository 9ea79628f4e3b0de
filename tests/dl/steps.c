// Opens, closes and asks, one step an argument:
//   +[MODES]NAME  open (modes by letters: NOW, GLOBAL, K for NODELETE, DEEPBIND, L for NOLOAD; else LAZY)
//   -NAME         close the newest handle of that name    =NAME  is it loaded?         ?SYMBOL  call it, by
//   RTLD_DEFAULT NAME:SYMBOL   call it, by the newest handle           @      list what is loaded   !        exit
//   here $NAME=VALUE   setenv                                  &...   the step in a thread  *...     the step in a
//   child
#include "tell.h"
#include <pthread.h>

static struct {
  const char *name;
  void *handle;
} opened[100];
static int count;
static Lmid_t target = LM_ID_BASE;

static void *newest(const char *name, size_t length) {
  for (int i = count; i-- > 0;)
    if (opened[i].handle && strlen(opened[i].name) == length && memcmp(opened[i].name, name, length) == 0)
      return opened[i].handle;
  tell("no handle of %.*s\n", (int)length, name);
  return NULL;
}

static void do_open(const char *name) {
  static const char letters[] = "NGKDL";
  static const int bits[] = {RTLD_NOW, RTLD_GLOBAL, RTLD_NODELETE, RTLD_DEEPBIND, RTLD_NOLOAD};
  int mode = 0;
  tell("%s:", name);
  for (const char *at; *name && (at = strchr(letters, *name)); name++)
    mode |= bits[at - letters];
  name = strcmp(name, "-") == 0 ? NULL : name;
  mode |= mode & RTLD_NOW ? 0 : RTLD_LAZY;
  void *handle = target == LM_ID_BASE ? dlopen(name, mode) : dlmopen(target, name, mode);
  tell(" %s\n", handle ? "ok" : why());
  opened[count].name = name ? name : "-";
  opened[count++].handle = handle;
}

static void do_close(const char *name) {
  void *handle = newest(name, strlen(name));
  if (!handle)
    return;
  tell("close %s:", name);
  int result = dlclose(handle);
  tell(" %d %s\n", result, result ? why() : "");
  for (int i = count; i-- > 0;)
    if (opened[i].handle == handle && strcmp(opened[i].name, name) == 0) {
      opened[i].handle = NULL;
      break;
    }
}

static void do_call(void *handle, const char *symbol) {
  const char *(*f)(void) = (const char *(*)(void))dlsym(handle, symbol);
  tell("%s: %s\n", symbol, f ? f() : why());
}

static void do_call_of(const char *name, const char *colon) {
  void *handle = newest(name, colon - name);
  if (handle)
    do_call(handle, colon + 1);
}

static void step(const char *word);

static void *step_in_thread(void *word) {
  step(word);
  return NULL;
}

static void do_namespace(const char *name) {
  target = LM_ID_NEWLM;
  do_open(name);
  if (!opened[count - 1].handle || dlinfo(opened[count - 1].handle, RTLD_DI_LMID, &target) != 0)
    exit(91);
}

static void do_thread(const char *word) {
  pthread_t thread;
  pthread_create(&thread, NULL, step_in_thread, (void *)word);
  pthread_join(thread, NULL);
}

static void do_environment(const char *word) {
  char name[100];
  const char *value = strchr(word, '=');
  snprintf(name, sizeof name, "%.*s", (int)(value - word), word);
  setenv(name, value + 1, 1);
}

static void step(const char *word) {
  const char *colon = strchr(word, ':');
  if (*word == '+')
    do_open(word + 1);
  else if (*word == '-')
    do_close(word + 1);
  else if (*word == '=') {
    void *handle = dlopen(word + 1, RTLD_LAZY | RTLD_NOLOAD);
    tell("%s: %s\n", word + 1, handle ? "loaded" : "not loaded");
    if (handle)
      dlclose(handle);
  } else if (*word == '?')
    do_call(RTLD_DEFAULT, word + 1);
  else if (*word == '@')
    tell_loaded("loaded");
  else if (*word == '!')
    exit(3);
  else if (*word == '%')
    do_namespace(word + 1);
  else if (*word == '$')
    do_environment(word + 1);
  else if (*word == '&')
    do_thread(word + 1);
  else if (*word == '*')
    IN_CHILD(step(word + 1));
  else if (colon)
    do_call_of(word, colon);
  else
    exit(92);
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    step(argv[i]);
  tell("exit:\n");
}
