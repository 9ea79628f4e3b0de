/* What a process has seen of folders and files, for launch caches. It answers "there is no such file" without asking
 * the kernel, and tells what a search has depended on.
 *
 * A folder that had to be asked in vain is read once. From then on a name that it does not have is known to be
 * absent; and as long as its times and its inode stay what they were, so does that. Names are compared without
 * regard to case, and those with other than ASCII characters not at all: there are file systems that look up
 * so. Folders of file systems that are not known to keep times, very large ones, and those that change at this
 * moment (a later change could bear the same time) are not relied upon. */
#ifndef LDX_SEARCH_PLACES_H
#define LDX_SEARCH_PLACES_H

#include <sys/stat.h>

#include "base/heap.h"
#include "base/io.h"
#include "search/cache_file.h"

enum { LDX_PLACE_BUCKETS = 128 };

enum ldx_listing { LDX_LISTING_NONE, LDX_LISTING_SOUND, LDX_LISTING_UNSOUND, LDX_LISTING_RECENT };

struct ldx_place {
  struct ldx_place *next;
  uint64_t hash;
  int error; /* of stat; 0: there it is */
  bool folder, doubted;
  uint8_t witness; /* enum ldx_witness_kind that a search has depended on; 0: none */
  uint8_t listing; /* enum ldx_listing */
  struct ldx_file_state state;
  uint64_t *names; /* sums; open addressing, 0 is free */
  uint32_t room, used;
  char path[];
};

struct ldx_places {
  struct ldx_heap *heap;
  struct ldx_io *io;
  bool unfit; /* something that cannot be witnessed was depended on: nothing more may be stored */
  uint32_t witnesses;
  struct ldx_place *at[LDX_PLACE_BUCKETS];
};

/* Time has passed, and the program's own code may have run: all is asked anew before it is used again. */
void ldx_places_doubt(struct ldx_places *p);
/* An errno value when it is known that there is no such file; 0: ask the kernel. */
int ldx_places_absent(struct ldx_places *p, const char *path);
/* A search has depended on there being nothing to open at the path; or on a file that it has looked at; or, when the
 * path ends with a slash, on there being no such folder. */
void ldx_places_note(struct ldx_places *p, const char *path, int error);
/* Whether a witness of another process still holds. */
bool ldx_places_hold(struct ldx_places *p, const char *path, const struct ldx_cache_witness *w);
/* Adds all that searches have depended on. */
void ldx_places_witness(const struct ldx_places *p, struct ldx_draft *d);
void ldx_places_free(struct ldx_places *p);

struct ldx_file_state ldx_file_state(const struct stat *st);

#endif
