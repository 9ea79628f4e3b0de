/* A policy under test, and what was said of it. */
#ifndef LDX_TESTS_POLICY_TEST_H
#define LDX_TESTS_POLICY_TEST_H

#include "hooks/policy.h"
#include "unit.h"

struct trial {
  struct ldx_heap heap;
  struct ldx_policy_reader reader;
  struct ldx_policy *policy;
  char said[32][512]; /* the faults, in order */
  int faults;
};

void trial_begin(struct trial *t);
void trial_end(struct trial *t);
/* Reads a text under the name "p", with the checks of the whole. */
bool trial_text(struct trial *t, const char *text);
/* What ldx_policy_write makes of it. */
void assert_written(struct trial *t, const char *expected);
/* Writes a file below the test's own folder, which is made when it is first needed; returns its path. */
const char *trial_file(const char *name, const char *text);

#endif
