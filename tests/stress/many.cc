// A small library that is copied hundreds of times: exceptions pass through its frames.
static int guards;

struct guard {
  guard() { __atomic_add_fetch(&guards, 1, __ATOMIC_RELAXED); }
  ~guard() { __atomic_sub_fetch(&guards, 1, __ATOMIC_RELAXED); }
};

extern "C" {
// Calls next(argument) with something to destroy; what it throws passes.
int many_through(int (*next)(void *), void *argument) {
  guard here;
  return next(argument) + 1;
}

int many_guards() { return __atomic_load_n(&guards, __ATOMIC_RELAXED); }
}
