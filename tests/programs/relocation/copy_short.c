// The same library with a smaller object: the loader warns.
int copy_plain = 1;
const int copy_constant = 2;
char copy_large[100] = {[0] = 'a', [99] = 'z'};
int copy_alias_target = 3;
extern int copy_alias __attribute__((alias("copy_alias_target")));
const char *const copy_pointer = "points into the library";
int copy_sum(void) { return copy_plain + copy_constant + copy_alias_target; }
void *copy_address(int n) { return n == 0 ? &copy_plain : 0; }
