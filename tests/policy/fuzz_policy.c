/* What a fuzzer calls: any bytes are a policy, and what is at the end of an ELF file where they begin as one. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hooks/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                           \
  do {                                                                                                               \
    if (!(condition))                                                                                                \
      abort();                                                                                                       \
  } while (0)

static const char *variable(void *arg, const char *name) { return strcmp(name, "USER") ? "/v$1" : NULL; }

static void on_fault(void *arg, const char *message) {
  REQUIRE(!strchr(message, '\n') && !strncmp(message, "p", 1));
  ++*(unsigned *)arg;
}

static bool read_text(struct ldx_policy *p, const struct ldx_policy_reader *r, const void *text, size_t size) {
  bool ok = ldx_policy_add_text(p, r, "p", text, size);
  return ok && ldx_policy_finish(p, r);
}

/* What was accepted can be written, read again, and is the same; and it can be laid out. */
static void write_and_read(struct ldx_heap *heap, const uint8_t *data, size_t size) {
  unsigned faults = 0;
  const struct ldx_policy_reader r = {.heap = heap, .fault = on_fault, .arg = &faults};
  struct ldx_policy *p = ldx_policy_new(heap), *q = ldx_policy_new(heap);
  if (read_text(p, &r, data, size)) {
    char *text = ldx_policy_write(p, heap), *laid_out = ldx_policy_format(heap, (const char *)data, size);
    REQUIRE(text && laid_out);
    bool same_again = read_text(q, &r, text, strlen(text));
    REQUIRE(same_again);
    char *again = ldx_policy_write(q, heap);
    REQUIRE(again && !strcmp(text, again));
    ldx_heap_free(heap, text);
    ldx_heap_free(heap, again);
    ldx_heap_free(heap, laid_out);
  }
  ldx_policy_free(p);
  ldx_policy_free(q);
}

static void with_variables(struct ldx_heap *heap, const uint8_t *data, size_t size) {
  unsigned faults = 0;
  const struct ldx_policy_reader r = {.heap = heap, .variable = variable, .fault = on_fault, .arg = &faults};
  struct ldx_policy *p = ldx_policy_new(heap);
  bool ok = read_text(p, &r, data, size);
  REQUIRE(ok == !faults);
  for (uint32_t i = 0; ok && i < p->rewrite.count; i++) {
    struct ldx_policy_captures c;
    char buf[32];
    if (ldx_policy_match(p->rewrite.at[i].when.match, "libz.so.1", &c))
      ldx_policy_substitute(p->rewrite.at[i].to, &c, buf, sizeof buf);
  }
  ldx_policy_free(p);
}

static void find_section(struct ldx_heap *heap, const uint8_t *data, size_t size) {
  const struct ldx_policy_bytes bytes = {.span = {data, size}, .fd = -1, .size = size};
  char *text = NULL;
  size_t length = 0;
  const char *fault = NULL;
  int found = ldx_policy_find_section(heap, &bytes, LDX_POLICY_SECTION, LDX_POLICY_MAX_SIZE, &text, &length, &fault);
  REQUIRE((found < 0) == (fault != NULL) && (found > 0) == (text != NULL));
  REQUIRE(found <= 0 || (length <= size && !text[length]));
  if (found > 0)
    write_and_read(heap, (const uint8_t *)text, length);
  ldx_heap_free(heap, text);
}

/* The text's end is the end of what can be read: the loader's heap is none that the sanitizers watch. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct ldx_heap heap;
  uint8_t *copy = malloc(size + !size);
  if (size)
    memcpy(copy, data, size);
  if (size > 4 && !memcmp(data, "\177ELF", 4)) {
    find_section(&heap, copy, size);
  } else {
    write_and_read(&heap, copy, size);
    with_variables(&heap, copy, size);
  }
  free(copy);
  return 0;
}
