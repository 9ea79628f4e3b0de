#include "elf/eh_frame.h"

#include <string.h>

/* Bytes that are read from the front. Behind the end there are zeros, and the fault is kept. */
struct reader {
  struct ldx_span bytes;
  uint64_t at, where;
  enum elf_error error;
};

static uint64_t fail(struct reader *r, enum elf_error error) {
  if (!r->error)
    r->error = error;
  return 0;
}

static const void *take(struct reader *r, uint64_t size) {
  const void *p = r->error ? NULL : ldx_span_at(r->bytes, r->at, size, 1);
  if (!p)
    fail(r, ELF_BAD_EH_FRAME);
  else
    r->at += size;
  return p;
}

static uint64_t number(struct reader *r, unsigned size) {
  uint64_t v = 0;
  const void *p = take(r, size);
  if (p)
    memcpy(&v, p, size);
  return v;
}

static uint64_t sign_extended(uint64_t v, unsigned bits) {
  return bits < 64 && v >> (bits - 1) & 1 ? v | ~UINT64_C(0) << bits : v;
}

static uint64_t leb128(struct reader *r, bool is_signed) {
  uint64_t v = 0, byte;
  unsigned shift = 0;
  do {
    byte = number(r, 1);
    if (shift == 63 && byte != 0 && byte != (is_signed ? 0x7f : 1))
      fail(r, ELF_BAD_EH_FRAME); /* more than 64 bits */
    if (r->error)
      return 0;
    v |= (byte & 0x7f) << shift;
    shift += 7;
  } while (byte & 0x80);
  return is_signed ? sign_extended(v, shift) : v;
}
static uint64_t uleb128(struct reader *r) { return leb128(r, false); }
static int64_t sleb128(struct reader *r) { return (int64_t)leb128(r, true); }

static uint64_t formatted(struct reader *r, uint8_t encoding) {
  switch (encoding & 0x0f) {
  case ELF_EH_ABSPTR:
  case ELF_EH_UDATA8:
  case ELF_EH_SDATA8:
    return number(r, 8);
  case ELF_EH_ULEB128:
    return uleb128(r);
  case ELF_EH_UDATA2:
    return number(r, 2);
  case ELF_EH_UDATA4:
    return number(r, 4);
  case ELF_EH_SLEB128:
    return (uint64_t)sleb128(r);
  case ELF_EH_SDATA2:
    return sign_extended(number(r, 2), 16);
  case ELF_EH_SDATA4:
    return sign_extended(number(r, 4), 32);
  default:
    return fail(r, ELF_UNKNOWN_EH_FRAME);
  }
}

/* A pointer; a stored zero is none, whatever would be added to it. */
static struct elf_eh_pointer pointer(struct reader *r, uint8_t encoding, uint64_t function) {
  if ((encoding & ~ELF_EH_INDIRECT) == ELF_EH_ALIGNED)
    r->at = ldx_align_up(r->where + r->at, 8) - r->where;
  uint64_t from = r->where + r->at, v = formatted(r, encoding);
  if (!v)
    return (struct elf_eh_pointer){0};
  switch (encoding & 0x70) {
  case ELF_EH_PCREL:
    v += from;
    break;
  case ELF_EH_FUNCREL:
    v += function;
    break;
  }
  return (struct elf_eh_pointer){v, encoding & ELF_EH_INDIRECT};
}

enum pointer_of { OF_PERSONALITY, OF_LSDA, OF_CODE };

/* Unwinders step over a code pointer by its size: it has no alignment, and stands where it is read. */
static bool known_encoding(uint8_t encoding, enum pointer_of of) {
  static const uint16_t formats = 1 << ELF_EH_ABSPTR | 1 << ELF_EH_ULEB128 | 1 << ELF_EH_UDATA2 | 1 << ELF_EH_UDATA4 |
                                  1 << ELF_EH_UDATA8 | 1 << ELF_EH_SLEB128 | 1 << ELF_EH_SDATA2 | 1 << ELF_EH_SDATA4 |
                                  1 << ELF_EH_SDATA8;
  if (!(formats >> (encoding & 0x0f) & 1) || (of == OF_CODE && encoding & ELF_EH_INDIRECT))
    return false;
  switch (encoding & 0x70) {
  case 0:
  case ELF_EH_PCREL:
    return true;
  case ELF_EH_FUNCREL:
    return of == OF_LSDA;
  case ELF_EH_ALIGNED:
    return of != OF_CODE && (encoding & 0x0f) == 0;
  default:
    return false;
  }
}

