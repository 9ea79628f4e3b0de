// Thread-local data, and users of it that claim a place in the static TLS block (and may fail to load after that).
#if defined(USER)
extern __thread int tls_value __attribute__((tls_model("initial-exec")));
void nobody_has_this(void);
int tls_use(int unused) {
  nobody_has_this();
  return tls_value;
}
#elif defined(BLOCK_USER)
static __thread char own[200] __attribute__((tls_model("initial-exec")));
int block_first(int);
#ifdef MISSING
void nobody_has_this(void);
#else
static void nobody_has_this(void) {}
#endif
int block_use(int at) {
  nobody_has_this();
  return own[at]++ + block_first(at);
}
#elif defined(BLOCK)
static __thread char block[200] __attribute__((tls_model("initial-exec")));
int block_first(int at) { return ++block[at]; }
#else
__thread int tls_value = 42;
int tls_read(int unused) { return tls_value; }
#endif
