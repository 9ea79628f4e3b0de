/* Two versions of one function, for dlvsym. */
__attribute__((symver("piece17_versioned@PIECE_1"))) int versioned_one(void) { return 1; }
__attribute__((symver("piece17_versioned@@PIECE_2"))) int versioned_two(void) { return 2; }
