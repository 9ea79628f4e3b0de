#!/usr/bin/env python3
"""Runs every dynamic executable of this machine under the system loader and under ldx, and compares.

Each program is run with --version and with --help: twice as it is (it is *stable* when these two agree), then as
`ldx PROGRAM --version`, then with ldx as its PT_INTERP (a patched copy stands over the original path, in a mount
namespace of that run alone). Status, stdout and stderr must be the same; as a command ldx may differ where the system
loader, started as a command from the same path, differs in the same way. A program that differs counts as not stable where
memcheck finds that it decides by uninitialised memory. Programs run in a sandbox that cannot harm
the machine (sandbox.py), so none is left out; it needs root or unprivileged user namespaces.

  sweep.py --ldx build/src/ldx                       all programs of PATH, /usr, /opt (minutes)
  sweep.py --ldx build/src/ldx --sample 60 --seed 7  a random sample
  sweep.py --ldx build/src/ldx --only /usr/bin/git   chosen programs
  sweep.py --ldx build/src/ldx --ldd --libraries     only what ldd shows, for all programs and libraries

The exit status is 1 when a stable program behaves differently under ldx.
"""

import argparse
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys

import elffile
import judge
import sandbox

SYSTEM_LOADER = '/lib64/ld-linux-x86-64.so.2'
DEEP_FOLDERS = ('/usr', '/opt', '/bin', '/sbin', '/lib', '/lib64')
ARGUMENTS = ('--version', '--help')
WAYS = ('command', 'interp')
LIST_WAYS = ('--list', 'LD_TRACE_LOADED_OBJECTS')
SHOWN_CASES, SHOWN_LINES = 10, 6
# On the one folder that lives as long as the sandbox; the names must fit where PT_INTERP named the system loader.
LDX_INSIDE, PATCHED_INSIDE = f'{sandbox.KEPT_FOLDER}/ldx', f'{sandbox.KEPT_FOLDER}/patched'

def environment():
    home = '/tmp/home'
    return {'PATH': os.environ.get('PATH', '/usr/bin:/bin'), 'HOME': home, 'LANG': 'C.UTF-8', 'TERM': 'dumb',
            'TMPDIR': '/tmp', 'XDG_CONFIG_HOME': f'{home}/config', 'XDG_CACHE_HOME': f'{home}/cache',
            'XDG_DATA_HOME': f'{home}/data', 'XDG_RUNTIME_DIR': f'{home}/run'}


# --- one program in the sandbox -----------------------------------------------------------------------------------

def enter_sandbox(ldx_image, limit):
    sandbox.enter()
    with open(LDX_INSIDE, 'wb') as file:
        file.write(ldx_image)
    os.chmod(LDX_INSIDE, 0o755)
    sweep_program.limit = limit


def patch_copy(program):
    shutil.copy2(program, PATCHED_INSIDE)
    os.chmod(PATCHED_INSIDE, 0o755)
    elffile.set_interpreter(PATCHED_INSIDE, LDX_INSIDE)


def run_way(way, program, argument, limit):
    argv = [program, argument]
    if way == 'command':
        return sandbox.run([LDX_INSIDE] + argv, environment(), limit)
    if way == 'interp':
        return sandbox.run(argv, environment(), limit, lambda: sandbox.bind(PATCHED_INSIDE, program))
    if way == 'system command':  # the system loader in ldx's place
        return sandbox.run([LDX_INSIDE] + argv, environment(), limit, lambda: sandbox.bind(SYSTEM_LOADER, LDX_INSIDE))
    return sandbox.run(argv, environment(), limit)


def sees_loader(outcome, program, argument, limit):
    """A program that asks the kernel itself for /proc/self/exe sees the loader that it was started by, whichever."""
    return not judge.differences(run_way('system command', program, argument, limit), outcome)


def reads_garbage(program, argument, limit):
    """What a program does that decides by uninitialised memory is chance: memcheck's word for it, under the system loader."""
    done = sandbox.run([shutil.which('valgrind'), '-q', '--vgdb=no', '--child-silent-after-fork=yes', program, argument], environment(), limit)
    return 'depends on uninitialised value' in done.err


