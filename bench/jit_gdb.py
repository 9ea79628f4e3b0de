#!/usr/bin/env python3
"""What publishing functions one by one costs, and how long stock gdb takes to follow it, and to attach behind it.

The program (bench/jit.c) publishes N functions, each by itself. Told are, as medians of rounds:
  publish   time of one publish with 1, 10 and 100 objects, with nobody attached, and under gdb
  rebind    time of one publish that binds one of many functions anew
  follow    seconds from `run` to the end under gdb with N and 2N functions, gdb's processor time in them, and its ratio: 2 is linear
  attach    seconds for gdb to attach to a process that has published 2N functions, and to one that has none
In each of them gdb has to know the functions."""
import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

from compare import environment

SETTINGS = ['set pagination off', 'set confirm off', 'set debuginfod enabled off', 'set breakpoint pending on', 'python import time']
TIMED = ('python begin, used = time.monotonic(), time.process_time()',
         "python print('TOOK', time.monotonic() - begin, time.process_time() - used)")


def run(*words):
    done = subprocess.run([str(word) for word in words], env=environment(), capture_output=True, text=True, timeout=900)
    if done.returncode:
        sys.exit(f'{" ".join(map(str, words))}: exit status {done.returncode}\n{done.stderr[-2000:]}')
    return done.stdout


def gdb(commands, *arguments):
    return run('gdb', '-nx', '-batch', *[word for c in SETTINGS + commands for word in ('-ex', c)], *arguments)


def must_know(out, functions):
    for i in {0, functions // 2, functions - 1}:
        if not re.search(rf'^function_{i} in section', out, re.M):
            sys.exit(f'gdb does not know function_{i}:\n{out[-2000:]}')


def known(functions):
    return [f'info symbol function_{i}' for i in {0, functions // 2, functions - 1}]


def took(out):
    """Seconds, and of gdb's processor time."""
    return tuple(map(float, re.search(r'^TOOK (\S+) (\S+)', out, re.M).groups()))


def follow(program, functions, objects=1):
    """Seconds under gdb, of gdb's processor time, and nanoseconds of one publish as the program sees it."""
    out = gdb(['break getppid', TIMED[0], 'run', TIMED[1], *known(functions), 'kill'], '--args', program, 'publish', functions, objects)
    must_know(out, functions)
    return *took(out), float(re.search(r'^(\d+)$', out, re.M)[1])


def attach(program, functions):
    process = subprocess.Popen([program, 'wait', str(functions), '1'], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        process.stdout.readline()
        # What gdb reads of the system's files it has read before.
        out = gdb(['file ' + str(program), TIMED[0], f'attach {process.pid}', TIMED[1], *(known(functions) if functions else []), 'detach'])
    finally:
        process.kill()
        process.wait()
    if functions:
        must_know(out, functions)
    return took(out)[0]


def publish(program, functions, objects):
    return float(run(program, 'publish', functions, objects))


def quartiles(values):
    if len(values) < 2:
        return ''
    q = statistics.quantiles(values, n=4, method='inclusive')
    return f' [{q[0]:.2f} {q[2]:.2f}]'


def measure(program, options):
    n, results = options.functions, {}
    def keep(name, value):
        results.setdefault(name, []).append(value)
    for _ in range(options.rounds):
        for objects in (1, 10, 100):
            keep(f'publish, {objects} objects, ns', publish(program, n, objects))
        for functions in (100, 10000):
            keep(f'rebind, of {functions} functions, ns', float(run(program, 'rebind', min(n, 1000), functions)))
        for objects in (1, 10, 100):
            keep(f'publish under gdb, {objects} objects, us', follow(program, n // 5, objects)[2] / 1000)
        once, twice = follow(program, n), follow(program, 2 * n)
        for functions, (seconds, used, _) in ((n, once), (2 * n, twice)):
            keep(f'follow {functions}, s', seconds)
            keep(f'follow {functions}, s of processor time', used)
        keep('follow, ratio of processor times', twice[1] / once[1])
        keep('attach without functions, s', attach(program, 0))
        keep(f'attach behind {2 * n}, s', attach(program, 2 * n))
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', type=pathlib.Path, default=pathlib.Path('build'), help='the build folder')
    parser.add_argument('--functions', type=int, default=2500, help='N')
    parser.add_argument('--rounds', type=int, default=5)
    options = parser.parse_args()
    build = options.build.resolve()
    print(f'{options.functions} and {2 * options.functions} functions, {options.rounds} rounds, {os.cpu_count()} processors', flush=True)
    with tempfile.TemporaryDirectory(prefix='bench-jit-gdb-') as name:
        program = pathlib.Path(name) / 'jit'
        run(build / 'tools/ldx-interp', '--set', build / 'src/ldx', '--output', program, build / 'bench/bench-jit')
        for name, values in measure(program, options).items():
            print(f'{name:<40} {statistics.median(values):>10.2f}{quartiles(values)}', flush=True)


if __name__ == '__main__':
    main()
