#!/usr/bin/env python3
"""Writes and builds the synthetic programs that compare.py measures:

relocations   one library as a big C++ library is: classes with vtables, type information and tables of strings,
              so hundreds of thousands of relocations, most of them relative, a third of them to symbols
libraries     many libraries that call and point into each other, and a program that needs them all

Each program checks that it was relocated rightly, and exits with 0 only then. What is written depends on the
size alone, so it is built once and kept."""
import argparse
import pathlib
import random
import subprocess
import sys

METHODS, STRINGS, OTHERS = 6, 22, 5  # own methods, strings and inherited slots of a class
RELOCATIONS_PER_CLASS = METHODS + OTHERS + STRINGS + 4


def compile_c(cc, out, source, *flags):
    path = out.with_suffix('.c')
    path.write_text(source)
    subprocess.run([cc, '-O1', '-o', out, path, *flags], check=True)


def shared(name):
    return ['-shared', '-fPIC', '-nostartfiles', f'-Wl,-soname,{name}', '-Wl,-z,lazy', '-Wl,-rpath,$ORIGIN']


# --- relocations ---

def method(number, index):
    return f'_ZNK5bench6module{number % 97}{"Visitor" if index % 2 else "Builder"}{number}7method{index}Ev'


def class_assembly(number, strings):
    """A class with type information, a vtable and a table of strings; its base is the class before."""
    name, base = f'5bench5Class{number}', f'5bench5Class{max(number - 1, 0)}'
    lines = ['.text']
    for index in range(METHODS):
        symbol = method(number, index)
        lines += [f'.globl {symbol}', f'.type {symbol}, @function', f'{symbol}: mov ${number * METHODS + index}, %eax',
                  'ret', f'.size {symbol}, .-{symbol}']
    lines += ['.section .data.rel.ro,"aw"', '.balign 8']
    for symbol, size in ((f'_ZTI{name}', 24), (f'_ZTV{name}', 8 * (2 + OTHERS + METHODS)), (f'table{number}', 8 * STRINGS)):
        lines += [f'.globl {symbol}', f'.type {symbol}, @object', f'.size {symbol}, {size}']
    lines += [f'_ZTI{name}: .quad bench_type_of_derived_classes + 16, .Lstring{number % strings}, _ZTI{base}',
              f'_ZTV{name}: .quad 0, _ZTI{name}']
    lines += [f'.quad {method(max(number - 1 - index, 0), index)}' for index in range(OTHERS)]
    lines += [f'.quad {method(number, index)}' for index in range(METHODS)]
    lines += [f'table{number}:']
    lines += [f'.quad .Lstring{(number * 31 + index * 7) % strings}' for index in range(STRINGS)]
    return '\n'.join(lines)


def relocations_assembly(classes):
    strings = 1000
    texts = [f'.Lstring{i}: .asciz "string {i:06}"' for i in range(strings)]
    parts = ['.section .rodata', *texts, *(class_assembly(number, strings) for number in range(classes)),
             '.section .note.GNU-stack,"",@progbits', '']
    return '\n'.join(parts)


