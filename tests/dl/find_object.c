// _dl_find_object(): every field, for what is loaded, what is not, and what was.
#include "tell.h"
#include <pthread.h>
#include <sys/auxv.h>

int main(void);

static void find(const char *what, void *address) {
  struct dl_find_object found;
  memset(&found, 0x55, sizeof found);
  int result = _dl_find_object(address, &found);
  tell("%s: %d", what, result);
  if (result == 0) {
    struct link_map *map = found.dlfo_link_map;
    tell(" %s, flags %#llx, inside %d, start %ld, length %#lx, dynamic inside %d, unwinding %d",
         base_name(map->l_name), found.dlfo_flags, address >= found.dlfo_map_start && address < found.dlfo_map_end,
         (long)((char *)found.dlfo_map_start - (char *)map->l_addr),
         (char *)found.dlfo_map_end - (char *)found.dlfo_map_start,
         (void *)map->l_ld >= found.dlfo_map_start && (void *)map->l_ld < found.dlfo_map_end,
         found.dlfo_eh_frame != NULL);
    tell(", offset %#lx",
         found.dlfo_eh_frame ? (long)((char *)found.dlfo_eh_frame - (char *)found.dlfo_map_start) : -1);
  }
  tell("\n");
}

static void edges(const char *what, void *address) {
  struct dl_find_object found, other;
  if (_dl_find_object(address, &found) != 0)
    return tell("%s: not found\n", what);
  char *start = found.dlfo_map_start, *end = found.dlfo_map_end;
  tell("%s: first %d, last %d", what, _dl_find_object(start, &other), _dl_find_object(end - 1, &other));
  int before = _dl_find_object(start - 1, &other);
  tell(", before %d", before == 0 && other.dlfo_link_map == found.dlfo_link_map);
  int behind = _dl_find_object(end, &other);
  tell(", behind %d\n", behind == 0 && other.dlfo_link_map == found.dlfo_link_map);
}

static void *find_in_thread(void *address) {
  find("in a thread", address);
  return NULL;
}

int main(void) {
  int on_stack;
  find("program", (void *)main);
  find("libc", (void *)qsort);
  find("libc's data", stdout);
  find("stack", &on_stack);
  find("heap", malloc(10));
  find("NULL", NULL);
  find("1", (void *)1);
  find("-1", (void *)-1);
  find("vDSO", (void *)getauxval(AT_SYSINFO_EHDR));
  struct dl_find_object found;
  tell("the loader: %d\n", _dl_find_object((void *)getauxval(AT_BASE), &found));
  edges("program", (void *)main);
  edges("libc", (void *)qsort);
  void *handle = must_open("./libdl-a.so", RTLD_NOW), *other = must_open("./libdl-symbols.so", RTLD_NOW);
  char *address = must_find(handle, "a_name");
  find("library", address);
  find("its data", must_find(handle, "a_value"));
  edges("library", address);
  find("another", must_find(other, "single"));
  edges("another", must_find(other, "single"));
  pthread_t thread;
  pthread_create(&thread, NULL, find_in_thread, address);
  pthread_join(thread, NULL);
  IN_CHILD(find("in a child", address));
  dlclose(handle);
  find("closed", address);
  find("another still", must_find(other, "single"));
  must_open("./libdl-a.so", RTLD_NOW | RTLD_NODELETE);
  find("opened again", must_find(RTLD_DEFAULT, "puts"));
  void *noframe = must_open("./libdl-no-frame.so", RTLD_NOW);
  find("without unwinding", must_find(noframe, "who"));
}
