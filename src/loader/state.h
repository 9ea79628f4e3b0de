/* The functions of include/ldx/state.h are state.c's. */
#ifndef LDX_LOADER_STATE_H
#define LDX_LOADER_STATE_H

#include <ldx/state.h>

#include "loader/load.h"

#endif
