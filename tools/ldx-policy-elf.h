/* The section .ldx.policy of an ELF program in memory: put in, taken out. */
#ifndef LDX_TOOLS_LDX_POLICY_ELF_H
#define LDX_TOOLS_LDX_POLICY_ELF_H

#include <stdbool.h>
#include <stddef.h>

/* A whole file; `bytes` is from malloc, and replaced. */
struct policy_image {
  char *bytes;
  size_t size;
};

/* Gives the program this policy instead of the one it has, if any; NULL takes that away. *marked tells whether the
 * dynamic section says so (LDX_DT_POLICY): where the linker left no room in it, ldx uses the section only when asked
 * to. Returns NULL, or why the file is refused and was left as it is. */
const char *policy_replace(struct policy_image *image, const char *policy, size_t size, bool *marked);

#endif
