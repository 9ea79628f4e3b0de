/* Documents: what each good one becomes, and where each bad one is wrong. */
#include "policy_test.h"

struct good {
  const char *text, *written;
};
struct bad {
  const char *text, *where, *says;
};

#define D "0123456789abcdef"

static const struct good goods[] = {
    {"{}", "{}"},
    {" \t\r\n{ } \n", "{}"},
    {"{\"version\":1,\"$schema\":\"ldx-policy-1\",\"include\":[]}", "{}"},
    {"{\"preload\":[]}", "{}"},
    {"{\"preload\":[\"a\\\"\\\\\\/\\u0062\"]}", "{\"preload\":[\"a\\\"\\\\/b\"]}"},
    {"{\"preload\":[\"\\u00e9\\u20ac\\ud83d\\ude00\"]}", "{\"preload\":[\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"]}"},
    {"{\"preload\":[\"\\b\\f\\n\\r\\t\"]}", "{\"preload\":[\"\\u0008\\u000c\\u000a\\u000d\\u0009\"]}"},
    {"{\"\\u0070reload\":[\"a\"]}", "{\"preload\":[\"a\"]}"},
    {"{\"preload\":[\"!replace\",\"a\"]}", "{\"preload\":[\"a\"]}"},
    {"{\"preload\":[\"$HOME/a\",\"${APP}/b\",\"$$c\",\"$ORIGIN/${LIB}\"]}",
     "{\"preload\":[\"$HOME/a\",\"${APP}/b\",\"$$c\",\"$ORIGIN/${LIB}\"]}"},
    {"{\"tools\":[{\"path\":\"t.so\"}]}", "{\"tools\":[{\"path\":\"t.so\"}]}"},
    {"{\"tools\":[{\"on_fault\":\"abort\",\"watchdog_ms\":5,\"events\":[\"map*\"],\"args\":[\"\",\"x\"],\"in_app\":"
     "true,"
     "\"priority\":-7,\"before\":[\"b\"],\"after\":[\"a\"],\"name\":\"n\",\"path\":\"/p\"}]}",
     "{\"tools\":[{\"path\":\"/"
     "p\",\"name\":\"n\",\"after\":[\"a\"],\"before\":[\"b\"],\"priority\":-7,\"in_app\":true,"
     "\"args\":[\"\",\"x\"],\"events\":[\"map*\"],\"watchdog_ms\":5,\"on_fault\":\"abort\"}]}"},
    {"{\"tools\":[{\"path\":\"a\",\"in_app\":false,\"on_fault\":\"report\"},{\"path\":\"b\",\"on_fault\":\"disable\"}"
     "]}",
     "{\"tools\":[{\"path\":\"a\",\"in_app\":false,\"on_fault\":\"report\"},{\"path\":\"b\",\"on_fault\":\"disable\"}"
     "]}"},
    {"{\"order\":{\"edges\":[[\"a\",\"b\"],[\"b\",\"c\"],[\"a\",\"c\"]],\"remove\":[[\"x\",\"y\"]],\"on_conflict\":"
     "\"last\"}}",
     "{\"order\":{\"edges\":[[\"a\",\"b\"],[\"b\",\"c\"],[\"a\",\"c\"]],\"remove\":[[\"x\",\"y\"]],\"on_conflict\":"
     "\"last\"}}"},
    {"{\"order\":{\"edges\":[[\"a\",\"b\"],[\"b\",\"a\"]],\"remove\":[[\"b\",\"a\"]]}}",
     "{\"order\":{\"edges\":[[\"a\",\"b\"],[\"b\",\"a\"]],\"remove\":[[\"b\",\"a\"]]}}"},
    {"{\"order\":{\"on_conflict\":\"error\"}}", "{\"order\":{\"on_conflict\":\"error\"}}"},
    {"{\"order\":{\"on_conflict\":\"first\"}}", "{\"order\":{\"on_conflict\":\"first\"}}"},
    {"{\"order\":{\"on_conflict\":\"chain\"}}", "{\"order\":{\"on_conflict\":\"chain\"}}"},
    {"{\"search\":{\"algorithm\":\"depth-first\",\"rpath\":[\"/r\"],\"append\":[\"/a\"],\"prepend\":[\"/p\"],"
     "\"hwcaps\":[\"x86-64-v3\"],\"keep_origin\":true,\"store\":[\"/s\"]}}",
     "{\"search\":{\"algorithm\":\"depth-first\",\"rpath\":[\"/r\"],\"append\":[\"/a\"],\"prepend\":[\"/p\"],"
     "\"hwcaps\":[\"x86-64-v3\"],\"keep_origin\":true,\"store\":[\"/s\"]}}"},
    {"{\"search\":{\"algorithm\":\"tool:spack\"}}", "{\"search\":{\"algorithm\":\"tool:spack\"}}"},
    {"{\"search\":{\"algorithm\":\"origin-cache\"}}", "{\"search\":{\"algorithm\":\"origin-cache\"}}"},
    {"{\"rewrite\":[{\"why\":\"\",\"to\":\"/z/$0-$1$2$$\",\"when\":{\"match\":\"lib*.so?\",\"kind\":\"name\"}}]}",
     "{\"rewrite\":[{\"when\":{\"kind\":\"name\",\"match\":\"lib*.so?\"},\"to\":\"/z/$0-$1$2$$\",\"why\":\"\"}]}"},
    {"{\"rewrite\":[{\"when\":{\"kind\":\"soname\",\"match\":\"m\",\"from\":\"f\",\"ns\":\"n\"},\"to\":\"t\"}]}",
     "{\"rewrite\":[{\"when\":{\"kind\":\"soname\",\"match\":\"m\",\"from\":\"f\",\"ns\":\"n\"},\"to\":\"t\"}]}"},
    {"{\"deny\":[{\"match\":\"a*\",\"from\":\"b\",\"ns\":\"c\",\"errno\":\"ENOENT\",\"why\":\"d\"}]}",
     "{\"deny\":[{\"match\":\"a*\",\"from\":\"b\",\"ns\":\"c\",\"errno\":\"ENOENT\",\"why\":\"d\"}]}"},
    {"{\"provide\":[{\"name\":\"a\",\"from\":\"file:/x\"},{\"name\":\"b\",\"from\":\"memfd:$HOME/y\"},"
     "{\"name\":\"c\",\"from\":\"section:.s\"}]}",
     "{\"provide\":[{\"name\":\"a\",\"from\":\"file:/x\"},{\"name\":\"b\",\"from\":\"memfd:$HOME/y\"},"
     "{\"name\":\"c\",\"from\":\"section:.s\"}]}"},
    {"{\"load_order\":[\"b\",\"a\"],\"init_order\":[[\"b\",\"a\"]],\"hwcaps_mask\":[\"x86-64-v4\"]}",
     "{\"load_order\":[\"b\",\"a\"],\"init_order\":[[\"b\",\"a\"]],\"hwcaps_mask\":[\"x86-64-v4\"]}"},
    {"{\"cache\":{\"tiers\":[\"$APP/.c\",\"$XDG_CACHE_HOME/"
     "ldx\"],\"key\":\"build-id\",\"readonly\":true,\"relocs\":false}}",
     "{\"cache\":{\"tiers\":[\"$APP/.c\",\"$XDG_CACHE_HOME/"
     "ldx\"],\"key\":\"build-id\",\"readonly\":true,\"relocs\":false}}"},
    {"{\"cache\":{\"key\":\"tool:k\"}}", "{\"cache\":{\"key\":\"tool:k\"}}"},
    {"{\"io\":[{\"paths\":[\"/nfs/**\"],\"provider\":\"coll\",\"files\":[\"*.so*\"]}]}",
     "{\"io\":[{\"paths\":[\"/nfs/**\"],\"provider\":\"coll\",\"files\":[\"*.so*\"]}]}"},
    {"{\"bind\":[{\"sym\":\"malloc\",\"version\":\"*\",\"caller\":\"a\",\"definer\":\"b\",\"to\":\"c\"}]}",
     "{\"bind\":[{\"sym\":\"malloc\",\"version\":\"*\",\"caller\":\"a\",\"definer\":\"b\",\"to\":\"c\"}]}"},
    {"{\"namespaces\":[{\"name\":\"n\",\"share\":[\"libc.so.6\"],\"isolate\":true,\"global\":false}]}",
     "{\"namespaces\":[{\"name\":\"n\",\"share\":[\"libc.so.6\"],\"isolate\":true,\"global\":false}]}"},
    {"{\"ifunc\":[{\"sym\":\"memcpy\",\"choose\":\"x\"}]}", "{\"ifunc\":[{\"sym\":\"memcpy\",\"choose\":\"x\"}]}"},
    {"{\"events\":{\"log\":\"fd:3\",\"types\":[\"mapped\",\"*\"],\"history\":65536}}",
     "{\"events\":{\"log\":\"fd:3\",\"types\":[\"mapped\",\"*\"],\"history\":65536}}"},
    {"{\"events\":{\"log\":\"stderr\"}}", "{\"events\":{\"log\":\"stderr\"}}"},
    {"{\"events\":{\"log\":\"file:/l\"}}", "{\"events\":{\"log\":\"file:/l\"}}"},
    {"{\"security\":{\"allow_tools\":[\"sha256:" D D D D "\",\"build-id:AB\",\"/usr/*\"],\"strict\":true,"
     "\"deny_by_default\":false}}",
     "{\"security\":{\"allow_tools\":[\"sha256:" D D D D "\",\"build-id:ab\",\"/usr/*\"],\"strict\":true,"
     "\"deny_by_default\":false}}"},
    {"{\"follow\":{\"fork\":true,\"exec\":false}}", "{\"follow\":{\"fork\":true,\"exec\":false}}"},
};

