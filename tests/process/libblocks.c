static __thread int a = 11;
static __thread volatile char room[SIZE];
int *value(void);
int *value(void) { return room[0] ? (int *)0 : &a; }