def sweep_case(program, argument, limit):
    """{'stable': bool, 'status': str, 'plain': differences of the plain runs, way: differences}"""
    first = run_way('plain', program, argument, limit)
    # A program that ends gets ample time under ldx, as the machine may be busy; one that runs on is cut off early.
    later = limit * 6 if first.status != 'runs on' else limit / 4
    second = run_way('plain', program, argument, later)
    case = {'status': first.status, 'plain': judge.differences(first, second)}
    case['stable'] = not case['plain']
    if case['stable']:
        for way in WAYS:
            outcome = run_way(way, program, argument, later)
            case[way] = judge.differences(first, outcome)
            if case[way] and way == 'command' and sees_loader(outcome, program, argument, later):
                case[way], case['sees_loader'] = [], True
        if any(case[way] for way in WAYS) and reads_garbage(program, argument, later):
            case['stable'], case['plain'] = False, [('memcheck', '', 'decides by uninitialised memory')]
            for way in WAYS:
                case[way] = []
    return case


def sweep_program(program):
    try:
        patch_copy(program)
        return program, {a: sweep_case(program, a, sweep_program.limit) for a in ARGUMENTS}
    finally:
        os.unlink(PATCHED_INSIDE)


# --- --list ---------------------------------------------------------------------------------------------------------

def list_outcome(loader, path, way):
    """way: the option --list, or the environment variable through which ldd asks for the same."""
    options, extra = (['--list'], {}) if way == '--list' else ([], {way: '1'})
    done = subprocess.run([loader, *options, path], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors='backslashreplace', env={'PATH': '/usr/bin:/bin', **extra}, check=False)
    return sandbox.Outcome(f'exit {done.returncode}', done.stdout, done.stderr)


def list_file(job):
    ldx, path = job
    cases = {}
    for way in LIST_WAYS:
        expected = list_outcome(SYSTEM_LOADER, path, way)
        found = judge.differences(expected, list_outcome(ldx, path, way))
        cases[way] = {'stable': True, 'status': expected.status, 'plain': [], 'list': found}
    return path, cases


# --- report ---------------------------------------------------------------------------------------------------------

class Tally:
    """Counts over programs: a program is stable, or the same in one way, when it is so for all its arguments."""

    def __init__(self, ways):
        self.ways = ways
        self.programs = {}

    def add(self, program, cases):
        self.programs[program] = cases

    def stable(self):
        return [p for p, cases in self.programs.items() if all(c['stable'] for c in cases.values())]

    def differing(self, way):
        return [p for p, cases in self.programs.items() if any(c.get(way) for c in cases.values())]

    def failed(self):
        return any(self.differing(way) for way in self.ways)

    def one_line(self, total):
        differing = ', '.join(f'{len(self.differing(w))} differ by {w}' for w in self.ways)
        return f'{len(self.programs)}/{total} tried, {len(self.stable())} stable, {differing}'

    def summary(self):
        runs = [c for cases in self.programs.values() for c in cases.values()]
        stable_runs = [c for c in runs if c['stable']]
        counts = {'programs': len(self.programs), 'stable': len(self.stable()), 'runs': len(runs),
                  'stable_runs': len(stable_runs), 'runs_on': sum(c['status'] == 'runs on' for c in runs)}
        for way in self.ways:
            stable = set(self.stable())
            counts[f'same_by_{way}'] = len(stable) - len(stable & set(self.differing(way)))
            counts[f'same_runs_by_{way}'] = sum(not c[way] for c in stable_runs)
        counts['sees_loader'] = sum('sees_loader' in c for c in runs)
        return counts


def case_text(program, argument, case, way, lines=20):
    return f'{program} {argument} ({way})\n{judge.render(case[way], lines)}'


def write_report(path, tally):
    with open(path, 'w') as file:
        for key, value in tally.summary().items():
            print(f'{key}: {value}', file=file)
        for way in tally.ways:
            print(f'\n== differing by {way}', file=file)
            for program in tally.differing(way):
                for argument, case in tally.programs[program].items():
                    if case.get(way):
                        print(case_text(program, argument, case, way), file=file)
        print('\n== not stable under the system loader', file=file)
        for program, cases in tally.programs.items():
            for argument, case in cases.items():
                if not case['stable']:
                    print(case_text(program, argument, case, 'plain'), file=file)
        print('\n== still running at the time limit', file=file)
        for program, cases in tally.programs.items():
            print(''.join(f'{program} {a}\n' for a, c in cases.items() if c['status'] == 'runs on'), end='', file=file)


