// Objects that a non-PIE program copies.
int copy_plain = 1;
const int copy_constant = 2;
char copy_large[10000] = {[0] = 'a', [9999] = 'z'};
int copy_alias_target = 3;
extern int copy_alias __attribute__((alias("copy_alias_target")));
const char *const copy_pointer = "points into the library";
int copy_sum(void) { return copy_plain + copy_constant + copy_large[9999] + copy_alias_target; }
void *copy_address(int n) {
  void *const all[] = {&copy_plain, (void *)&copy_constant, copy_large, &copy_alias_target, (void *)&copy_pointer};
  return all[n];
}
