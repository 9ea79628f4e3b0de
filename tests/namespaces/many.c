// More namespaces than any fixed number: all at once with TLS of the initial-exec model, and one after another.
#include "check.h"
#include <dirent.h>
#include <semaphore.h>

enum { MANY = 64, CYCLES = 1000 };

static void *handles[MANY];
static sem_t opened, checked;

// Each namespace's variable begins with its own value, and no two share a place.
static int good_in_this_thread(int add) {
  int good = 1;
  char *places[MANY];
  for (int i = 0; i < MANY; i++) {
    int *(*place)(void) = FIND(handles[i], int *(*)(void), "tls_place");
    places[i] = (char *)place();
    good &= *place() == 1234 && FIND(handles[i], int (*)(void), "tls_intact")();
    *place() += add + i;
    for (int j = 0; j < i; j++)
      good &= places[j] != places[i];
  }
  for (int i = 0; i < MANY; i++) {
    good &= *FIND(handles[i], int *(*)(void), "tls_place")() == 1234 + add + i;
    *FIND(handles[i], int *(*)(void), "tls_place")() = 1234;
  }
  return good;
}

static void *was_there_before(void *unused) {
  (void)unused;
  sem_wait(&opened);
  void *result = (void *)(long)good_in_this_thread(1000);
  sem_post(&checked);
  sem_wait(&opened);
  return result;
}

static void *comes_after(void *number) { return (void *)(long)good_in_this_thread((int)(long)number * 100); }

static void at_once(const char *library) {
  pthread_t early, late[4];
  void *result = NULL;
  sem_init(&opened, 0, 0), sem_init(&checked, 0, 0);
  CHECK(pthread_create(&early, NULL, was_there_before, NULL) == 0);
  for (int i = 0; i < MANY; i++) {
    handles[i] = OPEN(LM_ID_NEWLM, library, RTLD_NOW);
    for (int j = 0; j < i; j++)
      CHECK(namespace_of(handles[j]) != namespace_of(handles[i]));
  }
  sem_post(&opened), sem_wait(&checked);
  CHECK(good_in_this_thread(7));
  for (long i = 0; i < 4; i++)
    CHECK(pthread_create(&late[i], NULL, comes_after, (void *)i) == 0);
  for (int i = 0; i < 4; i++)
    CHECK(pthread_join(late[i], &result) == 0 && result == (void *)1);
  sem_post(&opened);
  CHECK(pthread_join(early, &result) == 0 && result == (void *)1);
  // Every second one goes; the others do not notice, and the places are used again.
  for (int i = 0; i < MANY; i += 2)
    CHECK(dlclose(handles[i]) == 0);
  for (int i = 0; i < MANY; i += 2)
    handles[i] = OPEN(LM_ID_NEWLM, library, RTLD_NOW);
  CHECK(good_in_this_thread(9));
  for (int i = 0; i < MANY; i++)
    CHECK(dlclose(handles[i]) == 0);
}

// No number of namespaces is the last one.
static void alive(const char *library, int mode, int wanted) {
  void **all = calloc(wanted, sizeof *all);
  for (int i = 0; i < wanted; i++) {
    all[i] = OPEN(LM_ID_NEWLM, library, RTLD_NOW | mode);
    CHECK(FIND(all[i], int (*)(void), "bump")() == 1);
    CHECK(i == 0 || namespace_of(all[i]) > namespace_of(all[i - 1]));
  }
  for (int i = 0; i < wanted; i++) {
    CHECK(FIND(all[i], int (*)(void), "bump")() == 2);
    CHECK(*FIND(all[i], int *(*)(void), "local_address")() == 5);
    CHECK(object_of(dlsym(all[i], "bump")) == all[i]);
  }
  for (int i = 0; i < wanted; i++)
    CHECK(dlclose(all[i * 7 % wanted]) == 0);
  void *first = OPEN(LM_ID_NEWLM, library, RTLD_NOW);
  CHECK(namespace_of(first) == 1);
  free(all);
}

static int lines_of_maps(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  int lines = 0, c;
  while ((c = getc(maps)) != EOF)
    lines += c == '\n';
  fclose(maps);
  return lines;
}

static long memory(void) {
  FILE *file = fopen("/proc/self/statm", "r");
  long pages = -1;
  if (fscanf(file, "%ld", &pages) != 1)
    pages = -1;
  fclose(file);
  return pages;
}

static int files(void) {
  DIR *folder = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(folder))
    count++;
  closedir(folder);
  return count;
}

static void in_turn(const char *library, int mode) {
  long pages = 0;
  int lines = 0, descriptors = 0;
  Lmid_t first = 0;
  for (int i = 0; i < CYCLES; i++) {
    void *handle = OPEN(LM_ID_NEWLM, library, RTLD_NOW | mode);
    Lmid_t ns = namespace_of(handle);
    if (i == 0)
      first = ns;
    CHECK(ns == first);
    CHECK(dlclose(handle) == 0);
    CHECK(dlmopen(ns, library, RTLD_NOW | RTLD_NOLOAD) == NULL);
    if (i == CYCLES / 10)
      pages = memory(), lines = lines_of_maps(), descriptors = files();
  }
  CHECK(lines_of_maps() == lines);
  CHECK(files() == descriptors);
  CHECK(memory() - pages <= 16); // what an allocator may round up, not a page a cycle
}

int main(int argc, char **argv) {
  if (argc < 3)
    return 2;
  if (strcmp(argv[1], "at-once") == 0)
    at_once(argv[2]), at_once(argv[2]);
  else if (strcmp(argv[1], "alive") == 0)
    alive(argv[2], 0, 300);
  else if (strcmp(argv[1], "alive-isolated") == 0)
    alive(argv[2], RTLD_ISOLATE, 40);
  else
    in_turn(argv[2], strcmp(argv[1], "shared") == 0     ? RTLD_SHARED
                     : strcmp(argv[1], "isolated") == 0 ? RTLD_ISOLATE
                                                        : 0);
  return finish();
}
