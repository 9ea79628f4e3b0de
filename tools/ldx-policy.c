/* ldx-policy: checks, lays out and merges policies, and puts them into programs. It reads them as ldx does, by the
 * same code. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>

#include "hooks/policy.h"
#include "ldx-policy-elf.h"
#include "replace-file.h"

struct options {
  bool json, in_place;
  const char *out;
  char **words; /* what follows the command */
  int count;
};

struct session {
  struct options options;
  struct ldx_heap heap;
  struct ldx_policy_reader reader;
  struct ldx_policy *policy;
  unsigned faults;
};

static void usage(FILE *out) {
  fputs("Usage: ldx-policy check FILE...                     say what is wrong with the policy these make together\n"
        "       ldx-policy format [-i] FILE                 print FILE in the usual layout; -i: rewrite it\n"
        "       ldx-policy merge FILE...                    print one policy that says what these say together\n"
        "       ldx-policy add [-o OUT] POLICY PROGRAM      put POLICY into PROGRAM, as its section .ldx.policy\n"
        "       ldx-policy show PROGRAM                     print the policy that PROGRAM has\n"
        "       ldx-policy remove [-o OUT] PROGRAM          take it out\n"
        "\n"
        "A FILE is a policy (JSON; docs/policy.md), or a program that has one. A program with a policy obeys it\n"
        "under ldx, unless it is privileged; add replaces the policy that PROGRAM has.\n"
        "\n"
        "  -j, --json        check: print the faults as JSON; show, merge: print JSON on one line\n"
        "  -i, --in-place    format: rewrite the file\n"
        "  -o, --output OUT  add, remove: write the program to OUT, and leave PROGRAM alone\n"
        "  -h, --help        this text\n"
        "\n"
        "Exit status: 0, 1 when something is wrong, 2 when the command was not understood.\n",
        out);
}

/* --- faults --- */

static void put_json_text(const char *s, size_t n) {
  putchar('"');
  for (size_t i = 0; i < n; i++)
    if (s[i] == '"' || s[i] == '\\')
      printf("\\%c", s[i]);
    else
      putchar(s[i]);
  putchar('"');
}

/* "FILE:LINE:COLUMN: text", or "FILE: text". */
static void put_json_fault(const char *message) {
  const char *colon = strstr(message, ": "), *end = colon ? colon : message;
  unsigned line = 0, column = 0;
  int used = 0;
  for (const char *p = message; p < end; p++)
    if (*p == ':' && sscanf(p, ":%u:%u%n", &line, &column, &used) == 2 && p + used == end) {
      end = p;
      break;
    }
  printf("{\"file\":");
  put_json_text(message, (size_t)(end - message));
  if (used)
    printf(",\"line\":%u,\"column\":%u", line, column);
  printf(",\"text\":");
  message = colon ? colon + 2 : message;
  put_json_text(message, strlen(message));
  printf("}");
}

static void on_fault(void *arg, const char *message) {
  struct session *s = arg;
  if (s->options.json) {
    printf(s->faults ? "," : "");
    put_json_fault(message);
  } else {
    fprintf(stderr, "ldx-policy: %s\n", message);
  }
  s->faults++;
}

/* --- reading --- */

static bool is_elf(const char *path) {
  char magic[4] = {0};
  FILE *f = fopen(path, "re");
  bool elf = f && fread(magic, 1, 4, f) == 4 && !memcmp(magic, "\177ELF", 4);
  if (f)
    fclose(f);
  return elf;
}

static bool add_program(struct session *s, const char *path) {
  bool found = false;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  bool ok = fd >= 0 && ldx_policy_add_section(s->policy, &s->reader, path, fd, &found);
  if (fd >= 0)
    close(fd);
  if (ok && !found) {
    char text[4200];
    snprintf(text, sizeof text, "%s: has no section " LDX_POLICY_SECTION, path);
    on_fault(s, text);
  }
  return ok && found;
}

static bool read_policy(struct session *s, char **files, int count) {
  bool ok = true;
  s->policy = ldx_policy_new(&s->heap);
  for (int i = 0; i < count; i++)
    ok &= is_elf(files[i]) ? add_program(s, files[i]) : ldx_policy_add_file(s->policy, &s->reader, files[i]);
  return ok && ldx_policy_finish(s->policy, &s->reader);
}

/* --- commands: exit statuses --- */

static int check(struct session *s) {
  if (s->options.json)
    printf("{\"faults\":[");
  bool ok = read_policy(s, s->options.words, s->options.count);
  if (s->options.json)
    printf("],\"ok\":%s}\n", ok ? "true" : "false");
  return !ok;
}

