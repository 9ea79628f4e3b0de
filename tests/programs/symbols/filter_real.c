int filtered(void) { return 1000; }
int only_real(void) { return 2000; }
