// A library that comes at run time: a constructor, thread-local data, and a call of another library that binds
// lazily.
int under_work(int (*f)(int), int n);
#ifdef BROKEN
int nobody_has_this(void);
#endif

static __thread int later_number = 7;
static volatile int marks;

__attribute__((noinline)) static void later_mark(void) { marks = marks + 1; }

__attribute__((constructor)) static void later_begin(void) { later_mark(); }

int later_set(int n) { return later_number = n; }

int later_call(int (*f)(int), int n) {
#ifdef BROKEN
  n += nobody_has_this();
#endif
  return under_work(f, n) + later_number;
}
