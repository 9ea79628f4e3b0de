/* The functions that are called through procedure linkage tables: sixty-four of them, callee_0 to callee_63. */
#ifndef CALLEE_H
#define CALLEE_H

#define EIGHT(each, tens)                                                                                            \
  each(tens##0) each(tens##1) each(tens##2) each(tens##3) each(tens##4) each(tens##5) each(tens##6) each(tens##7)
#define ALL_CALLEES(each)                                                                                            \
  EIGHT(each, 1)                                                                                                     \
  EIGHT(each, 2) EIGHT(each, 3) EIGHT(each, 4) EIGHT(each, 5) EIGHT(each, 6) EIGHT(each, 7) EIGHT(each, 8)

enum { CALLEES = 64 };

#endif
