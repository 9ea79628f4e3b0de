/* For programs that include <dlbind.h>: this folder is all that the compiler must know of. (That of ldx's own headers
 * has a dlfcn.h.) */
#include "../../include/ldx/dlbind.h"
