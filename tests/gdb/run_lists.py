#!/usr/bin/env python3
"""What a debugger reads is right at every moment: gdb stops at each announcement of ldx, at _dl_debug_state and at each probe, and walks all
lists (class Judge of inside.py): forwards and backwards, names can be read, all segments of all objects are mapped, nothing is on a list
that is not relocated, the list is the one from before until the change is done, and every ADD and DELETE is followed by CONSISTENT, also
when a load fails."""

import os
import re
import struct
import subprocess
import sys
import unittest

import gdb_test
from gdb_test import LATER, UNDER, GdbTest, file_names, frames, told

CONSISTENT, ADD, DELETE = 0, 1, 2


def sections(file):
    out = subprocess.run(['readelf', '-SW', file], check=True, capture_output=True, text=True).stdout
    return {name: (int(at, 16), int(size, 16)) for name, at, size in
            re.findall(r'^ +\[ *\d+\] (\S+) +\S+ +[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+) ', out, re.M)}


def sysv_hash(name):
    h = 0
    for c in name:
        h = (h << 4) + c
        h = (h ^ (h >> 24 & 0xf0)) & 0xfffffff
    return struct.pack('<I', h)


class Judged(GdbTest):
    def judged(self, *words, options=(), env=None, begin=('starti', 'judge'), command=None):
        """The program runs to its end, and every announcement is right. Answers with the changes of state of each namespace, the base one first."""
        out = self.follow([*begin, 'break getppid', 'continue', 'verdict', 'kill'], *words, options=options, env=env, command=command)
        verdict = told('VERDICT', out)[0]
        self.assertEqual(verdict['faults'], [])
        self.assertGreater(verdict['stops'], 3)
        changes = {}
        for debug, state in verdict['sequence']:
            changes.setdefault(debug, []).append(state)
        for states in changes.values():
            self.assertEqual(states[1::2], [CONSISTENT] * (len(states) // 2))
            self.assertEqual(len(states) % 2, 0)
            self.assertNotIn(CONSISTENT, states[::2])
        self.printed = out
        self.assertRegex(out, r'Breakpoint [\d.]+, .*getppid')
        return list(changes.values())

    def write(self, name, data):
        (self.folder / name).write_bytes(data)

    def bytes_of(self, name):
        return bytearray((self.folder / name).read_bytes())

    # Start-up

    def test_start(self):
        self.assertEqual(self.judged(), [[ADD, CONSISTENT]])

    def test_preloaded(self):
        self.assertEqual(self.judged(env={'LD_PRELOAD': f'./{UNDER} {LATER}'}), [[ADD, CONSISTENT]])

    def test_tool(self):
        states = self.judged('open=' + LATER, options=['--tool', './libgdb-tool.so'], env={} if self.as_command else {'LDX_TOOLS': './libgdb-tool.so'})
        self.assertEqual(states, [[ADD, CONSISTENT] * 2, [ADD, CONSISTENT]])

    def test_auditor(self):
        states = self.judged('open=' + LATER, 'close', env={'LD_AUDIT': './libgdb-auditor.so'})
        self.assertEqual(states, [[ADD, CONSISTENT, ADD, CONSISTENT, DELETE, CONSISTENT], [ADD, CONSISTENT]])

    # dlopen

    def test_open_and_close(self):
        states = self.judged('open=' + LATER, 'close', 'now=' + LATER, f'open=./{UNDER}', 'cycle=3', 'open=libc.so.6')
        self.assertEqual(states, [[ADD, CONSISTENT, ADD, CONSISTENT, DELETE, CONSISTENT, ADD, CONSISTENT]])  # what is there already is no news

    def test_nested(self):
        """A constructor opens, a destructor closes."""
        states = self.judged('open=./libgdb-nested.so', 'close')
        self.assertEqual(states, [[ADD, CONSISTENT] * 3 + [DELETE, CONSISTENT] * 2])

    def test_opened_by_a_resolver(self):
        """A load within a load of the same namespace."""
        states = self.judged('now=./libgdb-opens.so', 'close')
        self.assertEqual(states, [[ADD, CONSISTENT] * 3 + [DELETE, CONSISTENT]])

    def test_from_memory(self):
        states = self.judged('open=./libgdb-given.so', 'close', options=['--tool', './libgdb-giver.so'], env={} if self.as_command else {'LDX_TOOLS': './libgdb-giver.so'})
        self.assertIn('./libgdb-given.so: yes', self.printed)
        self.assertEqual(states, [[ADD, CONSISTENT, ADD, CONSISTENT, DELETE, CONSISTENT], [ADD, CONSISTENT]])

    def test_namespaces(self):
        states = self.judged('space=' + LATER, 'space=' + LATER, 'close', 'space=./libgdb-nested.so', 'close', 'open=' + LATER, 'space=./libgdb-broken.so')
        self.assertEqual(states[0][:2], [ADD, CONSISTENT])
        self.assertIn(DELETE, states[-1])
        self.assertGreaterEqual(len(states), 3)

    # dlopen that fails

    def check_failure(self, word, early=False):
        """early: before anything is mapped that would have to be announced."""
        states = self.judged(word, 'open=' + LATER)
        self.assertIn(f'{word.split("=")[1]}: no', self.printed)
        self.assertEqual(states, [[ADD, CONSISTENT] * (2 if early else 3)])

    def test_fails_without_file(self):
        self.check_failure('open=./libgdb-gone.so', early=True)

    def test_fails_for_a_dependency(self):
        self.write('needs.so', self.bytes_of('libgdb-later.so').replace(b'libgdb-under.so', b'libgdb-other.so'))
        self.check_failure('open=./needs.so')

    def test_fails_for_a_symbol(self):
        self.check_failure('now=./libgdb-broken.so')

    def test_fails_for_a_version(self):
        data = self.bytes_of('libgdb-nested.so')
        self.assertIn(b'GLIBC_2.34', data)
        self.write('versions.so', data.replace(b'GLIBC_2.34', b'GLIBC_9.34').replace(sysv_hash(b'GLIBC_2.34'), sysv_hash(b'GLIBC_9.34')))
        self.check_failure('open=./versions.so')

    def test_fails_for_a_relocation(self):
        data, (at, _) = self.bytes_of('libgdb-under.so'), sections(self.folder / 'libgdb-under.so')['.rela.dyn']
        data[at + 8:at + 12] = struct.pack('<I', 250)
        self.write('relocation.so', data)
        self.check_failure('open=./relocation.so')

    def test_fails_for_damage(self):
        data = self.bytes_of('libgdb-under.so')
        self.write('cut.so', data[:len(data) // 4])
        self.check_failure('open=./cut.so', early=True)
        at, _ = sections(self.folder / 'libgdb-under.so')['.dynamic']
        data[at + 8:at + 512:16] = b'\x7f' * len(data[at + 8:at + 512:16])  # addresses that are not there
        self.write('garbage.so', data)
        self.check_failure('open=./garbage.so', early=True)

    def test_fails_for_a_damaged_dependency(self):
        data = self.bytes_of('libgdb-under.so')
        self.write('libgdb-other.so', data[:len(data) // 4])
        self.test_fails_for_a_dependency()

    # Threads and processes

    def test_threads_that_load_at_once(self):
        self.judged('loaders=6')

    def test_child_of_fork(self):
        begin = ['starti', 'judge', 'set follow-fork-mode child']
        out = self.follow([*begin, 'continue', 'verdict'], 'open=' + LATER, 'fork', 'close', 'open=./libgdb-nested.so', 'now=./libgdb-broken.so', 'loaders=3')
        verdict = told('VERDICT', out)[0]
        self.assertEqual(verdict['faults'], [])
        self.assertIn('exited with code 04', out)
        self.assertGreater(sum(state == DELETE for _, state in verdict['sequence']), 2)


class Attached(GdbTest):
    """A debugger comes in the middle of a dlopen."""

    def check(self, library, listed, state, act='now'):
        process = self.start('open=' + LATER, f'{act}=./{library}')
        out = self.batch(['lists', 'info sharedlibrary', 'judge', 'break inside_mark', 'shell touch released', 'continue', 'backtrace', 'delete', 'verdict', 'continue'],
                         '-p', str(process.pid))
        seen = told('LISTS', out)[0]['spaces']
        names = [os.path.basename(o['name']) for o in seen[0]['objects']]
        self.assertEqual(library in names, listed)
        self.assertIn('libgdb-later.so', names)
        self.assertEqual([s['state'] for s in seen], [state])
        self.assertEqual(library in file_names(out.split('VERDICT')[0]), listed)
        self.assertEqual(told('VERDICT', out)[0]['faults'], [])
        self.assertEqual(frames(out)[0][:2], ['inside_mark', 'inside_begin'])
        self.assertIn(frames(out)[0][-1], ('main', 'clone3'))
        self.assertEqual(process.wait(20), 3)

    def test_in_a_constructor(self):
        self.check('libgdb-begins.so', True, CONSISTENT)

    def test_in_a_resolver(self):
        self.check('libgdb-resolves.so', False, ADD)

    def test_while_another_thread_loads(self):
        self.check('libgdb-begins.so', True, CONSISTENT, 'aside')
        (self.folder / 'released').unlink()
        self.check('libgdb-resolves.so', False, ADD, 'aside')


if __name__ == '__main__':
    if sys.argv[1:] == ['--packages']:  # Debian packages that the tests stand on
        sys.exit(print('binutils gdb libc6-dbg python3'))
    gdb_test.main(__doc__)
