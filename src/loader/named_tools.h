/* Tools that the policy, or an option, counts on by name. */
#ifndef LDX_LOADER_NAMED_TOOLS_H
#define LDX_LOADER_NAMED_TOOLS_H

#include "loader/load.h"

/* When all tools have been started: ends the process with a message when one of those is not there, or does not do
 * what it is named for. Otherwise the rule would be passed over in silence. */
void ldx_check_named_tools(void);

#endif
