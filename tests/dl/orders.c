// Opens libraries, then closes them in every order, each time in a fresh child: who is initialised, finalised and
// unmapped when?  ./orders [-open] [MODES]LIBRARY...   -open: also opens them in every order; modes by letters: NOW,
// B for LAZY|NOW, GLOBAL, K for NODELETE, DEEPBIND; else LAZY
#include "tell.h"

enum { MAX = 5 };
static char *names[MAX];
static int modes[MAX], count;

static int mode_of(char **name) {
  static const char letters[] = "NBGKD";
  static const int bits[] = {RTLD_NOW, RTLD_NOW | RTLD_LAZY, RTLD_GLOBAL, RTLD_NODELETE, RTLD_DEEPBIND};
  int mode = 0;
  for (const char *at; **name && (at = strchr(letters, **name)); ++*name)
    mode |= bits[at - letters];
  return mode & (RTLD_NOW | RTLD_LAZY) ? mode : mode | RTLD_LAZY;
}

static void run(const int *opening, const int *closing) {
  void *handles[MAX];
  for (int i = 0; i < count; i++) {
    tell("open %s:", base_name(names[opening[i]]));
    handles[opening[i]] = dlopen(names[opening[i]], modes[opening[i]]);
    tell(" %s\n", handles[opening[i]] ? "ok" : why());
  }
  for (int i = 0; i < count; i++) {
    tell("close %s:", base_name(names[closing[i]]));
    int result = handles[closing[i]] ? dlclose(handles[closing[i]]) : 7;
    tell(" %d %s\n", result, result == -1 ? why() : "");
  }
  tell_loaded("left");
  tell("exit:");
}

static int next_order(int *order) {
  int i = count - 2, j = count - 1;
  while (i >= 0 && order[i] > order[i + 1])
    i--;
  if (i < 0)
    return 0;
  while (order[j] < order[i])
    j--;
  int swap = order[i];
  order[i] = order[j], order[j] = swap;
  for (int a = i + 1, b = count - 1; a < b; a++, b--)
    swap = order[a], order[a] = order[b], order[b] = swap;
  return 1;
}

int main(int argc, char **argv) {
  int opening[MAX] = {0, 1, 2, 3, 4}, all = 0;
  for (int i = 1; i < argc && count < MAX; i++) {
    if (strcmp(argv[i], "-open") == 0) {
      all = 1;
      continue;
    }
    char *name = argv[i];
    modes[count] = mode_of(&name);
    names[count++] = name;
  }
  do {
    int closing[MAX] = {0, 1, 2, 3, 4};
    do {
      tell("--\n");
      IN_CHILD(run(opening, closing));
      tell("\n");
    } while (next_order(closing));
  } while (all && next_order(opening));
}
