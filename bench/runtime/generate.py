#!/usr/bin/env python3
"""Writes the libraries that runtime.py measures with, many of them small:

libgroup.so     needs group000.so, group001.so, ...: a group of libraries with 20 functions each
libtls000.so... libraries with a thread-local variable each
libcallee.so    many functions; libcaller.so calls each of them once, through its PLT

What is written depends on the sizes alone, so it is built once and kept."""
import argparse
import concurrent.futures
import pathlib
import subprocess
import sys

FUNCTIONS = 20  # of a library of the group
TLS_LIBRARIES, LAZY_CALLS = 100, 2000  # as in workloads.h


class Tools:
    """The assembler and the linker, called directly: a compiler driver would take most of the time."""

    def __init__(self, folder, cc):
        self.folder = folder
        found = subprocess.run([cc, '-print-file-name=libc.so.6'], capture_output=True, text=True, check=True)
        self.libc = found.stdout.strip()

    def library(self, name, assembly, needs=(), *words):
        path = self.folder / name
        thing = path.with_suffix('.o')
        text = assembly + '\n.section .note.GNU-stack,"",@progbits\n'
        subprocess.run(['as', '-o', thing, '-'], input=text, text=True, check=True)
        subprocess.run(['ld', '-shared', '-o', path, '-soname', name, '--hash-style=gnu', '--eh-frame-hdr', '-z', 'lazy',
                        '-z', 'relro', '-rpath', '$ORIGIN', *words, thing, *needs, self.libc], check=True)
        thing.unlink()


def function(name, *body):
    return '\n'.join(['.text', f'.globl {name}', f'.type {name}, @function', f'{name}: .cfi_startproc', *body, 'ret',
                      '.cfi_endproc', f'.size {name}, .-{name}'])


def data(name, value):
    return '\n'.join(['.data', '.balign 8', f'.globl {name}', f'.type {name}, @object', f'.size {name}, 4',
                      f'{name}: .long {value}'])


def group_member(number, count):
    parts = [function(f'group{number:03}_f{i:02}', f'mov ${i}, %eax') for i in range(FUNCTIONS - 1)]
    parts.append(function('group_last' if number == count - 1 else f'group{number:03}_end', 'xor %eax, %eax'))
    return '\n'.join([*parts, data(f'group{number:03}_value', number)])


def tls_library(number):
    name = f'tls{number:03}'
    variable = ['.section .tdata,"awT",@progbits', '.balign 8', f'{name}_variable: .quad {number}']
    address = function(f'{name}_address', 'sub $8, %rsp', '.cfi_adjust_cfa_offset 8',
                       f'data16 lea {name}_variable@tlsgd(%rip), %rdi', '.word 0x6666', 'rex64',
                       'call __tls_get_addr@PLT', 'add $8, %rsp', '.cfi_adjust_cfa_offset -8')
    return '\n'.join([*variable, address])


def callee(count):
    return '\n'.join(function(f'callee_function_{i:04}', f'mov ${i}, %eax') for i in range(count))


def caller(count):
    calls = [f'call callee_function_{i:04}@PLT' for i in range(count)]
    return '\n'.join([
        function('call_all', 'sub $8, %rsp', '.cfi_adjust_cfa_offset 8', *calls, 'add $8, %rsp',
                 '.cfi_adjust_cfa_offset -8'),
        function('call_count', f'mov ${count}, %eax')])


def write_all(folder, objects, cc):
    tools = Tools(folder, cc)
    members = [f'group{number:03}.so' for number in range(objects)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(tools.library, name, group_member(number, objects)) for number, name in enumerate(members)]
        jobs += [pool.submit(tools.library, f'libtls{number:03}.so', tls_library(number))
                 for number in range(TLS_LIBRARIES)]
        for done, job in enumerate(jobs):
            job.result()
            if done % 100 == 99:
                print(f'  library {done + 1} of {len(jobs)}', file=sys.stderr)
    tools.library('libgroup.so', data('group_count', objects), [folder / name for name in members])
    tools.library('libcallee.so', callee(LAZY_CALLS))
    tools.library('libcaller.so', caller(LAZY_CALLS), [folder / 'libcallee.so'])


def build(folder, objects, cc='cc'):
    """Builds into `folder`, unless it holds this already."""
    folder = pathlib.Path(folder)
    stamp, wanted = folder / 'built', f'{objects}\n{pathlib.Path(__file__).read_text()}'
    if stamp.exists() and stamp.read_text() == wanted:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    write_all(folder, objects, cc)
    stamp.write_text(wanted)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', help='where to build; its files are replaced')
    parser.add_argument('objects', type=int, help='how many libraries the group has')
    parser.add_argument('--cc', default='cc')
    args = parser.parse_args()
    build(args.folder, args.objects, args.cc)


if __name__ == '__main__':
    main()
