// Every mode of dlopen() in every state of the library, each from the start in a child of its own.
#include "tell.h"

static const struct {
  int bit;
  const char *name;
} bits[] = {{RTLD_LAZY, "LAZY"},     {RTLD_NOW, "NOW"},           {RTLD_NOLOAD, "NOLOAD"},
            {RTLD_GLOBAL, "GLOBAL"}, {RTLD_NODELETE, "NODELETE"}, {RTLD_DEEPBIND, "DEEPBIND"}};
enum { BITS = sizeof bits / sizeof *bits };
static const char library[] = "./libdl-a.so";

static const char *word(int mode) {
  static char text[200];
  *text = 0;
  for (int i = 0; i < BITS; i++)
    if (mode & bits[i].bit)
      strcat(strcat(text, *text ? "|" : ""), bits[i].name);
  return *text ? text : "0";
}

static int loaded(const char *name) {
  void *handle = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
  return handle && dlclose(handle) == 0;
}

// How the library was there before: not, LOCAL, GLOBAL, NODELETE and closed, as another's dependency.
static void *prepare(int state) {
  static const int modes[] = {0, RTLD_LAZY, RTLD_LAZY | RTLD_GLOBAL, RTLD_LAZY | RTLD_NODELETE, RTLD_LAZY};
  if (state == 0)
    return NULL;
  void *handle = must_open(state == 4 ? "./libdl-needs-a.so" : library, modes[state]);
  if (state == 3)
    dlclose(handle);
  return handle;
}

static void try(int mode, int state) {
  void *before = prepare(state);
  void *handle = dlopen(library, mode);
  tell(" -> %s", handle ? "ok" : why());
  tell(", global %d", dlsym(RTLD_DEFAULT, "a_name") != NULL);
  tell(", same %d, close %d", handle == before, handle ? dlclose(handle) : 7);
  tell(", there %d", loaded(library));
  if (before && state != 3)
    tell(", close %d", dlclose(before));
  tell(", there %d, global %d\n", loaded(library), dlsym(RTLD_DEFAULT, "a_name") != NULL);
  tell("exit:");
}

static void try_program(int mode) {
  void *handle = dlopen(NULL, mode);
  tell("NULL %s -> %s\n", word(mode), handle ? "ok" : why());
  handle = dlopen("", mode);
  tell("\"\" %s -> %s\n", word(mode), handle ? "ok" : why());
}

int main(void) {
  for (int state = 0; state < 5; state++)
    for (int set = 0; set < 1 << BITS; set++) {
      int mode = 0;
      for (int i = 0; i < BITS; i++)
        mode |= set >> i & 1 ? bits[i].bit : 0;
      tell("state %d, %s:", state, word(mode));
      IN_CHILD(try(mode, state));
      tell("\n");
      if (state == 0)
        IN_CHILD(try_program(mode));
    }
  // 0x40 and 0x80 mean something to ldx alone, and 0x08000000 and above to libc's own calls.
  static const unsigned unknown[] = {0x10,   0x20,   0x200,   0x400,    0x800,    0x2000,
                                     0x4000, 0x8000, 0x10000, 0x800000, 0x4000000};
  for (unsigned i = 0; i < sizeof unknown / sizeof *unknown; i++) {
    tell("unknown %#x: %s\n", unknown[i], dlopen(library, RTLD_LAZY | unknown[i]) ? "ok" : why());
    tell("unknown %#x alone: %s\n", unknown[i], dlopen(library, unknown[i]) ? "ok" : why());
    tell("unknown %#x, NULL: %s\n", unknown[i], dlopen(NULL, RTLD_NOW | unknown[i]) ? "ok" : why());
  }
}
