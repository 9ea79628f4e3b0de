/* What is tried, and what came of it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

enum { MAX_WORDS = 32 };

struct request {
  const char *image;           /* of the loader, as /proc/PID/maps names it */
  rlim_t address_space, files; /* limits from the first instruction on; 0: none */
  long failing_call;           /* which of the loader's system calls fails; 0: none */
  long failing_errno;
  bool examine;
  char *argv[MAX_WORDS]; /* begins with NAME=VALUE words for the environment */
};

struct place {
  const char *where;
  uint64_t offset;
  char image[64];
};

struct outcome {
  const char *kind;
  int number;
  struct place place;
  long failed_call;
};

struct output {
  int out, err;
};

_Noreturn void die(const char *what);

/* child.c: the process, which stops with SIGTRAP once execve has succeeded; then its limits can be set. */
pid_t start_child(const struct request *request, struct output output);
void prepare_child(pid_t child, const struct request *request);

/* place.c: where it stands. */
struct mapping {
  uint64_t start, end, offset;
  char mode[5], path[512];
};

bool find_mapping_after(pid_t child, uint64_t address, struct mapping *found); /* the first that ends behind it */
bool find_mapping(pid_t child, uint64_t address, struct mapping *found);
bool is_code(const struct mapping *m);
bool in_loader(pid_t child, const char *image, uint64_t address);
struct place locate(pid_t child, const char *image);
bool is_fatal(int signal);
const char *last_part(const char *path);

/* symbols.c: the name of the function that begins at an address of a file whose first byte is mapped at base, or
 * NULL. */
const char *function_at(const struct mapping *m, uint64_t base, uint64_t address);

/* hang.c: waiting, with a limit. */
struct watch {
  double begin, last_cpu, last_change;
};

struct watch start_watch(void);
/* Waits for the next stop or end; false when the process hangs (then *kind says how). */
bool wait_change(pid_t child, struct watch *watch, int *status, const char **kind);
/* Looks at a hanging process several times: once in the loader's code is enough to blame the loader. */
struct place sample_hang(pid_t child, const char *image);

/* blame.c: after a crash that seems the loader's: did the guest bring it about? Runs the request again, step by step.
 */
bool guest_is_to_blame(const struct request *request);