static int print_laid_out(struct session *s, const char *text, size_t size) {
  char *out = ldx_policy_format(&s->heap, text, size);
  if (out)
    fputs(out, stdout);
  else
    fputs("ldx-policy: out of memory\n", stderr);
  ldx_heap_free(&s->heap, out);
  return !out;
}

static int format(struct session *s) {
  const char *path = s->options.words[0];
  char *text;
  size_t size;
  if (!read_policy(s, s->options.words, 1) || !read_whole_file(path, &text, &size))
    return 1;
  int status = 1;
  if (s->options.in_place) {
    char *out = ldx_policy_format(&s->heap, text, size);
    status = !out || !replace_file(path, path, out, strlen(out));
    ldx_heap_free(&s->heap, out);
  } else {
    status = print_laid_out(s, text, size);
  }
  free(text);
  return status;
}

/* The policy as it was read, without what it was read from. */
static int print_policy(struct session *s) {
  char *text = ldx_policy_write(s->policy, &s->heap);
  int status = !text;
  if (text && s->options.json)
    puts(text);
  else if (text)
    status = print_laid_out(s, text, strlen(text));
  ldx_heap_free(&s->heap, text);
  return status;
}

static int merge(struct session *s) {
  return read_policy(s, s->options.words, s->options.count) ? print_policy(s) : 1;
}

static int show(struct session *s) {
  s->policy = ldx_policy_new(&s->heap);
  return add_program(s, s->options.words[0]) && ldx_policy_finish(s->policy, &s->reader) ? print_policy(s) : 1;
}

static int replace(struct session *s, const char *policy, const char *program) {
  struct policy_image image;
  char *text = NULL;
  size_t size = 0;
  bool marked;
  if (policy && !read_whole_file(policy, &text, &size))
    return 1;
  if (!read_whole_file(program, &image.bytes, &image.size)) {
    free(text);
    return 1;
  }
  const char *error = policy_replace(&image, text, size, &marked);
  const char *target = s->options.out ? s->options.out : program;
  bool ok = !error && replace_file(target, program, image.bytes, image.size);
  if (error)
    fprintf(stderr, "ldx-policy: %s: %s\n", program, error);
  else if (ok && policy && !marked)
    fprintf(stderr,
            "ldx-policy: %s: no room for a mark in the dynamic section; ldx obeys this policy only with "
            "LDX_POLICY=section or --policy section\n",
            target);
  free(image.bytes);
  free(text);
  return !ok;
}

static int add(struct session *s) {
  if (!read_policy(s, s->options.words, 1))
    return 1;
  if (is_elf(s->options.words[0]) || s->policy->files.count > 1) {
    fprintf(stderr, "ldx-policy: %s: %s\n", s->options.words[0],
            s->policy->files.count > 1 ? "includes other files; add what `ldx-policy merge` makes of it"
                                       : "is a program, not a policy");
    return 1;
  }
  return replace(s, s->options.words[0], s->options.words[1]);
}

static int remove_(struct session *s) { return replace(s, NULL, s->options.words[0]); }

static const struct command {
  const char *name;
  int (*run)(struct session *s);
  int least, most;
} commands[] = {
    {"check", check, 1, 1 << 20}, {"format", format, 1, 1}, {"merge", merge, 1, 1 << 20},
    {"add", add, 2, 2},           {"show", show, 1, 1},     {"remove", remove_, 1, 1},
};

static const struct command *parse(int argc, char **argv, struct options *o) {
  static const struct option longs[] = {{"json", no_argument, NULL, 'j'},
                                        {"in-place", no_argument, NULL, 'i'},
                                        {"output", required_argument, NULL, 'o'},
                                        {"help", no_argument, NULL, 'h'},
                                        {0}};
  for (int c; (c = getopt_long(argc, argv, "jio:h", longs, NULL)) != -1;) {
    o->json |= c == 'j';
    o->in_place |= c == 'i';
    if (c == 'o')
      o->out = optarg;
    if (c == 'h') {
      usage(stdout);
      exit(0);
    }
    if (c == '?')
      return NULL;
  }
  if (optind == argc)
    return NULL;
  o->words = argv + optind + 1;
  o->count = argc - optind - 1;
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
    if (!strcmp(commands[i].name, argv[optind]) && o->count >= commands[i].least && o->count <= commands[i].most)
      return &commands[i];
  return NULL;
}

int main(int argc, char **argv) {
  struct session s = {.reader = {.heap = &s.heap, .fault = on_fault, .arg = &s}};
  const struct command *command = parse(argc, argv, &s.options);
  if (!command) {
    usage(stderr);
    return 2;
  }
  int status = command->run(&s);
  ldx_policy_free(s.policy);
  return fflush(stdout) ? 1 : status;
}
