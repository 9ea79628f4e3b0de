static int uninitialised[6000];
static const char *const pointers[] = {"relro", "pointers"};
int mapped_function(void) { return uninitialised[5999] + (pointers[1][0] != 'p'); }
