/* One search under way; private to search/. */
#ifndef LDX_SEARCH_FINDING_H
#define LDX_SEARCH_FINDING_H

#include "search/library.h"

enum verdict { OPENED, PASSED_OVER, FATAL };

struct finding {
  struct ldx_library_search *s;
  const struct ldx_find_request *request;
  struct ldx_library_file *out;
  struct ldx_diag *diag;
  char *path; /* candidate being tried; heap */
  size_t room;
  const char *source, *owner; /* the list it is from */
  /* Instead of trying the candidates of a list: tell it. */
  enum verdict (*tell)(struct finding *f, const char *folders);
  void *tell_arg;
  int error;        /* errno of the last attempt, 0 before one: what the final message tells */
  bool other_class; /* something of the wrong class was passed over */
  bool oom;
  bool done;    /* a tool's algorithm has opened the file */
  bool steered; /* a tool has changed the path */
  bool cached;  /* a launch cache knew the path, or the request did */
};

/* Room for a candidate of that many bytes; what was there is gone. */
bool ldx_find_room(struct finding *f, size_t size);
/* Tries f->path. */
enum verdict ldx_try_file(struct finding *f);
enum verdict ldx_search_usual(struct finding *f);

#endif
