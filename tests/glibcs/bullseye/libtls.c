static __thread int value = 99;

int *address(void);
int *address(void) { return &value; }