/* Instructions. Their operands: u, s: LEB128; r: a register; 1, 2, 4: bytes; a: an address; x: an expression. */
enum { CFA_SET_LOC = 0x01, CFA_REMEMBER = 0x0a, CFA_RESTORE = 0x0b, REGISTERS = 130 /* of the psABI */ };

static const char *operands_of(uint8_t op) {
  if (op >= 0x40)
    return (op & 0xc0) == 0x80 /* offset */ ? "u" : "-" /* advance_loc, restore */;
  switch (op) {
  case 0x00: /* nop, remember_state, restore_state */
  case CFA_REMEMBER:
  case CFA_RESTORE:
    return "-";
  case CFA_SET_LOC:
    return "a";
  case 0x02: /* advance_loc1, 2, 4 */
    return "1";
  case 0x03:
    return "2";
  case 0x04:
    return "4";
  case 0x05: /* offset_extended, def_cfa, val_offset, GNU_negative_offset_extended */
  case 0x0c:
  case 0x14:
  case 0x2f:
    return "ru";
  case 0x06: /* restore_extended, undefined, same_value, def_cfa_register */
  case 0x07:
  case 0x08:
  case 0x0d:
    return "r";
  case 0x09: /* register */
    return "rr";
  case 0x0e: /* def_cfa_offset, GNU_args_size */
  case 0x2e:
    return "u";
  case 0x0f: /* def_cfa_expression */
    return "x";
  case 0x10: /* expression, val_expression */
  case 0x16:
    return "rx";
  case 0x11: /* offset_extended_sf, def_cfa_sf, val_offset_sf */
  case 0x12:
  case 0x15:
    return "rs";
  case 0x13: /* def_cfa_offset_sf */
    return "s";
  default:
    return "";
  }
}

/* Operands of the operations in an expression; b: a branch. One that has a pointer relative to its own place is not
 * among them. */
static const char *operands_of_operation(uint8_t op) {
  if ((op >= 0x30 && op < 0x70) /* lit, reg */ || (op >= 0x16 && op <= 0x22) || (op >= 0x24 && op <= 0x27) ||
      (op >= 0x29 && op <= 0x2e))
    return op == 0x18 /* xderef */ ? "" : "-";
  if (op >= 0x70 && op < 0x90) /* breg */
    return "s";
  switch (op) {
  case 0x03: /* addr */
  case 0x0e: /* const8u, const8s */
  case 0x0f:
    return "8";
  case 0x08: /* const1u, const1s, pick, deref_size */
  case 0x09:
  case 0x15:
  case 0x94:
    return "1";
  case 0x0a:
  case 0x0b:
    return "2";
  case 0x0c:
  case 0x0d:
    return "4";
  case 0x10: /* constu, plus_uconst */
  case 0x23:
    return "u";
  case 0x11:
    return "s";
  case 0x28: /* bra, skip */
  case 0x2f:
    return "b";
  case 0x90: /* regx, bregx */
    return "r";
  case 0x92:
    return "rs";
  case 0x06: /* deref, dup, drop, over, nop */
  case 0x12:
  case 0x13:
  case 0x14:
  case 0x96:
    return "-";
  default:
    return "";
  }
}

static void check_branch(struct reader *r) {
  int64_t by = (int16_t)number(r, 2);
  if ((uint64_t)((int64_t)r->at + by) > r->bytes.size)
    fail(r, ELF_BAD_EH_FRAME);
}

static void skip_operand(struct reader *r, char kind);

static void skip_operands(struct reader *r, const char *kinds) {
  size_t count = strlen(kinds);
  if (!count)
    fail(r, ELF_UNKNOWN_EH_FRAME);
  for (size_t i = 0; i < count; i++)
    skip_operand(r, kinds[i]);
}

static void check_expression(struct reader *outer) {
  uint64_t size = uleb128(outer);
  struct reader r = {.bytes = {take(outer, size), size}, .error = outer->error};
  while (!r.error && r.at < size)
    skip_operands(&r, operands_of_operation((uint8_t)number(&r, 1)));
  fail(outer, r.error);
}

