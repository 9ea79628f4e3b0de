/* Policies of several files: includes, merging, variables, and who is believed. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "policy_test.h"

static bool add_file(struct trial *t, const char *path) { return ldx_policy_add_file(t->policy, &t->reader, path); }

/* The faults without the folder of the test's files, which is another one each time. */
static const char *said(const struct trial *t, int i) {
  static char out[512];
  const char *from = t->said[i];
  size_t n = 0;
  for (; *from; out[n++] = *from++)
    while (!strncmp(from, "/tmp/ldx-policy-", 16))
      from = strchr(from + 16, '/') + 1;
  out[n] = '\0';
  return out;
}

static void later_files_override_and_append(void **state) {
  struct trial t;
  trial_begin(&t);
  assert_true(
      add_file(&t, trial_file("a.json", "{\"preload\":[\"a\"],\"cache\":{\"tiers\":[\"/a\"],\"key\":\"path\","
                                        "\"readonly\":true},\"hwcaps_mask\":[\"a\"],\"deny\":[{\"match\":\"a\"}]}")));
  assert_true(
      add_file(&t, trial_file("b.json", "{\"preload\":[\"b\"],\"cache\":{\"tiers\":[\"/b\"],\"key\":\"content\"},"
                                        "\"hwcaps_mask\":[\"!replace\",\"b\"],\"deny\":[\"!replace\"]}")));
  assert_written(&t, "{\"preload\":[\"a\",\"b\"],\"cache\":{\"tiers\":[\"/a\",\"/b\"],\"key\":\"content\","
                     "\"readonly\":true},\"hwcaps_mask\":[\"b\"]}");
  trial_end(&t);
}

static void includes_come_first_and_once(void **state) {
  struct trial t;
  trial_file("x.json", "{\"preload\":[\"x\"],\"cache\":{\"key\":\"path\"}}");
  trial_file("y.json", "{\"include\":[\"x.json\"],\"preload\":[\"y\"]}");
  const char *z = trial_file(
      "z.json", "{\"preload\":[\"z\"],\"cache\":{\"key\":\"soname\"},\"include\":[\"x.json\",\"y.json\"]}");
  trial_begin(&t);
  assert_true(add_file(&t, z));
  assert_written(&t, "{\"preload\":[\"x\",\"y\",\"z\"],\"cache\":{\"key\":\"soname\"}}");
  trial_end(&t);
}

static void includes_in_a_circle(void **state) {
  struct trial t;
  trial_file("c2.json", "{\n \"include\":[\"c3.json\"]}");
  trial_file("c3.json", "{\"include\":[\"c2.json\"]}");
  const char *first = trial_file("c1.json", "{\"include\":[\"c2.json\"]}");
  trial_begin(&t);
  assert_false(add_file(&t, first));
  assert_int_equal(t.faults, 1);
  assert_string_equal(said(&t, 0),
                      "c3.json:1:13: includes go round in a circle: c2.json includes c3.json includes c2.json");
  trial_end(&t);
  trial_begin(&t);
  assert_false(add_file(&t, trial_file("self.json", "{\"include\":[\"self.json\"]}")));
  assert_string_equal(said(&t, 0), "self.json:1:13: includes go round in a circle: self.json includes self.json");
  trial_end(&t);
}

static void includes_too_deep(void **state) {
  struct trial t;
  char name[16], text[64];
  for (int i = 0; i < 40; i++) {
    snprintf(name, sizeof name, "d%d.json", i);
    snprintf(text, sizeof text, "{\"include\":[\"d%d.json\"]}", i + 1);
    trial_file(name, text);
  }
  trial_begin(&t);
  assert_false(add_file(&t, trial_file("d.json", "{\"include\":[\"d0.json\"]}")));
  assert_int_equal(t.faults, 1);
  assert_non_null(strstr(t.said[0], "includes nested too deeply"));
  trial_end(&t);
}

static void faults_of_files(void **state) {
  struct trial t;
  trial_begin(&t);
  assert_false(add_file(&t, "/nowhere/p.json"));
  assert_string_equal(t.said[0], "/nowhere/p.json: cannot read policy file: No such file or directory");
  assert_false(add_file(&t, "/"));
  assert_string_equal(t.said[1], "/: cannot read policy file: not a regular file");
  assert_false(add_file(&t, "/dev/zero"));
  assert_string_equal(t.said[2], "/dev/zero: cannot read policy file: not a regular file");
  assert_false(add_file(&t, trial_file("i.json", "{\"preload\":[],\n\"include\":[\"none.json\"]}")));
  assert_non_null(strstr(t.said[3], "i.json:2:12: "));
  assert_non_null(strstr(t.said[3], "none.json: cannot read policy file: No such file or directory"));
  assert_false(add_file(&t, trial_file("j.json", "{\n\"preload\":1}")));
  assert_string_equal(said(&t, 4), "j.json:2:11: \"preload\" must be a list, not a number");
  trial_end(&t);
}

