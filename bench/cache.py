#!/usr/bin/env python3
"""What a launch cache saves: system calls and time of starts by the system's loader, by ldx, and by ldx with a warm
cache; in turn, in one go, as ratios to the system's loader (median of the rounds, and quartiles).

storm    100 libraries in a RUNPATH of 40 folders
python3  imports of extension modules, whose libraries are found by ld.so.cache"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

SYSTEM = '/lib64/ld-linux-x86-64.so.2'
IMPORTS = 'import ctypes, ssl, sqlite3, lzma, bz2, zlib, decimal, readline, hashlib, socket'


def storm(folder, folders=40, libraries=100):
    places = [folder / f'd{i}' for i in range(folders)]
    for place in places:
        place.mkdir()
    made = []
    for i in range(libraries):
        path = places[i * 7 % folders] / f'libstorm{i}.so'
        subprocess.run(['cc', '-x', 'c', '-', '-shared', '-fPIC', '-nostdlib', '-o', path, f'-Wl,-soname,{path.name}'],
                       input=f'int f{i}(void) {{ return {i}; }}\n', text=True, check=True)
        made.append(str(path))
    names = ''.join(f'int f{i}(void);\n' for i in range(libraries))
    calls = ' + '.join(f'f{i}()' for i in range(libraries))
    subprocess.run(['cc', '-x', 'c', '-', '-x', 'none', '-o', folder / 'storm', *made, '-Wl,-rpath,' + ':'.join(map(str, places))],
                   input=f'{names}int main(void) {{ return ({calls}) != {sum(range(libraries))}; }}\n', text=True, check=True)
    return [str(folder / 'storm')]


def python3(folder):
    return ['/usr/bin/python3', '-I', '-c', IMPORTS]


def calls(command):
    with tempfile.NamedTemporaryFile('r') as log:
        subprocess.run(['strace', '-f', '-o', log.name, *command], check=True, stdout=subprocess.DEVNULL)
        lines = log.read().splitlines()
    opens = [line for line in lines if 'open(' in line or 'openat(' in line]
    return {'calls': len(lines), 'opens in vain': sum(' = -1 ' in line for line in opens)}


def seconds(command, times):
    begin = time.perf_counter()
    for _ in range(times):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begin) / times


def measure(ways, rounds, times):
    taken = {name: [] for name in ways}
    for _ in range(rounds):
        for name, command in ways.items():
            taken[name].append(seconds(command, times))
    base = taken['system']
    out = {}
    for name, values in taken.items():
        quartiles = statistics.quantiles([a / b for a, b in zip(values, base)], n=4)
        out[name] = {'ms': 1000 * statistics.median(values), 'ratio': quartiles, **calls(ways[name])}
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('workloads', nargs='*', help='storm, python3 (default: both)')
    parser.add_argument('--ldx', default=pathlib.Path(__file__).resolve().parent.parent / 'build/src/ldx')
    parser.add_argument('--rounds', type=int, default=15)
    parser.add_argument('--times', type=int, default=10, help='starts in one measurement')
    parser.add_argument('--json', action='store_true')
    options = parser.parse_args()
    known = {'storm': storm, 'python3': python3}
    for name in options.workloads:
        if name not in known:
            parser.error(f'no such workload: {name}')
    ldx, results = os.path.abspath(options.ldx), {}
    folder = pathlib.Path(tempfile.mkdtemp(prefix='bench-cache-'))
    try:
        for name in options.workloads or known:
            place = folder / name
            place.mkdir()
            program, cache = known[name](place), f'--cache={place}/cache'
            time.sleep(0.2)  # folders that have just changed are not relied upon
            ways = {'system': [SYSTEM, *program], 'ldx': [ldx, *program], 'ldx, cached': [ldx, cache, *program]}
            subprocess.run(ways['ldx, cached'], check=True)
            results[name] = measure(ways, options.rounds, options.times)
    finally:
        shutil.rmtree(folder)
    if options.json:
        print(json.dumps(results, indent=1))
        return
    for name, ways in results.items():
        print(f'{name:12} {"ms":>8}  {"ratio to system":22} {"calls":>6}  {"opens in vain":>13}')
        for way, r in ways.items():
            low, middle, high = r['ratio']
            print(f'  {way:12} {r["ms"]:6.2f}  {middle:5.2f} [{low:4.2f} {high:4.2f}]      {r["calls"]:6}  {r["opens in vain"]:13}')


if __name__ == '__main__':
    main()
