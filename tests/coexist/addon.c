/* A native addon of node, by the functions of Node-API that it needs, declared here: no header of node is wanted. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct napi_env_ *napi_env;
typedef struct napi_value_ *napi_value;
typedef struct napi_info_ *napi_info;
typedef struct napi_work_ *napi_work;
typedef struct napi_ref_ *napi_ref;
typedef napi_value (*napi_callback)(napi_env, napi_info);

int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);
int napi_set_named_property(napi_env, napi_value, const char *, napi_value);
int napi_get_cb_info(napi_env, napi_info, size_t *, napi_value *, napi_value *, void **);
int napi_get_value_double(napi_env, napi_value, double *);
int napi_create_double(napi_env, double, napi_value *);
int napi_create_string_utf8(napi_env, const char *, size_t, napi_value *);
int napi_throw_error(napi_env, const char *, const char *);
int napi_call_function(napi_env, napi_value, napi_value, size_t, const napi_value *, napi_value *);
int napi_get_undefined(napi_env, napi_value *);
int napi_create_async_work(napi_env, napi_value, napi_value, void (*)(napi_env, void *),
                           void (*)(napi_env, int, void *), void *, napi_work *);
int napi_queue_async_work(napi_env, napi_work);
int napi_delete_async_work(napi_env, napi_work);
int napi_create_reference(napi_env, napi_value, uint32_t, napi_ref *);
int napi_get_reference_value(napi_env, napi_ref, napi_value *);
int napi_delete_reference(napi_env, napi_ref);

static __thread int calls;

static napi_value number(napi_env env, double n) {
  napi_value v;
  napi_create_double(env, n, &v);
  return v;
}

static napi_value add(napi_env env, napi_info info) {
  napi_value args[2];
  size_t n = 2;
  double a = 0, b = 0;
  napi_get_cb_info(env, info, &n, args, NULL, NULL);
  if (n < 2 || napi_get_value_double(env, args[0], &a) || napi_get_value_double(env, args[1], &b))
    napi_throw_error(env, "E_ARGS", "two numbers are wanted");
  calls++;
  return number(env, a + b);
}

static napi_value count(napi_env env, napi_info info) {
  (void)info;
  return number(env, calls);
}

static napi_value twice(napi_env env, napi_info info) {
  napi_value function, undefined, result;
  size_t n = 1;
  napi_get_cb_info(env, info, &n, &function, NULL, NULL);
  napi_get_undefined(env, &undefined);
  napi_call_function(env, undefined, function, 0, NULL, &result);
  if (napi_call_function(env, undefined, function, 0, NULL, &result))
    return NULL;
  return result;
}

/* Work on a thread of node's pool. */
static struct {
  napi_work work;
  napi_ref done;
  int calls;
} job;

static void work(napi_env env, void *data) {
  (void)env, (void)data;
  job.calls = ++calls;
}

static void finished(napi_env env, int status, void *data) {
  (void)status, (void)data;
  napi_value function, undefined, argument = number(env, job.calls);
  napi_get_reference_value(env, job.done, &function);
  napi_get_undefined(env, &undefined);
  napi_call_function(env, undefined, function, 1, &argument, NULL);
  napi_delete_reference(env, job.done);
  napi_delete_async_work(env, job.work);
}

static napi_value later(napi_env env, napi_info info) {
  napi_value function, name;
  size_t n = 1;
  napi_get_cb_info(env, info, &n, &function, NULL, NULL);
  napi_create_reference(env, function, 1, &job.done);
  napi_create_string_utf8(env, "later", 5, &name);
  napi_create_async_work(env, NULL, name, work, finished, NULL, &job.work);
  napi_queue_async_work(env, job.work);
  return NULL;
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  static const struct {
    const char *name;
    napi_callback function;
  } table[] = {{"add", add}, {"count", count}, {"twice", twice}, {"later", later}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    napi_value function;
    napi_create_function(env, table[i].name, strlen(table[i].name), table[i].function, NULL, &function);
    napi_set_named_property(env, exports, table[i].name, function);
  }
  return exports;
}
