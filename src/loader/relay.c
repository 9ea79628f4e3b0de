#include "loader/relay.h"

#include "loader/error.h"

/* libc frees the message with its own free: the copy it gets is made by its malloc. */
static void relay(void (*operate)(void *), void *arg) {
  const struct glibc_state *g = &ldx_self.glibc;
  struct ldx_exception ours, libcs;
  int code = ldx_catch_exception(&ours, operate, arg);
  if (!ours.errstring)
    return;
  g->create_exception(&libcs, ours.objname, ours.errstring);
  ldx_exception_free(&ours);
  g->signal_exception(code, &libcs, NULL);
}

struct open_call {
  const char *name;
  int mode;
  const void *caller;
  long ns;
  int argc;
  char **argv, **env;
  void *result;
};

static void call_open(void *arg) {
  struct open_call *c = arg;
  c->result = ldx_guest_open(c->name, c->mode, c->caller, c->ns, c->argc, c->argv, c->env);
}

void *ldx_relay_open(const char *name, int mode, const void *caller, long ns, int argc, char **argv, char **env) {
  struct open_call c = {name, mode, caller, ns, argc, argv, env, NULL};
  relay(call_open, &c);
  return c.result;
}

void ldx_relay_close(void *handle) { relay(ldx_guest_close, handle); }

struct lookup_call {
  const char *name;
  struct ldx_object *from;
  const Elf64_Sym **ref;
  struct ldx_scope_slot **scope;
  const struct ldx_guest_version *version;
  int type_class, flags;
  struct ldx_object *skip, *result;
};

static void call_lookup(void *arg) {
  struct lookup_call *c = arg;
  c->result = ldx_guest_lookup(c->name, c->from, c->ref, c->scope, c->version, c->type_class, c->flags, c->skip);
}

struct ldx_object *ldx_relay_lookup(const char *name, struct ldx_object *from, const Elf64_Sym **ref,
                                    struct ldx_scope_slot **scope, const struct ldx_guest_version *version,
                                    int type_class, int flags, struct ldx_object *skip) {
  struct lookup_call c = {name, from, ref, scope, version, type_class, flags, skip, NULL};
  relay(call_lookup, &c);
  return c.result;
}