static void a_file_that_is_too_large(void **state) {
  struct trial t;
  const char *path = trial_file("large.json", "{}");
  assert_int_equal(truncate(path, LDX_POLICY_MAX_SIZE + 1), 0);
  trial_begin(&t);
  assert_false(add_file(&t, path));
  assert_non_null(strstr(t.said[0], "larger than 1 MiB"));
  trial_end(&t);
}

/* --- variables --- */

static const char *variable(void *arg, const char *name) {
  if (!strcmp(name, "HOME"))
    return "/home/$1";
  return !strcmp(name, "APP") ? "/opt/app" : NULL;
}

static void variables_are_replaced(void **state) {
  struct trial t;
  trial_begin(&t);
  t.reader.variable = variable;
  assert_true(trial_text(&t, "{\"cache\":{\"tiers\":[\"$APP/.c\",\"$USER/x\",\"${HOME}/y\",\"$$HOME\"]},"
                             "\"search\":{\"append\":[\"$ORIGIN/$LIB\"]},\"preload\":[\"$APP$APP\"],"
                             "\"provide\":[{\"name\":\"a\",\"from\":\"file:$APP/a\"}],"
                             "\"rewrite\":[{\"when\":{\"kind\":\"name\",\"match\":\"*\"},\"to\":\"$HOME/$1$$\"}]}"));
  assert_int_equal(t.policy->cache.tiers.count, 3); /* $USER has no value */
  assert_string_equal(t.policy->cache.tiers.at[0].text, "/opt/app/.c");
  assert_string_equal(t.policy->cache.tiers.at[1].text, "/home/$1/y");
  assert_string_equal(t.policy->cache.tiers.at[2].text, "$HOME");
  assert_string_equal(t.policy->search.append.at[0].text, "$ORIGIN/$LIB");
  assert_string_equal(t.policy->preload.at[0].text, "/opt/app/opt/app");
  assert_string_equal(t.policy->provide.at[0].from.text, "/opt/app/a");
  struct ldx_policy_captures c;
  char buf[64];
  assert_true(ldx_policy_match("*", "z", &c));
  ldx_policy_substitute(t.policy->rewrite.at[0].to, &c, buf, sizeof buf);
  assert_string_equal(buf, "/home/$1/z$");
  trial_end(&t);
}

static void variables_without_a_value(void **state) {
  struct trial t;
  trial_begin(&t);
  t.reader.variable = variable;
  assert_false(trial_text(&t, "{\"tools\":[{\"path\":\"$USER/t.so\"}]}"));
  assert_string_equal(t.said[0], "p:1:19: \"path\" names a variable that has no value: \"$USER/t.so\"");
  trial_end(&t);
  trial_begin(&t);
  t.reader.variable = variable;
  assert_false(trial_text(&t, "{\"events\":{\"log\":\"file:$USER/l\"}}"));
  assert_non_null(strstr(t.said[0], "p:1:18: names a variable that has no value"));
  trial_end(&t);
}

/* --- AT_SECURE --- */

static void who_is_believed(void **state) {
  static const struct {
    uid_t uid;
    mode_t mode;
    bool secure, believed;
  } rows[] = {
      {0, 0644, true, true},   {0, 0600, true, true},  {0, 0755, true, true},     {0, 0664, true, false},
      {0, 0646, true, false},  {0, 0666, true, false}, {1000, 0644, true, false}, {1000, 0600, true, false},
      {65534, 0, true, false}, {0, 0666, false, true}, {1000, 0666, false, true},
  };
  for (size_t i = 0; i < LDX_COUNT(rows); i++) {
    const struct stat st = {.st_uid = rows[i].uid, .st_mode = S_IFREG | rows[i].mode};
    assert_int_equal(ldx_policy_may_read(&st, rows[i].secure), rows[i].believed);
  }
}

/* What the kernel would say of the system's folder and a file in it. */
static struct {
  const char *text, *opened;
  struct stat folder, file;
  int flags;
  size_t given;
} fake;

static long fake_system(long nr, long a, long b, long c) {
  if (nr == SYS_stat) {
    assert_string_equal((const char *)a, LDX_POLICY_FOLDER);
    *(struct stat *)b = fake.folder;
    return 0;
  }
  if (nr == SYS_openat) {
    fake.opened = (const char *)b;
    fake.flags = (int)c;
    return 1000;
  }
  if (nr == SYS_fstat && a == 1000) {
    *(struct stat *)b = fake.file;
    return 0;
  }
  if (nr == SYS_read && a == 1000) {
    size_t left = strlen(fake.text) - fake.given, n = left < (size_t)c ? left : (size_t)c;
    memcpy((void *)b, fake.text + fake.given, n);
    fake.given += n;
    return (long)n;
  }
  return nr == SYS_close ? 0 : STUB_PASS;
}

