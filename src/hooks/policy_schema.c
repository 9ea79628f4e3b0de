#include "hooks/policy_schema.h"

#include <errno.h>
#include <string.h>

#define AT(type, member) (uint16_t) offsetof(struct type, member)
#define POLICY(key, kind, detail, flags, member)                                                                     \
  { SHAPE_POLICY, kind, detail, flags, AT(ldx_policy, member), key }
#define TOOL(key, kind, detail, flags, member)                                                                       \
  { SHAPE_TOOL, kind, detail, flags, AT(ldx_policy_tool, member), key }
#define GROUP(shape, group, key, kind, detail, member)                                                               \
  { shape, kind, detail, 0, (uint16_t)(AT(ldx_policy, group.member) - AT(ldx_policy, group)), key }
#define RULE(shape, type, key, kind, detail, flags, member)                                                          \
  { shape, kind, detail, flags, AT(type, member), key }

/* clang-format off: a row a key */
const struct policy_field policy_fields[] = {
    POLICY("$schema", POLICY_WORD, WORDS_SCHEMA, POLICY_OF_FILE, schema),
    POLICY("version", POLICY_NUMBER, RANGE_VERSION, POLICY_OF_FILE, version),
    POLICY("include", POLICY_PATHS, 0, POLICY_OF_FILE, include),
    POLICY("tools", POLICY_OBJECTS, SHAPE_TOOL, 0, tools),
    POLICY("order", POLICY_OBJECT, SHAPE_ORDER, 0, order),
    POLICY("search", POLICY_OBJECT, SHAPE_SEARCH, 0, search),
    POLICY("rewrite", POLICY_OBJECTS, SHAPE_REWRITE, 0, rewrite),
    POLICY("deny", POLICY_OBJECTS, SHAPE_DENY, 0, deny),
    POLICY("provide", POLICY_OBJECTS, SHAPE_PROVIDE, 0, provide),
    POLICY("preload", POLICY_PATHS, 0, 0, preload),
    POLICY("load_order", POLICY_TEXTS, 0, 0, load_order),
    POLICY("init_order", POLICY_PAIRS, 0, 0, init_order),
    POLICY("cache", POLICY_OBJECT, SHAPE_CACHE, 0, cache),
    POLICY("io", POLICY_OBJECTS, SHAPE_IO, 0, io),
    POLICY("bind", POLICY_OBJECTS, SHAPE_BIND, 0, bind),
    POLICY("namespaces", POLICY_OBJECTS, SHAPE_NAMESPACE, 0, namespaces),
    POLICY("ifunc", POLICY_OBJECTS, SHAPE_IFUNC, 0, ifunc),
    POLICY("hwcaps_mask", POLICY_TEXTS, 0, 0, hwcaps_mask),
    POLICY("events", POLICY_OBJECT, SHAPE_EVENTS, 0, events),
    POLICY("security", POLICY_OBJECT, SHAPE_SECURITY, 0, security),
    POLICY("follow", POLICY_OBJECT, SHAPE_FOLLOW, 0, follow),

    TOOL("path", POLICY_PATH, 0, POLICY_REQUIRED, path),
    TOOL("name", POLICY_TEXT, 0, 0, name),
    TOOL("after", POLICY_TEXTS, 0, 0, after),
    TOOL("before", POLICY_TEXTS, 0, 0, before),
    TOOL("priority", POLICY_NUMBER, RANGE_PRIORITY, 0, priority),
    TOOL("in_app", POLICY_SWITCH, 0, 0, in_app),
    TOOL("args", POLICY_REMARKS, 0, 0, args),
    TOOL("events", POLICY_EVENTS, 0, 0, events),
    TOOL("watchdog_ms", POLICY_NUMBER, RANGE_WATCHDOG, 0, watchdog_ms),
    TOOL("on_fault", POLICY_WORD, WORDS_ON_FAULT, 0, on_fault),

    GROUP(SHAPE_ORDER, order, "edges", POLICY_PAIRS, 0, edges),
    GROUP(SHAPE_ORDER, order, "remove", POLICY_PAIRS, 0, remove),
    GROUP(SHAPE_ORDER, order, "on_conflict", POLICY_WORD, WORDS_ON_CONFLICT, on_conflict),

    GROUP(SHAPE_SEARCH, search, "algorithm", POLICY_CHOICE, WORDS_ALGORITHM, algorithm),
    GROUP(SHAPE_SEARCH, search, "rpath", POLICY_PATHS, 0, rpath),
    GROUP(SHAPE_SEARCH, search, "append", POLICY_PATHS, 0, append),
    GROUP(SHAPE_SEARCH, search, "prepend", POLICY_PATHS, 0, prepend),
    GROUP(SHAPE_SEARCH, search, "hwcaps", POLICY_TEXTS, 0, hwcaps),
    GROUP(SHAPE_SEARCH, search, "keep_origin", POLICY_SWITCH, 0, keep_origin),
    GROUP(SHAPE_SEARCH, search, "store", POLICY_PATHS, 0, store),

    RULE(SHAPE_REWRITE, ldx_policy_rewrite, "when", POLICY_OBJECT, SHAPE_WHEN, POLICY_REQUIRED, when),
    RULE(SHAPE_REWRITE, ldx_policy_rewrite, "to", POLICY_TEMPLATE, 0, POLICY_REQUIRED, to),
    RULE(SHAPE_REWRITE, ldx_policy_rewrite, "why", POLICY_REMARK, 0, 0, why),
    RULE(SHAPE_WHEN, ldx_policy_when, "kind", POLICY_WORD, WORDS_WHEN, POLICY_REQUIRED, kind),
    RULE(SHAPE_WHEN, ldx_policy_when, "match", POLICY_TEXT, 0, POLICY_REQUIRED, match),
    RULE(SHAPE_WHEN, ldx_policy_when, "from", POLICY_TEXT, 0, 0, from),
    RULE(SHAPE_WHEN, ldx_policy_when, "ns", POLICY_TEXT, 0, 0, ns),

    RULE(SHAPE_DENY, ldx_policy_deny, "match", POLICY_TEXT, 0, POLICY_REQUIRED, match),
    RULE(SHAPE_DENY, ldx_policy_deny, "from", POLICY_TEXT, 0, 0, from),
    RULE(SHAPE_DENY, ldx_policy_deny, "ns", POLICY_TEXT, 0, 0, ns),
    RULE(SHAPE_DENY, ldx_policy_deny, "errno", POLICY_ERRNO, 0, 0, error),
    RULE(SHAPE_DENY, ldx_policy_deny, "why", POLICY_REMARK, 0, 0, why),

    RULE(SHAPE_PROVIDE, ldx_policy_provide, "name", POLICY_TEXT, 0, POLICY_REQUIRED, name),
    RULE(SHAPE_PROVIDE, ldx_policy_provide, "from", POLICY_CHOICE, WORDS_PROVIDE, POLICY_REQUIRED, from),

    GROUP(SHAPE_CACHE, cache, "tiers", POLICY_PATHS, 0, tiers),
    GROUP(SHAPE_CACHE, cache, "key", POLICY_CHOICE, WORDS_KEY, key),
    GROUP(SHAPE_CACHE, cache, "readonly", POLICY_SWITCH, 0, readonly),
    GROUP(SHAPE_CACHE, cache, "relocs", POLICY_SWITCH, 0, relocs),

    RULE(SHAPE_IO, ldx_policy_io, "paths", POLICY_PATHS, 0, POLICY_REQUIRED, paths),
    RULE(SHAPE_IO, ldx_policy_io, "provider", POLICY_TEXT, 0, POLICY_REQUIRED, provider),
    RULE(SHAPE_IO, ldx_policy_io, "files", POLICY_TEXTS, 0, 0, files),

    RULE(SHAPE_BIND, ldx_policy_bind, "sym", POLICY_TEXT, 0, POLICY_REQUIRED, sym),
    RULE(SHAPE_BIND, ldx_policy_bind, "version", POLICY_TEXT, 0, 0, version),
    RULE(SHAPE_BIND, ldx_policy_bind, "caller", POLICY_TEXT, 0, 0, caller),
    RULE(SHAPE_BIND, ldx_policy_bind, "definer", POLICY_TEXT, 0, 0, definer),
    RULE(SHAPE_BIND, ldx_policy_bind, "to", POLICY_TEXT, 0, POLICY_REQUIRED, to),

    RULE(SHAPE_NAMESPACE, ldx_policy_namespace, "name", POLICY_TEXT, 0, POLICY_REQUIRED, name),
    RULE(SHAPE_NAMESPACE, ldx_policy_namespace, "share", POLICY_TEXTS, 0, 0, share),
    RULE(SHAPE_NAMESPACE, ldx_policy_namespace, "isolate", POLICY_SWITCH, 0, 0, isolate),
    RULE(SHAPE_NAMESPACE, ldx_policy_namespace, "global", POLICY_SWITCH, 0, 0, global),

    RULE(SHAPE_IFUNC, ldx_policy_ifunc, "sym", POLICY_TEXT, 0, POLICY_REQUIRED, sym),
    RULE(SHAPE_IFUNC, ldx_policy_ifunc, "choose", POLICY_TEXT, 0, POLICY_REQUIRED, choose),

    GROUP(SHAPE_EVENTS, events, "log", POLICY_CHOICE, WORDS_LOG, log),
    GROUP(SHAPE_EVENTS, events, "types", POLICY_EVENTS, 0, types),
    GROUP(SHAPE_EVENTS, events, "history", POLICY_NUMBER, RANGE_HISTORY, history),

    GROUP(SHAPE_SECURITY, security, "allow_tools", POLICY_CHOICES, WORDS_ALLOW, allow_tools),
    GROUP(SHAPE_SECURITY, security, "strict", POLICY_SWITCH, 0, strict),
    GROUP(SHAPE_SECURITY, security, "deny_by_default", POLICY_SWITCH, 0, deny_by_default),

    GROUP(SHAPE_FOLLOW, follow, "fork", POLICY_SWITCH, 0, fork),
    GROUP(SHAPE_FOLLOW, follow, "exec", POLICY_SWITCH, 0, exec),
};
/* clang-format on */
const size_t policy_field_count = LDX_COUNT(policy_fields);

