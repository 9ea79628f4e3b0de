char huge_block[3L << 30];
int huge(void) { return huge_block[1L << 31]; }
