static int target;
static int *const sealed[] = {&target};
static int *open_table[] = {&target};
void *library_sealed(void) { return (void *)sealed; }
void *library_open(void) { return open_table; }
