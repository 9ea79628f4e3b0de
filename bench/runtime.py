#!/usr/bin/env python3
"""Compares what the loader costs while a program runs, under ldx and under the system's loader: dlopen, dlsym, lazy
calls, walks over all that is loaded, exceptions, thread-local variables, threads and processes.

The same programs (bench/runtime) run under both in turn, round after round: under the system loader, in a copy that
names ldx as its interpreter, and by the command `ldx PROGRAM`. A workload is repeated in batches; what counts is the
fastest batch of a run. Printed are nanoseconds an operation (the median of the rounds) and ratios, ldx to system:
below 1, ldx is faster. The ratio is the median of the rounds' ratios, with its quartiles in brackets."""
import argparse
import dataclasses
import fnmatch
import json
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent / 'runtime'))
import generate
from compare import Failure, SYSTEM, environment, machine, progress, ratios, summary

HEADINGS = {'interp': 'ldx as interpreter', 'command': 'ldx as command'}


@dataclasses.dataclass
class Process:
    """Workloads that are measured in one run of a program."""
    program: str
    workloads: dict[str, str]  # name: what one operation is
    grouped: bool = True       # measured with few objects and with many


PROCESSES = [
    Process('bench-runtime', {
        'open-held': 'dlopen and dlclose of a library that is loaded anyhow',
        'open-small': 'dlopen and dlclose of a small library: loaded and unloaded',
        'open-global': 'the same with RTLD_GLOBAL',
        'open-named': 'the same of a library of the system, found by its name',
        'open-cxx': 'the same of a C++ library with five dependencies',
        'open-tls': 'the same of a library with thread-local variables, one of them used',
        'open-noload': 'dlopen with RTLD_NOLOAD of a library that is not loaded',
        'open-missing': 'dlopen of a name that no library has',
        'open-missing-path': 'dlopen of a path where there is nothing'}),
    Process('bench-runtime', {
        'dlsym-handle-first': 'dlsym by the handle of the group: found in its first library',
        'dlsym-handle-last': 'found in its last',
        'dlsym-handle-miss': 'found nowhere',
        'dlsym-default-libc': 'dlsym(RTLD_DEFAULT): found in libc',
        'dlsym-default-last': 'found in the last library of the group',
        'dlsym-default-miss': 'found nowhere',
        'dlsym-next-libc': 'dlsym(RTLD_NEXT): found in libc',
        'dlsym-next-last': 'found in the last library of the group',
        'dlsym-next-miss': 'found nowhere',
        'dlvsym-hit': 'dlvsym(RTLD_DEFAULT): the version is there',
        'dlvsym-miss': 'the symbol is there, the version is not'}),
    Process('bench-runtime', {'lazy-call': 'the first call of a function of another library, through the PLT'}),
    Process('bench-runtime', {
        'iterate': 'dl_iterate_phdr over all objects',
        'find-object': '_dl_find_object',
        'find-object-miss': 'of an address outside all objects',
        'dladdr': 'dladdr in a small library',
        'dladdr-libc': 'in libc, with its many symbols',
        'dladdr-miss': 'of an address outside all objects',
        'backtrace': 'backtrace() of 20 frames'}),
    Process('bench-throw', {
        'throw': 'a C++ exception through five frames, caught in the library that throws it',
        'throw-across': 'caught in another library',
        'throw-2-threads': 'two threads throw at once (the time of both)',
        'throw-across-2-threads': 'likewise, across libraries'}),
    Process('bench-runtime', {
        'tls-start': '__tls_get_addr, of a library that the program needs',
        'tls-late': 'of a library opened later',
        'tlsdesc-start': 'a TLS descriptor, of a library that the program needs',
        'tlsdesc-late': 'of a library opened later',
        'tlsdesc-late-small': 'of one that fits into static space',
        'tls-start-100': '__tls_get_addr, after 100 libraries with thread-local variables were opened',
        'tls-late-100': 'likewise, of a library opened later',
        'tlsdesc-late-100': 'likewise, by a descriptor'}, grouped=False),
    Process('bench-runtime', {
        'thread': 'pthread_create and pthread_join, with 10 modules of thread-local variables',
        'thread-touch': 'likewise, and the thread uses all of them'}, grouped=False),
    Process('bench-runtime', {'fork': 'fork, _exit and waitpid'}),
]


