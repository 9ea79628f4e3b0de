// Binds keep() of a library that it does not need, which thereby stays.
int keep(void);
int bind_keep(void) { return keep(); }