size_t policy_shape_size(enum policy_shape shape) {
  static const uint16_t sizes[SHAPES] = {
      [SHAPE_TOOL] = sizeof(struct ldx_policy_tool),
      [SHAPE_REWRITE] = sizeof(struct ldx_policy_rewrite),
      [SHAPE_DENY] = sizeof(struct ldx_policy_deny),
      [SHAPE_PROVIDE] = sizeof(struct ldx_policy_provide),
      [SHAPE_IO] = sizeof(struct ldx_policy_io),
      [SHAPE_BIND] = sizeof(struct ldx_policy_bind),
      [SHAPE_NAMESPACE] = sizeof(struct ldx_policy_namespace),
      [SHAPE_IFUNC] = sizeof(struct ldx_policy_ifunc),
  };
  return sizes[shape];
}

const char *policy_words_text(enum policy_words words) {
  static const char texts[][56] = {
      [WORDS_SCHEMA] = "ldx-policy-1",
      [WORDS_ON_FAULT] = "report|disable|abort",
      [WORDS_ON_CONFLICT] = "error|first|last|chain",
      [WORDS_ALGORITHM] = "glibc|musl|depth-first|frozen|store|origin-cache|tool:",
      [WORDS_WHEN] = "name|path|dir|search|soname",
      [WORDS_PROVIDE] = "file:|memfd:|section:",
      [WORDS_KEY] = "path|build-id|content|soname|tool:",
      [WORDS_LOG] = "fd:|file:|stderr",
      [WORDS_ALLOW] = "sha256:|build-id:|*",
  };
  return texts[words];
}

