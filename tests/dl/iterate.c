// dl_iterate_phdr(): order, counters, fields, early stop, and what a callback may do.
#include "tell.h"
#include <errno.h>
#include <pthread.h>
#include <stddef.h>

static void *kept;

static int fields(struct dl_phdr_info *info, size_t size, void *data) {
  int *seen = data, dynamic = 0, tls = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    dynamic += info->dlpi_phdr[i].p_type == PT_DYNAMIC;
    tls += info->dlpi_phdr[i].p_type == PT_TLS;
  }
  ++*seen;
  if (!is_loader(info->dlpi_name))
    tell("  %s: size %d, address %d, segments %d, dynamic %d, tls %d %d, block %d\n", base_name(info->dlpi_name),
         size == sizeof *info, info->dlpi_addr != 0, info->dlpi_phnum, dynamic, tls, info->dlpi_tls_modid != 0,
         info->dlpi_tls_data != NULL);
  return 0;
}

static int copy(struct dl_phdr_info *info, size_t size, void *data) {
  memcpy(data, info, size);
  return 0;
}

static void counters(const char *what) {
  static struct dl_phdr_info last;
  struct dl_phdr_info now;
  dl_iterate_phdr(copy, &now);
  if (last.dlpi_adds)
    tell("%s: adds +%llu, subs +%llu\n", what, now.dlpi_adds - last.dlpi_adds, now.dlpi_subs - last.dlpi_subs);
  last = now;
}

static int stop_at(struct dl_phdr_info *info, size_t size, void *data) {
  (void)info, (void)size;
  int *left = data;
  return --*left == 0 ? -5 : 0;
}

static void stops(void) {
  for (int at = 1; at < 4; at++) {
    int left = at;
    tell("stop at %d: %d, ", at, dl_iterate_phdr(stop_at, &left));
    tell("left %d\n", left);
  }
}

static int opens(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size;
  int *opened = data;
  if (!is_loader(info->dlpi_name))
    tell("  %s", base_name(info->dlpi_name));
  if (!*opened)
    *opened = dlopen("./libdl-c.so", RTLD_NOW) != NULL;
  return 0;
}

static int closes(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size, (void)data;
  if (kept)
    dlclose(kept), kept = NULL;
  if (!is_loader(info->dlpi_name))
    tell("  %s", base_name(info->dlpi_name));
  return 0;
}

static int nested(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size;
  int *depth = data, one = 1;
  if (*depth < 3) {
    ++*depth;
    tell("  [%d", dl_iterate_phdr(nested, depth));
    tell(" %d]", dl_iterate_phdr(stop_at, &one));
  }
  return *info->dlpi_name ? 0 : 6;
}

static int asks(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size, (void)data;
  Dl_info found;
  if (!is_loader(info->dlpi_name))
    tell("  %s: %d %d", base_name(info->dlpi_name), dladdr((void *)info->dlpi_phdr, &found),
         dlsym(RTLD_DEFAULT, "puts") != NULL);
  return 0;
}

static void *count_in_thread(void *data) {
  int seen = 0;
  tell("in a thread\n");
  dl_iterate_phdr(fields, &seen);
  *(int *)data = seen;
  return NULL;
}

static void callbacks(void) {
  int opened = 0, depth = 0;
  tell("opens:");
  tell(" %d\n", dl_iterate_phdr(opens, &opened));
  tell_loaded("after it");
  kept = must_open("./libdl-b.so", RTLD_NOW);
  void *more = must_open("./libdl-symbols2.so", RTLD_NOW);
  tell("closes:");
  tell(" %d\n", dl_iterate_phdr(closes, NULL));
  tell_loaded("after it");
  dlclose(more);
  tell("nested:");
  tell(" %d\n", dl_iterate_phdr(nested, &depth));
  tell("asks:");
  tell(" %d\n", dl_iterate_phdr(asks, NULL));
}

int main(void) {
  int seen = 0, there;
  tell("result %d\n", dl_iterate_phdr(fields, &seen));
  counters("start");
  void *a = must_open("./libdl-needs-a.so", RTLD_NOW);
  counters("open of two");
  void *again = must_open("./libdl-a.so", RTLD_NOW);
  counters("open of one that is there");
  tell("missing: %d\n", dlopen("./libdl-none.so", RTLD_NOW) != NULL);
  counters("open that finds nothing");
  tell("broken: %s\n", dlopen("./libdl-wants.so", RTLD_NOW) ? "ok" : why());
  counters("open that fails");
  dlclose(a);
  counters("close of one of two");
  dlclose(again);
  counters("close of the other");
  void *tls = must_open("./libdl-symbols.so", RTLD_NOW);
  tell("with TLS %d\n", dl_iterate_phdr(fields, &seen));
  *(int *)must_find(tls, "tls_data") = 1;
  tell("used %d\n", dl_iterate_phdr(fields, &seen));
  pthread_t thread;
  pthread_create(&thread, NULL, count_in_thread, &there);
  pthread_join(thread, NULL);
  IN_CHILD(counters("child"); must_open("./libdl-b.so", RTLD_NOW); counters("child opens"));
  stops();
  callbacks();
  counters("end");
}
