#!/usr/bin/env python3
"""The block _ldx_debug and what reads it: from outside, from gdb as it comes, and from gdb with ldx-gdb.py.

--mode command runs `ldx PROGRAM`; --mode interp runs a copy of the program whose PT_INTERP is ldx.
"""
import argparse
import ast
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import outside

OPTIONS = None
HERE = Path(__file__).resolve().parent
SESSION = ['set pagination off', 'set confirm off', 'set width 0', 'set breakpoint pending on', 'set debuginfod enabled off',
           'set print thread-events off']
OBJECT_CHANGED, FUNC = 4, 2
SLOW, UNDER = './libdp-slow.so', 'libdp-under.so'
LISTED = {'libdp-slow.so', UNDER}


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix='debug-protocol-'))
        self.addCleanup(shutil.rmtree, self.folder)
        for file in Path(OPTIONS.built).iterdir():
            if file.is_file():
                shutil.copy2(file, self.folder)
        self.as_command = OPTIONS.mode == 'command'
        self.take(OPTIONS.ldx)

    def take(self, ldx):
        """Has the program be run by this ldx."""
        self.ldx, self.command = ldx, [ldx, './changing']
        if not self.as_command:
            subprocess.run([OPTIONS.interp_tool, '--set', ldx, '--output', self.folder / 'own', self.folder / 'changing'], check=True)
            self.command = ['./own']

    def tool(self):
        """Options, and variables, by which the tool is there."""
        return (['--tool', './libdp-holder.so'], {}) if self.as_command else ([], {'LDX_TOOLS': './libdp-holder.so'})

    def start(self, *words, until, options=(), stream='stdout', **env):
        """Starts the program, and waits for a line that it writes."""
        process = subprocess.Popen([self.command[0], *options, *self.command[1:], *words], cwd=self.folder, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env={**os.environ, **env})
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        line = ''
        while until not in line:
            line = getattr(process, stream).readline()
            self.assertTrue(line, f'the program ended: {process.poll()}')
        return process

    def release(self):
        (self.folder / 'released').touch()

    def batch(self, commands, *arguments, script=True, options=(), env=None):
        commands = SESSION + ([f'source {OPTIONS.script}'] if script else []) + list(commands)
        (self.folder / 'session').write_text('\n'.join(commands) + '\n')
        done = subprocess.run(['gdb', '-nx', '-batch', *options, '-x', 'session', *arguments], cwd=self.folder, capture_output=True, text=True,
                              timeout=90, env={**os.environ, **(env or {})})
        self.output = done.stdout + done.stderr
        for wrong in 'Corrupted shared library list', 'Error in sourced command file', 'Traceback', 'Python Exception':
            self.assertNotIn(wrong, self.output)
        return done.stdout

    def follow(self, commands, *words, **more):
        return self.batch(commands, '--args', *self.command, *words, **more)

    def attach(self, process, commands, **more):
        return self.batch(commands, '-p', str(process.pid), **more)

    def told(self, out):
        """The lines of `info ldx changes`, without numbers."""
        return [' '.join(line.split()) for line in re.findall(r'^ +\d+ +\d+  (.*)', out, re.M)]

    @property
    def program_name(self):
        return './changing' if self.as_command else os.path.realpath(self.folder / 'own')


