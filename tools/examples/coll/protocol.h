/* What the ranks of a node say to the process that opens files for them (SOCK_SEQPACKET, one message each way). */
#ifndef COLL_PROTOCOL_H
#define COLL_PROTOCOL_H

#include <limits.h>
#include <stdint.h>
#include <sys/stat.h>

enum coll_call { COLL_OPEN = 1, COLL_STAT, COLL_LSTAT, COLL_ACCESS, COLL_READLINK, COLL_LIST };

struct coll_request {
  uint32_t call;
  int32_t rank, mode; /* mode: of access */
  char path[PATH_MAX];
};

enum { COLL_YOURSELF = 1 }; /* as an error: no file that can be passed on, such as a device */

/* With COLL_OPEN and COLL_LIST a descriptor comes along: the file's bytes; struct ldx_io_entry, one after the other.
 */
struct coll_reply {
  int32_t error; /* errno value, 0 or COLL_YOURSELF */
  uint32_t length;
  struct stat st;
  char text[PATH_MAX]; /* of readlink, `length` bytes */
};

/* broker.c: serves until nobody is connected any more. */
struct coll_options {
  const char *session; /* folder that keeps what was read for later runs; NULL: memory */
  const char *log;     /* file that is told who got what; NULL: none */
  int ranks;           /* of this node that will come; 0: not known */
};
void coll_serve(int listening, const struct coll_options *o);

#endif
