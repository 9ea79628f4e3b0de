/* ldx_find in made-up trees: order, what is passed over, messages, DF_1_NODEFLIB, AT_SECURE, system calls. */
#include "search/library.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/x86_64/isa.h"
#include "cache_writer.h"
#include "objects.h"
#include "stubs.h"
#include "tree.h"
#include "unit.h"

/* One process with a program and a library it loaded. */
struct process {
  struct ldx_heap heap;
  struct ldx_library_search search;
  struct ldx_diag diag;
  struct ldx_library_file file;
  struct ldx_namespace ns;
  struct ldx_object *program, *library;
};

static const struct ldx_isa cpu = {.level = 2};

static struct process *new_process(const char *library_path, const char *rpath, const char *runpath) {
  struct process *p = calloc(1, sizeof *p);
  p->search = (struct ldx_library_search){.heap = &p->heap,
                                          .library_path = library_path,
                                          .platform = "x86_64",
                                          .isa = &cpu,
                                          .cache_file = "/nonexistent/ld.so.cache"};
  p->diag.heap = &p->heap;
  p->program = object_made_up(&p->heap, LDX_PROGRAM, "", rpath, runpath, 0);
  p->library = object_made_up(&p->heap, LDX_LIBRARY, "/opt/lib.so", NULL, NULL, 0);
  p->program->ns = p->library->ns = &p->ns;
  p->library->loader = p->program;
  return p;
}

static enum ldx_find_result find(struct process *p, const char *name, struct ldx_object *loader) {
  ldx_diag_clear(&p->diag);
  enum ldx_find_result r = ldx_find_library(&p->search, name, loader, p->program, &p->file, &p->diag);
  assert_int_equal(r == LDX_FOUND, !ldx_failed(&p->diag));
  if (r != LDX_FOUND)
    assert_null(p->file.path);
  return r;
}

/* Asserts that `name` is found as `path`, with its first bytes read and the descriptor fit for exec. */
static void expect(struct process *p, const char *name, struct ldx_object *loader, const char *path) {
  assert_int_equal(find(p, name, loader), LDX_FOUND);
  assert_string_equal(p->file.path, path);
  assert_true(p->file.head_size >= 64);
  assert_memory_equal(p->file.head, "\177ELF", 4);
  assert_int_equal(fcntl(p->file.fd, F_GETFD), FD_CLOEXEC);
  close(p->file.fd);
  ldx_heap_free(&p->heap, p->file.path);
}

static void expect_failure(struct process *p, const char *name, enum ldx_find_result result, int error,
                           const char *object, const char *text) {
  assert_int_equal(find(p, name, p->program), result);
  assert_int_equal(p->diag.kind, LDX_DIAG_LOAD);
  assert_string_equal(p->diag.object, object);
  assert_string_equal(p->diag.text, text);
  assert_int_equal(p->diag.error, error);
}

static const char not_found[] = "cannot open shared object file";

