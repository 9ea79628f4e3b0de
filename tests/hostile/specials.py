"""Files that are wrong as a whole, and graphs of libraries that are odd but right.

Each entry puts something where libvictim.so is looked for. `allowed`: the verdicts that are right for it.
"""

import os
import shutil
import struct
from collections import namedtuple

import image
import trial

Special = namedtuple('Special', 'name make allowed base')
WRONG = (trial.CLEAN,)
ODD = (trial.SAME, trial.CLEAN)
RIGHT = (trial.SAME,)


def patched(base, *changes):
    """A copy of the base with (offset, struct format, value) written over it."""
    data = bytearray(base.data)
    for offset, form, value in changes:
        struct.pack_into('<' + form, data, offset, value)
    return bytes(data)


def _file(content):
    return lambda bench, base: bench.place(content(base) if callable(content) else content)


def _header(offset, form, value):
    return lambda bench, base: bench.place(patched(base, (offset, form, value)))


def _link(target):
    return lambda bench, base: os.symlink(target, bench.path())


def _unreadable(bench, base):
    bench.place(base.data)
    os.chmod(bench.path(), 0)


def _sparse(bench, base):
    bench.place(base.data)
    os.truncate(bench.path(), 1 << 40)


def _all_headers(kind):
    """Every program header gets this type."""
    def make(bench, base):
        bench.place(patched(base, *[(base.header_offset(i), 'I', kind) for i in range(base.header_count())]))
    return make


def _without(kind):
    def make(bench, base):
        bench.place(patched(base, *[(base.header_offset(i), 'I', 0) for i, header in enumerate(base.headers) if header[0] == kind]))
    return make


def _reversed_segments(bench, base):
    table = base.header_offset(0)
    rows = [base.data[base.header_offset(i):base.header_offset(i + 1)] for i in range(base.header_count())]
    data = bytearray(base.data)
    data[table:table + len(rows) * image.PHDR_SIZE] = b''.join(reversed(rows))
    bench.place(bytes(data))


def _need_itself(bench, base):
    """DT_RELACOUNT is only a hint: it gives its place to a DT_NEEDED of the own soname."""
    soname = next(value for _, tag, value in base.dynamic() if tag == image.DT_SONAME)
    at = next(at for at, tag, _ in base.dynamic() if tag == 0x6ffffff9)
    bench.place(patched(base, (at, 'Q', image.DT_NEEDED), (at + 8, 'Q', soname)))


def _cycle(bench, base):
    bench.place(base.data)
    shutil.copy(os.path.join(bench.bases, 'libdep-cyclic.so'), bench.path('libdep.so'))


def _moved_table(build):
    """Appends bytes to the file as a new PT_LOAD (in place of PT_NOTE or PT_GNU_STACK) and lets build() use it."""
    def make(bench, base):
        index = next(i for i, header in enumerate(base.headers) if header[0] in (4, 0x6474e551))
        offset = len(base.data) + -len(base.data) % 0x1000
        address = max(header[3] + header[6] for header in base.headers if header[0] == 1) + 0x1000 & -0x1000
        content, changes = build(base, address)
        row = struct.pack('<IIQQQQQQ', 1, 4, offset, address, address, len(content), len(content), 0x1000)
        data = bytearray(patched(base, *changes))
        data[base.header_offset(index):base.header_offset(index + 1)] = row
        bench.place(bytes(data).ljust(offset, b'\0') + content)
    return make


def _long_soname(base, address):
    """A string table with a soname of a megabyte."""
    offset, size = base.section('.dynstr')
    table = base.data[offset:offset + size] + b'x' * (1 << 20) + b'\0'
    changes = []
    for at, tag, _ in base.dynamic():
        changes += {5: [(at + 8, 'Q', address)], 10: [(at + 8, 'Q', len(table))], 14: [(at + 8, 'Q', size)]}.get(tag, [])
    return table, changes


def _many_needs(base, address):
    """.dynamic with 20,000 times the same DT_NEEDED."""
    entries = base.dynamic()
    needed = next(value for _, tag, value in entries if tag == image.DT_NEEDED)
    table = struct.pack('<QQ', image.DT_NEEDED, needed) * 20000
    table += b''.join(struct.pack('<QQ', tag, value) for _, tag, value in entries)
    index = next(i for i, header in enumerate(base.headers) if header[0] == image.PT_DYNAMIC)
    header = base.header_offset(index)
    offset = len(base.data) + -len(base.data) % 0x1000
    return table, [(header + 8, 'Q', offset), (header + 16, 'Q', address), (header + 24, 'Q', address),
                   (header + 32, 'Q', len(table)), (header + 40, 'Q', len(table))]


