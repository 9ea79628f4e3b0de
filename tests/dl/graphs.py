#!/usr/bin/env python3
"""Random sets of libraries that need and bind one another, and random steps over them.

  graphs.py --build FOLDER [SEED...]   FOLDER/SEED/libn0.so, libn1.so, ...; SEEDS when none is named
  graphs.py --steps SEED               what the test of that seed does
  graphs.py --explore LDX STEPS FIRST COUNT
                                       tries seeds until interrupted or done; keeps and tells those where ldx and the
                                       system loader differ (STEPS: the built program of steps.c)

The same seed gives the same libraries and steps on every machine: only Python's random.random() is drawn from, whose
sequence is fixed for a seed."""

import argparse
import difflib
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
CC = ['cc', '-O1', '-g0', '-w', '-D_GNU_SOURCE', '-shared', '-fPIC', '-Wl,--no-as-needed', '-Wl,-rpath,$ORIGIN', '-Wl,-z,lazy']
FLAGS = [('-Wl,-z,nodelete', .07), ('-Wl,-z,initfirst', .04), ('-Wl,-z,global', .06), ('-Wl,-Bsymbolic', .15), ('-Wl,-z,now', .15),
         ('-Wl,-z,interpose', .1)]
MODES = {'N': .3, 'G': .3, 'K': .06, 'D': .1, 'L': .12}
SCRIPTS = 12
# What the tests take: some at random, and some that have shown something.
SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 18, 19, 53, 60, 1080, 1119]


class Dice:
    """Choices from random() alone."""

    def __init__(self, seed):
        self.random = random.Random(seed).random

    def chance(self, probability):
        return self.random() < probability

    def below(self, number):
        return int(self.random() * number)

    def one_of(self, things):
        return things[self.below(len(things))]


def libraries(seed):
    """[(what each needs, link words, whose function it calls or None)]"""
    dice = Dice(seed)
    count = dice.one_of([4, 6, 8, 10])
    density = dice.one_of([.1, .2, .3, .5])
    result = []
    for i in range(count):
        needs = [j for j in range(count) if dice.chance(density)]
        needs.sort(key=lambda _: dice.random())
        if dice.chance(.6):  # else rings may come about
            needs = [j for j in needs if j > i]
        flags = [flag for flag, probability in FLAGS if dice.chance(probability)]
        calls = dice.one_of(needs) if needs and dice.chance(.7) else dice.below(count)
        result.append((needs, flags, calls if calls != i and dice.chance(.8) else None))
    return result


def build(seed, folder):
    """First each library without needs, to link against; then as it shall be."""
    folder.mkdir(parents=True, exist_ok=True)
    source = HERE / 'node.c'

    def link(name, number, *words):
        subprocess.run([*CC, f'-DME=n{number}', f'-Wl,-soname,libn{number}.so', '-o', folder / name, source, *words], check=True)

    described = libraries(seed)
    for i, _ in enumerate(described):
        link(f'alone{i}.so', i)
    for i, (needs, flags, calls) in enumerate(described):
        uses = [] if calls is None else [f'-DUSES=n{calls}']
        link(f'libn{i}.so', i, *uses, *flags, *(folder / f'alone{j}.so' for j in needs))


def names(seed):
    return [f'libn{i}.so' for i, _ in enumerate(libraries(seed))]


def steps(seed, number):
    """Words for steps.c."""
    dice = Dice(seed * 1000 + number)
    count = len(libraries(seed))
    words, opened = [], []
    inside = dice.chance(.25)
    if inside:  # the system loader has no RTLD_GLOBAL there
        words.append(f'%./libn{dice.below(count)}.so')
    for _ in range(4 + dice.below(11)):
        what = dice.random()
        if what < .5 or not opened:
            library = dice.below(count)
            modes = ''.join(mode for mode, probability in MODES.items() if dice.chance(probability) and not (inside and mode == 'G'))
            words.append(f'+{modes}./libn{library}.so')
            opened.append(library)
        elif what < .75:
            words.append(f'-./libn{opened.pop(dice.below(len(opened)))}.so')
        elif what < .9:
            library = dice.one_of(opened)
            words.append(f'./libn{library}.so:' + dice.one_of([f'n{library}_who', f'n{library}_name', 'who', f'n{library}_uses']))
        else:
            words.append(dice.one_of(['?who', '@']))
    return words + ['@']


def script(seed):
    """Shell text for a case of the comparing tests."""
    return '\n'.join('$RUN ./steps ' + ' '.join(f"'{word}'" for word in steps(seed, i)) + '; echo "status $?"' for i in range(SCRIPTS))


# --- looking for more --------------------------------------------------------------------------------------


def outcome(words, folder):
    run = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=60)
    return run.returncode, run.stdout.decode(errors='replace').replace('ldx: ', '')


def explore(ldx, program, first, count):
    root = Path(tempfile.mkdtemp(prefix='graphs-'))
    differing = 0
    for seed in range(first, first + count):
        folder = root / str(seed)
        build(seed, folder)
        shutil.copy(program, folder / 'steps')
        found = 0
        for number in range(SCRIPTS):
            words = steps(seed, number)
            wanted, got = outcome(['./steps', *words], folder), outcome([ldx, './steps', *words], folder)
            if wanted != got and wanted[0] >= 0:  # steps that the system loader does not survive show nothing
                found += 1
                print(f'{folder}, status {wanted[0]} and {got[0]}: ./steps ' + ' '.join(words))
                print('\n'.join(difflib.unified_diff(wanted[1].splitlines(), got[1].splitlines(), 'system', 'ldx', lineterm='', n=2)))
        differing += found
        if not found:
            shutil.rmtree(folder)
        if sys.stdout.isatty():
            print(f'seed {seed}, {differing} differences', end='\r')
    print(f'{count} seeds, {count * SCRIPTS} scripts, {differing} differ')
    if not differing:
        shutil.rmtree(root)
    return differing


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', nargs='+', metavar=('FOLDER', 'SEED'))
    parser.add_argument('--steps', type=int, metavar='SEED')
    parser.add_argument('--explore', nargs=4, metavar=('LDX', 'STEPS', 'FIRST', 'COUNT'))
    parser.add_argument('--stamp', help='file to write when all is built')
    arguments = parser.parse_args()
    if arguments.build:
        folder, *seeds = arguments.build
        for seed in seeds or map(str, SEEDS):
            build(int(seed), Path(folder) / seed)
    if arguments.stamp:
        Path(arguments.stamp).write_text('built\n')
    if arguments.steps is not None:
        print(script(arguments.steps))
    if arguments.explore:
        ldx, program, first, count = arguments.explore
        sys.exit(bool(explore(str(Path(ldx).resolve()), program, int(first), int(count))))


if __name__ == '__main__':
    main()
