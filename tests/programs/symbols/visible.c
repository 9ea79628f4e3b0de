// Protected and hidden symbols, which the program also defines. -DOPEN: the same, but nothing is protected.
#ifdef OPEN
#define PROTECTED "default"
#else
#define PROTECTED "protected"
#endif
int shown_function(void) { return 1; }
int shown_data = 1;
__attribute__((visibility(PROTECTED))) int protected_function(void) { return 2; }
__attribute__((visibility(PROTECTED))) int protected_data = 2;
__attribute__((visibility("hidden"))) int hidden_function(void) { return 3; }
__attribute__((visibility("internal"))) int internal_function(void) { return 4; }
int visible_sum(void) {
  return shown_function() * 1000 + protected_function() * 100 + hidden_function() * 10 + internal_function();
}
int visible_data(void) { return shown_data * 10 + protected_data; }
void *visible_address(int n) { return n == 0 ? (void *)shown_function : (void *)protected_function; }
