#!/usr/bin/env python3
"""Tests of ldx-interp on programs linked in several ways, on damaged files, and by its effect on the kernel,
the system loader, readelf, strip and gdb."""
import argparse
import contextlib
import os
import pathlib
import random
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

SYSTEM = '/lib64/ld-linux-x86-64.so.2'
SOURCE = '#include <stdio.h>\nint main(void) { puts("it runs"); return 7; }\n'
LINKS = {
    'pie': [],
    'no-pie': ['-no-pie'],
    'stripped': ['-s'],
    'one-code-segment': ['-Wl,-z,noseparate-code'],
    'no-pie-one-code-segment': ['-no-pie', '-Wl,-z,noseparate-code'],
    'relr': ['-Wl,-z,pack-relative-relocs'],
}
options = None
programs = None


def spelled(length):
    """The system loader's path, spelled with exactly `length` characters."""
    fill = length - len(SYSTEM)
    return '/lib64' + '/.' * (fill // 2) + '/' * (fill % 2) + SYSTEM[len('/lib64'):]


def run(*command, **kwargs):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **kwargs)


def setUpModule():
    global programs
    programs = tempfile.mkdtemp(prefix='ldx-interp-', dir=os.getcwd())
    for name, flags in LINKS.items():
        subprocess.run([options.cc, '-x', 'c', '-', '-g', '-o', f'{programs}/{name}', *flags], input=SOURCE,
                       text=True, check=True)
    subprocess.run([options.cc, '-x', 'c', '-', '-static', '-o', f'{programs}/static'], input=SOURCE, text=True,
                   check=True)
    subprocess.run([options.cc, '-x', 'c', '-', '-shared', '-fPIC', '-o', f'{programs}/shared'], input=SOURCE,
                   text=True, check=True)


def tearDownModule():
    shutil.rmtree(programs)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=programs)

    def copy(self, name):
        return shutil.copy(f'{programs}/{name}', f'{self.folder}/{name}')

    def tool(self, *args):
        return run(options.tool, *args)

    def set(self, interp, file, place=None):
        done = self.tool('--verbose', '--set', interp, file)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        if place:
            self.assertTrue(done.stdout.endswith(place + '\n'), done.stdout)
        self.assertEqual(self.tool(file).stdout, interp + '\n')

    def check_runs(self, file):
        for command in ([file], [SYSTEM, file]):
            done = run(*command)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (7, 'it runs\n', ''), command)

    def check_readelf(self, file):
        done = run('readelf', '-aW', file)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        self.assertIn(f'[Requesting program interpreter: {self.tool(file).stdout.strip()}]', done.stdout)


