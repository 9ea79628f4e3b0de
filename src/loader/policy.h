/* Where policies come from (docs/policy.md): the program's section, LDX_POLICY, --policy; what comes later overrides.
 * A program without any of them costs no system call: its dynamic section says whether to look for a section. */
#ifndef LDX_LOADER_POLICY_H
#define LDX_LOADER_POLICY_H

#include "hooks/policy.h"
#include "loader/context.h"

/* Start-up, before tools are loaded: sets ldx_self.policy. Prints all faults, and ends the process with 127. */
void ldx_read_policy(const struct ldx_object *program);
/* The policy made of these files, for --check: each word is a file, or `section`. NULL: all faults were printed. */
const struct ldx_policy *ldx_policy_load(const char *const *words, size_t count);

#endif
