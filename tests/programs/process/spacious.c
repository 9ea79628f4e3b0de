static char zero[5 << 20], data[5000] = {[4999] = 3};
static char *pointers[] = {&zero[4096 * 3 + 5], &data[4999]};
int spacious_check(void) {
  int sum = 0;
  for (unsigned i = 0; i < sizeof zero; i += 4093)
    sum += zero[i];
  return sum * 100 + *pointers[0] + *pointers[1];
}
