/* Objects made at run time, for `ldx-ctl PID save`: one with something of everything, one without anything, and one
 * that changes all the time. Says "ready" when they are there; runs until its standard input ends. */
#include <elf.h>
#include <ldx/jit.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#pragma weak ldx_jit_new
#pragma weak ldx_jit_alloc
#pragma weak ldx_jit_writable
#pragma weak ldx_jit_bind
#pragma weak ldx_jit_unbind
#pragma weak ldx_jit_frame
#pragma weak ldx_jit_publish
#pragma weak ldx_jit_free

static unsigned long wrong;
static int ended;

static void *function(ldx_jit *jit, int value) {
  unsigned char code[6] = {0xb8, 0, 0, 0, 0, 0xc3}; /* mov $value,%eax; ret */
  memcpy(code + 1, &value, 4);
  void *at = ldx_jit_alloc(jit, sizeof code, 16, LDX_JIT_CODE);
  memcpy(ldx_jit_writable(jit, at), code, sizeof code);
  wrong += !!ldx_jit_frame(jit, at, sizeof code, LDX_JIT_FRAME_LEAF);
  return at;
}

static void bind(ldx_jit *jit, const char *name, const char *version, void *at, size_t bytes, uint32_t type,
                 uint32_t flags) {
  struct ldx_jit_symbol s = {
      .size = sizeof s, .flags = flags, .name = name, .version = version, .addr = at, .bytes = bytes, .type = type};
  wrong += !!ldx_jit_bind(jit, &s);
}

static ldx_jit *make(const char *name) {
  ldx_jit *jit = NULL;
  wrong += !!ldx_jit_new(name, LDX_JIT_GLOBAL, NULL, &jit);
  return jit;
}

static void make_all(void) {
  ldx_jit *jit = make("libctl-made.so");
  char name[32];
  void *at = NULL;
  for (int i = 0; i < 1000; i++) {
    snprintf(name, sizeof name, "made_%d", i);
    bind(jit, name, NULL, at = function(jit, i), 6, STT_FUNC, 0);
    wrong += i % 50 ? 0 : !!ldx_jit_publish(jit);
  }
  wrong += !!ldx_jit_publish(jit);
  for (int i = 100; i < 200; i++) {
    snprintf(name, sizeof name, "made_%d", i);
    wrong += !!ldx_jit_unbind(jit, name, NULL);
  }
  int *data = ldx_jit_alloc(jit, 64, 8, LDX_JIT_DATA);
  char *text = ldx_jit_alloc(jit, 16, 1, LDX_JIT_RODATA);
  data[0] = 4711;
  strcpy(ldx_jit_writable(jit, text), "what was made");
  bind(jit, "made_data", NULL, data, 64, STT_OBJECT, 0);
  bind(jit, "made_text", NULL, text, 14, STT_OBJECT, 0);
  bind(jit, "made_weak", NULL, at, 6, STT_FUNC, LDX_JIT_WEAK);
  bind(jit, "made_version", "MADE_1", function(jit, 1), 6, STT_FUNC, 0);
  bind(jit, "made_version", "MADE_2", function(jit, 2), 6, STT_FUNC, 0);
  bind(jit, "made_absolute", NULL, (void *)0x1234, 0, STT_NOTYPE, 0);
  bind(jit, "made_follows", NULL, function(jit, 5), 6, STT_FUNC, LDX_JIT_FOLLOWS);
  wrong += !!ldx_jit_publish(jit);
}

static void *change(void *arg) {
  ldx_jit *jit = make("changing object");
  char name[32];
  void *at[16] = {0};
  for (int i = 0; !__atomic_load_n(&ended, __ATOMIC_ACQUIRE); i++) {
    int k = i % 16;
    snprintf(name, sizeof name, "changing_%d", k);
    if (at[k]) {
      wrong += !!ldx_jit_unbind(jit, name, NULL);
      wrong += !!ldx_jit_publish(jit);
      wrong += !!ldx_jit_free(jit, at[k]);
    }
    at[k] = function(jit, i);
    bind(jit, name, i % 3 ? NULL : "CHANGING", at[k], 6, STT_FUNC, 0);
    wrong += !!ldx_jit_publish(jit);
    if (i % 3 == 0) {
      wrong += !!ldx_jit_unbind(jit, name, "CHANGING");
      bind(jit, name, NULL, at[k], 6, STT_FUNC, 0);
      wrong += !!ldx_jit_publish(jit);
    }
    usleep(100);
  }
  return arg;
}

int main(void) {
  pthread_t thread;
  char c;
  if (!ldx_jit_new)
    return 1;
  make_all();
  make("libctl-empty.so");
  pthread_create(&thread, NULL, change, NULL);
  puts("ready");
  fflush(stdout);
  while (read(0, &c, 1) > 0)
    ;
  __atomic_store_n(&ended, 1, __ATOMIC_RELEASE);
  pthread_join(thread, NULL);
  printf("wrong %lu\n", wrong);
  return wrong != 0;
}
