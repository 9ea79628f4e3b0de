// Carries out steps of rows.txt and tells what has come of each.  ./rows LIBRARY BEFORE-FLAGS TARGET:FLAGS...
// TARGET: 0, 1 or +; a step that begins with = is told nothing about.
#include "check.h"

static struct link_map *made; // an object of the namespace that the steps have made
static const char *library;

static int flags_of(const char *word) {
  return strcmp(word, "SHARED") == 0 ? RTLD_SHARED : strcmp(word, "ISOLATE") == 0 ? RTLD_ISOLATE : 0;
}

// In which namespaces the library is, and that it is in none of them twice.
static void tell_state(void) {
  char text[20] = "";
  for (int ns = 0; ns < 2; ns++) {
    int found = 0;
    struct link_map *first = !ns    ? list_of(must(dlopen(NULL, RTLD_LAZY), "the program"))
                             : made ? list_of(made)
                                    : NULL;
    for (struct link_map *map = first; map; map = map->l_next) {
      if (strcmp(base_name(map->l_name), base_name(library)) != 0)
        continue;
      CHECK(++found == 1);
      CHECK(namespace_of(map) == (ns ? namespace_of(made) : 0));
      sprintf(text + strlen(text), "%s%d%s", *text ? "," : "", ns, is_proxy(map) ? "p" : "");
    }
  }
  tell("after %s", *text ? text : "-");
}

// The numbers of rows.txt: 1 for the namespace that was made, whatever it is called.
static long number(Lmid_t ns) { return made && ns == namespace_of(made) ? 1 : ns; }

static void try_handle(struct link_map *map) {
  void *(*address_of_free)(void) = FIND(map, void *(*)(void), "address_of_free");
  struct link_map *real = object_of((void *)address_of_free);
  tell(" handle %ld%s", number(namespace_of(map)), real != map ? "p" : "");
  tell(" free %ld\n", number(namespace_of(object_of(address_of_free()))));
  CHECK(FIND(map, int (*)(void), "value")() == 5);
  CHECK(FIND(map, int (*)(void), "times_begun")() == 1);
  CHECK(dlvsym(map, "value", "SPACE_1") == dlsym(map, "value"));
  CHECK(dlvsym(map, "value", "SPACE_2") == NULL);
  CHECK(*FIND(map, int *, "exported") == 5);
  CHECK(real->l_addr == map->l_addr && real->l_ld == map->l_ld);
  CHECK(namespace_of(real) == (real == map ? namespace_of(map) : 0));
  CHECK(FIND(map, int (*)(void (*)(void)), "in_thread")(NULL) == 1);
}

static void step(const char *word) {
  static struct link_map *last[2]; // what was told of them stays so
  int quiet = *word == '=';
  word += quiet;
  Lmid_t target = *word == '+' ? LM_ID_NEWLM : *word == '0' ? LM_ID_BASE : namespace_of(made);
  struct link_map *map = dlmopen(target, library, RTLD_NOW | flags_of(word + 2));
  if (target == LM_ID_NEWLM && map)
    made = map;
  if (quiet) {
    CHECK(map != NULL);
    return;
  }
  const char *text = map ? NULL : why();
  tell_state();
  if (map) {
    try_handle(map);
    struct link_map **before = &last[number(namespace_of(map))];
    CHECK(!*before || *before == map);
    *before = map;
  } else if (strstr(text, "existing object cannot be demoted to a proxy"))
    tell(" handle ERROR free -\n");
  else
    tell(" failed: %s\n", text);
}

int main(int argc, char **argv) {
  library = argv[1];
  for (int i = 2; i < argc; i++)
    step(argv[i]);
  return finish();
}
