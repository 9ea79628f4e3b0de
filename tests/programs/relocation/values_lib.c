int lib_counter = 40;
int lib_array[16] = {[5] = 55, [15] = 1515};
const char *lib_name = "libvalues";
static int *inside = &lib_array[5];
int program_callback(int) __attribute__((weak));
int lib_next(void) { return ++lib_counter; }
int *lib_counter_address(void) { return &lib_counter; }
void *lib_function_address(void) { return (void *)lib_next; }
int lib_call(int (*function)(int), int x) {
  return function(x) + (program_callback == function) * 100 + (*inside - 55);
}
