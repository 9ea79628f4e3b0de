// A namespace with a libc of its own: what is separate, and what is the process's. The system loader gives every
// namespace one; ldx does for RTLD_ISOLATE.
#include "check.h"
#include <locale.h>
#include <signal.h>
#include <sys/wait.h>

static int called;
static void call_back(void) {
  called++;
  errno = 77;
}

static void separate(void *one, void *base) {
  CHECK(FIND(one, void *(*)(void), "address_of_free")() != (void *)free);
  CHECK(FIND(base, void *(*)(void), "address_of_free")() == (void *)free);
  CHECK(namespace_of(object_of(FIND(one, void *(*)(void), "address_of_free")())) == namespace_of(one));
  CHECK(FIND(one, int *(*)(void), "address_of_errno")() != &errno);
  CHECK(FIND(base, int *(*)(void), "address_of_errno")() == &errno);
  CHECK(FIND(one, FILE * (*)(void), "output")() != stdout);
  CHECK(FIND(base, FILE * (*)(void), "output")() == stdout);
  errno = 11;
  *FIND(one, int *(*)(void), "address_of_errno")() = 22;
  CHECK(errno == 11);
  // Each allocator keeps to its own blocks.
  void *blocks[100];
  for (int i = 0; i < 100; i++)
    CHECK((blocks[i] = (i & 1 ? FIND(one, void *(*)(size_t), "allocate")(i * 100 + 1) : malloc(i * 100 + 1))) !=
          NULL);
  for (int i = 0; i < 100; i++)
    if (i & 1)
      FIND(one, void (*)(void *), "release")(blocks[i]);
    else
      free(blocks[i]);
  // Locale is the libc's, keys of threads too.
  CHECK(FIND(one, const char *(*)(const char *), "set_locale")("C.UTF-8") != NULL);
  CHECK(strcmp(setlocale(LC_ALL, NULL), "C") == 0);
  pthread_key_t mine, *theirs = FIND(one, pthread_key_t * (*)(void), "key")();
  CHECK(theirs && pthread_key_create(&mine, NULL) == 0);
  FIND(one, int (*)(FILE *), "fflush")(FIND(one, FILE * (*)(void), "output")());
}

static void started(void *one) {
  // The copy is as complete as if a program had been started with it.
  CHECK(FIND(one, char *(*)(const char *), "getenv")("PATH") != NULL);
  CHECK(FIND(one, int (*)(int), "isalpha")('x') != 0);
  CHECK(strtod("2.5", NULL) == FIND(one, double (*)(const char *, char **), "strtod")("2.5", NULL));
  char text[100];
  CHECK(FIND(one, int (*)(char *, size_t, const char *, ...), "snprintf")(text, sizeof text, "%s %.3f %d", "text",
                                                                          1.5, 7) == 12);
  CHECK(strcmp(text, "text 1.500 7") == 0);
  CHECK(FIND(one, pid_t(*)(void), "getpid")() == getpid());
  CHECK(strcmp(*FIND(one, char **, "program_invocation_short_name"), program_invocation_short_name) == 0);
  CHECK(FIND(one, char *(*)(const char *, const char *, char **), "strtok_r") != NULL);
  CHECK(FIND(one, int (*)(const char *), "puts") != NULL);
  CHECK(FIND(one, size_t(*)(const char *), "strlen")("four") == 4);
  CHECK(FIND(one, long (*)(int), "sysconf")(_SC_NPROCESSORS_ONLN) == sysconf(_SC_NPROCESSORS_ONLN));
}

static void *use_both(void *one) {
  errno = 5;
  *FIND(one, int *(*)(void), "address_of_errno")() = 6;
  CHECK(errno == 5);
  void *block = FIND(one, void *(*)(size_t), "allocate")(1000);
  CHECK(block != NULL);
  FIND(one, void (*)(void *), "release")(block);
  return one;
}

static void threads(void *one, void *base, int value) {
  called = 0;
  // A thread that the copy has made calls into the base, and the other way round.
  CHECK(FIND(one, int (*)(void (*)(void)), "in_thread")(NULL) == 1);
  errno = 1;
  CHECK(FIND(one, int (*)(void (*)(void)), "in_thread")(call_back) == 1);
  CHECK(called == 1 && errno == 1);
  CHECK(FIND(base, int (*)(void (*)(void)), "in_thread")(call_back) == 1);
  CHECK(called == 2);
  pthread_t made;
  void *result = NULL;
  CHECK(pthread_create(&made, NULL, use_both, one) == 0 && pthread_join(made, &result) == 0 && result == one);
  CHECK(*FIND(one, int *, "local") == value);
  CHECK(FIND(one, int *(*)(void), "local_address")() == FIND(one, int *, "local"));
}

static void children(void *one) {
  pid_t child = fork();
  if (child == 0) {
    FIND(one, int (*)(void), "bump")();
    FIND(one, void (*)(void *), "release")(FIND(one, void *(*)(size_t), "allocate")(100));
    _exit(FIND(one, int (*)(void (*)(void)), "in_thread")(NULL) == 1 && dlclose(one) == 0 ? 7 : 8);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

// How many different libcs there are among the namespaces of these handles.
static void count(void *one, void *two, void *base) {
  void *libcs[] = {named_in(base, "libc.so.6"), named_in(one, "libc.so.6"), named_in(two, "libc.so.6")};
  CHECK(libcs[0] && libcs[1] && libcs[2]);
  struct link_map **maps = (struct link_map **)libcs;
  CHECK(maps[0]->l_addr != maps[1]->l_addr && maps[1]->l_addr != maps[2]->l_addr &&
        maps[0]->l_addr != maps[2]->l_addr);
  CHECK(!is_proxy(maps[1]) && !is_proxy(maps[2]));
}

int main(void) {
  void *base = OPEN(LM_ID_BASE, "./libns-one.so", RTLD_NOW);
  void *one = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW | isolate());
  void *two = OPEN(LM_ID_NEWLM, "./libns-top.so", RTLD_NOW | isolate());
  count(one, two, base);
  separate(one, base);
  started(one);
  threads(one, base, 5);
  threads(two, base, 30);
  children(one);
  // What joins an isolated namespace later uses its libc too, whoever opens it.
  void *more = OPEN(namespace_of(one), "./libns-two.so", RTLD_NOW);
  CHECK(FIND(more, void *(*)(void), "address_of_free")() == FIND(one, void *(*)(void), "address_of_free")());
  void *inner = FIND(one, void *(*)(const char *, int), "open_from_here")("./libns-top.so", RTLD_NOW);
  CHECK(inner && namespace_of(inner) == namespace_of(one));
  CHECK(FIND(inner, void *(*)(void), "address_of_free")() == FIND(one, void *(*)(void), "address_of_free")());
  CHECK(dlclose(two) == 0);
  CHECK(FIND(one, int (*)(void (*)(void)), "in_thread")(NULL) == 1);
  return finish();
}