static const struct bad bads[] = {
    /* no JSON */
    {"", "1:1", "ends where a value"},
    {"\n\n", "3:1", "ends where a value"},
    {"[]", "1:1", "must be an object"},
    {"1", "1:1", "is not an object"},
    {"\"a\"", "1:1", "is not an object"},
    {"{", "1:2", "expected a key"},
    {"{\"version\"", "1:11", "expected \":\""},
    {"{\"version\":", "1:12", "ends where a value"},
    {"{\"version\":1", "1:13", "expected \",\" or \"}\""},
    {"{\"version\" 1}", "1:12", "expected \":\""},
    {"{version:1}", "1:2", "expected a key"},
    {"{'version':1}", "1:2", "expected a key"},
    {"{1:1}", "1:2", "expected a key"},
    {"{\"version\":1,}", "1:13", "comma behind"},
    {"{,}", "1:2", "expected a key"},
    {"{\"preload\":[\"a\",]}", "1:16", "comma behind"},
    {"{\"preload\":[,]}", "1:13", "expected a value"},
    {"{\"preload\":[\"a\" \"b\"]}", "1:17", "expected \",\" or \"]\""},
    {"{\"preload\":[\"a\":\"b\"]}", "1:16", "expected \",\" or \"]\""},
    {"{\"preload\":[\"a\"}", "1:16", "expected \",\" or \"]\""},
    {"{\"preload\":[]]", "1:14", "expected \",\" or \"}\""},
    {"{} {}", "1:4", "text behind the end"},
    {"{}\n}", "2:1", "text behind the end"},
    {"{} // done", "1:4", "no comments"},
    {"{\n// first\n}", "2:1", "expected a key"},
    {"{\"version\": /* one */ 1}", "1:13", "no comments"},
    {"\xef\xbb\xbf{}", "1:1", "byte order mark"},
    {"{\"preload\":[\"a]}", "1:13", "string without an end"},
    {"{\"preload\":[\"a\n\"]}", "1:13", "string without an end"},
    {"{\"preload\":[\"a\tb\"]}", "1:15", "control character"},
    {"{\"preload\":[\"a\\x\"]}", "1:15", "unknown escape"},
    {"{\"preload\":[\"a\\\"]}", "1:13", "string without an end"},
    {"{\"preload\":[\"\\u12g4\"]}", "1:14", "four hexadecimal digits"},
    {"{\"preload\":[\"\\u12", "1:14", "four hexadecimal digits"},
    {"{\"preload\":[\"\\ud800\"]}", "1:14", "surrogate"},
    {"{\"preload\":[\"\\udc00\\ud800\"]}", "1:14", "surrogate"},
    {"{\"preload\":[\"\\ud800\\u0041\"]}", "1:14", "surrogate"},
    {"{\"preload\":[\"\\u0000\"]}", "1:13", "\\u0000"},
    {"{\"preload\":[\"\xc3\xa9\xff\"]}", "1:15", "not UTF-8"},
    {"{\"preload\":[\"\xc0\x80\"]}", "1:14", "not UTF-8"},
    {"{\"preload\":[\"\xed\xa0\x80\"]}", "1:14", "not UTF-8"},
    {"{\"preload\":[\"\xf4\x90\x80\x80\"]}", "1:14", "not UTF-8"},
    {"{\"preload\":[\"\xe2\x82\"]}", "1:14", "not UTF-8"},
    {"{\"\xe2\x82\xac\xe2\x82\xac\":1, \"x\" 1}", "1:14", "expected \":\""},
    {"{\"version\":01}", "1:12", "not a JSON number"},
    {"{\"version\":1.}", "1:12", "not a JSON number"},
    {"{\"version\":.5}", "1:12", "expected a value"},
    {"{\"version\":1e}", "1:12", "not a JSON number"},
    {"{\"version\":-}", "1:12", "not a JSON number"},
    {"{\"version\":+1}", "1:12", "expected a value"},
    {"{\"version\":0x1}", "1:13", "expected \",\" or \"}\""},
    {"{\"version\":True}", "1:12", "expected a value"},
    {"{\"version\":truex}", "1:16", "expected \",\" or \"}\""},
    {"{\"version\":NaN}", "1:12", "expected a value"},
    {"{\"preload\":[[[[[[[[[[[[[[[[[[[[", "1:27", "nested too deeply"},

    /* keys */
    {"{\"tolls\":[]}", "1:2", "unknown key \"tolls\" (did you mean \"tools\"?)"},
    {"{\"xyzzy\":[]}", "1:2", "unknown key \"xyzzy\""},
    {"{\"\":1}", "1:2", "unknown key \"\""},
    {"{\"wrap\":[]}", "1:2", "unknown key \"wrap\""},
    {"{\"Version\":1}", "1:2", "did you mean \"version\""},
    {"{\"version\":1,\n \"version\":1}", "2:2", "\"version\" is there twice"},
    {"{\"version\":1,\n \"v\\u0065rsion\":1}", "2:2", "\"version\" is there twice"},
    {"{\"ver\\u0000\":1}", "1:2", "unknown key"},
    {"{\"tools\":[{\"path\":\"a\",\"pat\":\"b\"}]}", "1:23", "did you mean \"path\""},
    {"{\"search\":{\"algorythm\":\"glibc\"}}", "1:12", "did you mean \"algorithm\""},
    {"{\"rewrite\":[{\"when\":{\"kind\":\"name\",\"match\":\"*\",\"form\":\"*\"},\"to\":\"a\"}]}", "1:48",
     "did you mean \"from\""},
    {"{\"rewrite\":[{\"when\":{\"kind\":\"name\",\"match\":{\"regex\":\"a\"}},\"to\":\"a\"}]}", "1:44",
     "\"match\" must be a text, not an object"},
    {"{\"tools\":[{\"name\":\"a\"}]}", "1:11", "needs the key \"path\""},
    {"{\"rewrite\":[{\"to\":\"a\"}]}", "1:13", "needs the key \"when\""},
    {"{\"deny\":[\n  {\"match\":\"a\"},\n  {\"why\":\"b\"}]}", "3:3", "needs the key \"match\""},
    {"{\"provide\":[{\"name\":\"a\"}]}", "1:13", "needs the key \"from\""},
    {"{\"io\":[{\"provider\":\"a\"}]}", "1:8", "needs the key \"paths\""},
    {"{\"bind\":[{\"sym\":\"a\"}]}", "1:10", "needs the key \"to\""},
    {"{\"ifunc\":[{\"sym\":\"a\"}]}", "1:11", "needs the key \"choose\""},
    {"{\"namespaces\":[{}]}", "1:16", "needs the key \"name\""},

    /* types */
    {"{\"version\":\"1\"}", "1:12", "must be a number, not a text"},
    {"{\"version\":2}", "1:12", "\"version\" must be 1"},
    {"{\"version\":1.0}", "1:12", "\"version\" must be 1"},
    {"{\"version\":null}", "1:12", "must be a number, not null"},
    {"{\"$schema\":\"ldx-policy-2\"}", "1:12", "did you mean \"ldx-policy-1\""},
    {"{\"tools\":{}}", "1:10", "\"tools\" must be a list, not an object"},
    {"{\"tools\":[\"a\"]}", "1:11", "must be an object, not a text"},
    {"{\"tools\":[{\"path\":\"\"}]}", "1:19", "must not be empty"},
    {"{\"tools\":[{\"path\":\"a\",\"priority\":1.5}]}", "1:34", "whole number"},
    {"{\"tools\":[{\"path\":\"a\",\"priority\":2147483648}]}", "1:34", "from -2147483648 to 2147483647"},
    {"{\"tools\":[{\"path\":\"a\",\"priority\":12345678901234567890}]}", "1:34", "whole number"},
    {"{\"tools\":[{\"path\":\"a\",\"watchdog_ms\":0}]}", "1:37", "whole number"},
    {"{\"tools\":[{\"path\":\"a\",\"in_app\":1}]}", "1:32", "true or false, not a number"},
    {"{\"tools\":[{\"path\":\"a\",\"in_app\":\"true\"}]}", "1:32", "true or false, not a text"},
    {"{\"tools\":[{\"path\":\"a\",\"args\":\"-v\"}]}", "1:30", "must be a list, not a text"},
    {"{\"tools\":[{\"path\":\"a\",\"args\":[1]}]}", "1:31", "must be a text, not a number"},
    {"{\"tools\":[{\"path\":\"a\",\"events\":[\"obj_*\"]}]}", "1:33", "name of no event"},
    {"{\"tools\":[{\"path\":\"a\",\"on_fault\":\"abbort\"}]}", "1:34", "did you mean \"abort\""},
    {"{\"preload\":\"a\"}", "1:12", "must be a list"},
    {"{\"preload\":[\"a\",[\"b\"]]}", "1:17", "must be a text, not a list"},
    {"{\"preload\":[true]}", "1:13", "must be a text, not true or false"},
    {"{\"search\":[]}", "1:11", "must be an object, not a list"},
    {"{\"search\":{\"algorithm\":\"glib\"}}", "1:24", "did you mean \"glibc\""},
    {"{\"search\":{\"algorithm\":\"glibc \"}}", "1:24", "must be one of"},
    {"{\"search\":{\"algorithm\":\"tool:\"}}", "1:24", "must be followed by something"},
    {"{\"search\":{\"algorithm\":\"tool\"}}", "1:24", "did you mean \"tool:\""},
    {"{\"deny\":[{\"match\":\"a\",\"errno\":\"EWHAT\"}]}", "1:31", "name of an error"},
    {"{\"deny\":[{\"match\":\"a\",\"errno\":13}]}", "1:31", "must be a text"},
    {"{\"provide\":[{\"name\":\"a\",\"from\":\"/x\"}]}", "1:32", "must be one of file:|memfd:|section:"},
    {"{\"events\":{\"log\":\"fd:x\"}}", "1:18", "followed by a number"},
    {"{\"events\":{\"log\":\"fd:-1\"}}", "1:18", "followed by a number"},
    {"{\"events\":{\"log\":\"/tmp/log\"}}", "1:18", "must be one of"},
    {"{\"events\":{\"types\":[\"OBJ_*\"]}}", "1:21", "name of no event"},
    {"{\"events\":{\"history\":1000}}", "1:22", "power of two"},
    {"{\"events\":{\"history\":8}}", "1:22", "power of two"},
    {"{\"security\":{\"allow_tools\":[\"sha256:abc\"]}}", "1:29", "64 hexadecimal digits"},
    {"{\"security\":{\"allow_tools\":[\"sha25:" D "\"]}}", "1:29", "no path with a slash"},
    {"{\"security\":{\"allow_tools\":[\"build-id:abc\"]}}", "1:29", "even number"},
    {"{\"security\":{\"allow_tools\":[\"build-id:xy\"]}}", "1:29", "even number"},

    /* variables, captures */
    {"{\"preload\":[\"$HOEM/a\"]}", "1:13", "unknown variable \"$HOEM\""},
    {"{\"preload\":[\"${HOME/a\"]}", "1:13", "unknown variable"},
    {"{\"preload\":[\"a$\"]}", "1:13", "unknown variable"},
    {"{\"preload\":[\"$1\"]}", "1:13", "unknown variable"},
    {"{\"rewrite\":[{\"when\":{\"kind\":\"name\",\"match\":\"lib*\"},\"to\":\"$2\"}]}", "1:57",
     "$2 stands for nothing"},
    {"{\"rewrite\":[{\"when\":{\"kind\":\"name\",\"match\":\"lib\"},\"to\":\"$$$1\"}]}", "1:56",
     "$1 stands for nothing"},
    {"{\"rewrite\":[{\"when\":{\"kind\":\"name\",\"match\":\"lib\"},\"to\":\"$X\"}]}", "1:56",
     "unknown variable \"$X\""},
    {"{\"rewrite\":[{\"when\":{\"kind\":\"nam\",\"match\":\"lib\"},\"to\":\"a\"}]}", "1:29", "did you mean \"name\""},

    /* lists and orders */
    {"{\"preload\":[\"a\",\"!replace\"]}", "1:17", "must be the first element"},
    {"{\"init_order\":[\"a\"]}", "1:16", "list of two names"},
    {"{\"init_order\":[[\"a\"]]}", "1:16", "list of two names"},
    {"{\"init_order\":[[\"a\",\"b\",\"c\"]]}", "1:16", "list of two names"},
    {"{\"init_order\":[[\"a\",1]]}", "1:21", "must be a text"},
    {"{\"init_order\":[[\"a\",\"a\"]]}", "1:16", "cannot come before itself"},
    {"{\"init_order\":[[\"a\",\"b\"],[\"b\",\"a\"]]}", "1:16",
     "circle: \"a\" before \"b\" (p:1:16), \"b\" before \"a\" (p:1:26)"},
    {"{\"init_order\":[[\"x\",\"a\"],[\"a\",\"b\"],\n[\"b\",\"c\"],[\"c\",\"a\"]]}", "1:26",
     "\"a\" before \"b\" (p:1:26), \"b\" before \"c\" (p:2:1), \"c\" before \"a\" (p:2:11)"},
    {"{\"order\":{\"edges\":[[\"a\",\"b\"],[\"b\",\"a\"]]}}", "1:20", "orders of tools go round in a circle"},
    {"{\"tools\":[{\"path\":\"x\",\"name\":\"a\",\"after\":[\"b\"]}],\"order\":{\"edges\":[[\"a\",\"b\"]]}}", "1:68",
     "\"a\" before \"b\" (p:1:68), \"b\" before \"a\" (p:1:43)"},
    {"{\"tools\":[{\"path\":\"x\",\"name\":\"a\"},{\"path\":\"y\",\"name\":\"a\"}]}", "1:35",
     "\"a\" is there already: p:1:11"},
};

