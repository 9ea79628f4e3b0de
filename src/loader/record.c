#include "loader/record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/print.h"
#include "base/text.h"
#include "base/sha256.h"
#include "elf/notes.h"
#include "loader/plan.h"
#include "loader/plan_out.h"
#include "loader/steer.h"
#include "loader/tell.h"

/* ---- identities */

static const char *hex(const unsigned char *bytes, size_t n) {
  char text[2 * 64 + 1];
  n = n < 64 ? n : 64;
  for (size_t i = 0; i < n; i++)
    ldx_format(text + 2 * i, 3, "%02x", bytes[i]);
  text[2 * n] = '\0';
  return ldx_keep_text(text);
}

static const char *sum_of(const char *path) {
  unsigned char sum[LDX_SHA256_SIZE];
  return ldx_sha256_file(path, sum) ? NULL : hex(sum, sizeof sum);
}

static struct ldx_identity *take_identity(const struct ldx_object *o) {
  struct ldx_identity *x = ldx_new(sizeof *x);
  struct stat st;
  if (!x)
    return NULL;
  struct ldx_span id = elf_build_id(&o->image, o->phdrs, o->image.phnum);
  x->path = ldx_keep_text(ldx_file_of(o));
  x->soname = ldx_keep_text(o->soname);
  x->reason = o->kind == LDX_PROGRAM ? "the program" : o->reason;
  x->build_id = id.size ? hex(id.base, id.size) : NULL;
  x->has_size = !ldx_sys_failed(io_stat(&ldx_self.io, x->path, &st));
  x->size = x->has_size ? (uint64_t)st.st_size : 0;
  /* Where nothing else tells contents apart, they are summed up. */
  if (!x->build_id && x->has_size)
    x->sha256 = sum_of(x->path);
  return x;
}

static bool equal(const struct ldx_identity *a, const struct ldx_identity *b) {
  return a->path == b->path && a->build_id == b->build_id && a->size == b->size && a->sha256 == b->sha256;
}

/* A library that is opened again and again is one. */
const struct ldx_identity *ldx_identify(struct ldx_object *o) {
  struct ldx_recorder *r = ldx_self.recorder;
  if (o->identity)
    return o->identity;
  struct ldx_identity *x = take_identity(o), *known = r->first;
  while (x && known && !equal(x, known))
    known = known->next;
  if (x && known) {
    ldx_delete(x);
    x = known;
  } else if (x) {
    x->index = r->count++;
    if (r->last)
      r->last->next = x;
    else
      r->first = x;
    r->last = x;
  }
  return o->identity = x;
}

/* ---- the start */

/* The program may change its working folder. */
static const char *absolute(const char *file) {
  char folder[4096];
  if (!file || *file == '/')
    return file;
  long n = sys_getcwd(folder, sizeof folder);
  size_t room = ldx_sys_failed(n) ? 0 : strlen(folder) + strlen(file) + 2;
  char *path = room ? ldx_new(room) : NULL;
  if (path)
    ldx_format(path, room, "%s/%s", folder, file);
  return path ? path : file;
}

static _Noreturn void refuse(const struct ldx_diag *d) {
  ldx_print_error(d);
  sys_exit(LDX_FROZEN_STATUS);
}

void ldx_record_begin(struct ldx_load *l) {
  const struct ldx_options *o = &ldx_self.options;
  struct ldx_diag d = {.heap = &ldx_self.heap};
  if (!o->record && !o->frozen && !o->sbom)
    return;
  struct ldx_recorder *r = ldx_new(sizeof *r);
  if (!r)
    ldx_die_text("%s: cannot allocate memory", ldx_self.program_name);
  *r = (struct ldx_recorder){.record = absolute(o->record), .sbom = absolute(o->sbom), .pid = sys_getpid()};
  ldx_self.recorder = r;
  const struct ldx_identity *program = ldx_identify(l->root);
  if (!o->frozen)
    return;
  ldx_frozen_open(o->frozen);
  if (!program || !ldx_frozen_program(program, &d))
    refuse(&d);
  ldx_self.guide.known = ldx_frozen_path;
  ldx_self.guide.cache = NULL; /* the record has the last word */
  r->algorithm = ldx_self.search.algorithm;
}