# --- running ---

def prepare(args, objects):
    """A folder with programs, their copies that name ldx, and libraries."""
    folder = args.work / f'runtime-{objects}'
    progress(f'a group of {objects} libraries in {folder}')
    generate.build(folder, objects)
    for file in (args.build / 'bench/runtime').iterdir():
        if file.is_file() and (file.name.startswith('libbench-') or os.access(file, os.X_OK)):
            shutil.copy2(file, folder / file.name)
    for program in sorted({process.program for process in PROCESSES}):
        done = subprocess.run([args.interp_tool, '--set', args.ldx, '-o', folder / (program + '.ldx'), folder / program],
                              capture_output=True, text=True)
        if done.returncode:
            raise Failure(done.stderr.strip())
    return folder


def command_of(loader, folder, program, args):
    if loader == 'command':
        return [args.ldx, folder / program]
    return [folder / (program + ('.ldx' if loader == 'interp' else ''))]


def run(loader, folder, process, names, args):
    """{workload: (fastest, median)} in nanoseconds an operation."""
    words = [folder, str(args.batches), str(args.microseconds), *names]
    env = environment()
    if args.at_start:
        env['LD_PRELOAD'] = str(folder / 'libgroup.so')
    command = [str(word) for word in command_of(loader, folder, process.program, args) + words]
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
    except subprocess.TimeoutExpired as problem:
        raise Failure(f'{" ".join(command)}: {problem}') from problem
    if done.returncode:
        raise Failure(f'{" ".join(command)}: exit status {done.returncode}, {done.stderr.strip()}')
    found = {name: (float(least), float(median)) for name, least, median, *_ in map(str.split, done.stdout.splitlines())}
    missing = [name for name in names if name not in found]
    if missing:
        raise Failure(f'{" ".join(command)}: no result of {" ".join(missing)}')
    return found


def run_process(process, names, folder, objects, args):
    """Results of the workloads, after all rounds. Every other round goes backwards."""
    samples = {loader: {name: [] for name in names} for loader in args.loaders}
    for number in range(args.rounds):
        for loader in args.loaders[::-1 if number % 2 else 1]:
            for name, values in run(loader, folder, process, names, args).items():
                samples[loader][name].append(values)
    for name in names:
        result = {'workload': name, 'summary': process.workloads[name], 'objects': objects if process.grouped else None,
                  'rounds': args.rounds, 'ratio': {}}
        series = {loader: {'min': [low for low, _ in samples[loader][name]],
                           'median': [middle for _, middle in samples[loader][name]]} for loader in args.loaders}
        for loader in args.loaders:
            result[loader] = {which: summary(values) for which, values in series[loader].items()}
            if loader != 'system':
                result['ratio'][loader] = {which: ratios(series['system'][which], values)
                                           for which, values in series[loader].items()}
        yield result


def chosen(process, args):
    return [name for name in process.workloads
            if not args.workload or any(fnmatch.fnmatch(name, pattern) for pattern in args.workload)]


def run_all(args):
    """All results, and whether every run went well."""
    results, well = [], True
    folders = {objects: prepare(args, objects) for objects in args.objects}
    for process in PROCESSES:
        names = chosen(process, args)
        for objects in args.objects if process.grouped else args.objects[:1]:
            if not names:
                continue
            progress(f'{" ".join(names)}' + (f' with {objects} libraries' if process.grouped else ''))
            try:
                results += run_process(process, names, folders[objects], objects, args)
            except Failure as problem:
                progress(str(problem))
                well = False
    return results, well


# --- results ---

def nanoseconds(value):
    return f'{value:.1f}' if value < 100 else f'{value:.0f}'