static void good_documents(void **state) {
  for (size_t i = 0; i < LDX_COUNT(goods); i++) {
    struct trial t;
    trial_begin(&t);
    if (!trial_text(&t, goods[i].text))
      fail_msg("%s: %s", goods[i].text, t.said[0]);
    assert_written(&t, goods[i].written);
    trial_end(&t);
  }
}

/* What is written can be read, and is the same then; so it is when it was laid out. */
static void what_is_written_can_be_read(void **state) {
  for (size_t i = 0; i < LDX_COUNT(goods); i++) {
    struct trial t;
    trial_begin(&t);
    assert_true(trial_text(&t, goods[i].written));
    assert_written(&t, goods[i].written);
    trial_end(&t);
    trial_begin(&t);
    char *laid_out = ldx_policy_format(&t.heap, goods[i].text, strlen(goods[i].text));
    char *again = ldx_policy_format(&t.heap, laid_out, strlen(laid_out));
    assert_string_equal(laid_out, again);
    assert_true(trial_text(&t, laid_out));
    assert_written(&t, goods[i].written);
    ldx_heap_free(&t.heap, laid_out);
    ldx_heap_free(&t.heap, again);
    trial_end(&t);
  }
}

static void bad_documents(void **state) {
  int wrong = 0;
  for (size_t i = 0; i < LDX_COUNT(bads); i++) {
    struct trial t;
    char begins[32];
    trial_begin(&t);
    bool accepted = trial_text(&t, bads[i].text);
    snprintf(begins, sizeof begins, "p:%s: ", bads[i].where);
    if (accepted || t.faults != 1 || strncmp(t.said[0], begins, strlen(begins)) || !strstr(t.said[0], bads[i].says)) {
      print_error("%s\n  expected %s: %s; %d faults: %s\n", bads[i].text, bads[i].where, bads[i].says, t.faults,
                  t.said[0]);
      wrong++;
    }
    trial_end(&t);
  }
  assert_int_equal(wrong, 0);
}

