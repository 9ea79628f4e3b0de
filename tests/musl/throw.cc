// Exceptions, by the compiler's own runtime (libsupc++, libgcc_eh): out of depth, in threads, rethrown, out of a
// library.
#include <pthread.h>
#include <stdio.h>

struct Error {
  int code;
};
struct Told {
  int n;
  ~Told() { printf("unwound %d\n", n); }
};

#ifdef LIBRARY
void throw_from_library(int n) {
  Told t{n};
  if (n == 0)
    throw Error{7};
  throw_from_library(n - 1);
}
#else
void throw_from_library(int n);

static int fall(int n) {
  Told t{n};
  if (n == 0)
    throw Error{42};
  return fall(n - 1) + 1;
}

static void *thread(void *arg) {
  int *n = static_cast<int *>(arg);
  try {
    throw *n;
  } catch (int x) {
    *n = x * 2;
  }
  return nullptr;
}

static Told *constructed() try { return new Told{fall(0)}; } catch (const Error &e) {
  printf("not constructed: %d\n", e.code);
  throw;
}

int main() {
  pthread_t t[4];
  int values[4];
  try {
    fall(2);
  } catch (const Error &e) {
    printf("caught %d\n", e.code);
  }
  try {
    throw_from_library(2);
  } catch (const Error &e) {
    printf("caught %d\n", e.code);
  }
  for (int i = 0; i < 4; i++) {
    values[i] = i;
    pthread_create(&t[i], nullptr, thread, &values[i]);
  }
  for (pthread_t each : t)
    pthread_join(each, nullptr);
  printf("%d %d\n", values[1], values[3]);
  try {
    constructed();
  } catch (...) {
    puts("again");
  }
  fflush(stdout);
  throw 1;
}
#endif