def print_summary(tally):
    counts = tally.summary()
    print(f"{counts['programs']} tried, {counts['stable']} stable "
          f"({counts['stable_runs']} of {counts['runs']} runs; {counts['runs_on']} run on until the time limit)")
    for way in tally.ways:
        print(f"same by {way}: {counts[f'same_by_{way}']} of {counts['stable']} stable programs, "
              f"{counts[f'same_runs_by_{way}']} of {counts['stable_runs']} stable runs")
    if counts['sees_loader']:
        print(f"{counts['sees_loader']} of these runs by command see the loader, as they do under the system loader")
    differing = [(program, argument, case, way) for way in tally.ways for program in tally.differing(way)
                 for argument, case in tally.programs[program].items() if case.get(way)]
    for program, argument, case, way in differing[:SHOWN_CASES]:
        print(case_text(program, argument, case, way, SHOWN_LINES))
    if len(differing) > SHOWN_CASES:
        print(f'... and {len(differing) - SHOWN_CASES} more (--report FILE has all)')


def progress(text):
    if sys.stderr.isatty():
        sys.stderr.write(f'\r\033[K{text}')
        sys.stderr.flush()


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--ldx', required=True, help='the loader to try')
    parser.add_argument('--sample', type=int, metavar='N', help='a random sample of N files')
    parser.add_argument('--seed', type=int, default=1, help='which sample')
    parser.add_argument('--only', nargs='+', metavar='FILE', help='these files alone')
    parser.add_argument('--under', action='append', default=[], metavar='DIR', help='one more folder to search')
    parser.add_argument('--ldd', action='store_true', help='compare the output of --list and of LD_TRACE_LOADED_OBJECTS; runs no program')
    parser.add_argument('--libraries', action='store_true', help='with --ldd: shared libraries too')
    parser.add_argument('--limit', type=float, default=10, metavar='SECONDS', help='time for one run (default 10)')
    parser.add_argument('--jobs', type=int, default=1, metavar='N', help='programs tried at once (default 1)')
    parser.add_argument('--report', metavar='FILE', help='write all differences there')
    parser.add_argument('--json', metavar='FILE', help='write everything there, for machines')
    chosen = parser.parse_args()
    if chosen.libraries and not chosen.ldd:
        parser.error('--libraries needs --ldd')
    return chosen


def choose(opts):
    if opts.only:
        paths = [os.path.realpath(path) for path in opts.only]
        for path in paths:
            if not os.path.exists(path) or not opts.ldd and elffile.interpreter(path) is None:
                sys.exit(f'sweep: {path}: not a dynamic executable')
    else:
        flat = [folder for folder in os.environ.get('PATH', '').split(':') if folder]
        deep = list(DEEP_FOLDERS) + opts.under
        paths = elffile.executables(flat, deep)
        paths += elffile.libraries([], deep) if opts.libraries else []
    if opts.sample is not None and opts.sample < len(paths):
        paths = sorted(random.Random(opts.seed).sample(paths, opts.sample))
    return paths


def results(opts, paths):
    if opts.ldd:
        with multiprocessing.Pool(opts.jobs) as pool:
            yield from pool.imap_unordered(list_file, [(opts.ldx, p) for p in paths], chunksize=4)
    else:
        with open(opts.ldx, 'rb') as file:
            image = file.read()
        with multiprocessing.Pool(opts.jobs, enter_sandbox, (image, opts.limit)) as pool:
            yield from pool.imap_unordered(sweep_program, paths)


def sandbox_works():
    """Tried in a child first: a pool whose initialiser fails would only respawn its workers for ever."""
    try:
        sandbox.in_child(lambda: sandbox.enter() or 'entered')
        return True
    except (OSError, RuntimeError) as error:
        print(f'sweep: no sandbox here: {error}', file=sys.stderr)
        return False


def main():
    opts = options()
    if not opts.ldd and not sandbox_works():
        return 2
    paths = choose(opts)
    tally = Tally(['list'] if opts.ldd else WAYS)
    for program, cases in results(opts, paths):
        tally.add(program, cases)
        progress(f'{tally.one_line(len(paths))}  {program}')
    progress('')
    if opts.report:
        write_report(opts.report, tally)
    if opts.json:
        with open(opts.json, 'w') as file:
            json.dump({'summary': tally.summary(), 'programs': tally.programs}, file, indent=1)
    print_summary(tally)
    if not tally.programs:
        print('sweep: nothing to try', file=sys.stderr)
        return 2
    return 1 if tally.failed() else 0


if __name__ == '__main__':
    sys.exit(main())
