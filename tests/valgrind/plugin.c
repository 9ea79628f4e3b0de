/* A library that the programs of this folder open: allocates, keeps thread-local state, and has faults of its own. */
#include <stdlib.h>
#include <string.h>

static char *kept;
static __thread int calls;
static __thread char last[48];

__attribute__((constructor)) static void plugin_begin(void) {
  kept = strdup("what the plugin keeps");
  if (getenv("LEAK_IN_CONSTRUCTOR"))
    kept = strdup("what takes its place");
}

__attribute__((destructor)) static void plugin_end(void) { free(kept); }

/* Length of the text and of what is kept, and the number of calls by this thread. */
int plugin_use(const char *text) {
  strncpy(last, text, sizeof last - 1);
  return (int)(strlen(last) + strlen(kept)) + ++calls;
}

void plugin_free_twice(void) {
  char *p = malloc(24);
  free(p);
  free(p);
}

int plugin_read_past_end(void) {
  char *copy = strdup(kept);
  int c = copy[strlen(kept) + 1];
  free(copy);
  return c;
}