static void order_of_sources(void **state) {
  const struct tree *t = *state;
  static const char *const files[] = {"rpath/a", "env/a", "env/b", "runpath/a", "runpath/b", "runpath/c"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    add_library(t, files[i]);
  struct process *p = new_process(at(t, "env"), at(t, "rpath"), NULL);
  expect(p, "a", p->program, at(t, "rpath/a"));
  expect(p, "a", p->library, at(t, "rpath/a")); /* inherited */
  expect(p, "a", NULL, at(t, "rpath/a"));
  expect(p, "b", p->program, at(t, "env/b"));
  free(p);
  p = new_process(at(t, "env"), at(t, "rpath"), at(t, "runpath"));
  expect(p, "a", p->program, at(t, "env/a")); /* DT_RUNPATH displaces DT_RPATH and comes later */
  expect(p, "c", p->program, at(t, "runpath/c"));
  assert_int_equal(find(p, "c", p->library), LDX_NOT_FOUND); /* and is nobody else's */
  free(p);
}

static void rpath_of_the_chain(void **state) {
  const struct tree *t = *state;
  add_library(t, "mine/a");
  add_library(t, "parent/a");
  add_library(t, "parent/b");
  add_library(t, "program/b");
  add_library(t, "program/c");
  struct process *p = new_process(NULL, at(t, "program"), NULL);
  struct ldx_object *parent = object_made_up(&p->heap, LDX_LIBRARY, "/p.so", at(t, "parent"), NULL, 0);
  struct ldx_object *mine = object_made_up(&p->heap, LDX_LIBRARY, "/m.so", at(t, "mine"), NULL, 0);
  mine->loader = parent;
  parent->loader = p->library; /* has neither */
  expect(p, "a", mine, at(t, "mine/a"));
  expect(p, "b", mine, at(t, "parent/b"));
  expect(p, "c", mine, at(t, "program/c"));
  expect(p, "c", p->library, at(t, "program/c"));
  parent->loader = NULL; /* the program's counts even where it is not in the chain */
  expect(p, "c", parent, at(t, "program/c"));
  /* Who has a DT_RUNPATH inherits nothing, but lets others inherit. */
  struct ldx_object *modern = object_made_up(&p->heap, LDX_LIBRARY, "/n.so", NULL, at(t, "mine"), 0);
  modern->loader = parent;
  expect(p, "a", modern, at(t, "mine/a"));
  assert_int_equal(find(p, "b", modern), LDX_NOT_FOUND);
  mine->loader = modern;
  expect(p, "b", mine, at(t, "parent/b"));
  ldx_search_forget(&p->search, mine);
  assert_null(mine->rpath);
  expect(p, "a", mine, at(t, "mine/a"));
  free(p);
}

static void inhibited_paths(void **state) {
  const struct tree *t = *state;
  add_library(t, "x/a");
  static const char *const lists[] = {"/opt/user.so", "q:/opt/user.so", "/opt/user.so:q", ":::/opt/user.so"};
  for (int i = 0; i < 4; i++) {
    struct process *p = new_process(NULL, NULL, NULL);
    struct ldx_object *user = object_made_up(&p->heap, LDX_LIBRARY, "/opt/user.so", at(t, "x"), NULL, 0);
    p->search.inhibit_rpath = lists[i];
    assert_int_equal(find(p, "a", user), LDX_NOT_FOUND);
    free(p);
    p = new_process(NULL, NULL, NULL);
    p->search.inhibit_rpath = lists[i];
    p->search.secure = true; /* then nobody may inhibit */
    user = object_made_up(&p->heap, LDX_LIBRARY, "/opt/user.so", at(t, "x"), NULL, 0);
    expect(p, "a", user, at(t, "x/a"));
    free(p);
  }
}

static void passes_over_other_machines(void **state) {
  const struct tree *t = *state;
  add_odd_library(t, "class/a", EI_CLASS, ELFCLASS32);
  add_odd_library(t, "machine/a", offsetof(Elf64_Ehdr, e_machine), EM_386);
  add_library(t, "good/a");
  struct process *p = new_process(expand(t, "@/class:@/machine:@/good"), NULL, NULL);
  expect(p, "a", p->program, at(t, "good/a"));
  free(p);
  p = new_process(expand(t, "@/class:@/machine"), NULL, NULL);
  expect_failure(p, "a", LDX_NOT_FOUND, 0, "a", "wrong ELF class: ELFCLASS32");
  free(p);
  p = new_process(at(t, "machine"), NULL, NULL);
  expect_failure(p, "a", LDX_NOT_FOUND, ENOENT, "a", not_found);
  expect_failure(p, at(t, "machine/a"), LDX_NOT_FOUND, ENOENT, at(t, "machine/a"), not_found);
  expect_failure(p, at(t, "class/a"), LDX_NOT_FOUND, 0, at(t, "class/a"), "wrong ELF class: ELFCLASS32");
  free(p);
}

static void broken_files_are_errors(void **state) {
  const struct tree *t = *state;
  add_file(t, "short/a", "\177ELF", 4);
  add_file(t, "empty/a", "", 0);
  add_odd_library(t, "magic/a", 0, 'x');
  add_odd_library(t, "abi/a", EI_OSABI, ELFOSABI_FREEBSD);
  add_odd_library(t, "type/a", offsetof(Elf64_Ehdr, e_type), ET_REL);
  add_folder(t, "folder/a");
  add_library(t, "good/a");
  const struct {
    const char *folder, *text;
    int error;
  } cases[] = {{"short", "file too short", 0},
               {"empty", "file too short", 0},
               {"magic", "invalid ELF header", 0},
               {"abi", "ELF file OS ABI invalid", 0},
               {"type", "only ET_DYN and ET_EXEC can be loaded", 0},
               {"folder", "cannot read file data", EISDIR}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char path[200], list[400];
    snprintf(path, sizeof path, "%s/%s/a", t->root, cases[i].folder);
    snprintf(list, sizeof list, "%s/%s:%s/good", t->root, cases[i].folder, t->root);
    struct process *p = new_process(list, NULL, NULL);
    expect_failure(p, "a", LDX_FIND_ERROR, cases[i].error, path, cases[i].text);
    expect_failure(p, path, LDX_FIND_ERROR, cases[i].error, path, cases[i].text);
    free(p);
  }
}

static void names_with_slash(void **state) {
  const struct tree *t = *state;
  add_library(t, "here/a");
  struct process *p = new_process(at(t, "here"), NULL, NULL);
  expect(p, at(t, "here/a"), p->program, at(t, "here/a"));
  expect(p, at(t, "here/../here/a"), NULL, at(t, "here/../here/a"));
  p->search.program_path = at(t, "prog");
  expect(p, "$ORIGIN/here/a", p->program, at(t, "here/a"));
  expect_failure(p, "here/none", LDX_NOT_FOUND, ENOENT, "here/none", not_found);
  expect_failure(p, at(t, "here/a/b"), LDX_NOT_FOUND, ENOTDIR, at(t, "here/a/b"), not_found);
  assert_int_equal(find(p, "$ORIGIN/here/a", NULL), LDX_NOT_FOUND); /* nobody's origin */
  free(p);
}

static void write_cache(const struct tree *t, const char *path) {
  const struct cache_entry e[] = {{.name = "libcached", .path = path}};
  struct cache_bytes b = cache_new(e, 1, NULL);
  add_file(t, "cache", b.at, b.size);
  free(b.at);
}

static void cache_after_paths(void **state) {
  const struct tree *t = *state;
  add_library(t, "by-cache/libcached");
  write_cache(t, at(t, "by-cache/libcached"));
  struct process *p = new_process(NULL, NULL, at(t, "near"));
  p->search.cache_file = at(t, "cache");
  expect(p, "libcached", p->program, at(t, "by-cache/libcached"));
  expect(p, "libcached", NULL, at(t, "by-cache/libcached"));
  add_library(t, "near/libcached");
  struct process *q = new_process(NULL, NULL, at(t, "near"));
  q->search.cache_file = at(t, "cache");
  expect(q, "libcached", q->program, at(t, "near/libcached"));
  expect(q, "libcached", q->library, at(t, "by-cache/libcached"));
  q->search.inhibit_cache = true;
  assert_int_equal(find(q, "libcached", q->library), LDX_NOT_FOUND);
  q->program = NULL; /* not known yet: the cache alone */
  assert_int_equal(find(q, "libcached", NULL), LDX_NOT_FOUND);
  q->search.inhibit_cache = false;
  expect(q, "libcached", NULL, at(t, "by-cache/libcached"));
  free(p);
  free(q);
}

static void no_default_folders(void **state) {
  const struct tree *t = *state;
  write_cache(t, "/lib/x86_64-linux-gnu/libc.so.6");
  struct process *p = new_process(NULL, NULL, NULL);
  expect(p, "libc.so.6", p->program, "/lib/x86_64-linux-gnu/libc.so.6");
  p->search.cache_file = at(t, "cache");
  ldx_search_settle(&p->search);
  expect(p, "libcached", p->program, "/lib/x86_64-linux-gnu/libc.so.6");
  p->library->dyn.flags_1 = DF_1_NODEFLIB;
  assert_int_equal(find(p, "libc.so.6", p->library), LDX_NOT_FOUND);
  assert_int_equal(find(p, "libcached", p->library), LDX_NOT_FOUND);
  expect(p, "libc.so.6", NULL, "/lib/x86_64-linux-gnu/libc.so.6");
  free(p);
}

static void secure_preload(void **state) {
  const struct tree *t = *state;
  add_library(t, "d/plain");
  add_library(t, "d/marked");
  assert_int_equal(chmod(at(t, "d/marked"), 04755), 0);
  add_library(t, "d/libcached");
  write_cache(t, at(t, "d/libcached"));
  for (int secure = 0; secure < 2; secure++) {
    struct process *p = new_process(NULL, NULL, at(t, "d"));
    p->search.secure = secure;
    p->search.cache_file = at(t, "cache");
    static const char *const names[] = {"plain", "marked", "libcached"};
    for (int i = 0; i < 3; i++) {
      struct ldx_find_request r = {names[i], p->program, p->program, 0, LDX_FIND_PRELOAD, 0};
      enum ldx_find_result found = ldx_find(&p->search, &r, &p->file, &p->diag);
      assert_int_equal(found, !secure || i == 1 ? LDX_FOUND : LDX_NOT_FOUND);
      if (found == LDX_FOUND)
        close(p->file.fd);
      ldx_diag_clear(&p->diag);
    }
    free(p);
  }
}

static void auditors_see_the_runpath(void **state) {
  const struct tree *t = *state;
  add_library(t, "d/libauditor");
  struct process *p = new_process(NULL, NULL, at(t, "d"));
  struct ldx_find_request r = {"libauditor", NULL, p->program, 1, LDX_FIND_PLAIN, 0};
  assert_int_equal(ldx_find(&p->search, &r, &p->file, &p->diag), LDX_NOT_FOUND);
  ldx_diag_clear(&p->diag);
  r.mode = LDX_FIND_AUDIT;
  assert_int_equal(ldx_find(&p->search, &r, &p->file, &p->diag), LDX_FOUND);
  assert_string_equal(p->file.path, at(t, "d/libauditor"));
  close(p->file.fd);
  free(p);
}

static unsigned long calls_to_find(struct process *p, const char *name) {
  unsigned long before = stub_syscalls();
  find(p, name, p->program);
  unsigned long calls = stub_syscalls() - before;
  if (p->file.fd >= 0 && !ldx_failed(&p->diag))
    close(p->file.fd);
  return calls;
}

/* Missing folders cost one call once; a folder without subfolders costs one call for each group once. */
static void few_system_calls(void **state) {
  const struct tree *t = *state;
  add_library(t, "d/a");
  add_library(t, "d/b");
  struct process *p = new_process(expand(t, "@/none:@/nor/this:@/d"), NULL, NULL);
  calls_to_find(p, "a"); /* the heap takes its memory */
  free(p);
  p = new_process(expand(t, "@/none:@/nor/this:@/d"), NULL, NULL);
  ldx_heap_free(&p->heap, ldx_heap_alloc(&p->heap, 16));
  /* stat none, nor/this, d, d/glibc-hwcaps, d/tls, d/x86_64; open and read d/a */
  assert_int_equal(calls_to_find(p, "a"), 8);
  assert_int_equal(calls_to_find(p, "b"), 2);
  free(p);
}

/* What a process with nothing special pays for a library that the cache knows. */
static void the_cache_alone_asks_no_folder(void **state) {
  const struct tree *t = *state;
  add_library(t, "d/libcached");
  write_cache(t, at(t, "d/libcached"));
  struct process *p = new_process(NULL, NULL, NULL);
  p->search.cache_file = at(t, "cache");
  p->search.isa = NULL;
  ldx_heap_free(&p->heap, ldx_heap_alloc(&p->heap, 16));
  assert_int_equal(calls_to_find(p, "libcached"), 6); /* open, fstat, mmap, close; open, read */
  assert_int_equal(calls_to_find(p, "libcached"), 2);
  ldx_search_settle(&p->search);
  assert_int_equal(calls_to_find(p, "libcached"), 3);
  free(p);
}

struct lines {
  char text[32768];
};

static void keep_line(void *arg, const char *line) {
  struct lines *l = arg;
  strcat(strcat(l->text, line), "\n");
}

static void trace(void **state) {
  const struct tree *t = *state;
  static struct lines l;
  add_library(t, "d/tls/a");
  struct process *p = new_process(expand(t, "@/none:@/d"), NULL, NULL);
  p->search.platform = NULL;
  p->search.hwcap_mask_set = true; /* of 0 */
  p->search.hwcaps_mask = "";
  p->search.trace = keep_line;
  p->search.trace_arg = &l;
  expect(p, "a", p->program, at(t, "d/tls/a"));
  expect(p, "a", p->program, at(t, "d/tls/a"));
  assert_string_equal(l.text, expand(t, "find library=a [0]; searching\n"
                                        " search path=@/none/tls:@/none:@/d/tls:@/d\t\t(LD_LIBRARY_PATH)\n"
                                        "  trying file=@/none/tls/a\n"
                                        "  trying file=@/none/a\n"
                                        "  trying file=@/d/tls/a\n"
                                        "\n"
                                        "find library=a [0]; searching\n"
                                        " search path=@/d/tls:@/d\t\t(LD_LIBRARY_PATH)\n"
                                        "  trying file=@/d/tls/a\n"
                                        "\n"));
  free(p);
}

static void add_line(void *arg, const char *dir, unsigned flag) {
  struct lines *l = arg;
  sprintf(l->text + strlen(l->text), "%s %x\n", dir, flag);
}

static void told_for_dlinfo(void **state) {
  static struct lines l;
  struct process *p = new_process("/env/:;/", "/r:/r2", NULL);
  ldx_search_path(&p->search, p->library, p->program, add_line, &l);
  /* The program's path twice: at the end of the chain, and as the program's. */
  assert_string_equal(l.text, "/r 4\n/r2 4\n/r 4\n/r2 4\n/env 2\n. 2\n/ 2\n/lib/x86_64-linux-gnu 40\n"
                              "/usr/lib/x86_64-linux-gnu 40\n/lib 40\n/usr/lib 40\n");
  free(p);
}

/* Memory fails at every point in turn: the search says so and neither crashes nor finds something else. */
static void out_of_memory(void **state) {
  const struct tree *t = *state;
  add_library(t, "good/a");
  add_library(t, "bad/a");
  write_cache(t, at(t, "bad/a"));
  bool found = false;
  for (size_t size = 0; !found; size += 32) {
    struct process *p = new_process(at(t, "good"), "$ORIGIN/x:$ORIGIN/y", NULL);
    struct ldx_heap tight = {0};
    char *memory = aligned_alloc(16, size + 32);
    memset(memory, 0, size + 32);
    ldx_heap_seed(&tight, memory, size);
    p->search.heap = p->diag.heap = &tight;
    p->search.cache_file = at(t, "cache");
    stub_refuse_memory(true);
    enum ldx_find_result r = find(p, "a", p->program);
    stub_refuse_memory(false);
    assert_int_not_equal(r, LDX_NOT_FOUND);
    found = r == LDX_FOUND;
    if (found) {
      assert_string_equal(p->file.path, at(t, "good/a"));
      close(p->file.fd);
    } else {
      assert_int_equal(p->diag.kind, LDX_DIAG_LOAD);
    }
    free(memory);
    free(p);
    assert_true(size < 1 << 20);
  }
}

#define IN_TREE(function) cmocka_unit_test_setup_teardown(function, tree_make, tree_remove)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_TREE(order_of_sources),
      IN_TREE(rpath_of_the_chain),
      IN_TREE(inhibited_paths),
      IN_TREE(passes_over_other_machines),
      IN_TREE(broken_files_are_errors),
      IN_TREE(names_with_slash),
      IN_TREE(cache_after_paths),
      IN_TREE(no_default_folders),
      IN_TREE(secure_preload),
      IN_TREE(auditors_see_the_runpath),
      IN_TREE(few_system_calls),
      IN_TREE(the_cache_alone_asks_no_folder),
      IN_TREE(trace),
      cmocka_unit_test(told_for_dlinfo),
      IN_TREE(out_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
