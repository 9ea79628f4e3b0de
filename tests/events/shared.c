int shared_number = 5;
__thread int shared_counter = 7;
int shared_function(int);
int shared_function(int v) { return v + 1; }
