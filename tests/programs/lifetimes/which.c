#ifdef WEAK
__attribute__((weak))
#endif
int which(int x) {
  return x + VALUE;
}