static void skip_operand(struct reader *r, char kind) {
  switch (kind) {
  case 'u':
    uleb128(r);
    break;
  case 's':
    sleb128(r);
    break;
  case 'r':
    if (uleb128(r) >= REGISTERS)
      fail(r, ELF_UNKNOWN_EH_FRAME);
    break;
  case 'x':
    check_expression(r);
    break;
  case 'b':
    check_branch(r);
    break;
  case '1':
  case '2':
  case '4':
  case '8':
    number(r, (unsigned)(kind - '0'));
    break;
  }
}

/* Writing */

static void put(struct elf_frame_output *out, const void *p, size_t size) {
  if (out->at && ldx_range_ok(out->room, out->size, size, 1))
    memcpy(out->at + out->size, p, size);
  out->size += size;
}
static void put_byte(struct elf_frame_output *out, uint8_t v) { put(out, &v, 1); }
static void put_word(struct elf_frame_output *out, uint32_t v) { put(out, &v, 4); }
static void put_address(struct elf_frame_output *out, uint64_t v) { put(out, &v, 8); }

static void put_zeros(struct elf_frame_output *out, size_t size) {
  for (; size; size--)
    put_byte(out, 0);
}

static void put_uleb128(struct elf_frame_output *out, uint64_t v) {
  for (; v >= 0x80; v >>= 7)
    put_byte(out, (uint8_t)(v | 0x80));
  put_byte(out, (uint8_t)v);
}

static void put_sleb128(struct elf_frame_output *out, int64_t v) {
  for (; v < -0x40 || v >= 0x40; v >>= 7)
    put_byte(out, (uint8_t)(v | 0x80));
  put_byte(out, v & 0x7f);
}

/* Checks instructions, and copies them: all but an address stays as it is. */
static enum elf_error copy_instructions(const struct elf_cfa *from, uint8_t encoding, struct elf_frame_output *out) {
  struct reader r = {.bytes = from->bytes, .where = from->where};
  uint32_t remembered = 0;
  while (!r.error && r.at < r.bytes.size) {
    uint64_t begin = r.at;
    uint8_t op = (uint8_t)number(&r, 1);
    if (op == CFA_SET_LOC) {
      put_byte(out, op);
      put_address(out, pointer(&r, encoding, 0).value);
      continue;
    }
    skip_operands(&r, operands_of(op));
    if (op == CFA_RESTORE && !remembered--)
      fail(&r, ELF_BAD_EH_FRAME);
    remembered += op == CFA_REMEMBER;
    if (!r.error)
      put(out, r.bytes.base + begin, r.at - begin);
  }
  return r.error;
}

static enum elf_error check_instructions(const struct elf_cfa *i, uint8_t encoding) {
  return copy_instructions(i, encoding, &(struct elf_frame_output){0});
}

/* Reading */

/* The record at an offset, without its length word; size 0: the terminator, or the end. */
static struct reader record_at(const struct elf_frames *f, uint64_t offset) {
  struct reader r = {.bytes = f->bytes, .at = offset, .where = f->where}, none = {.at = 0};
  if (offset == f->bytes.size)
    return none;
  uint64_t size = number(&r, 4);
  if (size == UINT32_MAX)
    fail(&r, ELF_LONG_EH_FRAME);
  if (size && (size < 4 || !ldx_range_ok(f->bytes.size, r.at, size, 1)))
    fail(&r, ELF_BAD_EH_FRAME);
  none.error = r.error;
  return r.error ? none : (struct reader){.bytes = {f->bytes.base + r.at, size}, .where = f->where + r.at};
}

static void read_augmentation(struct reader *r, const char *text, struct elf_cie *out) {
  out->sized = *text == 'z';
  uint64_t size = out->sized ? uleb128(r) : 0, end = r->at + size;
  if (!ldx_range_ok(r->bytes.size, r->at, size, 1) || (*text && !out->sized))
    fail(r, *text && !out->sized ? ELF_UNKNOWN_EH_FRAME : ELF_BAD_EH_FRAME);
  for (text += out->sized; *text && !r->error; text++) {
    uint8_t encoding = 0;
    switch (*text) {
    case 'P':
      if (known_encoding(encoding = (uint8_t)number(r, 1), OF_PERSONALITY))
        out->personality = pointer(r, encoding, 0);
      else
        fail(r, ELF_UNKNOWN_EH_FRAME);
      break;
    case 'L':
      out->lsda = (uint8_t)number(r, 1);
      if (out->lsda != ELF_EH_OMIT && !known_encoding(out->lsda, OF_LSDA))
        fail(r, ELF_UNKNOWN_EH_FRAME);
      break;
    case 'R':
      if (!known_encoding(out->pointers = (uint8_t)number(r, 1), OF_CODE))
        fail(r, ELF_UNKNOWN_EH_FRAME);
      break;
    case 'S':
      out->signal = true;
      break;
    case 'B':
      out->b_key = true;
      break;
    default:
      fail(r, ELF_UNKNOWN_EH_FRAME);
    }
  }
  if (r->at > end)
    fail(r, ELF_BAD_EH_FRAME);
  r->at = end;
}

