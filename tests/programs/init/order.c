// A library (or, with -DPROGRAM, a program) that tells each of its initialisers and finalisers as they run.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define SELF TEXT(ME)

// write(2), so that the order holds whatever state stdio is in.
static void tell(const char *what) {
  char line[100];
  int size = snprintf(line, sizeof line, "%s %s\n", SELF, what);
  write(1, line, size);
}
static void tell_arguments(const char *what, int argc, char **argv, char **envp) {
  char line[300];
  snprintf(line, sizeof line, "%s: %d %s %s, environ %d", what, argc, argv[0], argc > 1 ? argv[1] : "-",
           envp == environ);
  tell(line);
}
__attribute__((constructor)) static void made(int argc, char **argv, char **envp) {
  tell_arguments("constructor", argc, argv, envp);
}
__attribute__((destructor)) static void gone(void) { tell("destructor"); }
#ifdef FULL
__attribute__((constructor(101))) static void made_first(void) { tell("constructor 101"); }
__attribute__((constructor(65000))) static void made_late(void) { tell("constructor 65000"); }
__attribute__((destructor(101))) static void gone_last(void) { tell("destructor 101"); }
__attribute__((destructor(65000))) static void gone_early(void) { tell("destructor 65000"); }
static void at_exit(void) { tell("atexit"); }
__attribute__((constructor(200))) static void register_exit(void) { atexit(at_exit); }
#endif
#ifdef OLD_STYLE
void old_init(int argc, char **argv, char **envp) { tell_arguments("DT_INIT", argc, argv, envp); }
void old_fini(void) { tell("DT_FINI"); }
#endif
#ifdef PROGRAM
static void on_exit_call(int status, void *unused) { tell(status == 9 ? "on_exit 9" : "on_exit"); }
static void before_all(int argc, char **argv, char **envp) { tell_arguments("preinit", argc, argv, envp); }
static void before_all_2(int argc, char **argv, char **envp) { tell("preinit 2"); }
__attribute__((section(".preinit_array"), used)) static void *preinit[] = {before_all, before_all_2};
int main(int argc, char **argv) {
  tell("main");
#ifdef FULL
  atexit(at_exit), on_exit(on_exit_call, NULL);
#endif
#ifdef OPENS
  extern int run_script(int, char **);
  run_script(argc, argv);
#endif
  return 9;
}
#endif
