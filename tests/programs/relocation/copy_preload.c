// Replaces what the program copies.
int copy_plain = 500;
char copy_large[10000] = {[0] = 'P', [9999] = 'Q'};
