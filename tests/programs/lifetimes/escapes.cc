// Ways out of a dl_iterate_phdr() callback other than its return; what is closed afterwards must still go away.
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
static int throws(dl_phdr_info *, size_t, void *) { throw 5; }
static int exits(dl_phdr_info *, size_t, void *) { pthread_exit(nullptr); }
static int is_cancelled(dl_phdr_info *, size_t, void *) {
  pthread_cancel(pthread_self());
  pthread_testcancel();
  return 0;
}
static int nests(dl_phdr_info *, size_t, void *) { return dl_iterate_phdr(throws, nullptr); }

using Callback = int (*)(dl_phdr_info *, size_t, void *);
static void *iterate(void *callback) {
  dl_iterate_phdr(reinterpret_cast<Callback>(callback), nullptr);
  return nullptr;
}
static void catches(Callback callback) {
  try {
    dl_iterate_phdr(callback, nullptr);
  } catch (int n) {
    std::printf("caught %d\n", n);
  }
}
static void ends_thread(Callback callback) {
  pthread_t thread;
  void *result;
  pthread_create(&thread, nullptr, iterate, reinterpret_cast<void *>(callback));
  pthread_join(thread, &result);
  std::printf("ended, cancelled %d\n", result == PTHREAD_CANCELED);
}

static int mappings(const char *name) {
  FILE *maps = std::fopen("/proc/self/maps", "r");
  char line[5000];
  int count = 0;
  while (std::fgets(line, sizeof line, maps))
    count += std::strstr(line, name) != nullptr;
  std::fclose(maps);
  return count;
}
int main(int argc, char **argv) {
  const char *how = argv[1];
  if (std::strcmp(how, "throw") == 0)
    catches(throws);
  if (std::strcmp(how, "throw-nested") == 0)
    catches(nests);
  if (std::strcmp(how, "exit") == 0)
    ends_thread(exits);
  if (std::strcmp(how, "cancel") == 0)
    ends_thread(is_cancelled);
  for (int i = 0; i < 20; i++)
    dlclose(dlopen("./liblife-leaf.so", RTLD_NOW));
  std::printf("mappings left %d\n", mappings("liblife-leaf.so"));
}
