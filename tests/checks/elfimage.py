"""The little of an ELF64 file that the checks look at: segments, sections, symbols, dynamic tags."""

import struct
from typing import NamedTuple

PT_DYNAMIC, PT_INTERP, PT_TLS = 2, 3, 7
PT_GNU_STACK, PT_GNU_RELRO = 0x6474E551, 0x6474E552
PF_X, PF_W = 1, 2
SHT_SYMTAB = 2
SHF_WRITE, SHF_ALLOC = 1, 2
SHN_UNDEF, SHN_LORESERVE = 0, 0xFF00
STT_SECTION, STT_FILE = 3, 4
STB_WEAK = 2
DT_NEEDED, DT_TEXTREL = 1, 22


class Segment(NamedTuple):
    type: int
    flags: int
    offset: int
    address: int
    file_size: int
    size: int


class Section(NamedTuple):
    name: str
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    entry_size: int
    alignment: int


class Symbol(NamedTuple):
    name: str
    value: int
    size: int
    type: int
    binding: int
    section: int

    @property
    def defined(self):
        return self.section != SHN_UNDEF


class Image:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        if self.data[:5] != b"\x7fELF\x02":
            raise ValueError(f"{path} is not an ELF64 file")
        phoff, shoff = struct.unpack_from("<QQ", self.data, 32)
        phentsize, phnum, shentsize, shnum, shstrndx = struct.unpack_from("<HHHHH", self.data, 54)
        self.segments = [self._segment(phoff + i * phentsize) for i in range(phnum)]
        raw = [struct.unpack_from("<IIQQQQIIQQ", self.data, shoff + i * shentsize) for i in range(shnum)]
        names = raw[shstrndx][4] if raw else 0
        self.sections = [
            Section(self._string(names + r[0]), r[1], r[2], r[3], r[4], r[5], r[6], r[9], r[8]) for r in raw
        ]

    def _segment(self, at):
        kind, flags, offset, address, _, file_size, size, _ = struct.unpack_from("<IIQQQQQQ", self.data, at)
        return Segment(kind, flags, offset, address, file_size, size)

    def _string(self, at):
        return self.data[at : self.data.index(b"\0", at)].decode()

    def symbols(self):
        """All named symbols of .symtab, but the ones that stand for sections and source files."""
        for table in self.sections:
            if table.type != SHT_SYMTAB:
                continue
            strings = self.sections[table.link].offset
            for at in range(table.offset, table.offset + table.size, table.entry_size):
                name, info, _, section, value, size = struct.unpack_from("<IBBHQQ", self.data, at)
                if name and info & 15 not in (STT_SECTION, STT_FILE):
                    yield Symbol(self._string(strings + name), value, size, info & 15, info >> 4, section)

    def dynamic_tags(self):
        for segment in self.segments:
            if segment.type == PT_DYNAMIC:
                end = segment.offset + segment.file_size
                return [tag for tag, _ in struct.iter_unpack("<QQ", self.data[segment.offset : end])]
        return []
