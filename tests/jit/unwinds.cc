// Exceptions pass through code made at run time, and threads are cancelled in it.
#include "jit_test.h"

static const unsigned char calls_argument[] = {
    0x55, 0x48, 0x89, 0xe5, // push %rbp; mov %rsp,%rbp
    0xff, 0xd7,             // call *%rdi
    0x5d, 0xc3,             // pop %rbp; ret
};
typedef void caller(void (*)());
static ldx_jit *jit;

static caller *new_caller() {
  void *f = put_code(jit, calls_argument, sizeof calls_argument);
  SAME(ldx_jit_frame(jit, f, sizeof calls_argument, LDX_JIT_FRAME_POINTER), 0);
  SAME(ldx_jit_publish(jit), 0);
  return reinterpret_cast<caller *>(f);
}

static int destroyed;
struct guard {
  ~guard() { destroyed++; }
};
static caller *inner;
static void throws() {
  guard g;
  throw 42;
}
static void nested() {
  guard g;
  inner(throws);
}

static void thrown() {
  jit = make_jit("libjit-throws.so", 0);
  caller *outer = new_caller();
  for (int i = 0; i < 500; i++) {
    inner = new_caller();
    destroyed = 0;
    int caught = 0;
    try {
      outer(nested);
    } catch (int value) {
      caught = value;
    }
    SAME(caught, 42);
    SAME(destroyed, 2);
  }
}

// While another thread publishes frames, and objects come and go.
static bool ending;
static void *throwing(void *) {
  while (!__atomic_load_n(&ending, __ATOMIC_ACQUIRE)) {
    int caught = 0;
    try {
      inner(throws);
    } catch (int value) {
      caught = value;
    }
    SAME(caught, 42);
  }
  return NULL;
}
static void thrown_meanwhile() {
  jit = make_jit("libjit-throws.so", 0);
  inner = new_caller();
  pthread_t threads[2];
  for (pthread_t &t : threads)
    MUST(!pthread_create(&t, NULL, throwing, NULL));
  for (int i = 0; i < 600; i++) {
    new_caller();
    if (i % 5 == 0) {
      ldx_jit *other = make_jit("libjit-other.so", 0);
      void *f = returns(other, 1);
      SAME(ldx_jit_frame(other, f, 6, LDX_JIT_FRAME_LEAF), 0);
      SAME(ldx_jit_publish(other), 0);
      SAME(ldx_jit_delete(other), 0);
    }
  }
  __atomic_store_n(&ending, true, __ATOMIC_RELEASE);
  for (pthread_t &t : threads)
    pthread_join(t, NULL);
}

static void exits() { pthread_exit(reinterpret_cast<void *>(7)); }
static void *ends_in_code(void *) {
  guard g;
  inner(exits);
  return NULL;
}
static void unwound_thread() {
  jit = make_jit("libjit-exits.so", 0);
  inner = new_caller();
  pthread_t thread;
  void *result = NULL;
  MUST(!pthread_create(&thread, NULL, ends_in_code, NULL));
  pthread_join(thread, &result);
  SAME(result, 7);
  SAME(destroyed, 1);
}

CASES({"thrown", thrown}, {"thrown-meanwhile", thrown_meanwhile}, {"unwound-thread", unwound_thread})
