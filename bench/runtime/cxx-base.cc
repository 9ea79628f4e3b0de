// The base class of all parts: its key function, and with it its vtable, is here.
#include "cxx-part.h"

namespace bench {
Part::~Part() {}
} // namespace bench
