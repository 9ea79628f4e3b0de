// A dlopen() that fails leaves nothing behind: no object, no symbol, no mapping, no promotion, no count, no file.
#include "tell.h"
#include <dirent.h>

static int files(void) {
  DIR *folder = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(folder))
    count++;
  closedir(folder);
  return count;
}

static int mappings(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[4096];
  int count = 0;
  while (fgets(line, sizeof line, maps))
    count += strstr(line, "libdl-") != NULL;
  fclose(maps);
  return count;
}

static int length_of_map(void) {
  int count = 0;
  for (struct link_map *map = dlopen(NULL, RTLD_LAZY), *last = NULL; map; last = map, map = map->l_next) {
    count++;
    if (map->l_prev != last)
      tell("  list damaged\n");
  }
  return count;
}

static void attempt(const char *what, const char *name, int mode) {
  int before[] = {files(), mappings(), length_of_map()};
  tell("%s:", what);
  void *handle = dlopen(name, mode);
  tell(" %s\n", handle ? "ok" : why());
  tell("  files +%d, mappings +%d, objects +%d, global %d\n", files() - before[0], mappings() - before[1],
       length_of_map() - before[2], dlsym(RTLD_DEFAULT, "a_name") != NULL);
  tell_loaded(" ");
}

int main(void) {
  attempt("no such file", "./libdl-none.so", RTLD_NOW);
  attempt("undefined symbol", "./libdl-wants.so", RTLD_NOW | RTLD_GLOBAL);
  attempt("undefined symbol, NODELETE", "./libdl-wants.so", RTLD_NOW | RTLD_NODELETE);
  attempt("undefined data, lazily", "./libdl-wants-data.so", RTLD_LAZY | RTLD_GLOBAL);
  attempt("missing dependency", "./libdl-needs-gone.so", RTLD_NOW | RTLD_GLOBAL);
  attempt("missing version", "./libdl-wants-version.so", RTLD_NOW | RTLD_GLOBAL);
  attempt("not for dlopen", "./libdl-noopen.so", RTLD_NOW | RTLD_GLOBAL);
  attempt("needs what fails", "./libdl-needs-wants.so", RTLD_NOW | RTLD_GLOBAL);
  // What was there before stays as it was: its count, its scope, its dependants.
  void *a = must_open("./libdl-a.so", RTLD_NOW);
  tell("\n");
  attempt("undefined symbol over a library that is there", "./libdl-wants.so", RTLD_NOW | RTLD_GLOBAL);
  attempt("the same, NODELETE", "./libdl-wants.so", RTLD_NOW | RTLD_NODELETE);
  tell("close: %d", dlclose(a));
  attempt("\nafter it", "./libdl-none.so", RTLD_NOW);
  // What a failed load has brought is there again when it succeeds.
  void *given = must_open("./libdl-gives.so", RTLD_NOW | RTLD_GLOBAL);
  attempt("\nnow it can", "./libdl-wants.so", RTLD_NOW);
  tell("close: %d\n", dlclose(given));
  tell_loaded("end");
  tell("exit:");
}
