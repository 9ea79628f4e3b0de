// What the programs of this folder say, said in one way: no addresses, no folders, no buffering.
#pragma once
#include <dlfcn.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static inline const char *base_name(const char *path) {
  const char *slash = path ? strrchr(path, '/') : NULL;
  return !path ? "(null)" : slash ? slash + 1 : *path ? path : "(program)";
}

// By one write each, so that forks and exits neither lose nor double anything.
__attribute__((format(printf, 1, 2))) static inline void tell(const char *format, ...) {
  char text[8192];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (length >= (int)sizeof text)
    length = sizeof text - 1;
  if (write(1, text, length) != length)
    _exit(99);
}

static inline const char *why(void) {
  const char *text = dlerror();
  return text ? text : "(no error)";
}

// The text, and what is left when it has been taken.
static inline void tell_why_twice(const char *label) {
  tell("%s: %s", label, why());
  tell(", then %s\n", why());
}

static inline void *must_open(const char *name, int mode) {
  void *handle = dlopen(name, mode);
  if (!handle) {
    tell("cannot go on: %s\n", why());
    exit(98);
  }
  return handle;
}

static inline void *must_find(void *handle, const char *name) {
  void *found = dlsym(handle, name);
  if (!found) {
    tell("cannot go on: %s\n", why());
    exit(97);
  }
  return found;
}

// Which object is the loader, and how it is called, is what must differ from the system loader.
static inline int is_loader(const char *name) {
  const char *base = base_name(name);
  return strstr(base, "ld-linux") || strstr(base, "ldx");
}

static inline int tell_one(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size, (void)data;
  if (!is_loader(info->dlpi_name))
    tell(" %s", base_name(info->dlpi_name));
  return 0;
}

static inline void tell_loaded(const char *label) {
  tell("%s:", label);
  dl_iterate_phdr(tell_one, NULL);
  tell("\n");
}

// Runs something in a child, so that it starts from the same state every time.
#define IN_CHILD(...)                                                                                                \
  do {                                                                                                               \
    pid_t child_ = fork();                                                                                           \
    if (child_ == 0) {                                                                                               \
      __VA_ARGS__;                                                                                                   \
      exit(0);                                                                                                       \
    }                                                                                                                \
    int status_;                                                                                                     \
    waitpid(child_, &status_, 0);                                                                                    \
    if (status_)                                                                                                     \
      tell("  child ended with %#x\n", status_);                                                                     \
  } while (0)
