/* Refers to a name that the library has only from its first reload on. */
int omega(void);
int use(void) { return omega(); }
