#include "layout.h"

#include <dwarf.h>
#include <stdio.h>
#include <string.h>

static bool is_aggregate(Dwarf_Die *die) {
  int tag = dwarf_tag(die);
  return tag == DW_TAG_structure_type || tag == DW_TAG_union_type;
}

static bool type_of(Dwarf_Die *die, Dwarf_Die *type) {
  Dwarf_Attribute attr;
  Dwarf_Die direct;
  return dwarf_formref_die(dwarf_attr_integrate(die, DW_AT_type, &attr), &direct) &&
         dwarf_peel_type(&direct, type) == 0;
}

/* The aggregate that a top-level DIE defines, itself or as a typedef. */
static bool definition(Dwarf_Die *die, Dwarf_Die *aggregate) {
  if (dwarf_tag(die) == DW_TAG_typedef) {
    if (!type_of(die, aggregate))
      return false;
  } else {
    *aggregate = *die;
  }
  return is_aggregate(aggregate) && !dwarf_hasattr(aggregate, DW_AT_declaration);
}

static bool note_definition(Dwarf_Die *die, const char *file, struct layout_type *type) {
  Dwarf_Die aggregate;
  Dwarf_Word size;
  if (!definition(die, &aggregate) || dwarf_aggregate_size(&aggregate, &size) != 0)
    return true;
  if (type->size == 0) {
    type->die = aggregate;
    type->size = size;
  } else if (type->size != size) {
    fprintf(stderr, "%s: %s is defined with sizes %lu and %lu\n", file, type->name, (unsigned long)type->size,
            (unsigned long)size);
    return false;
  }
  return true;
}

static bool scan_unit(Dwarf_Die *unit, const char *file, struct layout_type *types, unsigned count) {
  Dwarf_Die die;
  if (dwarf_child(unit, &die) != 0)
    return true;
  do {
    if (!is_aggregate(&die) && dwarf_tag(&die) != DW_TAG_typedef)
      continue;
    const char *name = dwarf_diename(&die);
    for (unsigned i = 0; name && i < count; i++)
      if (!strcmp(types[i].name, name) && !note_definition(&die, file, &types[i]))
        return false;
  } while (dwarf_siblingof(&die, &die) == 0);
  return true;
}

bool layout_find_types(Dwarf *dwarf, const char *file, struct layout_type *types, unsigned count) {
  Dwarf_CU *cu = NULL;
  Dwarf_Die unit;
  while (dwarf_get_units(dwarf, cu, &cu, NULL, NULL, &unit, NULL) == 0)
    if (!scan_unit(&unit, file, types, count))
      return false;
  Dwarf *shared = dwarf_getalt(dwarf);
  return !shared || layout_find_types(shared, file, types, count);
}

static bool unsigned_attr(Dwarf_Die *die, unsigned name, uint64_t *value) {
  Dwarf_Attribute attr;
  Dwarf_Word word;
  if (dwarf_formudata(dwarf_attr(die, name, &attr), &word) != 0)
    return false;
  *value = word;
  return true;
}

/* Where a member starts, in bits. DWARF 5 says so outright; older producers count a bit-field from the most
 * significant bit of its storage unit. */
static void locate(Dwarf_Die *die, struct layout_member *member) {
  uint64_t bytes = 0, bit = 0, storage = member->size;
  member->bit_size = 0;
  unsigned_attr(die, DW_AT_bit_size, &member->bit_size);
  if (unsigned_attr(die, DW_AT_data_bit_offset, &member->bit))
    return;
  unsigned_attr(die, DW_AT_data_member_location, &bytes);
  member->bit = 8 * bytes;
  if (member->bit_size == 0 || !unsigned_attr(die, DW_AT_bit_offset, &bit))
    return;
  unsigned_attr(die, DW_AT_byte_size, &storage);
  member->bit += 8 * storage - bit - member->bit_size;
}

static void measure(Dwarf_Die *type, struct layout_member *member) {
  Dwarf_Word size = 0, element = 0;
  Dwarf_Die element_type;
  dwarf_aggregate_size(type, &size);
  member->size = size;
  member->count = 0;
  if (dwarf_tag(type) == DW_TAG_array_type && type_of(type, &element_type) &&
      dwarf_aggregate_size(&element_type, &element) == 0 && element)
    member->count = size / element;
}

/* Finds one member by name, looking through anonymous structs and unions; *type gets its type. */
static bool find_member(Dwarf_Die *aggregate, const char *name, size_t length, struct layout_member *member,
                        Dwarf_Die *type) {
  Dwarf_Die die;
  if (dwarf_child(aggregate, &die) != 0)
    return false;
  do {
    if (dwarf_tag(&die) != DW_TAG_member || !type_of(&die, type))
      continue;
    measure(type, member);
    locate(&die, member);
    const char *found = dwarf_diename(&die);
    if (found && strlen(found) == length && !memcmp(found, name, length))
      return true;
    uint64_t outer = member->bit;
    Dwarf_Die inner = *type;
    if (!found && is_aggregate(&inner) && find_member(&inner, name, length, member, type)) {
      member->bit += outer;
      return true;
    }
  } while (dwarf_siblingof(&die, &die) == 0);
  return false;
}

bool layout_member(struct layout_type *type, const char *path, struct layout_member *member) {
  Dwarf_Die at = type->die, next;
  uint64_t base = 0;
  for (;;) {
    size_t length = strcspn(path, ".");
    if (!is_aggregate(&at) || !find_member(&at, path, length, member, &next))
      return false;
    member->bit += base;
    if (!path[length])
      return true;
    base = member->bit;
    path += length + 1;
    at = next;
    while (dwarf_tag(&at) == DW_TAG_array_type && type_of(&at, &next))
      at = next;
  }
}
