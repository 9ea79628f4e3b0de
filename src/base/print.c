#include "base/print.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"

struct sink {
  char *buf;
  size_t size, len;
  int fd; /* -1: keep in buf only; else flush to fd when full */
};

/* Pieces of a message are short: no call, words while they last. */
static void copy(char *to, const char *from, size_t n) {
  for (; n >= sizeof(uint64_t); n -= sizeof(uint64_t), to += sizeof(uint64_t), from += sizeof(uint64_t))
    __builtin_memcpy(to, from, sizeof(uint64_t));
  for (; n; n--)
    *to++ = *from++;
}

static void put(struct sink *s, const char *p, size_t n) {
  if (s->fd < 0) {
    size_t room = s->len + 1 < s->size ? s->size - s->len - 1 : 0;
    copy(s->buf + s->len, p, n < room ? n : room);
    s->len += n;
    return;
  }
  while (n) {
    if (s->len == s->size) {
      sys_write(s->fd, s->buf, s->len);
      s->len = 0;
    }
    size_t room = s->size - s->len, now = n < room ? n : room;
    copy(s->buf + s->len, p, now);
    s->len += now;
    p += now;
    n -= now;
  }
}

struct spec {
  int width, precision;
  bool zero, left, wide;
};

static void pad(struct sink *s, char c, int n) {
  while (n-- > 0)
    put(s, &c, 1);
}

static void put_text(struct sink *s, const struct spec *f, const char *p) {
  if (!p)
    p = "(null)";
  size_t n = f->precision >= 0 ? strnlen(p, (size_t)f->precision) : strlen(p);
  if (!f->left)
    pad(s, ' ', f->width - (int)n);
  put(s, p, n);
  if (f->left)
    pad(s, ' ', f->width - (int)n);
}

static void put_number(struct sink *s, const struct spec *f, uint64_t v, unsigned base, bool negative) {
  char tmp[32], *p = tmp + sizeof tmp;
  do {
    *--p = "0123456789abcdef"[v % base];
    v /= base;
  } while (v);
  int n = (int)(tmp + sizeof tmp - p) + negative;
  if (!f->zero)
    pad(s, ' ', f->left ? 0 : f->width - n);
  if (negative)
    put(s, "-", 1);
  if (f->zero)
    pad(s, '0', f->width - n);
  put(s, p, (size_t)(tmp + sizeof tmp - p));
  if (f->left)
    pad(s, ' ', f->width - n);
}

static const char *parse_spec(const char *p, struct spec *f, va_list *ap) {
  *f = (struct spec){.precision = -1};
  for (;; p++) {
    if (*p == '0')
      f->zero = true;
    else if (*p == '-')
      f->left = true;
    else
      break;
  }
  f->zero = f->zero && !f->left;
  if (*p == '*') {
    f->width = va_arg(*ap, int);
    p++;
  }
  for (; *p >= '0' && *p <= '9'; p++)
    f->width = f->width * 10 + (*p - '0');
  if (p[0] == '.' && p[1] == '*') {
    f->precision = va_arg(*ap, int);
    p += 2;
  }
  for (; *p == 'l' || *p == 'z'; p++)
    f->wide = true;
  return p;
}

static void put_spec(struct sink *s, char conversion, const struct spec *f, va_list *ap) {
  switch (conversion) {
  case 's':
    put_text(s, f, va_arg(*ap, const char *));
    break;
  case 'c': {
    char c = (char)va_arg(*ap, int);
    put(s, &c, 1);
    break;
  }
  case 'd': {
    int64_t v = f->wide ? va_arg(*ap, long) : va_arg(*ap, int);
    put_number(s, f, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, v < 0);
    break;
  }
  case 'u':
  case 'x':
  case 'o': {
    uint64_t v = f->wide ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned);
    put_number(s, f, v, conversion == 'u' ? 10 : conversion == 'x' ? 16 : 8, false);
    break;
  }
  case 'p':
    put(s, "0x", 2);
    put_number(s, f, (uint64_t)va_arg(*ap, void *), 16, false);
    break;
  default:
    put(s, &conversion, 1);
  }
}

static void emit(struct sink *s, const char *fmt, va_list ap) {
  va_list copy;
  va_copy(copy, ap);
  while (*fmt) {
    size_t n = 0;
    while (fmt[n] && fmt[n] != '%')
      n++;
    put(s, fmt, n);
    fmt += n;
    if (!*fmt)
      break;
    struct spec f = {.precision = -1};
    if (fmt[1] == 's') { /* almost all are plain */
      put_text(s, &f, va_arg(copy, const char *));
      fmt += 2;
      continue;
    }
    fmt = parse_spec(fmt + 1, &f, &copy);
    if (!*fmt)
      break;
    put_spec(s, *fmt++, &f, &copy);
  }
  va_end(copy);
}

size_t ldx_vformat(char *buf, size_t size, const char *fmt, va_list ap) {
  struct sink s = {.buf = buf, .size = size, .fd = -1};
  emit(&s, fmt, ap);
  if (size)
    buf[s.len < size ? s.len : size - 1] = '\0';
  return s.len;
}

size_t ldx_format(char *buf, size_t size, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  size_t n = ldx_vformat(buf, size, fmt, ap);
  va_end(ap);
  return n;
}

void ldx_vprint(int fd, const char *fmt, va_list ap) {
  char buf[4096];
  struct sink s = {.buf = buf, .size = sizeof buf, .fd = fd};
  emit(&s, fmt, ap);
  if (s.len)
    sys_write(fd, buf, s.len);
}

void ldx_print(int fd, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  ldx_vprint(fd, fmt, ap);
  va_end(ap);
}
