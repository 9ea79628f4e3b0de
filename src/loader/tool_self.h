#ifndef LDX_LOADER_TOOL_SELF_H
#define LDX_LOADER_TOOL_SELF_H

#include "loader/tell.h"

ldx_tool *ldx_tool_register(const struct ldx_tool_desc *desc);

#endif