/* Every beginning of a good document is a bad one, and reading stays inside. */
static void cut_documents(void **state) {
  for (size_t i = 0; i < LDX_COUNT(goods); i++) {
    const char *text = goods[i].written;
    for (size_t n = 0; n < strlen(text); n++) {
      struct trial t;
      char *cut = strndup(text, n);
      trial_begin(&t);
      assert_false(trial_text(&t, cut));
      trial_end(&t);
      free(cut);
    }
  }
}

static void tells_all_faults_of_a_text(void **state) {
  struct trial t;
  trial_begin(&t);
  assert_false(trial_text(&t, "{\"a\":1,\n\"version\":2,\n\"tools\":[{\"path\":1},{}]}"));
  assert_int_equal(t.faults, 4);
  assert_memory_equal(t.said[0], "p:1:2:", 6);
  assert_memory_equal(t.said[1], "p:2:11:", 7);
  assert_memory_equal(t.said[2], "p:3:18:", 7);
  assert_memory_equal(t.said[3], "p:3:21:", 7);
  trial_end(&t);
}

static void keeps_to_the_limits(void **state) {
  struct trial t;
  size_t size = LDX_POLICY_MAX_SIZE + 1;
  char *text = malloc(size + 1);
  memset(text, ' ', size);
  memcpy(text, "{}", 2);
  text[size] = '\0';
  trial_begin(&t);
  assert_false(trial_text(&t, text));
  assert_string_equal(t.said[0], "p:1:1: larger than 1 MiB");
  trial_end(&t);
  text[size - 1] = '\0';
  trial_begin(&t);
  assert_true(trial_text(&t, text));
  trial_end(&t);

  char *p = text + sprintf(text, "{\"preload\":[1");
  for (int i = 0; i < LDX_POLICY_MAX_TOKENS; i++)
    p += sprintf(p, ",1");
  strcpy(p, "]}");
  trial_begin(&t);
  assert_false(trial_text(&t, text));
  assert_string_equal(t.said[0], "p:1:1: has too many values");
  assert_int_equal(t.faults, 1);
  trial_end(&t);
  free(text);
}