static const char *read_text(struct reader *r) {
  uint64_t begin = r->at;
  while (number(r, 1))
    ;
  return r->error ? "" : (const char *)r->bytes.base + begin;
}

static struct elf_cfa rest_of(const struct reader *r) {
  return (struct elf_cfa){{r->bytes.base + r->at, r->bytes.size - r->at}, r->where + r->at};
}

static enum elf_error read_cie(const struct elf_frames *f, uint64_t offset, struct elf_cie *out) {
  struct reader r = record_at(f, offset);
  *out = (struct elf_cie){.lsda = ELF_EH_OMIT};
  if (number(&r, 4) != 0)
    fail(&r, ELF_BAD_EH_FRAME);
  uint8_t version = (uint8_t)number(&r, 1);
  const char *augmentation = read_text(&r);
  if (!r.error && version != 1 && version != 3 && version != 4)
    fail(&r, ELF_UNKNOWN_EH_FRAME);
  if (version == 4 && number(&r, 2) != 8 /* bytes of an address, none of a segment */)
    fail(&r, ELF_UNKNOWN_EH_FRAME);
  out->code_align = uleb128(&r);
  out->data_align = sleb128(&r);
  uint64_t reg = version == 1 ? number(&r, 1) : uleb128(&r);
  if (reg >= REGISTERS)
    fail(&r, ELF_UNKNOWN_EH_FRAME);
  out->return_register = (uint32_t)reg;
  read_augmentation(&r, augmentation, out);
  if (r.error)
    return r.error;
  out->instructions = rest_of(&r);
  return check_instructions(&out->instructions, out->pointers);
}

static enum elf_error read_fde(const struct elf_frames *f, struct reader *r, struct elf_fde *out) {
  uint64_t id_at = f->next + 4;
  out->cie_offset = id_at - sign_extended(number(r, 4), 32);
  if (out->cie_offset > f->bytes.size)
    return ELF_BAD_EH_FRAME;
  enum elf_error e = read_cie(f, out->cie_offset, &out->cie);
  if (e)
    return e;
  out->start = pointer(r, out->cie.pointers, 0).value;
  out->size = formatted(r, out->cie.pointers);
  if (out->size > UINT64_MAX - out->start)
    fail(r, ELF_BAD_EH_FRAME);
  uint64_t size = out->cie.sized ? uleb128(r) : 0, end = r->at + size;
  if (!ldx_range_ok(r->bytes.size, r->at, size, 1))
    fail(r, ELF_BAD_EH_FRAME);
  if (out->cie.lsda != ELF_EH_OMIT)
    out->lsda = pointer(r, out->cie.lsda, out->start);
  if (r->at > end)
    fail(r, ELF_BAD_EH_FRAME);
  if (r->error)
    return r->error;
  r->at = end;
  out->instructions = rest_of(r);
  return check_instructions(&out->instructions, out->cie.pointers);
}

bool elf_next_fde(struct elf_frames *f, struct elf_fde *out, enum elf_error *error) {
  for (;;) {
    struct reader r = record_at(f, f->next);
    *error = r.error;
    if (r.error || !r.bytes.size)
      return false;
    uint32_t id;
    memcpy(&id, r.bytes.base, 4);
    uint64_t next = f->next + 4 + r.bytes.size;
    if (id) {
      *out = (struct elf_fde){0};
      *error = read_fde(f, &r, out);
      f->next = next;
      return *error == ELF_OK;
    }
    f->next = next;
  }
}

/* The form that is written */

static size_t begin_record(struct elf_frame_output *out) {
  size_t begin = out->size;
  put_word(out, 0);
  return begin;
}

