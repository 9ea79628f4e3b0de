int which_deep(void) { return NUMBER; }
