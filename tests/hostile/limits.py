#!/usr/bin/env python3
"""Runs good programs where something is short: memory, file descriptors, or one system call that fails.

  memory       RLIMIT_AS from nothing to more than enough, in steps
  descriptors  RLIMIT_NOFILE from 3 (nothing can be opened) to more than enough
  calls        each system call that the loader itself makes fails once, with each of several errors

All of it begins after the kernel has started the loader. The loader must either bring the program to its normal end or
say one line and exit with 127 (dlopen: return a message).

  limits.py --subject build/src/ldx --bases build/tests/hostile
  limits.py ... --only 'calls lib-tls.so dlopened 41 ENOMEM'     one run again

The exit status is 1 when a fault was found.
"""

import argparse
import errno
import json
import os
import sys

import hostile
import trial

CASES = (('lib-gnu.so', 'needed'), ('lib-tls-ie.so', 'needed'), ('lib-tls.so', 'dlopened'), ('lib-relr.so', 'dlopened'),
         ('lib-ifunc.so', 'list'), ('prog-pie', 'program'), ('prog-copy', 'interp'), ('prog-static-pie', 'program'))
KILOBYTE = 1024
MEMORY_STEPS = [kilobytes * KILOBYTE for kilobytes in
                list(range(64, 1024, 32)) + list(range(1024, 8192, 128)) + list(range(8192, 65536, 4096))]
DESCRIPTORS = range(3, 17)
ERRORS = ('ENOMEM', 'EMFILE', 'EACCES', 'EIO')
LONGEST = 2000

# Calls that cannot fail when used as a loader uses them, so that nobody need check: write (of the message itself), brk
# (says no in another way), exit, arch_prctl, set_tid_address, exit_group.
NEVER_FAIL = (1, 12, 60, 158, 218, 231)


class Runs:
    def __init__(self, opts, bench, prefix):
        self.opts, self.bench, self.prefix = opts, bench, prefix
        self.counts = {}
        self.faults = []

    def one(self, kind, base, way, label, **limits):
        """Runs and judges; None when only another run is wanted."""
        name = f'{kind} {base} {way} {label}'
        if self.opts.only not in (None, name):
            return None
        result = self.bench.run(way, base, **limits)
        if 'call' in limits and (result.call < 0 or result.call in NEVER_FAIL):
            return result
        verdict = trial.judge(way, result, trial.expected(base, way), self.prefix)
        counts = self.counts.setdefault(kind, dict.fromkeys(trial.VERDICTS, 0))
        counts[verdict] += 1
        # The program is whole, so if it crashes or does something else, it was not started properly.
        if verdict not in (trial.SAME, trial.CLEAN):
            self.faults.append({'run': name, 'verdict': verdict, 'call': result.call, 'result': trial.describe(result),
                                'where': f'{result.image}+{result.offset:#x}'})
        if self.opts.only:
            print(f'{verdict}: system call {result.call}: {trial.describe(result)}\n{result.err}', end='')
        return result


def try_memory(runs, base, way):
    for size in MEMORY_STEPS:
        runs.one('memory', base, way, str(size), address_space=size)


def try_descriptors(runs, base, way):
    for number in DESCRIPTORS:
        runs.one('descriptors', base, way, str(number), files=number)


def try_calls(runs, base, way):
    """Until a call with this number was never reached."""
    for name in ERRORS:
        for call in range(1, LONGEST):
            result = runs.one('calls', base, way, f'{call} {name}', call=call, errno=getattr(errno, name))
            if result and result.call < 0:
                break


def print_faults(loader, faults):
    """One example of each way to fail, with how often it was met."""
    groups = {}
    for fault in faults:
        groups.setdefault((fault['verdict'], fault['result']), []).append(fault)
    for (verdict, result), group in list(groups.items())[:hostile.SHOWN_FAULTS]:
        first = group[0]
        print(f"  {verdict} x{len(group)}: --only '{first['run']}' (system call {first['call']})\n"
              f'      {result}{hostile.source_line(loader, first)}')


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--subject', '--ldx', required=True, help='the loader to try')
    parser.add_argument('--bases', required=True, metavar='DIR', help='where the good files and the tracer were built')
    parser.add_argument('--only', metavar='RUN', help='one run, named as in the list of faults')
    parser.add_argument('--json', metavar='FILE', help='write everything there, for machines')
    return parser.parse_args()


def main():
    opts = options()
    bench = trial.Bench(opts.bases, os.path.join(opts.bases, 'hostile-tracer'), opts.subject)
    runs = Runs(opts, bench, hostile.message_prefix(opts.subject))
    try:
        for base, way in CASES:
            bench.place(trial.load_base(opts.bases, base).data)
            runs.one('plain', base, way, 'run')
            for attempt in (try_memory, try_descriptors, try_calls):
                attempt(runs, base, way)
                if sys.stderr.isatty():
                    sys.stderr.write(f'\r\033[K{base} {way}: {len(runs.faults)} faults')
    finally:
        bench.close()
    if sys.stderr.isatty():
        sys.stderr.write('\r\033[K')
    for kind, counts in runs.counts.items():
        print(f'{kind}: {sum(counts.values())} runs: ' + ', '.join(f'{n} {verdict}' for verdict, n in counts.items() if n))
    print_faults(opts.subject, runs.faults)
    if opts.json:
        with open(opts.json, 'w') as file:
            json.dump({'counts': runs.counts, 'faults': runs.faults}, file, indent=1)
    return int(bool(runs.faults))


if __name__ == '__main__':
    sys.exit(main())