class Setting(Case):
    def test_prints(self):
        done = self.tool(f'{programs}/pie')
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, SYSTEM + '\n', ''))

    def test_shorter_in_place_and_back(self):
        for name in LINKS:
            with self.subTest(name):
                file = self.copy(name)
                before = pathlib.Path(file).read_bytes()
                self.set('/x', file, 'in place')
                self.check_readelf(file)
                self.assertEqual(run(SYSTEM, file).returncode, 7)
                with self.assertRaises(FileNotFoundError):  # the kernel looks for /x
                    run(file)
                self.set(SYSTEM, file, 'in place')
                self.assertEqual(pathlib.Path(file).read_bytes(), before)

    def test_longer_in_loaded_page(self):
        for name in LINKS:
            with self.subTest(name):
                file = self.copy(name)
                for length in (40, 200, 150, 400):
                    self.set(spelled(length), file)
                    self.check_readelf(file)
                    self.check_runs(file)
                self.set('/lib64/ld-linux-x86-64.so.2', file, 'in place')
                self.check_runs(file)

    def test_loaded_page_is_in_a_segment(self):
        file = self.copy('pie')
        self.set(spelled(200), file, 'in unused bytes of a loaded page')
        headers = run('readelf', '-lW', file).stdout.splitlines()
        rows = [line.split() for line in headers if line.split()[:1] in (['INTERP'], ['LOAD'])]
        interp = next(row for row in rows if row[0] == 'INTERP')
        start, size = int(interp[1], 16), int(interp[4], 16)
        self.assertEqual(size, 201)
        self.assertTrue(any(row[0] == 'LOAD' and int(row[1], 16) <= start and
                            start + size <= int(row[1], 16) + int(row[4], 16) and
                            int(row[2], 16) - int(row[1], 16) == int(interp[2], 16) - start for row in rows), rows)

    def test_longest_name_is_appended(self):
        for name in LINKS:
            with self.subTest(name):
                file = self.copy(name)
                size = os.path.getsize(file)
                self.set(spelled(4094), file, 'at the end of the file')
                self.check_readelf(file)
                self.check_runs(file)
                self.assertEqual(os.path.getsize(file), size + 4095)
                self.set(spelled(4095), file, 'at the end of the file')  # takes the place of the first
                self.assertEqual(os.path.getsize(file), size + 4096)
                self.check_runs(file)
                self.set(SYSTEM, file, 'in place')
                self.check_runs(file)

    def test_survives_strip(self):
        for name in LINKS:
            for length in (300, 4000):
                for command in (['strip'], ['objcopy', '--strip-debug']):
                    with self.subTest(name=name, length=length, command=command):
                        file = self.copy(name)
                        self.set(spelled(length), file)
                        self.assertEqual(run(*command, file).returncode, 0)
                        self.check_runs(file)

    def test_gdb_finds_the_libraries(self):
        for name in ('pie', 'no-pie'):
            for length in (300, 4000):
                with self.subTest(name=name, length=length):
                    file = self.copy(name)
                    self.set(spelled(length), file)
                    done = run('gdb', '-nx', '-q', '-batch', '-iex', 'set debuginfod enabled off', '-ex', 'break main',
                               '-ex', 'run', '-ex', 'info sharedlibrary', '-ex', 'backtrace', file,
                               stdin=subprocess.DEVNULL)
                    self.assertIn('libc.so.6', done.stdout, done.stderr)
                    self.assertIn('#0  main ()', done.stdout)


class Replacing(Case):
    def test_output_elsewhere(self):
        file, out = self.copy('pie'), f'{self.folder}/out'
        before = pathlib.Path(file).read_bytes()
        done = self.tool('--set', spelled(100), '-o', out, file)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, '', ''))
        self.assertEqual(pathlib.Path(file).read_bytes(), before)
        self.assertEqual(self.tool(out).stdout, spelled(100) + '\n')
        self.check_runs(out)

    def test_keeps_mode_owner_attributes(self):
        file = self.copy('pie')
        if os.geteuid() == 0:
            os.chown(file, 12, 34)
        os.chmod(file, 0o6751)
        with contextlib.suppress(OSError):  # not every file system has them
            os.setxattr(file, 'user.colour', b'blue')
        before, attributes = os.stat(file), os.listxattr(file)
        self.set(spelled(100), file)
        after = os.stat(file)
        self.assertEqual((before.st_mode, before.st_uid, before.st_gid), (after.st_mode, after.st_uid, after.st_gid))
        self.assertEqual(stat.S_IMODE(after.st_mode), 0o6751)
        self.assertEqual(attributes, os.listxattr(file))

    def test_replaces_rather_than_writes(self):
        file = self.copy('pie')
        os.link(file, f'{self.folder}/link')
        self.set(spelled(100), file)
        self.assertEqual(self.tool(f'{self.folder}/link').stdout, SYSTEM + '\n')

    def test_follows_symbolic_links(self):
        file, link = self.copy('pie'), f'{self.folder}/link'
        os.symlink('pie', link)
        self.set(spelled(100), link)
        self.assertTrue(os.path.islink(link))
        self.assertEqual(self.tool(file).stdout, spelled(100) + '\n')

    def test_running_program(self):
        file = shutil.copy('/bin/sleep', self.folder)
        with subprocess.Popen([file, '60']) as sleeper:
            try:
                self.set(spelled(100), file)
            finally:
                sleeper.kill()
        self.assertEqual(run(file, '0').returncode, 0)


