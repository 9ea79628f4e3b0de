/* Breakpoints in code that is mapped privately from a file which is written through another view.
 *
 * As long as nobody writes a page of such a mapping it shows the file. A debugger (or the kernel, for a probe) writes
 * it all the same: the process gets a copy of the page, which shows nothing of what is written to the file later. To
 * give the copy back would take the breakpoints away, and debuggers believe that what they have inserted stays. */
#ifndef LDX_LOADER_BREAKPOINTS_H
#define LDX_LOADER_BREAKPOINTS_H

#include <stddef.h>
#include <stdint.h>

/* The n bytes at `view` are to be these, as they stand in the file now, but for breakpoints. */
void ldx_show_code(uintptr_t view, const void *bytes, size_t n);

/* Pages that were copied so; heap memory. */
struct ldx_copied_page;
/* Those in [low, high); NULL: there are none. */
struct ldx_copied_page *ldx_find_copied(uintptr_t low, uintptr_t high);
/* Another file was mapped there: writes their breakpoints into it, and frees them. */
void ldx_restore_breakpoints(struct ldx_copied_page *pages);

#endif