static void says_no_more_than_twenty_faults(void **state) {
  struct trial t;
  char text[256] = "{\"preload\":[1";
  for (int i = 0; i < 60; i++)
    strcat(text, ",1");
  strcat(text, "]}");
  trial_begin(&t);
  assert_false(trial_text(&t, text));
  assert_int_equal(t.faults, 20);
  trial_end(&t);
}

static void rules_know_their_places(void **state) {
  struct trial t;
  trial_begin(&t);
  assert_true(trial_text(
      &t, "{\"deny\":[{\"match\":\"a\"},\n  {\"match\":\"b\"}],\n\"search\":{\"append\":[\"/a\",\n\"/b\"]},\n"
          "\"security\":{\"allow_tools\":[\"/x\"]}, \"order\":{\"edges\":[[\"a\",\"b\"]]}}"));
  assert_string_equal(t.policy->deny.at[0].where, "p:1:10");
  assert_string_equal(t.policy->deny.at[1].where, "p:2:3");
  assert_string_equal(t.policy->search.where, "p:3:10");
  assert_string_equal(t.policy->search.append.at[1].where, "p:4:1");
  assert_string_equal(t.policy->security.allow_tools.at[0].where, "p:5:28");
  assert_string_equal(t.policy->order.edges.at[0].where, "p:5:54");
  trial_end(&t);
}