def relocations_check(classes):
    """Looks at some classes only: the work of the loader is to be measured, not that of this program."""
    some = sorted({0, classes - 1, *range(0, classes, max(classes // 50, 1))})
    lines = ['#include <string.h>']
    for number in some:
        lines += [f'extern int (*_ZTV5bench5Class{number}[])(void);', f'extern const char *table{number}[];']
    lines += ['int main(void) {', '  int wrong = 0;']
    for number in some:
        slot, value = 2 + OTHERS, number * METHODS
        text = f'string {(number * 31) % 1000:06}'
        lines += [f'  wrong |= _ZTV5bench5Class{number}[{slot}]() != {value};',
                  f'  wrong |= strcmp(table{number}[0], "{text}") != 0;']
    lines += ['  return wrong;', '}', '']
    return '\n'.join(lines)


def build_relocations(folder, count, cc='cc'):
    classes = max(count // RELOCATIONS_PER_CLASS, 1)
    compile_c(cc, folder / 'libbase.so', 'const void *bench_type_of_derived_classes[8];\n', *shared('libbase.so'))
    assembly = folder / 'libclasses.s'
    assembly.write_text(relocations_assembly(classes))
    subprocess.run([cc, '-o', folder / 'libclasses.so', assembly, *shared('libclasses.so'), '-L', folder, '-lbase'],
                   check=True)
    assembly.unlink()
    compile_c(cc, folder / 'program', relocations_check(classes), '-fPIE', '-pie', '-L', folder, '-lclasses',
              f'-Wl,-rpath-link,{folder}', '-Wl,-rpath,$ORIGIN', '-Wl,-z,lazy')


# --- libraries ---

FUNCTIONS, POINTERS, DATA = 100, 50, 20


class Library:
    """One of the libraries: what it needs and, for each function, whom that calls."""

    def __init__(self, number, chance):
        self.number = number
        # Every library is needed by one of its successors, and some others too, as in a layered system.
        self.needs = sorted({chance.randrange(number) for _ in range(3)} | {number - 1}) if number else []
        choose = lambda: (chance.choice(self.needs), chance.randrange(FUNCTIONS)) if self.needs else None
        self.calls = [choose() for _ in range(FUNCTIONS)]
        self.pointers = [choose() for _ in range(POINTERS)] if self.needs else []
        self.reads = [choose() for _ in range(DATA)] if self.needs else []

    def source(self):
        me = f'bench{self.number:03}'
        used = {f'int bench{n:03}_f{f:02}(int);' for n, f in filter(None, self.calls + self.pointers)}
        used |= {f'extern int bench{n:03}_d{f % DATA:02};' for n, f in self.reads}
        lines = sorted(used)
        lines += [f'int {me}_d{i:02} = {i};' for i in range(DATA)]
        for i, call in enumerate(self.calls):
            rest = f'depth ? bench{call[0]:03}_f{call[1]:02}(depth - 1) : 0' if call else '0 * depth'
            lines.append(f'int {me}_f{i:02}(int depth) {{ return {self.number + i} + ({rest}); }}')
        pointers = ', '.join(f'bench{n:03}_f{f:02}' for n, f in self.pointers)
        lines.append(f'int (*{me}_table[])(int) = {{{pointers or "0"}}};')
        reads = ' + '.join(f'bench{n:03}_d{f % DATA:02}' for n, f in self.reads)
        lines.append(f'int {me}_sum(void) {{ return {reads or 0}; }}')
        return '\n'.join(lines) + '\n'


def value_of(libraries, number, function, depth):
    value = number + function
    call = libraries[number].calls[function]
    return value + (value_of(libraries, *call, depth - 1) if call and depth else 0)


def libraries_check(libraries, depth=5):
    last = libraries[-1].number
    lines = [f'int bench{last:03}_f{i:02}(int);' for i in range(FUNCTIONS)] + [f'int bench{last:03}_sum(void);']
    lines += ['int main(void) {', f'  int wrong = bench{last:03}_sum() != {sum(f % DATA for _, f in libraries[-1].reads)};']
    lines += [f'  wrong |= bench{last:03}_f{i:02}({depth}) != {value_of(libraries, last, i, depth)};'
              for i in range(0, FUNCTIONS, 10)]
    lines += ['  return wrong;', '}', '']
    return '\n'.join(lines)


def build_libraries(folder, count, cc='cc'):
    chance = random.Random(count)
    libraries = [Library(number, chance) for number in range(count)]
    for library in libraries:
        if count > 20 and library.number % 20 == 0:
            print(f'  library {library.number} of {count}', file=sys.stderr)
        name = f'libbench{library.number:03}.so'
        needs = [f'-lbench{number:03}' for number in library.needs]
        compile_c(cc, folder / name, library.source(), *shared(name), '-L', folder, f'-Wl,-rpath-link,{folder}', *needs)
        (folder / name).with_suffix('.c').unlink()
    compile_c(cc, folder / 'program', libraries_check(libraries), '-fPIE', '-pie', '-L', folder,
              f'-lbench{libraries[-1].number:03}', f'-Wl,-rpath-link,{folder}', '-Wl,-rpath,$ORIGIN', '-Wl,-z,lazy')


BUILDERS = {'relocations': build_relocations, 'libraries': build_libraries}


def build(kind, folder, count, cc='cc'):
    """Builds into `folder`, unless it holds this already; returns the program."""
    folder = pathlib.Path(folder)
    stamp, wanted = folder / 'built', f'{kind} {count}\n{pathlib.Path(__file__).read_text()}'
    if not stamp.exists() or stamp.read_text() != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        BUILDERS[kind](folder, count, cc)
        stamp.write_text(wanted)
    return folder / 'program'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('kind', choices=sorted(BUILDERS))
    parser.add_argument('folder', help='where to build; its files are replaced')
    parser.add_argument('count', type=int, help='how many relocations or libraries')
    parser.add_argument('--cc', default='cc')
    args = parser.parse_args()
    print(build(args.kind, args.folder, args.count, args.cc))


if __name__ == '__main__':
    main()
