// The filter has the names; the library that it filters has the code.
int filtered(void) { return 1; }
int own(void) { return 2; }