/* Control characters of a text that is quoted cannot make two lines of a message. */
static void messages_are_one_line(void **state) {
  struct trial t;
  trial_begin(&t);
  assert_false(trial_text(&t, "{\"a\\nb\\u001b[31m\":1}"));
  assert_string_equal(t.said[0], "p:1:2: unknown key \"a?b?[31m\"");
  trial_end(&t);
}

/* Long circles, and many names: neither slow nor deep. */
static void long_orders(void **state) {
  enum { MANY = 15000 };
  struct trial t;
  char *text = malloc(40 * MANY), *p = text;
  p += sprintf(p, "{\"init_order\":[");
  for (int i = 0; i < MANY; i++)
    p += sprintf(p, "%s[\"lib%d.so\",\"lib%d.so\"]", i ? "," : "", i, i + 1);
  strcpy(p, "]}");
  trial_begin(&t);
  assert_true(trial_text(&t, text));
  trial_end(&t);
  sprintf(p, ",[\"lib%d.so\",\"lib0.so\"]]}", MANY);
  trial_begin(&t);
  assert_false(trial_text(&t, text));
  assert_non_null(strstr(t.said[0], "\"lib7.so\" before \"lib8.so\""));
  assert_non_null(strstr(t.said[0], "and 14993 more"));
  trial_end(&t);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(good_documents),
      CASE(what_is_written_can_be_read),
      CASE(bad_documents),
      CASE(cut_documents),
      CASE(tells_all_faults_of_a_text),
      CASE(keeps_to_the_limits),
      CASE(says_no_more_than_twenty_faults),
      CASE(rules_know_their_places),
      CASE(messages_are_one_line),
      CASE(long_orders),
  };
  return RUN(tests);
}