static bool add_secure(struct trial *t, const char *path, const char *text) {
  fake.text = text;
  fake.given = 0;
  fake.opened = NULL;
  fake.file.st_size = (off_t)strlen(text);
  trial_begin(t);
  t->reader.secure = true;
  stub_on_syscall(fake_system);
  bool ok = add_file(t, path);
  stub_on_syscall(NULL);
  return ok;
}

static void set_system(uid_t folder_owner, mode_t folder, uid_t owner, mode_t file) {
  fake.folder = (struct stat){.st_uid = folder_owner, .st_mode = S_IFDIR | folder};
  fake.file = (struct stat){.st_uid = owner, .st_mode = S_IFREG | file};
}

static void secure_reads_the_systems_own(void **state) {
  struct trial t;
  set_system(0, 0755, 0, 0644);
  assert_true(add_secure(&t, "/etc/ldx/policy.json", "{\"preload\":[\"a\"]}"));
  assert_written(&t, "{\"preload\":[\"a\"]}");
  assert_true(fake.flags & O_NOFOLLOW);
  trial_end(&t);
}

static void assert_refused(const char *path, const char *text, bool opens) {
  struct trial t;
  assert_false(add_secure(&t, path, text));
  assert_int_equal(fake.opened != NULL, opens);
  assert_int_equal(t.faults, 1);
  assert_non_null(strstr(t.said[0], "not read for a privileged program"));
  assert_written(&t, "{}");
  trial_end(&t);
}

static void secure_refuses_all_else(void **state) {
  static const char text[] = "{\"preload\":[\"a\"]}";
  set_system(0, 0755, 0, 0644);
  assert_refused("/tmp/policy.json", text, false);
  assert_refused("policy.json", text, false);
  assert_refused("/etc/ldx/../../tmp/policy.json", text, false);
  assert_refused("/etc/ldx/sub/policy.json", text, false);
  assert_refused("/etc/ldxx", text, false);
  set_system(0, 0755, 1000, 0644);
  assert_refused("/etc/ldx/policy.json", text, true);
  set_system(0, 0755, 0, 0664);
  assert_refused("/etc/ldx/policy.json", text, true);
  set_system(0, 0775, 0, 0644);
  assert_refused("/etc/ldx/policy.json", text, false);
  set_system(1000, 0755, 0, 0644);
  assert_refused("/etc/ldx/policy.json", text, false);
}

static void secure_includes_are_held_to_it(void **state) {
  struct trial t;
  set_system(0, 0755, 0, 0644);
  assert_false(add_secure(&t, "/etc/ldx/policy.json", "{\"include\":[\"/tmp/user.json\"]}"));
  assert_string_equal(fake.opened, "/etc/ldx/policy.json");
  assert_string_equal(t.said[0], "/etc/ldx/policy.json:1:13: /tmp/user.json: cannot read policy file: not a file of "
                                 "/etc/ldx: not read for a privileged program");
  trial_end(&t);
}

static void secure_ignores_sections(void **state) {
  struct trial t;
  bool found = true;
  trial_begin(&t);
  t.reader.secure = true;
  assert_true(ldx_policy_add_section(t.policy, &t.reader, "prog", -1, &found));
  assert_false(found);
  trial_end(&t);
}

/* --- lack of memory --- */

static long calls_left;

static long no_more_pages(long nr, long a, long b, long c) {
  return nr == SYS_mmap && --calls_left < 0 ? -12 : STUB_PASS;
}

/* However far it gets, one fault is told, nothing is left over, and nothing crashes. */
static void without_memory(void **state) {
  char text[64 * 1024] = "{\"include\":[],\"preload\":[\"a\"", *p = text + strlen(text);
  for (int i = 0; i < 3000; i++)
    p += sprintf(p, ",\"lib%d.so\"", i);
  strcpy(p, "],\"init_order\":[[\"a\",\"b\"]]}");
  int failures = 0;
  for (long pages = 0; pages < 40; pages++) {
    struct trial t;
    trial_begin(&t);
    calls_left = pages;
    stub_on_syscall(no_more_pages);
    bool ok = ldx_policy_add_text(t.policy, &t.reader, "p", text, strlen(text));
    ok = ok && ldx_policy_finish(t.policy, &t.reader);
    stub_on_syscall(NULL);
    assert_int_equal(ok, t.faults == 0);
    assert_true(ok || strstr(t.said[0], "cannot allocate memory"));
    failures += !ok;
    trial_end(&t);
  }
  assert_true(failures > 0 && failures < 40);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(later_files_override_and_append),
      CASE(includes_come_first_and_once),
      CASE(includes_in_a_circle),
      CASE(includes_too_deep),
      CASE(faults_of_files),
      CASE(a_file_that_is_too_large),
      CASE(variables_are_replaced),
      CASE(variables_without_a_value),
      CASE(who_is_believed),
      CASE(secure_reads_the_systems_own),
      CASE(secure_refuses_all_else),
      CASE(secure_includes_are_held_to_it),
      CASE(secure_ignores_sections),
      CASE(without_memory),
  };
  return RUN(tests);
}