class FromOutside(Case):
    def look(self, process):
        found = outside.Process(process.pid, self.ldx)
        self.addCleanup(found.close)
        return found

    def test_the_block(self):
        process = self.look(self.start('open=' + SLOW, 'change=2', 'wait', until='waiting'))
        block = process.block()
        self.assertEqual((block.magic, block.version, block.size, block.change_size), (b'LDXD', 1, 88, 128))
        self.assertEqual((block.generation, block.first, block.next, block.reader), (4, 1, 3, 0))
        self.assertEqual(block.brk, process.symbols['_ldx_debug_changed'])
        self.assertEqual(process.words(block.made, 1), (0,))
        (number, state, objects), = process.namespaces()
        self.assertEqual((number, state), (0, 0))
        slow, = (o for o in objects if o[2] == SLOW)
        for n in 1, 2:
            change = process.change(block, n)
            self.assertEqual((change.number, change.generation, change.kind, change.symbol_type, change.ns), (n, 2 * n, OBJECT_CHANGED, 0, 0))
            self.assertEqual(change.object, slow[0])
            self.assertEqual(change.name.rstrip(b'\0'), b'libdp-slow.so')
            self.assertEqual(process.text(change.whole_name), 'libdp-slow.so')

    def test_nothing_was_changed(self):
        block = self.look(self.start('wait', until='waiting')).block()
        self.assertEqual((block.generation, block.changes, block.ring_size, block.first, block.next), (0, 0, 0, 1, 1))

    def test_the_ring_overflows(self):
        process = self.look(self.start('change=40000', 'wait', until='waiting'))
        block = process.block()
        self.assertEqual((block.generation, block.next, block.next - block.first), (80000, 40001, block.ring_size))
        for n in block.first, block.first + 1, block.next - 1:
            self.assertEqual((process.change(block, n).number, process.change(block, n).generation), (n, 2 * n))

    def test_a_running_process_is_read_in_one_piece(self):
        process = self.look(self.start('change-for-long', until='changing'))
        taken, end = [], time.monotonic() + 60
        while (len(taken) < 100 or taken[-1].first == 1) and time.monotonic() < end:
            if (read := process.latest(40)):
                block, found = read
                self.assertEqual(block.generation, 2 * (block.next - 1))
                self.assertEqual([c.number for c in found], list(range(block.next - len(found), block.next)))
                self.assertEqual([c.generation for c in found], [2 * c.number for c in found])
                taken.append(block)
        self.release()
        self.assertGreaterEqual(len(taken), 100)
        self.assertGreater(taken[-1].first, 1)

    def test_whoever_traces_is_told(self):
        process = self.start('wait', 'debugger', 'hold', until='waiting')
        self.look(process).set_reader(2)
        self.release()
        self.assertEqual(process.stdout.readline(), 'debugger 0 reads 2\n')
        self.assertEqual(process.stdout.readline(), 'held\n')

    def test_namespaces(self):
        process = self.look(self.start('open=' + SLOW, 'space=' + SLOW, 'shared=' + SLOW, 'space=' + SLOW, 'wait', until='waiting'))
        spaces = list(process.namespaces())
        self.assertEqual([(number, state) for number, state, _ in spaces], [(0, 0), (1, 0), (2, 0), (3, 0)])
        self.assertEqual([sum(o[2] == SLOW for o in objects) for _, _, objects in spaces], [1, 1, 0, 1])
        dynamic = [o[3] for _, _, objects in spaces for o in objects]
        self.assertEqual(len(dynamic), len(set(dynamic)))


