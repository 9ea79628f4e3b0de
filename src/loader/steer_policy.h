/* The policy as a tool: its rules are answers in the pipeline (steer.h). */
#ifndef LDX_LOADER_STEER_POLICY_H
#define LDX_LOADER_STEER_POLICY_H

#include "loader/load.h"

/* Registers the tool "policy" when there is a policy, and puts its settings into force. Called once, before tools are
 * loaded. False: out of memory. */
bool ldx_start_policy(void);
#endif