/* What tools ask for is theirs. */
static bool concerns(const struct ldx_load *l, const struct ldx_decision *d) {
  return d && !l->early && !d->asks_only && !ldx_is_tools_own(d);
}

/* What no record speaks of is searched for as ever. */
bool ldx_record_request(struct ldx_load *l, struct ldx_decision *d) {
  struct ldx_diag deviation = {.heap = &ldx_self.heap};
  if (!ldx_self.frozen)
    return true;
  ldx_self.search.algorithm = ldx_self.recorder->algorithm;
  if (!concerns(l, d))
    return true;
  ldx_self.search.algorithm = LDX_ALGORITHM_FROZEN;
  if (ldx_frozen_request(l, d, &deviation))
    return true;
  if (l->startup)
    refuse(&deviation);
  *l->diag = deviation;
  return false;
}

struct ldx_object *ldx_record_outcome(struct ldx_load *l, struct ldx_decision *d, struct ldx_object *o) {
  struct ldx_diag deviation = {.heap = &ldx_self.heap};
  if (!concerns(l, d))
    return o;
  d->identity = o && !o->faked ? ldx_identify(ldx_real(o)) : NULL;
  if (ldx_self.frozen && d->recorded && !ldx_frozen_outcome(l, d, o, &deviation)) {
    if (l->startup)
      refuse(&deviation);
    ldx_diag_clear(l->diag);
    *l->diag = deviation;
    return NULL;
  }
  return o;
}

static const char *const *paths_of(struct ldx_object *const *at, uint32_t count, bool backwards) {
  const char **out = ldx_new((count + 1) * sizeof *out);
  for (uint32_t i = 0; out && i < count; i++) {
    const struct ldx_identity *x = ldx_identify(at[backwards ? count - 1 - i : i]);
    out[i] = x ? x->path : "";
  }
  return out;
}

bool ldx_record_stage(struct ldx_load *l) {
  struct ldx_recorder *r = ldx_self.recorder;
  struct ldx_diag d = {.heap = &ldx_self.heap};
  if (!r || l->early)
    return true;
  const struct ldx_scope_list *s = l->root->searchlist.list;
  struct ldx_object **at = ldx_new((s->count + 1) * sizeof *at);
  for (uint32_t i = 0; at && i < s->count; i++)
    at[i] = s->at[i].object;
  r->scope = at ? paths_of(at, s->count, false) : NULL;
  r->init = paths_of(l->root->init_order.at, l->root->init_order.count, true);
  ldx_delete(at);
  if (!r->scope || !r->init)
    return ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, "", "cannot allocate memory");
  if (ldx_self.frozen && !ldx_frozen_orders(r->scope, r->init, &d))
    refuse(&d);
  return true;
}

/* ---- writing files */