class StockGdb(Case):
    def follow(self, commands, *words, **more):
        return super().follow(commands, *words, script=False, **more)

    def test_the_probe(self):
        read = ['print $_probe_argc', 'print $_probe_arg0', 'print/x $_probe_arg1', 'print $_probe_arg2', 'print *(unsigned long *)$_probe_arg3',
                'print $_probe_arg4']
        out = self.follow(['break getppid', 'run', 'info probes stap ldx', 'break -probe-stap ldx:symbols_changed', 'continue', *read, 'continue',
                           *read], 'change=1', 'stop', 'open=' + SLOW, 'change=2')
        self.assertEqual(re.findall(r'^stap\s+ldx\s+(\S+)', out, re.M)[0], 'symbols_changed')
        values = re.findall(r'^\$\d+ = (\S+)', out, re.M)
        self.assertEqual(values[:2] + values[3:8] + values[9:], ['5', '0', '4', '2', '1', '5', '0', '6', '3', '1'])
        self.assertEqual(values[2], values[8])
        self.assertNotEqual(values[2], '0x0')

    def test_the_function(self):
        out = self.follow(['break _ldx_debug_changed', 'run', 'print *(unsigned long *)((char *)&_ldx_debug + 16)', 'continue',
                           'print *(unsigned long *)((char *)&_ldx_debug + 16)'], 'change=2')
        self.assertEqual(re.findall(r'^\$\d+ = (\d+)', out, re.M), ['2', '4'])

    def test_it_is_a_debugger_that_does_not_read(self):
        out = self.follow(['run'], 'debugger')
        pid, = re.findall(r'^debugger (\d+) reads 0$', out, re.M)
        self.assertNotEqual(pid, '0')

    def test_no_script_is_declined(self):
        self.follow(['info auto-load python-scripts', 'break getppid', 'run', 'info auto-load python-scripts'], 'stop')
        self.assertNotIn('auto-load', self.output.replace('No auto-load scripts.', ''))
        self.assertNotIn('declined', self.output)
        self.assertFalse([f.name for f in Path(self.ldx).parent.iterdir() if f.name.endswith(('-gdb.py', '-gdb.gdb', '-gdb.scm'))])

    def test_the_script_is_found(self):
        for option in [], ['-iex', f'add-auto-load-safe-path {OPTIONS.auto_load}']:
            options = ['-iex', f'add-auto-load-scripts-directory {OPTIONS.auto_load}', *option]
            out = self.follow(['break getppid', 'run', 'info ldx'] if option else ['break getppid', 'run'], 'change=1', 'debugger', 'stop',
                              options=options)
            if option:
                self.assertIn('generation 2 (1 announcements)', out)
                self.assertRegex(out, r'debugger \d+ reads 1')
                self.assertNotIn('warning', self.output)
            else:
                self.assertIn('declined', self.output)  # gdb asks its user for trust


