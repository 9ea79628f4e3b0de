/* A small printer. Formats: %s %c %d %u %x %lu %ld %lx %lo %% with optional zero padding and width
 * (a number or *), %.*s; no locale, no allocation, no floating point. */
#ifndef LDX_BASE_PRINT_H
#define LDX_BASE_PRINT_H

#include <stdarg.h>
#include <stddef.h>

/* Writes at most size-1 characters and a NUL; returns the length the whole text has. */
size_t ldx_vformat(char *buf, size_t size, const char *fmt, va_list ap);
size_t ldx_format(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Prints to a file descriptor in one write where it fits 4 KiB. */
void ldx_vprint(int fd, const char *fmt, va_list ap);
void ldx_print(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
