/* A small library with data, zero-filled pages, and a folder of its own to tell. */
static int data = 30;
static char zeros[20000];
static const int constant = 12;

int io_value(void) {
  zeros[19999]++;
  return data + constant + (zeros[0] ? 1 : 0);
}