const char *policy_word(enum policy_words words, uint32_t n, size_t *length) {
  const char *p = policy_words_text(words);
  for (;; p += *length + (p[*length] == '|')) {
    *length = 0;
    while (p[*length] && p[*length] != '|')
      ++*length;
    if (--n == 0 || !*length)
      return p;
  }
}

struct policy_range_of policy_range(enum policy_range range) {
  static const struct policy_range_of ranges[] = {
      [RANGE_VERSION] = {1, 1, false},
      [RANGE_PRIORITY] = {-2147483647 - 1, 2147483647, false},
      [RANGE_WATCHDOG] = {1, 86400000, false},
      [RANGE_HISTORY] = {16, 1 << 24, true},
  };
  return ranges[range];
}

static const struct {
  int32_t value;
  char name[16];
} errnos[] = {
    {EACCES, "EACCES"},       {ENOENT, "ENOENT"}, {EPERM, "EPERM"},     {EIO, "EIO"},
    {ENXIO, "ENXIO"},         {E2BIG, "E2BIG"},   {ENOEXEC, "ENOEXEC"}, {EBADF, "EBADF"},
    {EAGAIN, "EAGAIN"},       {ENOMEM, "ENOMEM"}, {EFAULT, "EFAULT"},   {EBUSY, "EBUSY"},
    {EEXIST, "EEXIST"},       {ENODEV, "ENODEV"}, {ENOTDIR, "ENOTDIR"}, {EISDIR, "EISDIR"},
    {EINVAL, "EINVAL"},       {ENFILE, "ENFILE"}, {EMFILE, "EMFILE"},   {ETXTBSY, "ETXTBSY"},
    {EFBIG, "EFBIG"},         {ENOSPC, "ENOSPC"}, {EROFS, "EROFS"},     {ENOSYS, "ENOSYS"},
    {ELOOP, "ELOOP"},         {ESTALE, "ESTALE"}, {EINTR, "EINTR"},     {ELIBBAD, "ELIBBAD"},
    {ETIMEDOUT, "ETIMEDOUT"},
};

int policy_errno_value(const char *name) {
  for (size_t i = 0; i < LDX_COUNT(errnos); i++)
    if (!strcmp(errnos[i].name, name))
      return errnos[i].value;
  return -1;
}

const char *policy_errno_name(int64_t value) {
  for (size_t i = 0; i < LDX_COUNT(errnos); i++)
    if (errnos[i].value == value)
      return errnos[i].name;
  return NULL;
}
