#!/usr/bin/env python3
"""Tests of glibc-profile on the installed glibc (its debug information is in package libc6-dbg): against gdb's
reading of the same debug information, against the committed profiles.h, and on wrong input."""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

LD, LIBC = '/lib64/ld-linux-x86-64.so.2', '/lib/x86_64-linux-gnu/libc.so.6'
LD_TYPES = ['rtld_global_ro', 'rtld_global', 'link_namespaces', 'link_map', 'dtv_slotinfo_list', 'dtv_slotinfo',
            'r_scope_elem', 'r_found_version', 'libname_list', 'dl_exception', '__rtld_lock_recursive_t', 'tunable_t']
LIBC_TYPES = ['tcbhead_t', 'pthread', 'dtv_t']
options = None


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def build_id(path):
    return re.search(r'Build ID: ([0-9a-f]{40})', run('readelf', '-n', path).stdout).group(1)


def debug_file(path):
    wanted = build_id(path)
    for root in options.debug_root:
        found = pathlib.Path(root, '.build-id', wanted[:2], wanted[2:] + '.debug')
        if found.exists():
            return str(found)
    raise FileNotFoundError(f'no debug information of {path}: is libc6-dbg installed?')


def tool(*args):
    roots = [f'--debug-root={root}' for root in options.debug_root]
    return run(options.tool, *roots, *args)


def gdb_facts(path, types):
    script = pathlib.Path(__file__).with_name('gdb_layouts.py')
    done = run('gdb', '-nx', '-q', '-batch', '-iex', 'set debuginfod enabled off', '-ex', f'python TYPES = {types}',
               '-x', str(script), debug_file(path))
    if done.returncode:
        raise RuntimeError(done.stderr)
    return set(done.stdout.splitlines())


class InstalledGlibc(unittest.TestCase):
    def facts(self):
        done = tool('--list', options.ld, options.libc)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        return done.stdout.splitlines()

    def test_agrees_with_gdb(self):
        expected = gdb_facts(options.ld, LD_TYPES) | gdb_facts(options.libc, LIBC_TYPES)
        types = '|'.join(LD_TYPES + LIBC_TYPES)
        facts = [line for line in self.facts() if re.match(rf'({types})( size|\.)', line)]
        self.assertGreater(len(facts), 200)
        self.assertEqual([line for line in facts if line not in expected], [])

    def test_knows_every_shared_member(self):
        """A member that profile.h doesn't name is news of a glibc that someone has to read."""
        shared = ['rtld_global_ro', 'rtld_global', 'link_namespaces', 'link_map']
        facts = {line.split()[0] for line in self.facts()}
        members = {line.split()[0] for line in gdb_facts(options.ld, shared)}
        top_level = {name for name in members if name.count('.') == 1}
        self.assertGreater(len(top_level), 150)
        self.assertEqual(sorted(top_level - facts - {'link_map.l_mach'}), [])

    def test_agrees_with_symbols(self):
        symbols = {}
        for line in run('readelf', '-sW', debug_file(options.ld)).stdout.splitlines():
            words = line.split()
            if len(words) >= 8 and words[3] in ('OBJECT', 'FUNC', 'IFUNC'):
                symbols.setdefault(words[7].split('@')[0], int(words[1], 16))
        checked = 0
        for line in self.facts():
            match = re.fullmatch(r'(?:object|function)\((\w+)\) 0x([0-9a-f]+)', line)
            if match:
                name, address = match.group(1), int(match.group(2), 16)
                self.assertEqual(symbols.get(name, symbols.get('__GI_' + name)), address, name)
                checked += 1
        self.assertGreater(checked, 50)

    def test_counts(self):
        facts = dict(line.rsplit(' ', 1) for line in self.facts() if line.startswith(('count(', 'size(', 'tunable')))
        self.assertEqual(facts['count(_dl_ns)'], '16')
        self.assertEqual(facts['count(specific)'], '32')
        self.assertEqual(int(facts['size(specific_1stblock)']), 16 * int(facts['count(specific_1stblock)']))
        size = next(int(line.split()[2]) for line in self.facts() if line.startswith('tunable_t size'))
        self.assertEqual(int(facts['tunable_list_size']) % size, 0)

    def test_committed_profile(self):
        """profiles.h holds what the generator says of the installed glibc today."""
        done = tool('--header', options.ld, options.libc)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        entry = done.stdout[done.stdout.index('  {\n'):done.stdout.index('\n};')]
        committed = pathlib.Path(options.profiles).read_text()
        self.assertIn(entry, committed, 'regenerate profiles.h, or add this glibc to it')

    def test_initialiser_compiles(self):
        initialiser = tool(options.ld, options.libc).stdout.rstrip().rstrip(',')
        source = f'#include "libc/glibc/profile.h"\nstruct glibc_profile one = {initialiser};\n'
        include = str(pathlib.Path(options.profiles).parents[2])
        done = subprocess.run([options.cc, '-Wall', '-Wextra', '-Werror', '-fsyntax-only', '-I', include, '-x', 'c', '-'],
                              input=source, text=True, capture_output=True)
        self.assertEqual((done.returncode, done.stderr), (0, ''))


