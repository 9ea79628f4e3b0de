#!/usr/bin/env python3
"""Compares what starting programs costs under ldx and under the system's loader.

Every workload runs under both loaders in turn, round after round, in two modes: as an interpreter (the kernel
starts the loader that the program names; for ldx, in a copy that names ldx) and as a command (LOADER PROGRAM).
Printed are ratios, ldx to system: below 1, ldx is cheaper. The ratio is the median of the rounds' ratios, with
its quartiles in brackets; the absolute values are medians."""
import argparse
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys

import workloads

SYSTEM = '/lib64/ld-linux-x86-64.so.2'
METRICS = {  # name: (heading, unit's divisor, how to print)
    'wall_ns': ('wall ms', 1e6, '{:.2f}'),
    'cpu_us': ('CPU ms', 1e3, '{:.2f}'),
    'minor_faults': ('faults', 1, '{:.0f}'),
    'syscalls': ('syscalls', 1, '{:.0f}'),
}


class Failure(Exception):
    """A program did not run as it should: there is nothing to compare."""


def progress(text):
    print(f'bench: {text}', file=sys.stderr, flush=True)


def environment():
    """The user's, less what changes loaders or the programs' output."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(('LD_', 'LDX_', 'PYTHON'))}
    return {**kept, 'LC_ALL': 'C'}


# --- running ---

def commands_of(program, mode, args):
    """[system, ldx]: for each the file to execute and all of its words."""
    if mode == 'command':
        return [[loader, loader, str(program.file), *program.args] for loader in (args.system, args.ldx)]
    twin = program.file.with_name(program.file.name + '.ldx')
    done = subprocess.run([args.interp_tool, '--set', args.ldx, '-o', twin, program.file], capture_output=True, text=True)
    if done.returncode:
        raise Failure(done.stderr.strip())
    return [[str(file), str(program.file), *program.args] for file in (program.file, twin)]


def check_outputs(commands):
    """One run of each, to see that both loaders run the program to the same end (and to warm the page cache)."""
    def run(command):
        try:
            done = subprocess.run(command[1:], executable=command[0], env=environment(), stdin=subprocess.DEVNULL,
                                  capture_output=True, timeout=300)
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise Failure(f'{" ".join(command)}: {problem}') from problem
        return done.returncode, done.stdout, done.stderr
    ends = [run(command) for command in commands]
    for command, end in zip(commands, ends):
        if end[0] != 0:
            raise Failure(f'{" ".join(command)}: exit status {end[0]}, {end[2].decode(errors="replace").strip()}')
    if ends[0] != ends[1]:
        raise Failure(f'{" ".join(commands[1])}: other output than under the system loader')


def measure(args, what, commands):
    """The lines of ldx-measure, as numbers; every run must have ended well."""
    words = [args.measure, *what]
    for command in commands:
        words += ['--', *command]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise Failure(done.stderr.strip())
    for line in done.stdout.splitlines():
        index, status, *rest = line.split()
        if status != '0':
            raise Failure(f'{" ".join(commands[int(index)])}: wait status {status}')
        yield int(index), rest


def time_commands(args, rounds, commands):
    """For each command, the samples of each metric, in the order of the rounds."""
    samples = [{'wall_ns': [], 'cpu_us': [], 'user_us': [], 'system_us': [], 'minor_faults': [], 'major_faults': []}
               for _ in commands]
    for index, rest in measure(args, ['time', str(rounds)], commands):
        wall, user, system, minor, major = map(int, rest)
        values = {'wall_ns': wall, 'cpu_us': user + system, 'user_us': user, 'system_us': system,
                  'minor_faults': minor, 'major_faults': major}
        for name, value in values.items():
            samples[index][name].append(value)
    return samples


def count_syscalls(args, commands):
    names = syscall_names()
    counts = []
    for _, (total, *by_number) in measure(args, ['syscalls'], commands):
        pairs = (pair.split(':') for pair in by_number)
        counts.append({'total': int(total), 'by_name': {names.get(int(n), n): int(count) for n, count in pairs}})
    return counts


def syscall_names():
    header = pathlib.Path('/usr/include/x86_64-linux-gnu/asm/unistd_64.h')
    text = header.read_text() if header.exists() else ''
    return {int(number): name for name, number in re.findall(r'#define __NR_(\w+) (\d+)', text)}


# --- results ---

def summary(values):
    quartiles = statistics.quantiles(values, n=4, method='inclusive') if len(values) > 1 else values * 3
    return {'median': quartiles[1], 'q1': quartiles[0], 'q3': quartiles[2], 'min': min(values)}


def ratios(system, ldx):
    """Of the two runs of each round, so that a slow spell of the machine weighs on both sides."""
    return summary([l / s for s, l in zip(system, ldx) if s > 0] or [float('nan')])


def run_workload(name, workload, program, mode, args):
    commands = commands_of(program, mode, args)
    check_outputs(commands)
    rounds = args.rounds or workload.rounds
    samples = time_commands(args, rounds, commands)
    syscalls = count_syscalls(args, commands)
    result = {'workload': name, 'mode': mode, 'rounds': rounds, 'ratio': {}}
    for side, loader in enumerate(('system', 'ldx')):
        result[loader] = {metric: summary(values) for metric, values in samples[side].items()}
        result[loader]['syscalls'] = syscalls[side]
    for metric in ('wall_ns', 'cpu_us', 'minor_faults'):
        result['ratio'][metric] = ratios(samples[0][metric], samples[1][metric])
    result['ratio']['syscalls'] = {'median': syscalls[1]['total'] / max(syscalls[0]['total'], 1)}
    return result


def value_of(side, metric):
    return side[metric]['total'] if metric == 'syscalls' else side[metric]['median']


def cell(result, metric, colour):
    _, divisor, form = METRICS[metric]
    ratio = result['ratio'][metric]
    spread = f' [{ratio["q1"]:.2f} {ratio["q3"]:.2f}]' if 'q1' in ratio else ''
    values = [form.format(value_of(result[side], metric) / divisor) for side in ('system', 'ldx')]
    text = f'{values[0]:>7} {values[1]:>7} {ratio["median"]:5.2f}{spread}'
    if not colour:
        return text
    code = 32 if ratio['median'] < 0.99 else 31 if ratio['median'] > 1.01 else 0
    return f'\033[{code}m{text}\033[0m'


def widths(metric):
    return 21 if metric == 'syscalls' else 33


def print_table(results):
    colour = sys.stdout.isatty() and 'NO_COLOR' not in os.environ
    heads = [f'{METRICS[m][0] + ": system, ldx, ratio":{widths(m)}}' for m in METRICS]
    print(f'{"workload":12} {"mode":8} ' + '  '.join(heads).rstrip())
    for result in results:
        cells = '  '.join(cell(result, metric, colour) for metric in METRICS)
        print(f'{result["workload"]:12} {result["mode"]:8} {cells}')


def machine():
    cpu = re.search(r'model name\s*: (.*)', pathlib.Path('/proc/cpuinfo').read_text())
    return {'kernel': platform.release(), 'cpu': cpu.group(1) if cpu else '', 'cores': os.cpu_count(),
            'libc': ' '.join(platform.libc_ver())}


# --- command line ---

def parse():
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=(
        'workloads:\n' + '\n'.join(f'  {name:12} {each.summary}' for name, each in workloads.WORKLOADS.items()) +
        '\n\nexample: bench/compare.py --mode interp true git'))
    parser.add_argument('workload', nargs='*', metavar='WORKLOAD', help='what to run (default: all)')
    parser.add_argument('--mode', choices=['interp', 'command', 'both'], default='both')
    parser.add_argument('--rounds', type=int, help='rounds of every workload (default: its own number)')
    parser.add_argument('--small', action='store_true', help='small sizes of the synthetic workloads, for a quick look')
    parser.add_argument('--json', action='store_true', help='print all that was measured as JSON')
    parser.add_argument('--build', type=pathlib.Path, default=root / 'build', help='the build folder (default: %(default)s)')
    parser.add_argument('--ldx', help='the loader to compare (default: BUILD/src/ldx)')
    parser.add_argument('--system', default=SYSTEM, help='the system loader (default: %(default)s)')
    parser.add_argument('--work', type=pathlib.Path, help='where to put programs (default: BUILD/bench/work)')
    args = parser.parse_args()
    unknown = set(args.workload) - set(workloads.WORKLOADS)
    if unknown:
        parser.error(f'no such workload: {" ".join(sorted(unknown))}')
    if args.rounds is not None and args.rounds < 1:
        parser.error('--rounds must be at least 1')
    args.ldx = os.path.abspath(args.ldx or args.build / 'src/ldx')
    args.work = (args.work or args.build / 'bench/work').resolve()
    args.measure, args.interp_tool = str(args.build / 'bench/ldx-measure'), str(args.build / 'tools/ldx-interp')
    missing = [path for path in (args.ldx, args.measure, args.interp_tool) if not os.access(path, os.X_OK)]
    if missing:
        parser.error(f'not built: {" ".join(missing)}')
    return args


def run_all(args):
    """All results, and whether every run went well."""
    results, well = [], True
    for name in args.workload or workloads.WORKLOADS:
        workload = workloads.WORKLOADS[name]
        try:
            progress(f'{name}: {workload.summary}')
            program = workload.prepare(args.work, args.small)
            for mode in ['interp', 'command'] if args.mode == 'both' else [args.mode]:
                results.append(run_workload(name, workload, program, mode, args))
        except (Failure, workloads.Unavailable) as problem:
            progress(f'{name}: {problem}')
            well = False
    return results, well


def main():
    args = parse()
    results, well = run_all(args)
    if args.json:
        json.dump({'format': 1, 'machine': machine(), 'ldx': args.ldx, 'system': args.system, 'results': results},
                  sys.stdout, indent=1)
        print()
    elif results:
        print_table(results)
    return 0 if well else 1


if __name__ == '__main__':
    sys.exit(main())
