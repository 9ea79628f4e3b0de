/* Libraries loaded before the program's own: LD_PRELOAD, --preload, /etc/ld.so.preload. */
#ifndef LDX_LOADER_PRELOAD_H
#define LDX_LOADER_PRELOAD_H

#include "loader/load.h"

/* Appends what could be loaded to `out`; what could not is reported and left out. False: out of memory. */
bool ldx_load_preloads(struct ldx_load *l, struct ldx_object_list *out);

#endif