class Script(Case):
    def test_info(self):
        out = self.follow(['break getppid', 'run', 'info ldx', 'info ldx changes', 'info ldx changes 1'], 'open=' + SLOW, 'space=' + SLOW, 'change=3',
                          'stop')
        self.assertIn('debug protocol 1: generation 6 (3 announcements)', out)
        self.assertIn('Changes 1 to 3 are remembered.', out)
        self.assertRegex(out, r'(?m)^  0: \d+ objects, consistent\n  1: 2 objects, consistent$')
        self.assertIn('No objects made at run time.', out)
        lines = re.findall(r'^ +(\d+) +(\d+)  object-changed +libdp-slow.so \(./libdp-slow.so\)$', out, re.M)
        self.assertEqual(lines, [('1', '2'), ('2', '4'), ('3', '6'), ('3', '6')])

    def test_before_ldx_has_begun(self):
        out = self.follow(['python\ntry: gdb.execute("info ldx")\nexcept gdb.error as e: print("SAID", e)\nend', 'starti',
                           'python\ntry: gdb.execute("info ldx")\nexcept gdb.error as e: print("SAID", e)\nend', 'break getppid', 'continue', 'info ldx'],
                          'stop')
        self.assertEqual(out.count('SAID There is no ldx at work in this program.'), 2)
        self.assertIn('generation 0 (0 announcements)', out)

    def test_without_ldx(self):
        out = self.batch(['python\ntry: gdb.execute("info ldx")\nexcept gdb.error as e: print("SAID", e)\nend', 'catch ldx-symbols', 'run', 'info breakpoints'],
                         '/bin/true')
        self.assertIn('SAID There is no ldx', out)
        self.assertIn('exited normally', out)

    def test_catch(self):
        out = self.follow(['catch ldx-symbols', 'run', 'print $_ldx_change', 'print (long)$_ldx_object == *(long *)($_ldx_object + 24)', 'continue',
                           'info breakpoints', 'delete', 'continue'], 'change=2', 'debugger')
        self.assertEqual(out.count(f'Catchpoint 1 (object changed: {self.program_name})'), 2)
        self.assertIn('$1 = "object-changed"', out)
        self.assertRegex(out, r'1 +breakpoint +keep y .*_ldx_debug_changed')
        self.assertIn('exited with code 03', out)

    def test_catch_a_symbol_of_a_changed_object(self):
        out = self.follow(['catch ldx-symbols ^slow_c', 'run', 'print $_ldx_symbol', 'continue'], 'change=1', 'open=' + SLOW, 'change=1')
        self.assertEqual(re.findall(r'^Catchpoint 1 \((.*)\)', out, re.M), ['object changed: libdp-slow.so'])
        self.assertIn('$1 = "slow_call"', out)
        out = self.follow(['catch ldx-symbols ^nobody_has_this$', 'run'], 'change=1', 'open=' + SLOW, 'change=1')
        self.assertNotIn('Catchpoint', out)
        self.assertIn('exited with code 03', out)

    def test_changes_of_symbols(self):
        forge, long = f'source {HERE / "forge.py"}', 'long_name_' * 10
        out = self.follow([forge, 'catch ldx-symbols ^first$', 'run', *['print $_ldx_change', 'print/x $_ldx_address', 'continue'] * 3],
                          'change=6', 'stop')
        self.assertEqual(re.findall(r'^Catchpoint 1 \((.*)\)', out, re.M), [
            'symbol added: first, at 0x1000', 'symbol moved: first, from 0x1000 to 0x2000', 'symbol removed: first, was at 0x2000'])
        self.assertEqual(re.findall(r'^\$\d+ = (.*)', out, re.M), ['"added"', '0x1000', '"moved"', '0x2000', '"removed"', '0x2000'])
        out = self.follow([forge, f'catch ldx-symbols {long}', 'break getppid', 'run', 'print $_ldx_symbol', 'continue', 'info ldx changes'],
                          'change=6', 'stop')
        self.assertIn(f'Catchpoint 1 (symbol added: {long}, at 0x3000)', out)
        self.assertIn(f'$1 = "{long}"', out)
        self.assertEqual(self.told(out), [
            'added 0x0000000000001000 first (object)', 'moved 0x0000000000002000 first (object), was at 0x1000', 'removed 0x0000000000002000 first (object)',
            f'added 0x0000000000003000 {long[:60]}... (object)', 'kind-77 of_a_later_version (object)', 'object-removed object'])

    def test_catch_once(self):
        out = self.follow(['tcatch ldx-symbols', 'run', 'continue'], 'change=5')
        self.assertEqual(len(re.findall(r'^Catchpoint 1', out, re.M)), 1)
        self.assertIn('exited with code 03', out)

    def test_a_wrong_expression(self):
        out = self.follow(['python\ntry: gdb.execute("catch ldx-symbols (")\nexcept gdb.error as e: print("SAID", e)\nend', 'info breakpoints'])
        self.assertIn('SAID Invalid regular expression', out)
        self.assertIn('No breakpoints or watchpoints.', out)

    def test_functions_are_told(self):
        program = '''python
def told(a): print('TOLD', [a.inferior.pid == gdb.selected_inferior().pid, a.generation, [tuple(c) for c in a.changes]])
def fails(a): raise ValueError('by intent')
def once(a):
    print('ONCE')
    ldx.symbols_changed.disconnect(once)
for f in once, fails, told: gdb.ldx.symbols_changed.connect(f)
end'''
        with self.assertRaisesRegex(AssertionError, 'Traceback'):
            self.follow([program, 'run'], 'change=1')
        self.assertEqual(self.output.count('ValueError: by intent'), 1)
        self.assertEqual(self.output.count('TOLD '), 1)  # also behind one that failed
        out = self.follow([program.replace('fails, ', ''), 'run', 'python gdb.ldx.symbols_changed.disconnect(told)', 'run', 'info breakpoints'], 'change=1',
                          'open=' + SLOW, 'change=2')
        told = [ast.literal_eval(line[5:]) for line in re.findall(r'^TOLD .*', out, re.M)]
        self.assertEqual([t[:2] for t in told], [[True, 2], [True, 4], [True, 6]])
        self.assertEqual([[(c[0], c[2], c[9]) for c in t[2]] for t in told],
                         [[(1, 'object-changed', self.program_name)], [(2, 'object-changed', 'libdp-slow.so')], [(3, 'object-changed', 'libdp-slow.so')]])
        self.assertEqual(out.count('ONCE'), 1)
        self.assertEqual(out.count('exited with code 03'), 2)

    def test_the_process_knows(self):
        out = self.follow(['run'], 'debugger', 'hold')
        self.assertRegex(out, r'debugger [1-9]\d* reads 1')
        self.assertIn('let go', out)

    def test_attach_lets_go(self):
        process = self.start('change=1', 'hold', until='held')
        out = self.attach(process, ['info ldx', 'info ldx changes', 'continue'])
        self.assertIn('generation 2 (1 announcements)', out)
        self.assertIn('object-changed', out)
        self.assertEqual(process.wait(20), 3)
        self.assertEqual(process.stdout.read(), 'let go\n')

    def test_the_bit_is_taken_back(self):
        for last in 'detach', 'quit':
            process = self.start('wait', 'debugger', until='waiting')
            self.attach(process, ['info ldx', 'python print("READER", gdb.ldx.block().reader)', last])
            self.assertIn('READER 1', self.output)
            self.release()
            self.assertEqual(process.stdout.readline(), 'debugger 0 reads 0\n')
            self.assertEqual(process.wait(20), 3)
            (self.folder / 'released').unlink()

    def test_a_hook_of_the_users_stays(self):
        out = self.batch(['source hooks', f'source {OPTIONS.script}', 'show user hook-detach'], script=False) if (
            (self.folder / 'hooks').write_text('define hook-detach\necho mine\nend\n')) else ''
        self.assertIn('echo mine', out)

    def test_namespaces(self):
        out = self.follow(['break getppid', 'run', 'info linker-namespaces', 'info linker-namespaces 1'], 'open=' + SLOW, 'space=' + SLOW,
                          'shared=' + SLOW, 'stop')
        spaces = re.findall(r'^Namespace (\d+), (\d+) objects:\n((?:  0x.*\n)*)', out, re.M)
        self.assertEqual([number for number, _, _ in spaces], ['0', '1', '2', '1'])
        self.assertEqual(spaces[1], spaces[3])
        self.assertEqual([len(text.splitlines()) for _, _, text in spaces], [int(count) for _, count, _ in spaces])
        self.assertEqual([text.count('libdp-slow.so') for _, _, text in spaces], [1, 1, 0, 1])
        shown = re.findall(r'^  (0x\S+)', ''.join(text for _, _, text in spaces[:3]), re.M)
        self.assertEqual(len(shown), len(set(shown)))

    def test_core(self):
        out = self.follow(['break getppid', 'run', 'generate-core-file core.gdb'], 'open=' + SLOW, 'space=' + SLOW, 'change=2', 'stop')
        self.assertIn('Saved corefile core.gdb', out)
        out = self.batch(['info ldx', 'info ldx changes', 'info linker-namespaces'], self.ldx if self.as_command else './own', 'core.gdb')
        self.assertIn('generation 4 (2 announcements)', out)
        self.assertEqual(len(re.findall(r'object-changed .* libdp-slow.so \(./libdp-slow.so\)$', out, re.M)), 2)
        self.assertRegex(out, r'Namespace 1, 2 objects:\n  0x\S+  ./libdp-slow.so\n  0x\S+  \S*/libdp-under.so\n')

    def test_core_of_the_kernel(self):
        pattern = Path('/proc/sys/kernel/core_pattern').read_text().strip()
        if pattern.startswith('|') or '/' in pattern:
            self.skipTest(f'core files go to {pattern}')
        command = ' '.join([*self.command, 'open=' + SLOW, 'change=2', 'abort'])
        subprocess.run(['sh', '-c', f'ulimit -c unlimited; exec {command}'], cwd=self.folder, capture_output=True, timeout=60)
        core, = self.folder.glob('core*')
        out = self.batch(['info ldx', 'info ldx changes'], self.ldx if self.as_command else './own', core.name)
        self.assertIn('generation 4 (2 announcements)', out)
        self.assertEqual(len(re.findall(r'object-changed .* libdp-slow.so', out)), 2)

    def test_gdbserver(self):
        server = ' '.join(['gdbserver', '--once', '-', *self.command, 'change=1', 'debugger', 'stop'])
        out = self.batch([f'file {self.command[0]}', 'set sysroot /', f'target remote | {server}', 'catch ldx-symbols', 'break getppid', 'continue', 'continue',
                          'info ldx', 'kill'])
        self.assertIn('(object changed:', out)
        self.assertRegex(self.output, r'debugger [1-9]\d* reads 1')
        self.assertIn('generation 2 (1 announcements)', out)

    def test_stripped(self):
        stripped = self.folder / 'ldx'
        subprocess.run(['strip', '-o', stripped, OPTIONS.ldx], check=True)
        self.take(str(stripped))
        out = self.follow(['break getppid', 'run', 'info ldx', 'catch ldx-symbols', 'continue', 'info ldx changes'], 'stop', 'change=1')
        self.assertIn('generation 0 (0 announcements)', out)
        self.assertIn('(object changed:', out)
        self.assertIn(f'  {self.program_name} (the program)', out)

    def test_help(self):
        out = self.batch(['help ldx', 'help info ldx', 'help catch ldx-symbols', 'help info linker-namespaces', 'python print(dir())'])
        for words in 'catch ldx-symbols [REGEX]', 'symbols_changed.connect', 'Usage: info ldx', '$_ldx_change', 'Usage: info linker-namespaces [N]':
            self.assertIn(words, out)
        names = ast.literal_eval(out.splitlines()[-1])
        self.assertIn('ldx', names)
        self.assertFalse({'block', 'memory', 'Registry', 're', 'names_before'} & set(names))