class WrongInput(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=os.getcwd())
        self.addCleanup(shutil.rmtree, self.folder)

    def check(self, code, why, *args):
        done = tool(*args)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(why, done.stderr)

    def test_usage(self):
        for args in ([], [LD], [LD, LIBC, LD], ['--nonsense', LD, LIBC]):
            self.check(2, 'Usage: glibc-profile', *args)
        done = tool('--help')
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        self.assertIn('Usage: glibc-profile', done.stdout)

    def test_files(self):
        text = f'{self.folder}/text'
        pathlib.Path(text).write_text('no library\n')
        self.check(1, 'not an ELF file', text, options.libc)
        self.check(1, 'No such file', f'{self.folder}/missing', options.libc)

    def test_swapped(self):
        self.check(1, 'libc', options.libc, options.ld)

    def test_no_debug_information(self):
        stranger = f'{self.folder}/stranger.so'
        subprocess.run([options.cc, '-shared', '-nostdlib', '-Wl,--build-id', '-x', 'c', '/dev/null', '-o', stranger],
                       check=True)
        self.check(1, 'no debug information found', stranger, options.libc)
        subprocess.run([options.cc, '-shared', '-nostdlib', '-Wl,--build-id=none', '-x', 'c', '/dev/null', '-o', stranger],
                       check=True)
        self.check(1, 'has no build-id', stranger, options.libc)

    def test_other_debug_information(self):
        self.check(1, 'another build-id', '--ld-debug', debug_file(options.libc), options.ld, options.libc)

    def test_library_that_disagrees(self):
        """A library whose _rtld_global_ro is not as large as the debug information has it."""
        changed = f'{self.folder}/ld.so'
        data = bytearray(pathlib.Path(options.ld).read_bytes())
        rows = [line.split() for line in run('readelf', '-W', '--dyn-syms', options.ld).stdout.splitlines()]
        address, size = next((int(row[1], 16), int(row[2], 0)) for row in rows if row[7:] and '_rtld_global_ro' in row[7])
        record = address.to_bytes(8, 'little') + size.to_bytes(8, 'little')
        at = data.index(record)
        data[at + 8:at + 16] = (size + 8).to_bytes(8, 'little')
        pathlib.Path(changed).write_bytes(data)
        self.check(1, f'_rtld_global_ro has {size + 8} bytes, its type {size}', changed, options.libc)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--tool', required=True, help='the glibc-profile to test')
    parser.add_argument('--profiles', required=True, help='the committed profiles.h')
    parser.add_argument('--cc', default='cc', help='C compiler')
    parser.add_argument('--ld', default=LD, help='ld.so to read (default: the installed one)')
    parser.add_argument('--libc', default=LIBC, help='libc.so.6 to read (default: the installed one)')
    parser.add_argument('--debug-root', action='append', default=[], help='another place of debug files')
    options, rest = parser.parse_known_args()
    options.debug_root.append('/usr/lib/debug')
    unittest.main(argv=[sys.argv[0], *rest])
