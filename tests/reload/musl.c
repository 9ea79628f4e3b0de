/* The same with musl as the program's libc.
 *
 * musl LIBRARY */
#include "tables.h"

int main(int argc, char **argv) {
  void *h = dlopen(argv[1], RTLD_NOW | RTLD_RELOADABLE);
  NEED(h);
  void *alpha = get(h, "alpha");
  int *counter = get(h, "counter"), status;
  *counter = 100;
  NEED(access(path_of(h), R_OK) == 0);
  struct tables t = make_tables(h, get(h, "room"), "alpha", "omega");
  install(h, &t);
  NEED(ldx_reload(h) == 0 && dlsym(h, "omega") == alpha && !dlsym(h, "alpha") && dlerror());
  pid_t child = fork();
  if (!child) {
    NEED(*counter == 100);
    *counter = 200;
    usleep(100000);
    NEED(*counter == 200 && call(h, "omega") == 1 && ldx_reload(h) == 0);
    child = fork();
    if (!child)
      _exit(*counter == 200 ? 0 : 1);
    NEED(waitpid(child, &status, 0) == child);
    _exit(status ? 1 : 0);
  }
  *counter = 300;
  NEED(waitpid(child, &status, 0) == child && !status);
  NEED(*counter == 300 && ldx_reload(h) == 0 && call(h, "stays") == 4);
  NEED(dlopen(argv[1], RTLD_NOW | RTLD_RELOADABLE) == h);
  return 0;
}