class Made(Case):
    """Objects made at run time."""
    STORY = ['new=calc', 'bind=first', 'bind=other', 'publish', 'bind=first', 'publish', 'unbind=first', 'publish', 'stop', 'delete', 'stop']

    def test_the_story(self):
        out = self.follow(['break getppid', 'run', 'info ldx', 'info ldx changes', 'info linker-namespaces', 'continue', 'info ldx', 'info ldx changes 3'],
                          *self.STORY)
        before, after = re.split(r'(?m)^Breakpoint 1, .*getppid.*', out)[1:]
        self.assertIn('generation 8 (4 announcements)', before)
        file, = re.findall(r'^  0x\S+  calc \((/proc/\d+/fd/\d+)\)$', before, re.M)
        self.assertEqual(re.findall(r'^  0x\S+  (/proc/.*)', before, re.M), [file])
        told = [re.sub('0x[0-9a-f]+', 'AT', line) for line in self.told(before)]
        self.assertEqual(told, ['object-added calc', 'added AT first (calc)', 'added AT other (calc)', 'moved AT first (calc), was at AT', 'removed AT first (calc)'])
        first, other, moved, was, removed = re.findall(' (0x[0-9a-f]+)', '\n'.join(self.told(before)))
        self.assertEqual((int(was, 16), removed), (int(first, 16), moved))
        self.assertEqual(len({first, other, moved}), 3)
        self.assertIn('No objects made at run time.', after)
        self.assertEqual(self.told(after), [*self.told(before)[-2:], 'object-removed calc'])

    def test_catch(self):
        out = self.follow(['catch ldx-symbols ^(first|other)$', 'run', *['print $_ldx_change', 'print $_ldx_symbol', 'info symbol $_ldx_address', 'continue'] * 4],
                          *self.STORY)
        self.assertEqual([re.sub('0x[0-9a-f]+', 'AT', told) for told in re.findall(r'^Catchpoint 1 \((.*)\)', out, re.M)], [
            'symbol added: first, at AT', 'symbol moved: first, from AT to AT', 'symbol removed: first, was at AT', 'object removed: calc'])
        self.assertEqual(re.findall(r'^\$\d+ = "(.*)"', out, re.M)[-2:], ['object-removed', 'other'])
        self.assertEqual(len(set(re.findall(r'^first in section', out, re.M))), 1)  # gdb has the symbols when it stops
        self.assertIn('exited with code 03', out)
        out = self.follow(['catch ldx-symbols ^first$', 'run', 'delete', 'continue'], *self.STORY[:7])
        self.assertIn('exited with code 03', out)
        out = self.follow(['break getppid', 'run', 'catch ldx-symbols ^first$', 'continue', 'continue'], *self.STORY)  # it went before its object
        self.assertNotIn('Catchpoint', out)

    def test_many_at_once(self):
        out = self.follow(['catch ldx-symbols ^many_17$', 'run', 'print $_ldx_symbol', 'break getppid', 'continue', 'info ldx changes', 'continue',
                           'info ldx changes 1', 'continue'],
                          'new=calc', 'bind-many=8193', 'publish', 'stop', 'unbind-many=8192', 'publish', 'stop')
        self.assertEqual(re.findall(r'^Catchpoint 1 \(([a-z ]*)', out, re.M), ['object changed', 'symbol removed'])
        self.assertIn('$1 = "many_17"', out)
        self.assertEqual(self.told(out)[:2], ['object-added calc', 'object-changed calc (calc)'])
        self.assertRegex(self.told(out)[-1], r'^removed 0x[0-9a-f]{16} many_\d+ \(calc\)$')

    def test_functions_are_told(self):
        out = self.follow(['python gdb.ldx.symbols_changed.connect(lambda a: print("TOLD", [(c.kind, c.name, c.value, c.size) for c in a.changes]))', 'run'],
                          'new=calc', 'bind=first', 'bind=' + 'long_name_' * 10, 'publish')
        told = [ast.literal_eval(line[5:]) for line in re.findall('^TOLD .*', out, re.M)]
        self.assertEqual([(kind, name) for kind, name, _, _ in told[1]], [('added', 'first'), ('added', 'long_name_' * 10)])
        self.assertEqual([size for _, _, _, size in told[1]], [6, 6])

    def test_core(self):
        self.follow(['break getppid', 'run', 'generate-core-file core.gdb'], *self.STORY)
        out = self.batch(['info ldx', 'info ldx changes'], self.ldx if self.as_command else './own', 'core.gdb')
        self.assertRegex(out, r'Objects made at run time:\n  0x\S+  calc \(/proc/\d+/fd/\d+\)')
        self.assertEqual(self.told(out)[0], 'object-added calc')
        self.assertEqual(len(self.told(out)), 5)

    def test_no_bridge(self):
        for bits in 0, 2:
            process = self.start('new=calc', 'bind=first', 'publish', 'wait', 'bind=other', 'publish', 'hold', until='waiting')
            look = outside.Process(process.pid, self.ldx)
            self.addCleanup(look.close)
            shown = look.symbols['__jit_debug_descriptor'] + 16
            self.assertNotEqual(look.words(shown, 1), (0,))
            look.set_reader(bits)
            self.release()
            self.assertEqual(process.stdout.readline(), 'held\n')
            self.assertEqual(look.words(shown, 1) == (0,), bits == 2)
            self.assertEqual(look.block().generation, 6)
            (self.folder / 'released').unlink()

    def test_from_outside(self):
        process = self.start('new=calc', 'bind=first', 'publish', 'new=other', 'wait', until='waiting')
        look = outside.Process(process.pid, self.ldx)
        self.addCleanup(look.close)
        made, at = [], look.words(look.block().made, 1)[0]
        while at:
            at, link, name = look.words(at, 3)
            made.append((link, look.text(name)))
        listed = {o[0]: o[2] for _, _, objects in look.namespaces() for o in objects}
        self.assertEqual([name for _, name in made], ['other', 'calc'])
        for link, name in made:
            self.assertRegex(listed[link], rf'^/proc/{process.pid}/fd/\d+$')
        change = look.change(look.block(), 2)
        self.assertEqual((change.kind, change.symbol_type, change.object, change.size), (1, FUNC, made[1][0], 6))
        self.assertEqual(look.read(change.value, 6), b'\xb8\x01\0\0\0\xc3')


