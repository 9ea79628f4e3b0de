/* A library of the farm: it defines value_NAME, calls what it is told to (-DCALLS=value_other), and leaves a mark
 * when anything of it runs: a constructor, or the resolver of its indirect function. */
#include <fcntl.h>
#include <unistd.h>

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define VALUE JOIN(value_, NAME)

#ifndef MARK
#define MARK "mark-of-piece"
#endif

__thread int in_each_thread = 7;

static void leave_mark(void) {
  int fd = open(MARK, O_WRONLY | O_CREAT, 0666);
  if (fd >= 0)
    close(fd);
}

__attribute__((constructor)) static void begin(void) { leave_mark(); }

#ifdef CALLS
int CALLS(void);
#endif

int VALUE(void);
int VALUE(void) {
#ifdef CALLS
  return CALLS() + in_each_thread;
#else
  return ANSWER + in_each_thread;
#endif
}

/* Defined by several: the first in the scope is meant. */
const char *shared_name(void);
const char *shared_name(void) { return __FILE__; }

#ifdef CHOSEN
static int chosen(void) { return 1; }
static int (*choose(void))(void) {
  char mark[] = MARK;
  long r;
  __asm__ volatile("syscall" : "=a"(r) : "a"(85L /* creat */), "D"(mark), "S"(0666L) : "rcx", "r11", "memory");
  return chosen;
}
int chosen_function(void) __attribute__((ifunc("choose")));
#endif
