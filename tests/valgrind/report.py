#!/usr/bin/env python3
"""Runs a program under a tool of valgrind and prints what the tool found, in words that are the same for each run:
no addresses, no process numbers, no frames of the loader or of libc (which differ by loader). The exit status is 0
when all that was needed was found."""

import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

LOADERS = ('ldx', 'ld-linux-x86-64.so.2')
OPTIONS = {
    'memcheck': ['--leak-check=full', '--show-leak-kinds=all', '--keep-debuginfo=yes'],
    'helgrind': [],
    'drd': [],
}


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--tool', default='memcheck',
                        choices=('memcheck', 'helgrind', 'drd', 'callgrind', 'massif', 'count'),
                        help='count: memcheck, but only the sums (for programs without symbols)')
    parser.add_argument('--need', action='append', default=[], metavar='WORDS',
                        help='a line of the report must hold all of these words')
    parser.add_argument('--clean', action='store_true', help='nothing may be found')
    parser.add_argument('--function', action='append', default=[], help='callgrind, massif: the functions to tell of')
    parser.add_argument('--option', action='append', default=[], help='one more option for valgrind')
    parser.add_argument('program', nargs=argparse.REMAINDER, help='program and arguments')
    return parser.parse_args(argv)


# --- memcheck, helgrind, drd: errors as XML --------------------------------------------------------------


def owner(frame):
    return os.path.basename(frame.findtext('obj') or '')


def told(frame):
    """Frames of the loader differ by loader, and so do those of libc around them."""
    return owner(frame) not in LOADERS and not owner(frame).startswith('libc.so')


def stack_text(stack):
    names = []
    for frame in stack.findall('frame'):
        if told(frame):
            names.append(frame.findtext('fn') or f'({owner(frame) or "nowhere"})')
        if frame.findtext('fn') == 'main':
            break
    return ' < '.join(names) or '-'


def error_text(error, tool):
    # of a race each thread shows the same function or another: which of them is told first is chance
    stacks = [stack_text(stack) for stack in error.findall('stack')]
    if error.findtext('kind') in ('Race', 'ConflictingAccess'):
        # drd shows one of the two threads: who called the function is chance as well
        stacks = [stacks[0].split(' < ')[0]] if tool == 'drd' else sorted(set(stacks[:2]))
    lost = error.find('xwhat/leakedbytes')
    size = f' {lost.text} bytes in {error.findtext("xwhat/leakedblocks")}' if lost is not None else ''
    return f'{error.findtext("kind")}{size}: {" | ".join(stacks)}'


def by_loader(error):
    """Memory that the loader allocated by malloc is no fault of the program; ldx does not take its own from there."""
    frames = error.findall('stack[1]/frame')
    return error.find('xwhat/leakedbytes') is not None and len(frames) > 1 and owner(frames[1]) in LOADERS


def nameless(root):
    """Frames of the loader for which there is no name."""
    return sum(owner(frame) in LOADERS and frame.find('fn') is None for frame in root.iter('frame'))


def read_errors(path, tool):
    root = ET.parse(path).getroot()
    counts = {pair.findtext('unique'): int(pair.findtext('count')) for pair in root.iterfind('errorcounts[last()]/pair')}
    found = collections.Counter()
    for error in root.findall('error'):
        if by_loader(error):
            continue
        text = error_text(error, tool)
        found[text] += 0 if 'Leak_' in text else counts.get(error.findtext('unique'), 1)
    racy = tool != 'memcheck'  # how often a race is seen is chance, too
    lines = [f'{text}{"" if racy or not n else f" ({n} times)"}' for text, n in sorted(found.items())]
    return lines + ([f'{nameless(root)} frames of the loader have no name'] if nameless(root) else [])


# --- the others ------------------------------------------------------------------------------------------


def read_costs(path, functions):
    """Instructions of the functions themselves, from a callgrind file."""
    names, costs, name, called = {}, collections.Counter(), '', False
    for line in open(path):
        found = re.match(r'fn=(\(\d+\))(?: (.*))?', line)
        if found:
            name = names.setdefault(found[1], found[2])
        elif line.startswith('cfn='):
            key, _, text = line[4:].strip().partition(' ')
            if text:
                names[key] = text
        elif line.startswith('calls='):
            called = True
        elif re.match(r'[+\-*\d]', line):
            costs[name] += 0 if called else int(line.split()[1])
            called = False
    return [f'{function}: {costs[function]} instructions' for function in functions]


def read_peak(path, functions):
    lines = []
    for function in functions:
        sizes = [int(size) for size in re.findall(rf'n\d+: (\d+) 0x[0-9A-F]+: {function} \(', open(path).read())]
        lines.append(f'{function}: {max(sizes, default=0)} bytes at the peak')
    return lines


def read_sums(path):
    text = open(path).read()
    errors = re.search(r'ERROR SUMMARY: (\d+) errors from (\d+) contexts', text)
    allocations = re.search(r'total heap usage: ([\d,]+) allocs', text)
    lost = re.search(r'definitely lost: ([\d,]+) bytes', text)  # how many hangs on what stale words happen to point to
    return [f'errors: {errors[1]} in {errors[2]} places' if errors else 'no summary',
            f'malloc: {"replaced" if allocations and allocations[1] != "0" else "not replaced"}',
            f'lost: {"something" if lost and lost[1] != "0" else "nothing"}']


# --- together --------------------------------------------------------------------------------------------


def command(options, path):
    if options.tool == 'count':
        return ['valgrind', '--leak-check=summary', f'--log-file={path}', '--num-callers=40']
    words = ['valgrind', f'--tool={options.tool}', '--num-callers=40']
    if options.tool in OPTIONS:
        return words + ['--xml=yes', f'--xml-file={path}', *OPTIONS[options.tool]]
    return words + ['-q', f'--{options.tool}-out-file={path}']


def read(options, path):
    if options.tool == 'count':
        return read_sums(path)
    if options.tool == 'callgrind':
        return read_costs(path, options.function)
    if options.tool == 'massif':
        return read_peak(path, options.function)
    return read_errors(path, options.tool)


def main(argv=None):
    options = parse(argv)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'report')
        done = subprocess.run([*command(options, path), *options.option, *options.program], stdin=subprocess.DEVNULL)
        lines = read(options, path)
    print(f'exit status {done.returncode}', *lines, sep='\n')
    missing = [words for words in options.need if not any(set(words.split()) <= set(re.split(r'[^\w-]+', line))
                                                          for line in lines)]
    for words in missing:
        print(f'not found: {words}')
    if options.clean and lines:
        print('something was found in a clean program')
    return 1 if missing or (options.clean and lines) else 0


if __name__ == '__main__':
    sys.exit(main())
