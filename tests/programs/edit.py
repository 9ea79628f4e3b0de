#!/usr/bin/env python3
"""edit.py IN OUT EDIT...: a copy of an ELF file with details that no linker writes, but that a loader must know.

  reloc:SYMBOL=TYPE    the relocations against SYMBOL get another type
  weak-need:VERSION    the need of a version becomes a weak one
  class:32             the header claims a 32-bit file
  machine:NUMBER       the header claims another machine
  flags1:NUMBER        DT_FLAGS_1 gets these bits besides its own
  no-segment:TYPE      the program headers of that type become PT_NULL
  truncate:BYTES       only the beginning of the file
"""

import shutil
import struct
import sys

SHT_RELA, SHT_DYNAMIC, SHT_DYNSYM, SHT_GNU_VERNEED = 4, 6, 11, 0x6ffffffe
DT_FLAGS_1, VER_FLG_WEAK = 0x6ffffffb, 2
SEGMENTS = {'PHDR': 6, 'STACK': 0x6474e551, 'RELRO': 0x6474e552, 'EH_FRAME': 0x6474e550, 'PROPERTY': 0x6474e553}
TYPES = {'NONE': 0, '64': 1, 'PC32': 2, 'GLOB_DAT': 6, 'JUMP_SLOT': 7, '32': 10, '32S': 11, '16': 12, 'PC16': 13, '8': 14,
         'PC8': 15, 'PC64': 24, 'SIZE32': 32, 'SIZE64': 33, 'RELATIVE64': 38, 'UNKNOWN': 99}


class Image:
    """An ELF file in memory, found by its section headers."""

    def __init__(self, data):
        self.data = data
        offset, = struct.unpack_from('<Q', data, 40)
        size, count = struct.unpack_from('<HH', data, 58)
        self.sections = [struct.unpack_from('<IIQQQQIIQQ', data, offset + i * size) for i in range(count)]

    def of_kind(self, kind):
        """(offset, size, offset of the string table) of each section of that kind."""
        return [(s[4], s[5], self.sections[s[6]][4]) for s in self.sections if s[1] == kind]

    def text(self, at):
        return self.data[at:self.data.index(b'\0', at)].decode()

    def symbol_names(self):
        (offset, size, strings), = self.of_kind(SHT_DYNSYM)
        return [self.text(strings + struct.unpack_from('<I', self.data, at)[0]) for at in range(offset, offset + size, 24)]

    def reloc(self, word):
        symbol, _, kind = word.partition('=')
        names, changed = self.symbol_names(), 0
        for offset, size, _ in self.of_kind(SHT_RELA):
            for at in range(offset, offset + size, 24):
                info, = struct.unpack_from('<Q', self.data, at + 8)
                if names[info >> 32] == symbol:
                    struct.pack_into('<Q', self.data, at + 8, info >> 32 << 32 | TYPES[kind])
                    changed += 1
        return changed

    def weak_need(self, version):
        (need, _, strings), = self.of_kind(SHT_GNU_VERNEED)
        changed = 0
        while True:
            _, count, _, aux, following = struct.unpack_from('<HHIII', self.data, need)
            at = need + aux
            for _ in range(count):
                _, _, _, name, step = struct.unpack_from('<IHHII', self.data, at)
                if self.text(strings + name) == version:
                    struct.pack_into('<H', self.data, at + 4, VER_FLG_WEAK)
                    changed += 1
                at += step
            if not following:
                return changed
            need += following

    def flags1(self, number):
        (offset, size, _), = self.of_kind(SHT_DYNAMIC)
        for at in range(offset, offset + size, 16):
            tag, value = struct.unpack_from('<QQ', self.data, at)
            if tag == DT_FLAGS_1:
                struct.pack_into('<Q', self.data, at + 8, value | int(number, 0))
                return 1
        return 0

    def machine(self, number):
        struct.pack_into('<H', self.data, 18, int(number, 0))
        return 1

    def elf_class(self, number):
        self.data[4] = {'32': 1, '64': 2}[number]
        return 1

    def no_segment(self, kind):
        offset, = struct.unpack_from('<Q', self.data, 32)
        size, count = struct.unpack_from('<HH', self.data, 54)
        changed = 0
        for at in range(offset, offset + size * count, size):
            if struct.unpack_from('<I', self.data, at)[0] == SEGMENTS[kind]:
                struct.pack_into('<I', self.data, at, 0)
                changed += 1
        return changed

    def truncate(self, size):
        del self.data[int(size):]
        return 1


EDITS = {'reloc': Image.reloc, 'weak-need': Image.weak_need, 'flags1': Image.flags1, 'machine': Image.machine,
         'class': Image.elf_class, 'truncate': Image.truncate, 'no-segment': Image.no_segment}


def main(source, target, *edits):
    with open(source, 'rb') as file:
        image = Image(bytearray(file.read()))
    for edit in edits:
        name, _, word = edit.partition(':')
        if not EDITS[name](image, word):
            sys.exit(f'{source}: nothing to change for {edit}')
    with open(target, 'wb') as file:
        file.write(image.data)
    shutil.copymode(source, target)


if __name__ == '__main__':
    main(*sys.argv[1:])
