// Who calls dlopen() decides where a name without a folder is looked for, and where the answer belongs.
#include "tell.h"
#ifdef LIBRARY
const char *open_by_library(const char *name) {
  static char text[4096];
  struct link_map *map = dlopen(name, RTLD_NOW);
  snprintf(text, sizeof text, "%s", map ? map->l_name : why());
  return text;
}
void *handle_by_library(const char *name) { return dlopen(name, RTLD_NOW); }
#else
static const char *open_by_program(const char *name) {
  struct link_map *map = dlopen(name, RTLD_NOW);
  return map ? map->l_name : why();
}
int main(int argc, char **argv) {
  const char *(*by_library)(const char *) = NULL;
  for (int i = 1; i < argc; i++) {
    char *name = argv[i];
    if (strncmp(name, "library=", 8) == 0)
      by_library = (const char *(*)(const char *))must_find(must_open(name + 8, RTLD_NOW), "open_by_library");
    else if (strchr(name, '=')) {
      putenv(name);
      tell("%s\n", name);
    } else if (*name == '-') // every copy that is there goes away
      for (void *handle; (handle = dlopen(name + 1, RTLD_NOW | RTLD_NOLOAD));)
        dlclose(handle), dlclose(handle);
    else if (*name == '^')
      tell("library opens %s: %s\n", name + 1, by_library(name + 1));
    else
      tell("program opens %s: %s\n", name, open_by_program(name));
  }
}
#endif
