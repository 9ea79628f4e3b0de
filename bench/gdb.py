#!/usr/bin/env python3
"""Compares how long stock gdb takes to follow a program that opens many libraries, under ldx and under the system's loader.

The program (tests/gdb/followed) opens each library by dlopen and ends at a breakpoint; measured is the time from `run` to there, by
gdb's own Python, which also counts the libraries that gdb knows then. A round measures both loaders, in turn first; printed are the
medians in seconds, and the median of the rounds' ratios, ldx to system, with its quartiles in brackets: below 1, ldx is faster. Told
beside is how gdb follows each: by probes, or by a breakpoint at r_brk."""
import argparse
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

from compare import SYSTEM, environment, ratios

SESSION = '''
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


def gdb(folder, command, session):
    (folder / 'session').write_text(session)
    return subprocess.run(['gdb', '-nx', '-batch', '-x', 'session', '--args', *command], cwd=folder,
                          env=environment(), capture_output=True, text=True, timeout=900)


def seconds(folder, command, count):
    done = gdb(folder, command, SESSION)
    known = len(set(re.findall(r'many/(lib\d+\.so)$', done.stdout, re.M)))
    if known != count or 'TOOK' not in done.stdout:
        sys.exit(f'gdb knows {known} of {count} libraries under {command[0]}:\n{done.stderr[-2000:]}')
    return float(re.search(r'^TOOK (\S+)', done.stdout, re.M)[1])


def way(folder, command):
    done = gdb(folder, [*command[:-1], 'many=0'], 'set debug solib on\n' + SESSION)
    return 'probes' if 'using probes interface' in done.stdout + done.stderr else 'a breakpoint'


def prepare(folder, build, ldx, count):
    shutil.copy2(build / 'tests/gdb/followed', folder / 'system')
    subprocess.run([build / 'tools/ldx-interp', '--set', ldx, '--output', folder / 'ldx', folder / 'system'], check=True)
    (folder / 'many').mkdir()
    subprocess.run(['cc', '-shared', '-fPIC', '-g', '-x', 'c', '-', '-o', folder / 'many/lib0.so'], input='int number(int n) { return n + 1; }\n',
                   text=True, check=True)
    for i in range(1, count):
        shutil.copy2(folder / 'many/lib0.so', folder / f'many/lib{i}.so')


def compare(folder, commands, count, rounds):
    taken = {name: [] for name in commands}
    for i in range(rounds):
        for name in list(commands)[::-1 if i % 2 else 1]:
            taken[name].append(seconds(folder, commands[name], count))
    return taken


def report(heading, ways, taken):
    ratio = ratios(taken['system'], taken['ldx'])
    medians = '   '.join(f'{name} {statistics.median(values):.2f} s by {ways[name]}' for name, values in taken.items())
    print(f'{heading:<12} {medians}   ratio {ratio["median"]:.3f} [{ratio["q1"]:.3f} {ratio["q3"]:.3f}]', flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', type=pathlib.Path, default=pathlib.Path('build'), help='the build folder')
    parser.add_argument('--libraries', type=int, default=500)
    parser.add_argument('--rounds', type=int, default=5)
    options = parser.parse_args()
    build = options.build.resolve()
    ldx = build / 'src/ldx'
    print(f'time for gdb to follow {options.libraries} calls of dlopen, {options.rounds} rounds, {os.cpu_count()} processors', flush=True)
    with tempfile.TemporaryDirectory(prefix='bench-gdb-') as name:
        folder = pathlib.Path(name)
        prepare(folder, build, ldx, options.libraries)
        word = f'many={options.libraries}'
        for heading, commands in {'interpreter': {'ldx': ['./ldx', word], 'system': ['./system', word]},
                                  'command': {'ldx': [str(ldx), './system', word], 'system': [SYSTEM, './system', word]}}.items():
            ways = {who: way(folder, command) for who, command in commands.items()}
            report(heading, ways, compare(folder, commands, options.libraries, options.rounds))


if __name__ == '__main__':
    main()
