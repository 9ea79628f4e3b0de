"""Command line of the comparing tests: chooses cases, runs them, shows progress and a report."""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import Case, Interp, Runner, Scratch, differences, locate, normalise, status_text

EPILOG = """examples:
  %(prog)s --ldx build/src/ldx --mode command
  %(prog)s --ldx build/src/ldx --mode interp --filter 'python|tls' -v
  %(prog)s --mode stable             each case twice under the system loader: is the case itself stable?
  %(prog)s --ldx /lib64/ld-linux-x86-64.so.2 --mode command      how near the system loader is to itself
The exit status is 0 when every case is the same as under the system loader."""


def parse(description, argv):
    parser = argparse.ArgumentParser(description=description, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--ldx', default='/lib64/ld-linux-x86-64.so.2', help='the loader under test')
    parser.add_argument('--mode', choices=('command', 'interp', 'stable'), default='command',
                        help='how ldx comes to run the program')
    parser.add_argument('--built', help='folder of the built test programs')
    parser.add_argument('--interp-tool', help='the ldx-interp program; without it a plain in-place change is made')
    parser.add_argument('--filter', metavar='REGEX', default='', help='only cases whose name matches')
    parser.add_argument('--json', metavar='FILE', help='write the results there')
    parser.add_argument('--list', action='store_true', help='print the names of the cases')
    parser.add_argument('--packages', action='store_true', help='print the Debian packages the cases stand on')
    parser.add_argument('--keep', metavar='DIR', help='scratch folder to use and keep')
    parser.add_argument('-v', '--verbose', action='store_true', help='show each difference in full')
    return parser.parse_args(argv)


class Report:
    """Progress on a terminal, one line a difference otherwise, and the sum at the end."""

    def __init__(self, verbose, total):
        self.verbose = verbose
        self.total = total
        self.terminal = sys.stdout.isatty()
        self.rows = []

    def start(self, name):
        if self.terminal:
            print(f'\r\033[K[{len(self.rows) + 1}/{self.total}] {name}', end='', flush=True)

    def add(self, case, found, seconds):
        self.rows.append({'name': case.name, 'same': not found, 'differences': found, 'seconds': seconds})
        if found:
            self._show(case, found)

    def _show(self, case, found):
        mark = '\033[31mDIFFERENT\033[0m' if self.terminal else 'DIFFERENT'
        print(f'\r{mark} {case.name}' if self.terminal else f'{mark} {case.name}')
        lines = '\n'.join(found).split('\n')
        for line in lines if self.verbose else lines[:8]:
            print(f'    {line}')
        if not self.verbose and len(lines) > 8:
            print(f'    ... {len(lines) - 8} lines more with -v')

    def finish(self, mode):
        same = sum(row['same'] for row in self.rows)
        if self.terminal:
            print('\r\033[K', end='')
        print(f'{mode}: {same} of {len(self.rows)} cases are the same as under the system loader')
        return same == len(self.rows) and bool(self.rows)


def compare(runner, case, mode):
    """Differences of one case, and the time that ldx's run took."""
    missing = [name for name in case.run[:1] + case.programs if '/' not in name and '/' not in locate(name)]
    if missing:
        return [f'not installed: {" ".join(missing)} (Debian: {case.packages or "base"})'], 0.0
    try:
        return compare_runs(runner, case, mode)
    except subprocess.CalledProcessError as error:
        return [f'the set-up has failed (Debian packages: {case.packages or "base"}): {error.stderr}'], 0.0


def compare_runs(runner, case, mode):
    wanted = runner.scratch.expected(case) or runner.outcome(case, 'plain')
    if wanted.status is None:
        return [f'the system loader has reached the time limit of {case.limit} s: '
                f'{wanted.stdout[-200:]} {wanted.stderr[-200:]}'], 0.0
    got = runner.outcome(case, 'plain' if mode == 'stable' else mode)
    return differences(normalise(wanted, case), normalise(got, case), case), round(got.seconds, 3)


def choose(cases, options):
    names = [case.name for case in cases]
    double = {name for name in names if names.count(name) > 1}
    if double:
        raise SystemExit(f'two cases of one name: {" ".join(sorted(double))}')
    pattern = re.compile(options.filter)
    return [case for case in cases if pattern.search(case.name)
            and (options.mode == 'stable' and not case.expect and case.status is None or options.mode in case.modes)]


def run(cases, options):
    root = Path(options.keep or tempfile.mkdtemp(prefix='guests-'))
    interp = Interp(str(Path(options.ldx).absolute()), root, options.interp_tool)
    runner = Runner(interp.ldx, Scratch(root, options.built), interp)
    report = Report(options.verbose, len(cases))
    try:
        for case in cases:
            report.start(case.name)
            report.add(case, *compare(runner, case, options.mode))
    finally:
        interp.close()
        if not options.keep:
            shutil.rmtree(root, ignore_errors=True)
    if options.json:
        Path(options.json).write_text(json.dumps({'mode': options.mode, 'cases': report.rows}, indent=1) + '\n')
    return report.finish(options.mode)


def main(description, cases, argv=None):
    options = parse(description, argv)
    chosen = choose(cases, options)
    if options.list:
        print('\n'.join(case.name for case in chosen))
        return 0
    if options.packages:
        print('\n'.join(sorted({package for case in cases for package in case.packages.split()})))
        return 0
    return 0 if run(chosen, options) else 1