class Refusing(Case):
    def check_refused(self, file, why, interp='/new/name/of/the/interpreter/longer/than/before'):
        regular = os.path.isfile(file)
        before = pathlib.Path(file).read_bytes() if regular else None
        beside = sorted(os.listdir(self.folder))
        done = self.tool('--set', interp, file)
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn(why, done.stderr)
        self.assertEqual(done.stderr.count('\n'), 1)
        self.assertEqual(sorted(os.listdir(self.folder)), beside)
        if regular:
            self.assertEqual(pathlib.Path(file).read_bytes(), before)

    def write(self, data):
        file = f'{self.folder}/file'
        with open(file, 'wb') as out:
            out.write(data)
        return file

    def test_no_interpreter(self):
        self.check_refused(self.copy('static'), 'statically linked')
        self.check_refused(self.copy('shared'), 'shared object')
        self.assertEqual(self.tool(f'{programs}/static').returncode, 1)

    def test_no_program(self):
        pie = pathlib.Path(f'{programs}/pie').read_bytes()
        self.check_refused(self.write(b''), 'not an ELF file')
        self.check_refused(self.write(b'#!/bin/sh\n'), 'not an ELF file')
        self.check_refused(self.write(b'\x7fELF'), 'ELF')
        self.check_refused(self.write(pie[:4] + b'\x01' + pie[5:]), 'not a 64-bit ELF file')
        self.check_refused(self.write(pie[:5] + b'\x02' + pie[6:]), '')
        self.check_refused(self.write(pie[:18] + b'\xb7\0' + pie[20:]), 'not for x86-64')
        self.check_refused(self.write(pie[:16] + b'\1\0' + pie[18:]), 'neither a program nor')
        self.check_refused(self.folder, 'Is a directory')
        self.check_refused(f'{self.folder}/missing', 'No such file')
        os.mkfifo(f'{self.folder}/fifo')
        self.check_refused(f'{self.folder}/fifo', 'cannot be read')

    def test_damage(self):
        pie = pathlib.Path(f'{programs}/pie').read_bytes()
        self.check_refused(self.write(pie[:200]), 'damaged')
        self.check_refused(self.write(pie[:3000]), 'damaged')
        self.check_refused(self.write(pie[:32] + b'\xff' * 7 + b'\x7f' + pie[40:]), 'damaged')
        at = pie.index(SYSTEM.encode())
        self.check_refused(self.write(pie[:at + len(SYSTEM)] + b'x' + pie[at + len(SYSTEM) + 1:]), 'not terminated')

    def test_names(self):
        file = self.copy('pie')
        self.check_refused(file, 'empty or too long', '')
        self.check_refused(file, 'empty or too long', '/' * 4096)

    def test_data_behind_the_end(self):
        file = self.copy('pie')
        with open(file, 'ab') as out:
            out.write(b'PK an archive that its reader looks for at the end')
        self.check_refused(file, 'behind its last section', spelled(4000))
        self.set(spelled(100), file, 'in unused bytes of a loaded page')
        self.check_runs(file)

    def test_usage(self):
        for args in ([], ['a', 'b'], ['-o', 'x', 'file'], ['--nonsense', 'file'], ['--set']):
            done = self.tool(*args)
            self.assertEqual((done.returncode, done.stdout), (2, ''))
            self.assertIn('Usage: ldx-interp', done.stderr)
        done = self.tool('--help')
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        self.assertIn('Usage: ldx-interp', done.stdout)

    def test_random_damage(self):
        """Whatever the headers say: a refusal or a result, never a crash."""
        chance = random.Random(20)
        originals = [pathlib.Path(f'{programs}/{name}').read_bytes() for name in LINKS]
        done = {0: 0, 1: 0}
        for _ in range(300):
            data = bytearray(chance.choice(originals))
            sections = int.from_bytes(data[40:48], 'little')
            for _ in range(chance.choice([1, 1, 2, 4])):
                at = chance.choice([chance.randrange(16, 64), chance.randrange(64, 64 + 56 * 13),
                                    chance.randrange(sections, len(data))])
                data[at] = chance.choice([0, 1, 127, 128, 255, chance.randrange(256)])
            if chance.random() < 0.1:
                del data[chance.randrange(len(data)):]
            file = self.write(data)
            result = self.tool('--set', '/x' * chance.choice([5, 40, 1000]), '-o', f'{self.folder}/out', file)
            self.assertIn(result.returncode, done, (result.stderr, data[:1024].hex()))
            done[result.returncode] += 1
        self.assertGreater(min(done.values()), 30)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--tool', required=True, help='the ldx-interp to test')
    parser.add_argument('--cc', default='cc', help='C compiler for the programs to test it on')
    options, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
