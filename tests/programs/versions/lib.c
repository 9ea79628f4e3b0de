// One library through its history: GENERATION 0 has no versions, 1 has V1, 2 has V1 and V2, 3 also V3.
#if GENERATION < 2
int versioned(void) { return 1; }
#else
__asm__(".symver versioned_1, versioned@V1");
int versioned_1(void) { return 1; }
__asm__(".symver versioned_2, versioned@@V2");
int versioned_2(void) { return 2; }
#endif
int stable(void) { return 10 * GENERATION; }
int versioned_data = GENERATION;
#if GENERATION == 3
int added(void) { return 33; }
#endif
#if GENERATION > 0
int not_exported(void) { return -1; }
#endif
