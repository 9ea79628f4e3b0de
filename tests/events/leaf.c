/* A library that others open. UNDEFINED: it wants a function that nobody has. */
int leaf(void);
#ifdef UNDEFINED
int nobody_has_this(void);
int leaf(void) { return nobody_has_this(); }
#else
int leaf(void) { return 1; }
#endif
