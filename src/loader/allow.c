#include "loader/allow.h"

#include <string.h>

#include "base/print.h"
#include "base/sha256.h"
#include "base/sys.h"
#include "elf/notes.h"

static bool is_hex(const char *text, const unsigned char *bytes, size_t size) {
  char digits[3];
  for (size_t i = 0; i < size; i++) {
    ldx_format(digits, sizeof digits, "%02x", bytes[i]);
    for (size_t k = 0; k < 2; k++)
      if ((text[2 * i + k] | 0x20) != digits[k] && text[2 * i + k] != digits[k])
        return false;
  }
  return !text[2 * size];
}

static bool has_hash(int fd, const char *text) {
  unsigned char block[4096], hash[LDX_SHA256_SIZE];
  struct ldx_sha256 s;
  int64_t at = 0;
  long n;
  ldx_sha256_begin(&s);
  while ((n = io_pread(&ldx_self.io, fd, block, sizeof block, at)) > 0) {
    ldx_sha256_add(&s, block, (size_t)n);
    at += n;
  }
  ldx_sha256_end(&s, hash);
  return n == 0 && strlen(text) == 2 * sizeof hash && is_hex(text, hash, sizeof hash);
}

static bool has_build_id(const struct ldx_object *o, const char *text) {
  struct ldx_span id = elf_build_id(&o->image, o->phdrs, o->image.phnum);
  return id.size && strlen(text) == 2 * id.size && is_hex(text, id.base, id.size);
}

/* The file's own path: the name that was given may lead anywhere. */
static bool has_path(int fd, const char *glob) {
  char link[32], path[4096];
  const char *known = ldx_io_path(&ldx_self.io, fd);
  if (known)
    return ldx_policy_match(glob, known, NULL);
  ldx_format(link, sizeof link, "/proc/self/fd/%d", fd);
  long n = sys_readlink(link, path, sizeof path - 1);
  if (ldx_sys_failed(n))
    return false;
  path[n] = '\0';
  return ldx_policy_match(glob, path, NULL);
}

bool ldx_allow_tool(const struct ldx_object *o, int fd, const char *name, struct ldx_diag *d) {
  const struct ldx_policy *p = ldx_self.policy;
  if (!p || (!p->security.allow_tools.count && p->security.deny_by_default != LDX_SWITCH_ON))
    return true;
  for (uint32_t i = 0; i < p->security.allow_tools.count; i++) {
    const struct ldx_policy_choice *a = &p->security.allow_tools.at[i];
    if ((a->is == LDX_ALLOW_SHA256 && has_hash(fd, a->text)) ||
        (a->is == LDX_ALLOW_BUILD_ID && has_build_id(o, a->text)) ||
        (a->is == LDX_ALLOW_PATH && has_path(fd, a->text)))
      return true;
  }
  return ldx_fail(d, LDX_DIAG_LOAD, 0, name, "tool is not allowed by the policy (%s)", p->security.where);
}
