int late_function(void) { return 77; }
int whose = 3;
