#include "policy_test.h"

#include <unistd.h>

static void on_fault(void *arg, const char *message) {
  struct trial *t = arg;
  assert_true((size_t)t->faults < LDX_COUNT(t->said));
  assert_null(strchr(message, '\n'));
  snprintf(t->said[t->faults++], sizeof t->said[0], "%s", message);
}

void trial_begin(struct trial *t) {
  *t = (struct trial){0};
  t->reader = (struct ldx_policy_reader){.heap = &t->heap, .fault = on_fault, .arg = t};
  t->policy = ldx_policy_new(&t->heap);
  assert_non_null(t->policy);
}

void trial_end(struct trial *t) { ldx_policy_free(t->policy); }

/* A copy of exactly the text's size: what is read beyond it is found by the checkers. */
bool trial_text(struct trial *t, const char *text) {
  size_t size = strlen(text);
  char *copy = malloc(size + !size);
  memcpy(copy, text, size);
  bool ok = ldx_policy_add_text(t->policy, &t->reader, "p", copy, size);
  ok = ok && ldx_policy_finish(t->policy, &t->reader);
  free(copy);
  assert_int_equal(ok, t->faults == 0);
  return ok;
}

void assert_written(struct trial *t, const char *expected) {
  char *text = ldx_policy_write(t->policy, &t->heap);
  assert_non_null(text);
  assert_string_equal(text, expected);
  ldx_heap_free(&t->heap, text);
}

const char *trial_file(const char *name, const char *text) {
  static char folder[64], path[256];
  if (!*folder) {
    snprintf(folder, sizeof folder, "/tmp/ldx-policy-XXXXXX");
    assert_non_null(mkdtemp(folder));
  }
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fputs(text, f);
  fclose(f);
  return path;
}
