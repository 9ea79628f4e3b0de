#!/usr/bin/env python3
"""What a call through the PLT costs under auditors (rtld-audit(7)), under ldx and under the system's loader.

Both loaders run the same program in turn, round after round: the system's started by the kernel, ldx as a command (both
then put the program far from its libraries, which calls between them feel). Printed are nanoseconds a call (medians of the rounds' best
loops) and the ratio, ldx to system: the median of the rounds' ratios. Below 1, ldx is cheaper."""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent / 'audit'
AUDITORS = [  # heading, words for the compiler; None: no auditor
    ('plain', None),
    ('auditor without hooks for calls', []),
    ('la_symbind64', ['-DSYMBIND']),
    ('pltenter', ['-DPLTENTER']),
    ('pltenter and pltexit', ['-DPLTENTER', '-DPLTEXIT']),
]


def compile_all(work):
    def cc(output, source, *words):
        subprocess.run(['cc', '-O2', '-D_GNU_SOURCE', '-o', work / output, HERE / source, *words], check=True)

    cc('libcallee.so', 'callee.c', '-shared', '-fPIC')
    cc('calls', 'calls.c', '-L' + str(work), '-lcallee', '-Wl,-rpath,' + str(work), '-Wl,-z,lazy')
    for i, (_, words) in enumerate(AUDITORS):
        if words is not None:
            cc(f'auditor{i}.so', 'auditor.c', '-shared', '-fPIC', *words)


def cost(loader, work, i, calls):
    env = {k: v for k, v in os.environ.items() if not k.startswith(('LD_', 'LDX_'))}
    if AUDITORS[i][1] is not None:
        env['LD_AUDIT'] = str(work / f'auditor{i}.so')
    done = subprocess.run([*loader, work / 'calls', str(calls)], env=env, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--ldx', required=True, type=pathlib.Path)
    parser.add_argument('--rounds', type=int, default=15)
    parser.add_argument('--calls', type=int, default=300000)
    args = parser.parse_args()
    print(f"{'':34}{'system':>10}{'ldx':>10}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        compile_all(work)
        for i, (heading, _) in enumerate(AUDITORS):
            pairs = [(cost([], work, i, args.calls), cost([args.ldx.resolve()], work, i, args.calls))
                     for _ in range(args.rounds)]
            system, ldx = (statistics.median(column) for column in zip(*pairs))
            ratio = statistics.median(b / a for a, b in pairs)
            print(f'{heading:34}{system:10.2f}{ldx:10.2f}{ratio:8.2f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
