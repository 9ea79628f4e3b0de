/* Built against a loader that has the table: refers to _dl_collfs_api of version GLIBC_PRIVATE. */
#include <ldx/collfs.h>

#ifdef STUB
struct libc_collfs_slots _dl_collfs_api;
#else
struct libc_collfs_slots *io_slots(void);
struct libc_collfs_slots *io_slots(void) {
  return &_dl_collfs_api;
}
#endif
