#!/usr/bin/env python3
"""Damages the metadata of small libraries and programs, and sees what the loader makes of them.

Every damaged file is run as a program, needed by a good program, opened by a good program with dlopen, and shown by
--list; once more needed with LD_DEBUG=all, so that all of it is printed; programs also with the loader as their PT_INTERP. The loader must never crash or hang: it either runs what it
got, or says one line and exits with 127 (dlopen: returns a message). When the damaged code itself crashes after the
loader has handed over, that is the guest's affair, and counted apart.

  hostile.py --subject build/src/ldx --bases build/tests/hostile --count 2000 --seed 1
  hostile.py ... --only 137               one case again, with all that is known about it
  hostile.py ... --only 'endless device'  the same for one of the named files
  hostile.py ... --keep DIR               leaves the files of the faults there, with the commands
  hostile.py ... --oracle                 what the system loader does with the same files

The exit status is 1 when a fault was found.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys

import mutate
import specials
import trial

SYSTEM_LOADER = '/lib64/ld-linux-x86-64.so.2'
ALL_BASES = ('lib-gnu.so', 'lib-sysv.so', 'lib-versions.so', 'lib-relr.so', 'lib-tls.so', 'lib-tls-ie.so', 'lib-tlsdesc.so',
             'lib-ifunc.so', 'lib-rpath.so', 'lib-textrel.so', 'lib-unique.so',
             'prog-pie', 'prog-relr', 'prog-copy', 'prog-freestanding', 'prog-static-pie')
WAYS = ('program', 'needed', 'traced', 'dlopened', 'list', 'interp')
SHOWN_FAULTS = 20
EXAMINED_CRASHES = 30
GUESTS = (trial.GUEST, trial.GUEST_HANG, trial.OTHER)  # not faults, but written to --json: worth a look


def message_prefix(loader):
    """How the loader's own messages begin; the system loader begins with the name of the program."""
    return '' if os.path.realpath(loader) == os.path.realpath(SYSTEM_LOADER) else 'ldx: '


class Report:
    """Counts of verdicts by way, and the faults."""

    def __init__(self, opts, loader):
        self.opts, self.loader = opts, loader
        self.prefix = message_prefix(loader)
        # Who is to blame for a crash takes seconds to find out. The system loader has too many of them to ask.
        self.examined = EXAMINED_CRASHES if self.prefix else 0
        self.counts = {way: dict.fromkeys(trial.VERDICTS, 0) for way in WAYS}
        self.files, self.faulty_files = 0, 0
        self.faults, self.guests = [], []

    def add(self, case, base, done, way, verdict, result):
        self.counts[way][verdict] += 1
        group = self.faults if verdict in trial.FAULTS else self.guests
        if verdict in trial.FAULTS + GUESTS:
            group.append({'case': str(case), 'base': base, 'damage': done, 'way': way, 'verdict': verdict,
                          'where': f'{result.image}+{result.offset:#x}', 'result': trial.describe(result)})

    def total(self, verdict):
        return sum(counts[verdict] for counts in self.counts.values())

    def tried(self):
        return sum(sum(counts.values()) for counts in self.counts.values())

    def summary(self):
        return {'loader': self.loader, 'seed': self.opts.seed, 'files': self.files, 'faulty_files': self.faulty_files,
                'runs': self.tried(), 'by_way': self.counts, 'faults': self.faults, 'guests': self.guests}

    def print_table(self):
        tried = max(1, self.tried())
        print(f'{self.loader}: {self.files} files, {self.tried()} runs')
        print('  ' + 'way'.ljust(10) + ''.join(verdict.rjust(11) for verdict in trial.VERDICTS))
        for way in WAYS:
            print('  ' + way.ljust(10) + ''.join(str(self.counts[way][v]).rjust(11) for v in trial.VERDICTS))
        shares = ''.join(f'{100 * self.total(v) / tried:.2f} %'.rjust(11) for v in trial.VERDICTS)
        print('  ' + 'share'.ljust(10) + shares)
        print(f'  files that crash or hang the loader, or get no clear message: {self.faulty_files} of {self.files} '
              f'({100 * self.faulty_files / max(1, self.files):.2f} %)')

    def print_faults(self):
        """One example of each place, with how often it was met."""
        groups = {}
        for fault in self.faults:
            key = fault['where'] if fault['verdict'] in (trial.CRASH, trial.HANG) else fault['result'][:60]
            groups.setdefault((fault['verdict'], key), []).append(fault)
        ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
        for (verdict, _), faults in ordered[:SHOWN_FAULTS]:
            first = faults[0]
            print(f"  {verdict} x{len(faults)}: --only '{first['case']}' ({first['base']}, {first['way']}): "
                  f"{'; '.join(first['damage'])}\n      {first['result']}{source_line(self.loader, first)}")
        if len(ordered) > SHOWN_FAULTS:
            print(f'  ... and {len(ordered) - SHOWN_FAULTS} more places')


def source_line(loader, fault):
    """Where the loader has debug information, the line of its source."""
    name, _, offset = fault['where'].rpartition('+')
    if name != os.path.basename(os.path.realpath(loader)) or shutil.which('addr2line') is None:
        return ''
    done = subprocess.run(['addr2line', '-s', '-f', '-e', os.path.realpath(loader), offset], capture_output=True, text=True,
                          check=False)
    words = done.stdout.split('\n')
    return '' if len(words) < 2 or words[1].startswith('?') else f' [{words[0]} {words[1]}]'


