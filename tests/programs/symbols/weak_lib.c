int weak_function(int x) { return x * 2; }
int weak_data = 77;
