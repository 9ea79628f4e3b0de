// A library that stands between: its own need of a version is what may be missing.
int versioned(void);
int user(void) { return versioned() * 100; }
