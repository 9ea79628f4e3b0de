int present_function(int x) { return x + 1; }
#ifdef COMPLETE
int missing_function(int x) { return x + 2; }
int missing_data = 9;
#endif
#ifdef CALLS
int not_anywhere(int);
int missing_function(int x) { return not_anywhere(x); }
int missing_data = 9;
#endif