def _nothing(bench, base):
    del bench, base


LIBRARY, PROGRAM = 'lib-gnu.so', 'prog-pie'
SPECIALS = (
    Special('missing', _nothing, WRONG, LIBRARY),
    Special('empty', _file(b''), WRONG, LIBRARY),
    Special('one byte', _file(b'\x7f'), WRONG, LIBRARY),
    Special('magic only', _file(b'\x7fELF'), WRONG, LIBRARY),
    Special('half a header', _file(lambda base: base.data[:40]), WRONG, LIBRARY),
    Special('63 bytes', _file(lambda base: base.data[:63]), WRONG, LIBRARY),
    Special('header only', _file(lambda base: base.data[:64]), WRONG, LIBRARY),
    Special('one page', _file(lambda base: base.data[:4096]), WRONG, LIBRARY),
    Special('all but the last segment', _file(lambda base: base.data[:base.headers[3][2]]), WRONG, LIBRARY),
    Special('zeros', _file(bytes(8192)), WRONG, LIBRARY),
    Special('text', _file(b'To be, or not to be\n' * 20), WRONG, LIBRARY),
    Special('script', _file(b'#!/bin/sh\necho no\n'), WRONG, LIBRARY),
    Special('linker script', _file(b'/* GNU ld script */\nINPUT(libdep.so)\n'), WRONG, LIBRARY),
    Special('archive', _file(b'!<arch>\n' + b' ' * 200), WRONG, LIBRARY),
    Special('directory', lambda bench, base: os.mkdir(bench.path()), WRONG, LIBRARY),
    Special('FIFO', lambda bench, base: os.mkfifo(bench.path()), WRONG, LIBRARY),
    Special('device', _link('/dev/null'), WRONG, LIBRARY),
    Special('endless device', _link('/dev/zero'), WRONG, LIBRARY),
    Special('dangling link', _link('nowhere'), WRONG, LIBRARY),
    Special('link to itself', _link(trial.VICTIM), WRONG, LIBRARY),
    Special('unreadable', _unreadable, WRONG, LIBRARY),
    Special('32 bits', _header(4, 'B', 1), WRONG, LIBRARY),
    Special('big endian', _header(5, 'B', 2), WRONG, LIBRARY),
    Special('other machine', _header(18, 'H', 183), WRONG, LIBRARY),
    Special('i386', _header(18, 'H', 3), WRONG, LIBRARY),
    Special('version 0', _header(20, 'I', 0), WRONG, LIBRARY),
    Special('relocatable', _header(16, 'H', 1), WRONG, LIBRARY),
    Special('core', _header(16, 'H', 4), WRONG, LIBRARY),
    Special('type 0', _header(16, 'H', 0), WRONG, LIBRARY),
    Special('no program headers', _header(56, 'H', 0), WRONG, LIBRARY),
    Special('65535 program headers', _header(56, 'H', 0xffff), WRONG, LIBRARY),
    Special('program headers far away', _header(32, 'Q', 1 << 62), WRONG, LIBRARY),
    Special('program headers at the end', _header(32, 'Q', (1 << 64) - 56), WRONG, LIBRARY),
    Special('program header size 0', _header(54, 'H', 0), WRONG, LIBRARY),
    Special('nothing to load', _all_headers(0), WRONG, LIBRARY),
    Special('only notes', _all_headers(4), WRONG, LIBRARY),
    Special('no .dynamic', _without(image.PT_DYNAMIC), WRONG, LIBRARY),
    Special('many .dynamic', _all_headers(image.PT_DYNAMIC), WRONG, LIBRARY),
    Special('segments in reverse', _reversed_segments, ODD, LIBRARY),
    Special('a terabyte', _sparse, RIGHT, LIBRARY),
    Special('soname of a megabyte', _moved_table(_long_soname), ODD, LIBRARY),
    Special('20,000 needs', _moved_table(_many_needs), ODD, LIBRARY),
    Special('needs itself', _need_itself, RIGHT, LIBRARY),
    Special('needs what needs it', _cycle, RIGHT, LIBRARY),
    Special('program entry in data', lambda bench, base: bench.place(patched(base, (24, 'Q', base.section('.dynamic')[0]))),
            WRONG + RIGHT, PROGRAM),
    Special('program entry 0', _header(24, 'Q', 0), WRONG + RIGHT, PROGRAM),
)


def is_right(special, way, verdict):
    """A library run as a program may be refused for that alone; what is allowed otherwise stands in the table."""
    free = trial.expected(special.base, way) is None
    return verdict in special.allowed or free and verdict in (trial.CLEAN, trial.OTHER) or way == 'list' and verdict == trial.SAME