def cell(result, loader, colour):
    ratio = result['ratio'][loader]['min']
    text = (f'{nanoseconds(result[loader]["min"]["median"]):>10} {ratio["median"]:6.2f} '
            f'[{ratio["q1"]:.2f} {ratio["q3"]:.2f}]')
    if not colour:
        return text
    code = 32 if ratio['q3'] < 1 else 31 if ratio['q1'] > 1.02 else 0
    return f'\033[{code}m{text:32}\033[0m'


def print_table(results):
    colour = sys.stdout.isatty() and 'NO_COLOR' not in os.environ
    heads = '  '.join(f'{HEADINGS[loader] + ": ns, ratio":32}' for loader in results[0]['ratio'])
    print(f'{"workload":24}{"objects":>7} {"system ns":>10}  {heads}'.rstrip())
    for result in results:
        cells = [f'{cell(result, loader, colour):32}' for loader in result['ratio']]
        objects = result['objects'] or ''
        print((f'{result["workload"]:24}{objects:>7} {nanoseconds(result["system"]["min"]["median"]):>10}  ' +
               '  '.join(cells)).rstrip())


# --- command line ---

def sizes(text):
    return [int(word) for word in text.split(',')]


def parse():
    root = pathlib.Path(__file__).resolve().parent.parent
    what = [f'  {name:24} {text}' for process in PROCESSES for name, text in process.workloads.items()]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=(
        'workloads:\n' + '\n'.join(what) +
        '\n\nexample: bench/runtime.py --rounds 20 "dlsym-*" iterate --objects 500'))
    parser.add_argument('workload', nargs='*', metavar='WORKLOAD', help='what to run, patterns too (default: all)')
    parser.add_argument('--rounds', type=int, default=10, help='runs of every program under every loader (default: 10)')
    parser.add_argument('--mode', choices=['interp', 'command', 'both'], default='both')
    parser.add_argument('--objects', type=sizes, default=[10, 500], metavar='N,N...',
                        help='sizes of the group of libraries that is loaded beside (default: 10,500)')
    parser.add_argument('--at-start', action='store_true',
                        help='load the group with the program, by LD_PRELOAD, instead of by dlopen')
    parser.add_argument('--batches', type=int, default=7, help='batches of a run (default: 7)')
    parser.add_argument('--microseconds', type=int, default=2000, help='what a batch takes at least (default: 2000)')
    parser.add_argument('--json', action='store_true', help='print all that was measured as JSON')
    parser.add_argument('--build', type=pathlib.Path, default=root / 'build', help='the build folder (default: %(default)s)')
    parser.add_argument('--ldx', help='the loader to compare (default: BUILD/src/ldx)')
    parser.add_argument('--work', type=pathlib.Path, help='where to put programs (default: BUILD/bench/work)')
    args = parser.parse_args()
    args.loaders = ['system'] + (list(HEADINGS) if args.mode == 'both' else [args.mode])
    args.ldx = os.path.abspath(args.ldx or args.build / 'src/ldx')
    args.work = (args.work or args.build / 'bench/work').resolve()
    args.interp_tool = str(args.build / 'tools/ldx-interp')
    for pattern in args.workload:
        if not any(fnmatch.fnmatch(name, pattern) for process in PROCESSES for name in process.workloads):
            parser.error(f'no such workload: {pattern}')
    if min(args.rounds, args.batches, *args.objects) < 1:
        parser.error('--rounds, --batches and --objects must be at least 1')
    missing = [path for path in (args.ldx, args.interp_tool, str(args.build / 'bench/runtime/bench-runtime'))
               if not os.access(path, os.X_OK)]
    if missing:
        parser.error(f'not built: {" ".join(missing)}')
    return args


def main():
    args = parse()
    try:
        results, well = run_all(args)
    except Failure as problem:
        progress(str(problem))
        return 1
    if args.json:
        json.dump({'format': 1, 'machine': machine(), 'ldx': args.ldx, 'system': SYSTEM, 'at_start': args.at_start,
                   'results': results}, sys.stdout, indent=1)
        print()
    elif results:
        print_table(results)
    return 0 if well else 1


if __name__ == '__main__':
    sys.exit(main())
