// What a library of the set offers, and what it asks of the program. Names carry the library's number.
#ifndef PIECE_H
#define PIECE_H

struct piece {
  int id;
  int (*serial)(); // number of this load among all loads of the library; negative: something is not as it should be
  int (*add)(int); // its argument + 1 + as much as its dependencies add
  void (*raise)(int depth); // throws std::runtime_error("piece N") out of as many frames
  int (*handle)(int depth); // throws and catches a type of its own; depth again
  int (*through)(void (*function)(void *), void *argument); // calls, with something to destroy in its frame; 1
  long *(*local)();                                         // the thread's variable: 1000 + id at first
  int (*departing)();          // the thread's object that has a destructor: how often this was called, from 1
  void *(*find)(const char *); // dlsym in the default scope: the library depends on what it finds
};

extern "C" {
// The program's: books of constructions and destructions. The first gives the serial number of the load.
int stress_constructed(int piece);
void stress_destroyed(int piece, int serial);
void stress_departed(int piece, int count);
}

#endif
