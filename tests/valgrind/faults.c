/* faults NAME: one fault, in a function of its own. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile int sink;

static void write_past_end(void) {
  char *p = malloc(10);
  p[10] = 1;
  free(p);
}

static void read_before_start(void) {
  int *p = malloc(40);
  memset(p, 0, 40);
  sink = p[-1];
  free(p);
}

static void use_freed(void) {
  char *p = strdup("gone");
  free(p);
  sink = (int)strlen(p);
}

static void branch_on_nothing(void) {
  int *p = malloc(sizeof *p);
  sink = *p > 7 ? 1 : 2;
  free(p);
}

static void tell_nothing(void) { /* a system call that reads what was never written */
  char *p = malloc(16);
  FILE *f = fopen("/dev/null", "w");
  setvbuf(f, NULL, _IONBF, 0);
  fwrite(p, 1, 16, f);
  fclose(f);
  free(p);
}

struct node {
  struct node *next;
  char text[20];
};

static struct node *make_list(int length) {
  struct node *n = NULL;
  while (length--) {
    struct node *fresh = malloc(sizeof *fresh);
    fresh->next = n;
    n = fresh;
  }
  return n;
}

static struct node *reachable;

static void lose_list(void) {
  reachable = make_list(2);
  sink = make_list(5) != NULL;
  struct node *volatile lost = make_list(1);
  lost = NULL;
  sink += lost != NULL;
}

static void copy_onto_itself(void) {
  char *p = calloc(1, 64);
  memset(p, 'x', 20);
  strcpy(p, p + 4);
  free(p);
}

static void call_plugin(const char *function) {
  void *h = dlopen("libplugin.so", RTLD_NOW);
  void (*f)(void) = h ? (void (*)(void))dlsym(h, function) : NULL;
  if (!f)
    abort();
  f();
  dlclose(h);
}

static void free_twice_in_plugin(void) { call_plugin("plugin_free_twice"); }
static void read_in_plugin(void) { call_plugin("plugin_read_past_end"); }

static void lose_in_constructor(void) {
  setenv("LEAK_IN_CONSTRUCTOR", "1", 1);
  sink = dlopen("libplugin.so", RTLD_NOW) != NULL;
}

static const struct {
  const char *name;
  void (*commit)(void);
} faults[] = {
    {"write", write_past_end},
    {"read", read_before_start},
    {"freed", use_freed},
    {"branch", branch_on_nothing},
    {"syscall", tell_nothing},
    {"leak", lose_list},
    {"overlap", copy_onto_itself},
    {"plugin-free", free_twice_in_plugin},
    {"plugin-read", read_in_plugin},
    {"plugin-leak", lose_in_constructor},
};

int main(int argc, char **argv) {
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
    if (argc > 1 && !strcmp(argv[1], faults[i].name)) {
      faults[i].commit();
      return 0;
    }
  return 2;
}