class AttachInTheMiddle(Case):
    def listed(self, out):
        return {Path(m[1]).name for m in re.finditer(r'^0x[0-9a-f]+\s+0x[0-9a-f]+\s+Yes(?: \(\*\))?\s+(\S+)$', out, re.M)}

    def state(self, out):
        return re.findall(r'^  0: \d+ objects, (.*)$', out, re.M)

    def test_in_a_constructor(self):
        process = self.start('open=' + SLOW, 'change=1', until='constructing', SLOW='1')
        out = self.attach(process, ['info sharedlibrary', 'info ldx', 'break slow_mark', 'shell touch released', 'continue', 'backtrace', 'delete',
                                    'continue'])
        self.assertLessEqual(LISTED, self.listed(out))
        self.assertEqual(self.state(out), ['consistent'])
        self.assertRegex(out, r'(?m)^#0 .*slow_mark.*\n#1 .*slow_begin')
        self.assertEqual(process.wait(20), 3)

    def test_between_mapping_and_commit(self):
        options, env = self.tool()
        process = self.start('open=' + SLOW, 'change=1', 'stop', until='holds', stream='stderr', options=options, **env)
        out = self.attach(process, ['info sharedlibrary', 'info ldx', 'break slow_mark', 'continue', 'backtrace', 'info sharedlibrary', 'info ldx', 'delete',
                                    'catch ldx-symbols', 'continue', 'delete', 'continue'])
        before, after = re.split(r'(?m)^Breakpoint \d+, .*slow_mark', out)
        self.assertFalse(LISTED & self.listed(before))
        self.assertIn('libc.so.6', self.listed(before))
        self.assertEqual(self.state(before), ['objects come'])
        self.assertLessEqual(LISTED, self.listed(after))
        self.assertEqual(self.state(after), ['consistent'])
        self.assertIn('(object changed: libdp-slow.so)', after)
        self.assertEqual(process.wait(20), 3)

    def check_list(self, pid, out):
        """What is listed is mapped where it is listed, and nothing stands there twice."""
        listed = re.findall(r'^(0x[0-9a-f]+)\s+(0x[0-9a-f]+)\s+Yes(?: \(\*\))?\s+(\S+)$', out, re.M)
        self.assertEqual(len(listed), len(set(listed)))
        code = [line.split(None, 5) for line in re.findall(r'^MAPS (.*)', out, re.M) if line.split()[1][2] == 'x']
        for low, _, name in listed:
            if name.startswith('/'):
                here = [p for p in code if int(p[0].split('-')[0], 16) <= int(low, 16) < int(p[0].split('-')[1], 16)]
                self.assertEqual([os.path.realpath(p[5].strip()) for p in here], [os.path.realpath(name)], (pid, low))
        return listed

    def test_at_any_moment(self):
        process = self.start('load-for-long=' + SLOW, 'change=1', until='loading')
        show = f'python [print("MAPS", line, end="") for line in open("/proc/{process.pid}/maps")]'
        for _ in range(6):
            listed = self.check_list(process.pid, self.attach(process, ['info sharedlibrary', 'info ldx', show, 'detach']))
            self.assertIn('libc.so.6', {Path(name).name for _, _, name in listed})
        self.release()
        self.assertEqual(process.wait(20), 3)


def main():
    global OPTIONS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--ldx', required=True)
    parser.add_argument('--mode', choices=('command', 'interp'), default='command')
    parser.add_argument('--built', required=True, help='folder of the built programs')
    parser.add_argument('--interp-tool', required=True, help='the ldx-interp program')
    parser.add_argument('--script', required=True, help='ldx-gdb.py')
    parser.add_argument('--auto-load', required=True, help="the build's tree of scripts for gdb")
    parser.add_argument('names', nargs='*', help='only these tests (Class.test_name)')
    OPTIONS = parser.parse_args()
    OPTIONS.ldx = os.path.abspath(OPTIONS.ldx)
    sys.argv[1:] = OPTIONS.names
    unittest.main()


if __name__ == '__main__':
    if sys.argv[1:] == ['--packages']:  # Debian packages that the tests stand on
        sys.exit(print('binutils gdb gdbserver python3'))
    main()
