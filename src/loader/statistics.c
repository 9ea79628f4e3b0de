/* LD_DEBUG=statistics: what a start cost, and how many symbols were looked up by the end. */
#include "base/print.h"
#include "loader/trace.h"

struct share {
  uint64_t cycles, percent, tenth;
};

static struct share share_of(uint64_t from, uint64_t to, uint64_t total) {
  uint64_t part = to - from, mille = total ? part * 1000 / total : 0;
  return (struct share){part, mille / 10, mille % 10};
}

/* Relative relocations by DT_RELACOUNT, of everything in the program's scope. */
static uint64_t relative_count(const struct ldx_object *program) {
  const struct ldx_scope_list *s = program->searchlist.list;
  uint64_t n = 0;
  for (uint32_t i = 0; s && i < s->count; i++)
    n += s->at[i].object->dyn.relative_count;
  return n;
}

void ldx_print_start_statistics(const struct ldx_object *program) {
  const struct ldx_statistics *t = &ldx_self.statistics;
  uint64_t total = t->end - t->start;
  struct share reloc = share_of(t->begin_reloc, t->end_reloc, total);
  struct share load = share_of(t->begin_load, t->end_load, total);
  ldx_debug("\nruntime linker statistics:\n"
            "  total startup time in dynamic loader: %lu cycles\n"
            "            time needed for relocation: %lu cycles (%lu.%lu%%)\n"
            "                 number of relocations: %lu\n"
            "      number of relocations from cache: %lu\n"
            "        number of relative relocations: %lu\n"
            "           time needed to load objects: %lu cycles (%lu.%lu%%)",
            total, reloc.cycles, reloc.percent, reloc.tenth, t->relocations, t->cached, relative_count(program),
            load.cycles, load.percent, load.tenth);
}

void ldx_print_statistics(void) {
  const struct ldx_statistics *t = &ldx_self.statistics;
  ldx_debug("\nruntime linker statistics:\n"
            "           final number of relocations: %lu\n"
            "final number of relocations from cache: %lu",
            t->relocations, t->cached);
}
