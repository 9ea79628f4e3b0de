/* Source of small libraries that are linked in different ways, for the comparison with libelf. */
#include <stdio.h>

#define VERSIONED(name, version) __asm__(".symver " #name "," version)

int old_answer(void);
int new_answer(void);
VERSIONED(old_answer, "answer@SAMPLE_1");
VERSIONED(new_answer, "answer@@SAMPLE_2");
int old_answer(void) { return 41; }
int new_answer(void) { return 42; }

__thread int sample_thread_local = 7;
static int hidden_words[8];
int *const sample_pointers[] = {&hidden_words[0], &hidden_words[3], &hidden_words[5]};

__attribute__((weak)) int sample_weak(void) { return 1; }
__attribute__((weak)) int sample_weak_undefined(void);

static int one(void) { return 1; }
static int (*choose(void))(void) { return one; }
int sample_chosen(void) __attribute__((ifunc("choose")));

__attribute__((constructor)) static void start(void) { hidden_words[0] = 1; }

int sample_say(const char *text) {
  if (sample_weak_undefined)
    sample_weak_undefined();
  return puts(text) + sample_thread_local + sample_chosen();
}
