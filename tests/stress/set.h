// The set of libraries in the program's folder, and how a program uses one of them: every answer is checked.
#ifndef SET_H
#define SET_H

#include "piece.h"
#include "stress.h"

enum { PIECES = 20 };

// What a library of the set is there for; the build file says the same.
// BARE: it and all that it needs call neither __cxa_atexit nor __cxa_finalize, whose lock glibc does not release in
// the child of a fork that another thread makes while it is held: a child of a threaded program uses no other.
enum trait { DEPARTS = 1, STAYS = 2, GLOBAL = 4, DEEP = 8, KEEP = 16, VERSIONED = 32, BARE = 64 };
int traits_of(int id);

struct held {
  int id = -1;
  void *handle = nullptr;
  const piece *library = nullptr;
};

// dlopen with the mode that is the library's own, lazily or at once.
held open_piece(int id, bool now);
void close_piece(held *h);
// The calling thread is inside dlopen.
bool is_opening();
// The library is alive, computes, and has the calling thread's variables as they were left in this load.
void use_piece(const held &h);
// An exception out of `depth` frames of the library, and one through a frame of it.
void throw_through(const held &h, int depth);
void check_lookups(const held &h);
void check_address(const held &h);
// dl_iterate_phdr tells once of all that is held (at most PIECES), with names that can be read.
void check_iteration(const held *h, int count);
// A bare one, at random.
int bare_piece(uint64_t *random);
// Every library once, so that what only a first time takes is taken.
void visit_all();
// With nothing open any more: what was constructed is destroyed, but for the libraries that stay.
void check_books();

#endif