/* A new file takes the old one's place when it is complete. */
static bool replace(const char *file, const char *what, void (*write)(struct ldx_out *out)) {
  struct ldx_recorder *r = ldx_self.recorder;
  struct ldx_out *out = ldx_new(sizeof *out);
  size_t room = strlen(file) + 32;
  char *fresh = ldx_new(room);
  int error = ENOMEM;
  if (out && fresh) {
    ldx_format(fresh, room, "%s.%ld~", file, r->pid);
    long fd = sys_open_mode(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    error = ldx_sys_failed(fd) ? (int)-fd : 0;
    out->fd = (int)fd;
    if (!error)
      write(out);
    ldx_out_flush(out);
    error = error ? error : out->error;
    if (!ldx_sys_failed(fd))
      sys_close((int)fd);
    long moved = error ? 0 : LDX_SYS(SYS_rename, fresh, file, 0, 0, 0, 0);
    error = ldx_sys_failed(moved) ? (int)-moved : error;
    if (error)
      LDX_SYS(SYS_unlink, fresh, 0, 0, 0, 0, 0);
  }
  if (error && !r->complained)
    ldx_print(2, "ldx: %s: cannot write %s %s: %s\n", ldx_self.program_name, what, file, ldx_errno_text(error));
  r->complained |= error != 0;
  ldx_delete(fresh);
  ldx_delete(out);
  return !error;
}

static bool is_mine(void) { return ldx_self.recorder->pid == sys_getpid(); }

static void put_file(struct ldx_out *out, const struct ldx_identity *x) {
  ldx_json_open(out, NULL, '{');
  ldx_json_text(out, "path", x->path);
  ldx_json_text(out, "soname", x->soname);
  ldx_json_text(out, "build_id", x->build_id);
  ldx_json_place(out, "size", (int64_t)x->size, x->has_size);
  ldx_json_text(out, "sha256", x->sha256);
  ldx_json_text(out, "reason", x->reason);
  ldx_json_close(out, '}');
}

static const struct ldx_identity *identity_of_path(const char *path) {
  const struct ldx_identity *x = ldx_self.recorder->first;
  while (x && x->path != path)
    x = x->next;
  return x;
}

/* The requester's file; the program goes by several names. */
static const struct ldx_identity *requester(const struct ldx_decision *d) {
  if (!d->requester)
    return NULL;
  return d->requester == ldx_self.base.program->id ? ldx_self.recorder->first : identity_of_path(d->from);
}

static bool is_recorded(const struct ldx_decision *d) {
  return !d->asks_only && !ldx_is_tools_own(d) && (d->identity || d->error);
}

static void put_request(struct ldx_out *out, const struct ldx_decision *d) {
  const struct ldx_identity *from = requester(d);
  ldx_json_open(out, NULL, '{');
  ldx_json_text(out, "name", d->name);
  ldx_json_place(out, "from", from ? from->index : 0, from);
  ldx_json_place(out, "file", d->identity ? d->identity->index : 0, d->identity);
  if (d->ns)
    ldx_json_number(out, "namespace", d->ns);
  if (!d->identity)
    ldx_json_text(out, "error", d->error);
  ldx_json_close(out, '}');
}

static void put_order(struct ldx_out *out, const char *key, const char *const *paths) {
  ldx_json_open(out, key, '[');
  for (; paths && *paths; paths++) {
    const struct ldx_identity *x = identity_of_path(*paths);
    if (x)
      ldx_json_number(out, NULL, x->index);
  }
  ldx_json_close(out, ']');
}

static void put_requests(struct ldx_out *out, const char *key, bool startup) {
  ldx_json_open(out, key, '[');
  for (const struct ldx_decision *d = ldx_self.journal.first; d; d = d->next)
    if (d->startup == startup && is_recorded(d))
      put_request(out, d);
  ldx_json_close(out, ']');
}

static void put_record(struct ldx_out *out) {
  const struct ldx_recorder *r = ldx_self.recorder;
  ldx_json_open(out, NULL, '{');
  ldx_json_text(out, "ldx", "record");
  ldx_json_number(out, "schema", LDX_RECORD_SCHEMA);
  ldx_json_open(out, "files", '[');
  for (const struct ldx_identity *x = r->first; x; x = x->next)
    put_file(out, x);
  ldx_json_close(out, ']');
  put_requests(out, "start", true);
  put_requests(out, "later", false);
  put_order(out, "scope", r->scope);
  put_order(out, "init", r->init);
  ldx_json_close(out, '}');
}

bool ldx_write_record(void) {
  const struct ldx_recorder *r = ldx_self.recorder;
  return !r || !r->record || !is_mine() || replace(r->record, "record", put_record);
}

/* ---- materials: a part of what CycloneDX 1.5 can say */

static void put_property(struct ldx_out *out, const char *name, const char *value) {
  if (!value)
    return;
  ldx_json_open(out, NULL, '{');
  ldx_json_text(out, "name", name);
  ldx_json_text(out, "value", value);
  ldx_json_close(out, '}');
}

static void put_hash(struct ldx_out *out, const struct ldx_identity *x) {
  const char *sum = x->sha256 || !x->has_size ? x->sha256 : sum_of(x->path);
  ldx_json_open(out, "hashes", '[');
  if (sum) {
    ldx_json_open(out, NULL, '{');
    ldx_json_text(out, "alg", "SHA-256");
    ldx_json_text(out, "content", sum);
    ldx_json_close(out, '}');
  }
  ldx_json_close(out, ']');
}

static void put_component(struct ldx_out *out, const char *key, const struct ldx_identity *x) {
  char size[24];
  ldx_format(size, sizeof size, "%lu", x->size);
  ldx_json_open(out, key, '{');
  ldx_json_text(out, "type", x->index ? "library" : "application");
  ldx_json_text(out, "bom-ref", x->path);
  ldx_json_text(out, "name", x->soname ? x->soname : ldx_last_part(x->path));
  put_hash(out, x);
  ldx_json_open(out, "properties", '[');
  put_property(out, "ldx:path", x->path);
  put_property(out, "ldx:soname", x->soname);
  put_property(out, "ldx:build-id", x->build_id);
  put_property(out, "ldx:size", x->has_size ? size : NULL);
  put_property(out, "ldx:found-by", x->reason);
  ldx_json_close(out, ']');
  ldx_json_close(out, '}');
}

static bool told_before(const struct ldx_decision *d) {
  for (const struct ldx_decision *e = ldx_self.journal.first; e != d; e = e->next)
    if (e->identity == d->identity && is_recorded(e) && requester(e) == requester(d))
      return true;
  return false;
}

static void put_dependencies(struct ldx_out *out, const struct ldx_identity *x) {
  ldx_json_open(out, NULL, '{');
  ldx_json_text(out, "ref", x->path);
  ldx_json_open(out, "dependsOn", '[');
  for (const struct ldx_decision *d = ldx_self.journal.first; d; d = d->next)
    if (d->identity && is_recorded(d) && requester(d) == x && !told_before(d))
      ldx_json_text(out, NULL, d->identity->path);
  ldx_json_close(out, ']');
  ldx_json_close(out, '}');
}

static void put_sbom(struct ldx_out *out) {
  const struct ldx_identity *program = ldx_self.recorder->first;
  ldx_json_open(out, NULL, '{');
  ldx_json_text(out, "bomFormat", "CycloneDX");
  ldx_json_text(out, "specVersion", "1.5");
  ldx_json_number(out, "version", 1);
  ldx_json_open(out, "metadata", '{');
  ldx_json_open(out, "tools", '[');
  ldx_json_open(out, NULL, '{');
  ldx_json_text(out, "name", "ldx");
  ldx_json_text(out, "version", LDX_VERSION);
  ldx_json_close(out, '}');
  ldx_json_close(out, ']');
  put_component(out, "component", program);
  ldx_json_close(out, '}');
  ldx_json_open(out, "components", '[');
  for (const struct ldx_identity *x = program->next; x; x = x->next)
    put_component(out, NULL, x);
  ldx_json_close(out, ']');
  ldx_json_open(out, "dependencies", '[');
  for (const struct ldx_identity *x = program; x; x = x->next)
    put_dependencies(out, x);
  ldx_json_close(out, ']');
  ldx_json_close(out, '}');
}

bool ldx_write_sbom(void) {
  const struct ldx_recorder *r = ldx_self.recorder;
  return !r || !r->sbom || !is_mine() || !r->first || replace(r->sbom, "list of materials", put_sbom);
}

void ldx_record_end(void) {
  ldx_rlock_enter(&ldx_self.lock);
  ldx_write_record();
  ldx_write_sbom();
  ldx_rlock_leave(&ldx_self.lock);
}

void ldx_record_static(struct ldx_load *l) {
  static const char *const none[] = {NULL};
  struct ldx_diag d = {.heap = &ldx_self.heap};
  ldx_journal_start();
  ldx_record_begin(l);
  ldx_self.recorder->scope = ldx_self.recorder->init = none;
  if (ldx_self.frozen && !ldx_frozen_orders(none, none, &d))
    refuse(&d);
  if (!ldx_write_record() || !ldx_write_sbom())
    sys_exit(127);
}