static void end_record(struct elf_frame_output *out, size_t begin) {
  put_zeros(out, (begin - out->size) % 8); /* no operation */
  uint32_t size = (uint32_t)(out->size - begin - 4);
  if (ldx_range_ok(out->room, begin, 4, 1))
    memcpy(out->at + begin, &size, 4);
}

static uint8_t encoding_of(bool indirect) { return ELF_EH_ABSPTR | (indirect ? ELF_EH_INDIRECT : 0); }

static void put_augmentation(struct elf_frame_output *out, const struct elf_cie *cie) {
  if (cie->personality.value) {
    put_byte(out, encoding_of(cie->personality.indirect));
    put_address(out, cie->personality.value);
  }
  if (cie->lsda != ELF_EH_OMIT)
    put_byte(out, encoding_of(cie->lsda & ELF_EH_INDIRECT));
  put_byte(out, ELF_EH_ABSPTR);
}

void elf_write_cie(struct elf_frame_output *out, const struct elf_cie *cie) {
  const bool letters[] = {true, cie->personality.value, cie->lsda != ELF_EH_OMIT, true, cie->signal, cie->b_key};
  struct elf_frame_output counted = {0};
  size_t begin = begin_record(out);
  put_word(out, 0);
  put_byte(out, cie->return_register < 0x80 ? 1 : 3);
  for (size_t i = 0; i < LDX_COUNT(letters); i++)
    if (letters[i])
      put_byte(out, (uint8_t) "zPLRSB"[i]);
  put_byte(out, 0);
  put_uleb128(out, cie->code_align);
  put_sleb128(out, cie->data_align);
  put_uleb128(out, cie->return_register);
  put_augmentation(&counted, cie);
  put_uleb128(out, counted.size);
  put_augmentation(out, cie);
  copy_instructions(&cie->instructions, cie->pointers, out);
  end_record(out, begin);
}

/* Of an FDE with a table of its own. */
enum {
  AUGMENTATION = 25,
  INSTRUCTIONS = ELF_FDE_TABLE + sizeof(struct elf_frame_header) + sizeof(struct elf_frame_entry)
};

void elf_write_fde(struct elf_frame_output *out, const struct elf_fde *fde, uint64_t cie, bool own_table) {
  bool lsda = fde->cie.lsda != ELF_EH_OMIT;
  size_t begin = begin_record(out);
  put_word(out, (uint32_t)(out->size - cie));
  put_address(out, fde->start);
  put_address(out, fde->size);
  put_byte(out, own_table ? INSTRUCTIONS - AUGMENTATION : lsda ? 8 : 0);
  if (lsda)
    put_address(out, fde->lsda.value);
  if (own_table)
    put_zeros(out, INSTRUCTIONS - (out->size - begin));
  copy_instructions(&fde->instructions, fde->cie.pointers, out);
  end_record(out, begin);
}

static uint32_t record_size(const void *record) {
  uint32_t size;
  memcpy(&size, record, 4);
  return size + 4;
}

void elf_copy_cie(struct elf_frame_output *out, const void *cie) { put(out, cie, record_size(cie)); }

void elf_copy_fde(struct elf_frame_output *out, const void *fde, const void *of_cie, uint64_t cie) {
  enum { TEXT = 9 };
  const char *from = fde;
  bool lsda = strchr((const char *)of_cie + TEXT, 'L');
  size_t begin = begin_record(out);
  put_word(out, (uint32_t)(out->size - cie));
  put(out, from + ELF_FDE_START, 16);
  put_byte(out, lsda ? 8 : 0);
  put(out, from + AUGMENTATION, lsda ? 8 : 0);
  put(out, from + INSTRUCTIONS, record_size(fde) - INSTRUCTIONS);
  end_record(out, begin);
}

void elf_init_frame_header(struct elf_frame_header *h, uint64_t where, uint64_t eh_frame) {
  *h = (struct elf_frame_header){
      .version = 1,
      .eh_frame_encoding = ELF_EH_PCREL | ELF_EH_SDATA4,
      .count_encoding = ELF_EH_UDATA4,
      .table_encoding = ELF_EH_DATAREL | ELF_EH_SDATA4,
      .eh_frame = (int32_t)(eh_frame - where - offsetof(struct elf_frame_header, eh_frame)),
  };
}
