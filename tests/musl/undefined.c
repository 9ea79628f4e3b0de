int nobody_defines_this(void);
int main(int argc, char **argv) { return argc > 1000 ? nobody_defines_this() : 0; }