def keep(opts, bench, case, argv):
    """The file under the case's name, and the command as a shell line."""
    if not opts.keep or not os.path.isfile(bench.path()):
        return
    folder = os.path.join(opts.keep, str(case).replace(' ', '-'))
    os.makedirs(folder, exist_ok=True)
    for name in (trial.VICTIM, 'libdep.so', 'host-needs', 'host-needs-versions', 'host-dlopen'):
        shutil.copy(bench.path(name), folder)
    with open(os.path.join(folder, 'commands'), 'a') as file:
        print(' '.join(argv), file=file)


def try_file(opts, bench, report, case, base, done, accept=None):
    """The placed file in all ways. accept(way, verdict) says whether a verdict is right for this file."""
    report.files += 1
    before = len(report.faults)
    for way in trial.ways_of(base):
        variant = case if isinstance(case, int) else 0
        result = bench.run(way, base, variant, examine=report.total(trial.CRASH) < report.examined)
        verdict = trial.judge(way, result, trial.expected(base, way), report.prefix)
        if accept and verdict not in trial.FAULTS and not accept(way, verdict):
            verdict = trial.BROKEN
        report.add(case, base, done, way, verdict, result)
        if verdict in trial.FAULTS:
            keep(opts, bench, case, bench.argv(way, base, variant))
        if opts.only is not None:
            print(f'{way}: {verdict}: {trial.describe(result)}')
    report.faulty_files += len(report.faults) > before


def try_undamaged(opts, bench, report, bases):
    """If these fail, all that follows means nothing."""
    for base in bases:
        case = f'undamaged {base.name}'
        if opts.only not in (None, case):
            continue
        bench.place(base.data)
        try_file(opts, bench, report, case, base.name, ['nothing'],
                 lambda way, verdict, name=base.name: verdict == trial.SAME or trial.expected(name, way) is None)


def try_specials(opts, bench, report):
    for special in specials.SPECIALS:
        if opts.only in (None, special.name):
            bench.clear()
            special.make(bench, trial.load_base(opts.bases, special.base))
            try_file(opts, bench, report, special.name, special.base, [special.name],
                     lambda way, verdict, s=special: specials.is_right(s, way, verdict))
            shutil.copy(os.path.join(opts.bases, 'libdep.so'), bench.folder)


def try_mutations(opts, bench, report, bases):
    numbers = range(opts.count)
    if opts.only is not None:
        numbers = [int(opts.only)] if opts.only.isdigit() else []
    for k in numbers:
        base = bases[k % len(bases)]
        data, done = mutate.mutate(base, random.Random(f'{opts.seed}:{k}'))
        bench.place(data)
        if opts.only is not None:
            print(f"case {k}, {base.name}: {'; '.join(done)}")
        try_file(opts, bench, report, k, base.name, done)
        if sys.stderr.isatty() and k % 10 == 0:
            sys.stderr.write(f'\r\033[K{k}/{opts.count} files, {report.tried()} runs, {report.total(trial.CLEAN)} clean '
                             f'errors, {report.total(trial.CRASH)} crashes, {report.total(trial.HANG)} hangs')
    if sys.stderr.isatty():
        sys.stderr.write('\r\033[K')


def run(opts, loader):
    report = Report(opts, loader)
    bench = trial.Bench(opts.bases, os.path.join(opts.bases, 'hostile-tracer'), loader)
    bases = [trial.load_base(opts.bases, name) for name in opts.base or ALL_BASES]
    try:
        try_undamaged(opts, bench, report, bases)
        if not opts.base:
            try_specials(opts, bench, report)
        try_mutations(opts, bench, report, bases)
    finally:
        bench.close()
    return report


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--subject', '--ldx', required=True, help='the loader to try')
    parser.add_argument('--bases', required=True, metavar='DIR', help='where the undamaged files and the tracer were built')
    parser.add_argument('--base', action='append', choices=ALL_BASES, help='damage only this file (may be repeated)')
    parser.add_argument('--count', type=int, default=2000, metavar='N', help='how many damaged files (default 2000)')
    parser.add_argument('--seed', type=int, default=1, metavar='S', help='case K of a seed is always the same file')
    parser.add_argument('--only', metavar='K', help='only case K, or the special file of that name')
    parser.add_argument('--keep', metavar='DIR', help='save the files of the faults there')
    parser.add_argument('--oracle', action='store_true', help='show the system loader on the same files')
    parser.add_argument('--expect-faults', action='store_true',
                        help='succeed when faults are found: shows with a loader that has some that this test can fail')
    parser.add_argument('--json', metavar='FILE', help='write everything there, for machines')
    return parser.parse_args()


def main():
    opts = options()
    reports = [run(opts, loader) for loader in [opts.subject] + ([SYSTEM_LOADER] if opts.oracle else [])]
    for report in reports:
        if opts.only is None:
            report.print_table()
    reports[0].print_faults()
    if opts.json:
        with open(opts.json, 'w') as file:
            json.dump([report.summary() for report in reports], file, indent=1)
    return int(bool(reports[0].faults) != opts.expect_faults)


if __name__ == '__main__':
    sys.exit(main())
