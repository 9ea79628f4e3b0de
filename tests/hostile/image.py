"""Where the metadata of a small ELF64 file stand: every field that a loader reads, as a Site that can be damaged."""

import struct
from collections import namedtuple

# choices: values that have a meaning of their own in this field, tried beside absurd ones.
Site = namedtuple('Site', 'category name offset size choices', defaults=((),))

EHDR_SIZE, PHDR_SIZE, SHDR_SIZE, DYN_SIZE, SYM_SIZE, RELA_SIZE = 64, 56, 64, 16, 24, 24
PT_LOAD, PT_DYNAMIC = 1, 2
DT_NEEDED, DT_SONAME, DT_RPATH, DT_RUNPATH = 1, 14, 15, 29

PROGRAM_HEADER_TYPES = (0, 1, 2, 3, 4, 5, 6, 7, 0x6474e550, 0x6474e551, 0x6474e552, 0x6474e553, 0x70000000)
DYNAMIC_TAGS = tuple(range(38)) + (
    0x6ffffef5, 0x6ffffdf8, 0x6ffffff0, 0x6ffffff9, 0x6ffffffa, 0x6ffffffb, 0x6ffffffc, 0x6ffffffd, 0x6ffffffe, 0x6fffffff,
    0x7ffffffd, 0x7fffffff, 0x6ffffef6, 0x6ffffef7, 0x6ffffefa, 0x6ffffefb, 0x6ffffefc, 0x70000001, 0x6ffffeff)
SYMBOL_INFOS = tuple(bind << 4 | kind for bind in (0, 1, 2, 10) for kind in (0, 1, 2, 3, 4, 5, 6, 10))
SECTION_INDICES = (0, 1, 0xff00, 0xfff1, 0xfff2, 0xffff)

EHDR_FIELDS = (('class', 4, 1, (0, 1, 3)), ('data', 5, 1, (0, 2)), ('ident version', 6, 1, (0, 2)), ('osabi', 7, 1, (3, 9, 255)),
               ('abi version', 8, 1, (1, 2, 255)), ('type', 16, 2, (0, 1, 2, 3, 4)), ('machine', 18, 2, (0, 3, 40, 183)),
               ('version', 20, 4, ()), ('entry', 24, 8, ()), ('phoff', 32, 8, ()), ('shoff', 40, 8, ()), ('flags', 48, 4, ()),
               ('ehsize', 52, 2, ()), ('phentsize', 54, 2, (0, 32, 55, 57, 64)), ('phnum', 56, 2, (0, 1, 0xffff)),
               ('shentsize', 58, 2, ()), ('shnum', 60, 2, ()), ('shstrndx', 62, 2, ()))
PHDR_FIELDS = (('type', 0, 4, PROGRAM_HEADER_TYPES), ('flags', 4, 4, tuple(range(8))), ('offset', 8, 8, ()),
               ('vaddr', 16, 8, ()), ('paddr', 24, 8, ()), ('filesz', 32, 8, ()), ('memsz', 40, 8, ()),
               ('align', 48, 8, (0, 1, 2, 3, 0x1000, 0x200000, 1 << 40)))
DYN_FIELDS = (('tag', 0, 8, DYNAMIC_TAGS), ('value', 8, 8, ()))
SYM_FIELDS = (('name', 0, 4, ()), ('info', 4, 1, SYMBOL_INFOS), ('other', 5, 1, (0, 1, 2, 3, 0x80)),
              ('shndx', 6, 2, SECTION_INDICES), ('value', 8, 8, ()), ('size', 16, 8, ()))
RELA_FIELDS = (('offset', 0, 8, ()), ('type', 8, 4, tuple(range(46))), ('symbol', 12, 4, ()), ('addend', 16, 8, ()))
VERDEF_FIELDS = (('version', 0, 2, ()), ('flags', 2, 2, (0, 1, 2, 3)), ('index', 4, 2, ()), ('count', 6, 2, ()),
                 ('hash', 8, 4, ()), ('aux', 12, 4, ()), ('next', 16, 4, ()))
VERDAUX_FIELDS = (('aux name', 0, 4, ()), ('aux next', 4, 4, ()))
VERNEED_FIELDS = (('version', 0, 2, ()), ('count', 2, 2, ()), ('file', 4, 4, ()), ('aux', 8, 4, ()), ('next', 12, 4, ()))
VERNAUX_FIELDS = (('aux hash', 0, 4, ()), ('aux flags', 4, 2, (0, 1, 2, 3)), ('aux other', 6, 2, ()),
                  ('aux name', 8, 4, ()), ('aux next', 12, 4, ()))


