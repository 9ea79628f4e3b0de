/* The command line and the environment, in the words of ld.so(8). */
#ifndef LDX_LOADER_OPTIONS_H
#define LDX_LOADER_OPTIONS_H

#include "loader/context.h"

/* Reads LD_*; under AT_SECURE removes what must not be obeyed. */
void ldx_read_environment(struct ldx_args *a, struct ldx_options *o, struct ldx_library_search *s);
/* Reads the options of `ldx [OPTIONS] PROGRAM [ARGS]`; returns the index of PROGRAM in argv, or argc when the options
 * need none. --help and the like print and exit. */
int ldx_read_arguments(struct ldx_args *a, struct ldx_options *o, struct ldx_library_search *s);

/* Ends the process when there is no memory. */
void ldx_add_word(struct ldx_words *w, const char *text);

/* The words of LD_DEBUG. */
struct ldx_debug_category {
  const char *name, *help;
  uint32_t mask;
};
extern const struct ldx_debug_category ldx_debug_categories[];
extern const size_t ldx_debug_category_count;

_Noreturn void ldx_help(struct ldx_library_search *s);
_Noreturn void ldx_version(void);
_Noreturn void ldx_debug_help(void);
void ldx_show_auxv(const struct ldx_auxv *x);

#endif
