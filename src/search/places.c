#include "search/places.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/sys.h"

enum { MAX_NAMES = 1 << 16, RECENT = 100 * 1000 * 1000 /* nanoseconds: more than a tick of the kernel's clock */ };

struct ldx_file_state ldx_file_state(const struct stat *st) {
  return (struct ldx_file_state){.ino = st->st_ino,
                                 .size = (uint64_t)st->st_size,
                                 .mtime = st->st_mtim.tv_sec,
                                 .ctime = st->st_ctim.tv_sec,
                                 .mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
                                 .ctime_ns = (uint32_t)st->st_ctim.tv_nsec};
}

static void set_stat(struct ldx_place *place, const struct stat *st) {
  place->error = 0;
  place->folder = S_ISDIR(st->st_mode);
  place->state = ldx_file_state(st);
}

static void ask(struct ldx_places *p, struct ldx_place *place) {
  struct stat st;
  long r = io_stat(p->io, place->path, &st);
  if (ldx_sys_failed(r))
    place->error = (int)-r;
  else
    set_stat(place, &st);
}

static void forget_names(struct ldx_places *p, struct ldx_place *place) {
  ldx_heap_free(p->heap, place->names);
  place->names = NULL;
  place->room = place->used = 0;
  place->listing = LDX_LISTING_NONE;
}

/* As it was, or as it is now: what depended on that is not to be stored any more. */
static void ask_again(struct ldx_places *p, struct ldx_place *place) {
  struct ldx_file_state was = place->state;
  int error = place->error;
  place->doubted = false;
  if (place->listing == LDX_LISTING_RECENT)
    place->listing = LDX_LISTING_NONE;
  ask(p, place);
  if (place->error == error && (error || !memcmp(&place->state, &was, sizeof was)))
    return;
  forget_names(p, place);
  p->unfit |= place->witness;
}

static struct ldx_place *known_place(struct ldx_places *p, const char *path, size_t n, uint64_t hash) {
  struct ldx_place *place = p->at[hash % LDX_PLACE_BUCKETS];
  while (place && (place->hash != hash || strncmp(place->path, path, n) || place->path[n]))
    place = place->next;
  if (place && place->doubted)
    ask_again(p, place);
  return place;
}

/* What is at the first n bytes of the path; asked for once. NULL: no memory. */
static struct ldx_place *place_at(struct ldx_places *p, const char *path, size_t n) {
  uint64_t hash = ldx_sum(path, n, 0);
  struct ldx_place *place = known_place(p, path, n, hash);
  if (place)
    return place;
  place = ldx_heap_alloc(p->heap, sizeof *place + n + 1);
  if (!place)
    return NULL;
  memcpy(place->path, path, n);
  place->hash = hash;
  ask(p, place);
  place->next = p->at[hash % LDX_PLACE_BUCKETS];
  return p->at[hash % LDX_PLACE_BUCKETS] = place;
}

void ldx_places_doubt(struct ldx_places *p) {
  for (size_t i = 0; i < LDX_PLACE_BUCKETS; i++)
    for (struct ldx_place *place = p->at[i]; place; place = place->next)
      place->doubted = true;
}

/* Length of the folder's part: "/" for what lies in the root. 0: there is none. */
static size_t folder_length(const char *path, size_t n) {
  while (n && path[n - 1] == '/')
    n--;
  while (n && path[n - 1] != '/')
    n--;
  while (n > 1 && path[n - 1] == '/')
    n--;
  return n;
}

