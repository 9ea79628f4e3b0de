#!/usr/bin/env python3
"""retype.py IN OUT SYMBOL=TYPE...: a copy of a shared object in which the relocations against each SYMBOL have
another type. Linkers refuse to write some types that loaders understand; this is how tests come by them."""

import struct
import sys

SHT_RELA, SHT_DYNSYM = 4, 11
TYPES = {'NONE': 0, '64': 1, 'PC32': 2, 'GLOB_DAT': 6, 'JUMP_SLOT': 7, '32': 10, '32S': 11, '16': 12, 'PC16': 13, '8': 14,
         'PC8': 15, 'PC64': 24, 'SIZE32': 32, 'SIZE64': 33, 'RELATIVE64': 38, 'UNKNOWN': 99}


def sections(data):
    offset, = struct.unpack_from('<Q', data, 40)
    size, count = struct.unpack_from('<HH', data, 58)
    for i in range(count):
        yield struct.unpack_from('<IIQQQQIIQQ', data, offset + i * size)


def symbol_names(data):
    table = list(sections(data))
    for _, kind, _, _, offset, size, link, *_ in table:
        if kind == SHT_DYNSYM:
            strings = table[link][4]
            for at in range(offset, offset + size, 24):
                name = strings + struct.unpack_from('<I', data, at)[0]
                yield data[name:data.index(b'\0', name)].decode()


def retype(data, wanted):
    names, changed = list(symbol_names(data)), set()
    for _, kind, _, _, offset, size, *_ in list(sections(data)):
        for at in range(offset, offset + size, 24) if kind == SHT_RELA else ():
            info, = struct.unpack_from('<Q', data, at + 8)
            name = names[info >> 32]
            if name in wanted:
                struct.pack_into('<Q', data, at + 8, info >> 32 << 32 | TYPES[wanted[name]])
                changed.add(name)
    return set(wanted) - changed


def main(source, target, *words):
    with open(source, 'rb') as file:
        data = bytearray(file.read())
    left = retype(data, dict(word.split('=') for word in words))
    if left:
        sys.exit(f'{source}: no relocation against {" ".join(sorted(left))}')
    with open(target, 'wb') as file:
        file.write(data)


if __name__ == '__main__':
    main(*sys.argv[1:])
