/* In a process that ldx does not run: each function fails, and none does more. */
#include <errno.h>

#include "dlbind.h"

int main(void) {
  int good = 0, here;
  __libdlbind_do_init();
  good += !dlcreate("libnothing") && errno == ENOSYS;
  good += !dlcreate_with_mmap("libnothing", NULL);
  good += !dlalloc(&here, 8, SHF_WRITE);
  good += !dlbind(&here, "name", &here, sizeof here, STT_OBJECT);
  good += dldelete(&here) == -1;
  good += !dldsym(&here, "name", NULL, 0, NULL);
  return good != 6;
}