class Image:
    """An undamaged file, read with the help of its section headers."""

    def __init__(self, name, data):
        self.name, self.data = name, data
        self.headers = [struct.unpack_from('<IIQQQQQQ', data, self.header_offset(i)) for i in range(self.header_count())]
        self.sections = self._read_sections()
        self.sites = {}
        for site in self._all_sites():
            self.sites.setdefault(site.category, []).append(site)

    def unpack(self, form, offset):
        return struct.unpack_from('<' + form, self.data, offset)[0]

    def header_count(self):
        return self.unpack('H', 56)

    def header_offset(self, index):
        return self.unpack('Q', 32) + index * PHDR_SIZE

    def _read_sections(self):
        table, count, names = self.unpack('Q', 40), self.unpack('H', 60), self.unpack('H', 62)
        raw = [struct.unpack_from('<IIQQQQIIQQ', self.data, table + i * SHDR_SIZE) for i in range(count)]
        found = {}
        for section in raw:
            start = raw[names][4] + section[0]
            name = self.data[start:self.data.index(b'\0', start)].decode()
            if section[1] != 8:  # SHT_NOBITS stands nowhere in the file
                found[name] = (section[4], section[5])
        return found

    def section(self, name):
        """(file offset, size); (0, 0) when there is none."""
        return self.sections.get(name, (0, 0))

    def dynamic(self):
        """[(file offset, tag, value)] up to the first DT_NULL."""
        offset, size = self.section('.dynamic')
        entries = []
        for at in range(offset, offset + size, DYN_SIZE):
            entries.append((at, self.unpack('Q', at), self.unpack('Q', at + 8)))
            if entries[-1][1] == 0:
                break
        return entries

    def interesting(self):
        """Offsets, addresses and sizes that mean something in this file."""
        values = {len(self.data)}
        for _, _, offset, vaddr, _, filesz, memsz, _ in self.headers:
            values |= {offset, vaddr, filesz, memsz, offset + filesz, vaddr + filesz, vaddr + memsz}
        values |= {value for _, _, value in self.dynamic()}
        values |= {start for start, _ in self.sections.values()} | {sum(place) for place in self.sections.values()}
        return sorted(values)

    # --- sites ------------------------------------------------------------------------------------------------------

    def _all_sites(self):
        yield from self._record('ehdr', 'ehdr', 0, EHDR_FIELDS)
        for i in range(self.header_count()):
            yield from self._record('phdr', f'phdr[{i}]', self.header_offset(i), PHDR_FIELDS)
        for i, (at, tag, _) in enumerate(self.dynamic()):
            yield from self._record('dynamic', f'dynamic[{i}:{tag:#x}]', at, DYN_FIELDS)
        yield from self._table('symbol', '.dynsym', SYM_SIZE, SYM_FIELDS)
        yield from self._table('rela', '.rela.dyn', RELA_SIZE, RELA_FIELDS)
        yield from self._table('jmprel', '.rela.plt', RELA_SIZE, RELA_FIELDS)
        for category, section, size in (
                ('relr', '.relr.dyn', 8), ('init', '.init_array', 8), ('init', '.fini_array', 8), ('got', '.got.plt', 8),
                ('got', '.got', 8), ('sysv hash', '.hash', 4), ('versym', '.gnu.version', 2), ('string', '.dynstr', 1),
                ('interp', '.interp', 1), ('note', '.note.gnu.property', 4), ('note', '.note.gnu.build-id', 4)):
            yield from self._words(category, section, size)
        yield from self._gnu_hash()
        yield from self._versions('verdef', '.gnu.version_d', VERDEF_FIELDS, 12, 16, VERDAUX_FIELDS, 4)
        yield from self._versions('verneed', '.gnu.version_r', VERNEED_FIELDS, 8, 12, VERNAUX_FIELDS, 12)

    @staticmethod
    def _record(category, name, offset, fields):
        for field, at, size, choices in fields:
            yield Site(category, f'{name}.{field}', offset + at, size, choices)

    def _table(self, category, section, entry, fields):
        offset, size = self.section(section)
        for i in range(size // entry):
            yield from self._record(category, f'{section}[{i}]', offset + i * entry, fields)

    def _words(self, category, section, size):
        offset, total = self.section(section)
        for i in range(total // size):
            yield Site(category, f'{section}[{i}]', offset + i * size, size)

    def _gnu_hash(self):
        offset, size = self.section('.gnu.hash')
        if size == 0:
            return
        for i, field in enumerate(('buckets', 'first symbol', 'bloom words', 'bloom shift')):
            # Fields of which each decides over the whole table: four times as likely as a word of the table.
            yield from [Site('gnu hash', f'.gnu.hash.{field}', offset + 4 * i, 4)] * 4
        bloom = self.unpack('I', offset + 8)
        for i in range(bloom):
            yield Site('gnu hash', f'.gnu.hash.bloom[{i}]', offset + 16 + 8 * i, 8)
        for at in range(offset + 16 + 8 * bloom, offset + size, 4):
            yield Site('gnu hash', f'.gnu.hash+{at - offset:#x}', at, 4)

    def _versions(self, category, section, fields, aux_at, next_at, aux_fields, aux_next_at):
        offset, size = self.section(section)
        while size:
            yield from self._record(category, f'{section}+{offset:#x}', offset, fields)
            aux = offset + self.unpack('I', offset + aux_at)
            while True:
                yield from self._record(category, f'{section}+{aux:#x}', aux, aux_fields)
                step = self.unpack('I', aux + aux_next_at)
                if step == 0:
                    break
                aux += step
            step = self.unpack('I', offset + next_at)
            if step == 0:
                break
            offset += step
