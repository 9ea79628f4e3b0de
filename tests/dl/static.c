// A program that is complete in itself, and no library.
int main(void) { return 0; }
