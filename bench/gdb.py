#!/usr/bin/env python3
"""Compares how long stock gdb, or lldb, takes to follow a program that opens many libraries, under ldx and under the system's loader.

The program (tests/gdb/followed) opens each library by dlopen, or opens and closes one again and again, and ends at a breakpoint. Measured is
the time from `run` to there: by gdb's own Python; of lldb, the time of a whole session, less that of one in which the program opens nothing.
The debugger must know all libraries then; lldb does not under the system's loader as a command: there it is a plain start that ldx as a
command is compared with. A round measures both loaders, in turn first; printed are the medians in seconds, and the median
of the rounds' ratios, ldx to system, with its quartiles in brackets: below 1, ldx is faster. Told beside is how gdb follows each: by
probes, or by a breakpoint at r_brk."""
import argparse
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from compare import SYSTEM, environment, ratios

GDB_SESSION = '''
set pagination off
set confirm off
set width 0
set debuginfod enabled off
set breakpoint pending on
break getppid
python import time; begin = time.monotonic()
run
python print('TOOK', time.monotonic() - begin)
info sharedlibrary
kill
'''
LLDB_SESSION = '''
breakpoint set -n getppid
run
image list -f
'''


def session(folder, words, text):
    (folder / 'session').write_text(text)
    begin = time.monotonic()
    done = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True, timeout=900)
    return done.stdout, done.stderr, time.monotonic() - begin


def gdb(folder, command, text=GDB_SESSION):
    return session(folder, ['gdb', '-nx', '-batch', '-x', 'session', '--args', *command], text)


def by_gdb(folder, command):
    out, errors, _ = gdb(folder, command)
    took = re.search(r'^TOOK (\S+)', out, re.M)
    return out, float(took[1]) if took else sys.exit(f'gdb did not come to the end under {command[0]}:\n{errors[-2000:]}')


def by_lldb(folder, command):
    took = {}
    for words in ([*command[:-1], 'many=0'], command):
        out, errors, took[words[-1]] = session(folder, ['lldb-14', '-b', '-x', '-s', 'session', '--', *words], LLDB_SESSION)
        if not re.search(r'stop reason = breakpoint 1\.', out):
            sys.exit(f'lldb did not come to the end under {command[0]}:\n{errors[-2000:]}')
    return out, took[command[-1]] - took['many=0']


def seconds(follow, folder, command, count):
    out, took = follow(folder, command)
    known = len(set(re.findall(r'\b(lib\d+\.so)$', out, re.M)))
    if known != count:
        sys.exit(f'the debugger knows {known} of {count} libraries under {command[0]}')
    return took


def way(folder, command):
    out, errors, _ = gdb(folder, [*command[:-1], 'many=0'], 'set debug solib on\n' + GDB_SESSION)
    return 'by probes' if 'using probes interface' in out + errors else 'by a breakpoint'


def prepare(folder, build, ldx, count):
    shutil.copy2(build / 'tests/gdb/followed', folder / 'system')
    shutil.copy2(build / 'tests/gdb/libgdb-under.so', folder)
    subprocess.run([build / 'tools/ldx-interp', '--set', ldx, '--output', folder / 'ldx', folder / 'system'], check=True)
    (folder / 'many').mkdir()
    subprocess.run(['cc', '-shared', '-fPIC', '-g', '-x', 'c', '-', '-o', folder / 'many/lib0.so'], input='int number(int n) { return n + 1; }\n',
                   text=True, check=True)
    for i in range(1, count):
        shutil.copy2(folder / 'many/lib0.so', folder / f'many/lib{i}.so')


def compare(follow, folder, commands, count, rounds):
    taken = {name: [] for name in commands}
    for i in range(rounds):
        for name in list(commands)[::-1 if i % 2 else 1]:
            taken[name].append(seconds(follow, folder, commands[name], count))
    return taken


def report(heading, ways, taken):
    ratio = ratios(taken['system'], taken['ldx'])
    medians = '   '.join(f'{name} {statistics.median(values):.2f} s {ways[name]}' for name, values in taken.items())
    print(f'{heading:<28} {medians}   ratio {ratio["median"]:.3f} [{ratio["q1"]:.3f} {ratio["q3"]:.3f}]', flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', type=pathlib.Path, default=pathlib.Path('build'), help='the build folder')
    parser.add_argument('--debugger', choices=('gdb', 'lldb'), default='gdb')
    parser.add_argument('--libraries', type=int, default=500)
    parser.add_argument('--cycles', type=int, default=0, help='also: so many times dlopen and dlclose of one library')
    parser.add_argument('--rounds', type=int, default=5)
    options = parser.parse_args()
    build = options.build.resolve()
    ldx = build / 'src/ldx'
    follow = by_gdb if options.debugger == 'gdb' else by_lldb
    print(f'time for {options.debugger} to follow a program, {options.rounds} rounds, {os.cpu_count()} processors', flush=True)
    with tempfile.TemporaryDirectory(prefix='bench-gdb-') as name:
        folder = pathlib.Path(name)
        prepare(folder, build, ldx, options.libraries)
        work = [(f'{options.libraries} libraries', f'many={options.libraries}', options.libraries)]
        work += [(f'{options.cycles} cycles', f'cycle={options.cycles}', 0)] * bool(options.cycles)
        for what, word, count in work:
            plain, loader = ['./system', word], [SYSTEM, './system', word]
            for heading, commands in {'interpreter': {'ldx': ['./ldx', word], 'system': plain},
                                      'command': {'ldx': [str(ldx), *plain], 'system': loader if options.debugger == 'gdb' else plain}}.items():
                ways = {who: way(folder, command) if options.debugger == 'gdb' else '' for who, command in commands.items()}
                report(f'{what}, {heading}', ways, compare(follow, folder, commands, count, options.rounds))


if __name__ == '__main__':
    main()