/* 0: a name that cannot be compared so. */
static uint64_t sum_of_name(const char *name, size_t n) {
  char folded[256];
  if (n > sizeof folded)
    return 0;
  for (size_t i = 0; i < n; i++) {
    if ((unsigned char)name[i] >= 0x80)
      return 0;
    folded[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
  }
  uint64_t sum = ldx_sum(folded, n, 0);
  return sum ? sum : 1;
}

static uint64_t *name_slot(uint64_t *names, uint32_t room, uint64_t sum) {
  uint32_t i = (uint32_t)(sum >> 32) & (room - 1);
  while (names[i] && names[i] != sum)
    i = (i + 1) & (room - 1);
  return &names[i];
}

static bool add_name(struct ldx_places *p, struct ldx_place *place, uint64_t sum) {
  if (2 * place->used >= place->room) {
    uint32_t room = place->room ? 2 * place->room : 64;
    uint64_t *names = room > 2 * MAX_NAMES ? NULL : ldx_heap_alloc(p->heap, room * sizeof *names);
    if (!names)
      return false;
    for (uint32_t i = 0; i < place->room; i++)
      if (place->names[i])
        *name_slot(names, room, place->names[i]) = place->names[i];
    ldx_heap_free(p->heap, place->names);
    place->names = names;
    place->room = room;
  }
  uint64_t *slot = name_slot(place->names, place->room, sum);
  place->used += !*slot;
  *slot = sum;
  return true;
}

struct entry { /* getdents64(2) */
  uint64_t ino;
  int64_t off;
  uint16_t size;
  uint8_t type;
  char name[];
};

static bool add_names(struct ldx_places *p, struct ldx_place *place, const char *bytes, size_t n) {
  for (size_t at = 0; at < n;) {
    const struct entry *e = (const struct entry *)(bytes + at);
    uint64_t sum = sum_of_name(e->name, strlen(e->name));
    if (sum && !add_name(p, place, sum))
      return false;
    at += e->size;
  }
  return true;
}

static bool read_names(struct ldx_places *p, struct ldx_place *place, int fd) {
  enum { CHUNK = 32 * 1024 };
  char *bytes = ldx_heap_alloc(p->heap, CHUNK);
  long n = bytes ? 1 : -ENOMEM;
  while (n > 0) {
    n = LDX_SYS(SYS_getdents64, fd, bytes, CHUNK, 0, 0, 0);
    if (n > 0 && !add_names(p, place, bytes, (size_t)n))
      n = -E2BIG;
  }
  ldx_heap_free(p->heap, bytes);
  return n == 0;
}

/* Whether a folder's names change only together with its times, and all names are told (<linux/magic.h>). Not in file
 * systems that are made at once (squashfs, erofs): the times in two images may be the same. */
static bool sound_file_system(int fd) {
  static const uint32_t known[] = {
      0xef53,     /* ext2, ext3, ext4 */
      0x58465342, /* xfs */
      0x9123683e, /* btrfs */
      0x01021994, /* tmpfs */
      0x858458f6, /* ramfs */
      0x794c7630, /* overlayfs */
      0x6969,     /* nfs */
      0x0bd00bd0, /* lustre */
      0x47504653, /* gpfs */
      0xf2f52010, /* f2fs */
      0x2fc12fc1, /* zfs */
      0xca451a4e, /* bcachefs */
      0x00c36400, /* ceph */
  };
  uint64_t st[16]; /* struct statfs, which begins with the type */
  long r = LDX_SYS(SYS_fstatfs, fd, st, 0, 0, 0, 0);
  for (size_t i = 0; !ldx_sys_failed(r) && i < LDX_COUNT(known); i++)
    if (st[0] == known[i])
      return true;
  return false;
}

/* A change in the same tick of the clock would not show. Some file systems keep whole seconds, or pairs of them. */
static bool is_settled(const struct ldx_file_state *s) {
  int64_t now[2] = {0, 0}, margin = s->ctime_ns ? RECENT : 2500 * 1000 * 1000l;
  LDX_SYS(SYS_clock_gettime, 0 /* CLOCK_REALTIME */, now, 0, 0, 0, 0);
  return now[0] - s->ctime > 10 || (now[0] - s->ctime) * 1000000000l + now[1] - s->ctime_ns > margin;
}

/* The folder as it is before it is read is what the names belong to. */
static void list_open(struct ldx_places *p, struct ldx_place *place, int fd) {
  struct stat st;
  if (ldx_sys_failed(sys_fstat(fd, &st)) || !S_ISDIR(st.st_mode) || !sound_file_system(fd))
    return;
  set_stat(place, &st);
  if (!is_settled(&place->state))
    place->listing = LDX_LISTING_RECENT;
  else if (read_names(p, place, fd))
    place->listing = LDX_LISTING_SOUND;
}

static void list(struct ldx_places *p, struct ldx_place *place) {
  if (place->listing != LDX_LISTING_NONE || place->error || !place->folder)
    return;
  place->listing = LDX_LISTING_UNSOUND;
  if (!io_is_plain(p->io))
    return;
  long fd = sys_open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
  if (ldx_sys_failed(fd))
    return;
  list_open(p, place, (int)fd);
  sys_close((int)fd);
}

static bool lacks(const struct ldx_place *place, const char *name, size_t n) {
  uint64_t sum = sum_of_name(name, n);
  return place->listing == LDX_LISTING_SOUND && sum && (!place->room || !*name_slot(place->names, place->room, sum));
}

/* The nearest folder on the way that is known, if the next name on the way is known to be missing there. */
static struct ldx_place *lacking(struct ldx_places *p, const char *path) {
  for (size_t n = strlen(path), f = folder_length(path, n); f; n = f, f = folder_length(path, f)) {
    struct ldx_place *folder = known_place(p, path, f, ldx_sum(path, f, 0));
    size_t name = f;
    while (path[name] == '/')
      name++;
    if (folder && !folder->error)
      return lacks(folder, path + name, n - name) ? folder : NULL;
  }
  return NULL;
}

int ldx_places_absent(struct ldx_places *p, const char *path) { return lacking(p, path) ? ENOENT : 0; }

static void depend(struct ldx_places *p, struct ldx_place *place, enum ldx_witness_kind kind) {
  if (place->witness && place->witness != kind)
    p->unfit = true; /* it has become something else in between */
  p->witnesses += !place->witness;
  place->witness = (uint8_t)kind;
  if (p->witnesses > LDX_CACHE_MAX_WITNESSES)
    p->unfit = true;
}

static void note_absence(struct ldx_places *p, const char *path, size_t n) {
  struct ldx_place *place = place_at(p, path, n);
  if (place && place->error)
    depend(p, place, LDX_WITNESS_ABSENT);
  else
    p->unfit = true;
}

/* Nothing is there: because the folder has no such name, or there is no such folder, or so says the kernel. */
static void note_absent(struct ldx_places *p, const char *path, size_t whole) {
  size_t n = whole;
  for (size_t f = folder_length(path, n); f; n = f, f = folder_length(path, f)) {
    struct ldx_place *folder = place_at(p, path, f);
    size_t name = f;
    if (folder && folder->error && f > 1)
      continue;
    while (path[name] == '/')
      name++;
    if (folder)
      list(p, folder);
    if (folder && lacks(folder, path + name, n - name)) {
      depend(p, folder, LDX_WITNESS_FOLDER);
      return;
    }
    if (folder && folder->listing == LDX_LISTING_RECENT && n == whole)
      p->unfit = true;
    break;
  }
  note_absence(p, path, n);
}

/* A file was looked at: passed over for what it is, or read. */
static void note_file(struct ldx_places *p, struct ldx_place *place) {
  if (place->folder || !is_settled(&place->state))
    p->unfit = true;
  else
    depend(p, place, LDX_WITNESS_FILE);
}

void ldx_places_note(struct ldx_places *p, const char *path, int error) {
  if (*path != '/' || !io_is_plain(p->io) || (error && error != ENOENT && error != ENOTDIR)) {
    p->unfit = true;
    return;
  }
  size_t n = strlen(path);
  if (n > 1 && path[n - 1] == '/') {
    note_absence(p, path, n - 1);
    return;
  }
  struct ldx_place *folder = lacking(p, path);
  if (folder) {
    depend(p, folder, LDX_WITNESS_FOLDER);
    return;
  }
  struct stat st;
  long r = io_stat(p->io, path, &st);
  if (ldx_sys_failed(r)) {
    note_absent(p, path, n);
    return;
  }
  struct ldx_place *place = place_at(p, path, n);
  if (place && !place->error)
    note_file(p, place);
  else
    p->unfit = true;
}

bool ldx_places_hold(struct ldx_places *p, const char *path, const struct ldx_cache_witness *w) {
  const struct ldx_place *place = place_at(p, path, strlen(path));
  if (!place)
    return false;
  if (w->kind == LDX_WITNESS_ABSENT)
    return place->error && (uint32_t)place->error == w->error;
  return !place->error && place->folder == (w->kind == LDX_WITNESS_FOLDER) &&
         !memcmp(&place->state, &w->state, sizeof w->state);
}

void ldx_places_witness(const struct ldx_places *p, struct ldx_draft *d) {
  for (size_t i = 0; i < LDX_PLACE_BUCKETS; i++)
    for (const struct ldx_place *place = p->at[i]; place; place = place->next)
      if (place->witness) {
        struct ldx_cache_witness w = {.kind = place->witness, .error = (uint32_t)place->error};
        if (!place->error)
          w.state = place->state;
        ldx_draft_witness(d, place->path, &w);
      }
}

void ldx_places_free(struct ldx_places *p) {
  for (size_t i = 0; i < LDX_PLACE_BUCKETS; i++)
    while (p->at[i]) {
      struct ldx_place *place = p->at[i];
      p->at[i] = place->next;
      ldx_heap_free(p->heap, place->names);
      ldx_heap_free(p->heap, place);
    }
}
