// What can stand behind a name: links, other names of one file, files without a name, and things that are no library.
#include "tell.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

static const char library[] = "./libdl-a.so";

static char *read_all(const char *name, size_t *size) {
  FILE *file = fopen(name, "r");
  struct stat st;
  fstat(fileno(file), &st);
  char *data = malloc(st.st_size);
  *size = fread(data, 1, st.st_size, file);
  fclose(file);
  return data;
}

static void attempt(const char *name) {
  tell("%s:", name);
  void *handle = dlopen(name, RTLD_NOW);
  if (handle) {
    tell(" ok");
    tell(", %s", base_name(((struct link_map *)handle)->l_name));
    tell(", close %d", dlclose(handle));
  } else
    tell(" %s", why());
  tell("\n");
}

static void try_names(void) {
  static const char *names[] = {"./libdl-a.so",
                                "././libdl-a.so",
                                ".//libdl-a.so",

                                "./x/../libdl-a.so",
                                "libdl-a.so/",
                                "./libdl-a.so/",
                                "./libdl-a.so/x",
                                "/",
                                ".",
                                "..",
                                "./",
                                "x",
                                "./x",
                                "",
                                " ",
                                "./libdl-a.so ",
                                "$ORIGIN/libdl-a.so",
                                "${ORIGIN}/libdl-a.so",
                                "$ORIGIN/x/../libdl-a.so",
                                "$ORIGINAL/libdl-a.so",
                                "$NOTHING/libdl-a.so",
                                "$LIB/libdl-a.so",
                                "$PLATFORM/libdl-a.so",
                                "libdl-a.so",
                                "link.so",
                                "./link.so",
                                "./chain.so",
                                "./dangling.so",
                                "./loop.so",
                                "./hard.so",
                                "./name with blanks.so",
                                "./\xc3\xa9\x01.so",
                                "/dev/null",
                                "/dev/full",
                                "/proc/self/maps",
                                "/proc/self/exe",
                                "/proc/self/cwd/libdl-a.so",
                                "./text.so",
                                "./script.so",
                                "./empty.so",
                                "./short.so",
                                "./files",
                                "./static-pie",
                                "/bin/true",
                                "./socket.so",
                                "libdl-a",
                                "so"};
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    attempt(names[i]);
  char longest[9000];
  for (unsigned length = 250; length < sizeof longest; length *= 2) {
    memset(longest, 'n', length);
    memcpy(longest, "./", 2);
    longest[length] = 0;
    void *handle = dlopen(longest, RTLD_NOW);
    const char *text = handle ? "ok" : why();
    tell("%u letters: %s\n", length, text + (strlen(text) > length ? length : 0));
    for (unsigned i = 2; i < length; i += 2)
      longest[i] = '.', longest[i + 1] = '/';
    strcpy(longest + length - 20 - length % 2, "libdl-a.so");
    handle = dlopen(longest, RTLD_NOW);
    text = handle ? "ok" : why();
    tell("%u letters of ./: %s\n", length, text + (strlen(text) > length ? length : 0));
  }
}

// One file is one object, whatever names it.
static void try_identity(void) {
  static const char *names[] = {"./libdl-a.so",   "./link.so",         "./chain.so",
                                "./hard.so",      "libdl-a.so",        "/proc/self/cwd/libdl-a.so",
                                "././libdl-a.so", "$ORIGIN/libdl-a.so"};
  void *first = NULL;
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    void *handle = must_open(names[i], RTLD_NOW);
    if (!first)
      first = handle;
    tell(" %s: same %d\n", names[i], handle == first);
  }
  void *copy = must_open("./copy.so", RTLD_NOW);
  tell("a copy: same %d\n", copy == first);
}

static void try_nameless(void) {
  size_t size;
  char *data = read_all(library, &size), name[2][50];
  int fd = memfd_create("in memory", 0);
  if (write(fd, data, size) != (ssize_t)size)
    exit(96);
  snprintf(name[0], 50, "/proc/self/fd/%d", fd);
  snprintf(name[1], 50, "/proc/self/fd/%d", dup(fd));
  void *one = must_open(name[0], RTLD_NOW), *two = must_open(name[1], RTLD_NOW);
  tell("memfd twice: same %d, symbol %d\n", one == two, dlsym(one, "a_name") != NULL);
  close(fd);
  tell("close %d %d\n", dlclose(one), dlclose(two));
  fd = open("gone.so", O_RDWR | O_CREAT, 0755);
  if (write(fd, data, size) != (ssize_t)size)
    exit(96);
  unlink("gone.so");
  snprintf(name[0], 50, "/proc/self/fd/%d", fd);
  attempt(name[0]);
  fd = open(library, O_PATH);
  snprintf(name[0], 50, "/proc/self/fd/%d", fd);
  attempt(name[0]);
  attempt("/proc/self/fd/999");
  // A pipe and a FIFO that has bytes to read, so that nobody waits.
  int ends[2];
  if (pipe(ends) || write(ends[1], data, 4096) != 4096)
    exit(96);
  snprintf(name[0], 50, "/proc/self/fd/%d", ends[0]);
  attempt("/dev/zero");
  mkfifo("fifo.so", 0644);
  fd = open("fifo.so", O_RDWR);
  if (write(fd, data, 4096) != 4096)
    exit(96);
  attempt("./fifo.so");
  close(fd);
}

static void try_permissions(void) {
  chmod("hard.so", 0);
  if (setuid(65534))
    tell("setuid fails\n");
  attempt("./hard.so");
  attempt("./closed/libdl-a.so");
}

int main(int argc, char **argv) {
  if (argc < 2)
    try_names(), try_identity();
  else if (strcmp(argv[1], "nameless") == 0)
    try_nameless();
  else
    try_permissions();
}
