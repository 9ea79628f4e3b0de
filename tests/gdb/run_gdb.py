#!/usr/bin/env python3
"""Stock gdb follows programs under ldx: breakpoints, libraries, threads, namespaces, core files, and the probes.

--mode command runs `gdb --args ldx PROGRAM`; --mode interp runs a copy of the program whose PT_INTERP is ldx. As a command gdb takes
ldx for the program: what needs the program's own symbols is asked in the other mode only.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

OPTIONS = None
HERE = Path(__file__).resolve().parent
SESSION = ['set pagination off', 'set confirm off', 'set width 0', 'set breakpoint pending on', 'set debuginfod enabled off',
           'set print thread-events off', f'source {HERE / "inside.py"}']
LATER, UNDER = './libgdb-later.so', 'libgdb-under.so'
PROBES = ['init_complete', 'init_start', 'map_complete', 'map_failed', 'map_start', 'reloc_complete', 'reloc_start', 'unmap_complete',
          'unmap_start']


def libraries(text):
    """Name and address of .text of each line of `info sharedlibrary`."""
    return {m[2]: int(m[1], 16) for m in re.finditer(r'^(0x[0-9a-f]+)\s+0x[0-9a-f]+\s+Yes(?: \(\*\))?\s+(\S+)$', text, re.M)}


def text_address(file):
    out = subprocess.run(['readelf', '-SW', file], check=True, capture_output=True, text=True).stdout
    return int(re.search(r' \.text\s+PROGBITS\s+([0-9a-f]+)', out)[1], 16)


def mapped(maps, folder):
    """Base of each file that is mapped with its begin, and can be executed."""
    code = {line.split(None, 5)[5] for line in maps.splitlines() if 'x' in line.split()[1] and '/' in line}
    begin = {}
    for line in maps.splitlines():
        part = line.split(None, 5)
        if len(part) == 6 and part[5] in code and int(part[2], 16) == 0:
            begin.setdefault(part[5], []).append(int(part[0].split('-')[0], 16))
    return begin


class GdbTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix='gdb-'))
        self.addCleanup(shutil.rmtree, self.folder)
        for file in Path(OPTIONS.built).iterdir():
            if file.is_file():
                shutil.copy2(file, self.folder)
        self.command = [OPTIONS.ldx, './followed']
        self.as_command = OPTIONS.mode == 'command'
        if not self.as_command:
            subprocess.run([OPTIONS.interp_tool, '--set', OPTIONS.ldx, '--output', self.folder / 'own', self.folder / 'followed'], check=True)
            self.command = ['./own']

    def batch(self, commands, *arguments, env=None):
        (self.folder / 'session').write_text('\n'.join(SESSION + list(commands)) + '\n')
        done = subprocess.run(['gdb', '-nx', '-batch', '-x', 'session', *arguments], cwd=self.folder, capture_output=True, text=True,
                              timeout=90, env={**os.environ, **(env or {})})
        self.output = done.stdout + done.stderr
        self.assertNotIn('Corrupted shared library list', self.output)
        self.assertNotIn('Probes-based dynamic linker interface failed', self.output)
        self.assertNotIn('Error in sourced command file', self.output)
        return done.stdout

    def follow(self, commands, *words, options=(), env=None):
        command = [self.command[0], *options, *self.command[1:]]
        return self.batch(commands, '--args', *command, *words, env=env)

    def lists(self, out):
        return [json.loads(line[6:]) for line in out.splitlines() if line.startswith('LISTS ')]

    def frames(self, out):
        """Of each backtrace the names of its functions."""
        traces = []
        for number, name in re.findall(r'^#(\d+)\s+(?:0x[0-9a-f]+ in )?(\S+) \(', out, re.M):
            if number == '0':
                traces.append([])
            traces[-1].append(name)
        return traces


class Following(GdbTest):
    def test_probes_are_listed(self):
        out = subprocess.run(['readelf', '-n', OPTIONS.ldx], check=True, capture_output=True, text=True).stdout
        self.assertEqual(sorted(re.findall(r'Provider: rtld\s+Name: (\S+)', out)), PROBES)
        out = self.follow(['break getppid', 'run', 'info probes stap rtld'], 'open=' + LATER)
        at = re.findall(r'^stap\s+rtld\s+(\S+)\s+(0x\S+)\s+(\S+)', out, re.M)
        self.assertEqual(sorted({name for name, _, _ in at}), PROBES)
        self.assertEqual(len({(name, address) for name, address, _ in at}), len(PROBES))
        self.follow(['set debug solib on', 'break getppid', 'run'])
        self.assertIn('using probes interface', self.output)

    def test_probes_fire_in_order(self):
        out = self.follow(['starti', 'probes', 'break getppid', 'continue'], 'open=' + LATER, 'close', 'now=./libgdb-broken.so', 'open=./libgdb-gone.so',
                          'space=' + LATER)
        probes = [json.loads(line[6:]) for line in out.splitlines() if line.startswith('PROBE ')]
        inner = next(i for i, p in enumerate(probes) if p['id'])  # a load in the base namespace for what it shares may lie within the other
        probes = [p for i, p in enumerate(probes) if i < inner or p['id']]
        loaded = ['map_start', 'map_complete', 'reloc_start', 'reloc_complete']
        names = [p['name'] for p in probes]
        self.assertEqual(names, ['init_start', 'init_complete'] + loaded + ['unmap_start', 'unmap_complete'] +
                         ['map_start', 'map_complete', 'reloc_start', 'map_failed'] + loaded)
        self.assertEqual([p['state'] for p in probes], [1, 0] + [1, 1, 1, 0] + [2, 0] + [1, 1, 1, 0] + [1, 1, 1, 0])
        base = probes[0]['debug']
        self.assertEqual([p['id'] for p in probes], [0] * 12 + [1] * 4)
        self.assertTrue(all((p['debug'] == base) == (p['id'] == 0) for p in probes))
        self.assertEqual([p['count'] for p in probes], [2, 2] + [2, 3, 2, 3] + [2, 2] + [2, 3, 2, 2] + [2, 3, 2, 3])
        self.assertEqual(probes[-1]['new'], probes[-1]['listed'][0])  # a namespace's first
        self.assertEqual({Path(n).name for n in probes[-1]['listed']}, {'libgdb-later.so', UNDER})
        self.assertEqual({Path(n).name for n in set(probes[5]['listed']) - set(probes[1]['listed'])}, {'libgdb-later.so', UNDER})
        for p in probes[2:5] + probes[7:12]:
            self.assertEqual(p['listed'], probes[1]['listed'])

    def test_new_libraries_come_behind(self):
        out = self.follow(['starti', 'probes', 'break getppid', 'continue'], f'open=./{UNDER}', 'open=' + LATER)
        done = [p for p in map(lambda l: json.loads(l[6:]), re.findall(r'^PROBE .*', out, re.M)) if p['name'] == 'reloc_complete']
        self.assertIsNone(done[0]['new'])  # behind the loader, which gdb may not have on its list
        self.assertEqual(done[1]['new'], LATER)
        self.assertEqual(done[1]['listed'][-1], LATER)

    def test_pending_breakpoints_and_backtraces(self):
        out = self.follow(['break later_mark', 'break under_work', 'run', 'backtrace', 'continue', 'backtrace', 'finish'], 'open=' + LATER, 'call')
        constructor, called = self.frames(out)
        self.assertEqual(constructor[:2], ['later_mark', 'later_begin'])
        self.assertEqual(called[:2], ['under_work', 'later_call'])
        self.assertIn('Value returned is', out)
        if not self.as_command:
            self.assertEqual(called[2:], ['call', 'act', 'main'])
            self.assertEqual(constructor[-2:], ['act', 'main'])
            self.assertNotIn('??', constructor)

    def test_backtrace_in_the_binding_of_a_lazy_call(self):
        out = self.follow(['break later_call', 'run', 'delete', 'break ldx_bind_lazy', 'continue', 'backtrace'], 'open=' + LATER, 'call')
        trace = self.frames(out)[-1]
        self.assertIn('later_call', trace)
        self.assertLess(trace.index('later_call'), 8)
        if not self.as_command:
            self.assertEqual(trace[-4:], ['later_call', 'call', 'act', 'main'])

    def check_libraries(self, out):
        listed, state = libraries(out), self.lists(out)[-1]
        there = mapped(state['maps'], self.folder)
        program = os.path.realpath(self.folder / ('followed' if self.as_command else 'own'))
        names = {os.path.realpath(self.folder / name): address for name, address in listed.items()}
        self.assertEqual(set(names), {file for file in there if file.startswith('/')} - {program})
        for file, address in names.items():
            self.assertIn(address - text_address(file), there[file], file)
        return {Path(file).name for file in names}

    def test_libraries_are_where_they_are(self):
        out = self.follow(['break getppid', 'run', 'info sharedlibrary', 'lists'], 'open=' + LATER, 'call')
        self.assertLessEqual({'libgdb-later.so', UNDER, 'libc.so.6', Path(OPTIONS.ldx).name}, self.check_libraries(out))

    def test_unloaded_libraries_are_gone(self):
        out = self.follow(['break getppid', 'run', 'info sharedlibrary', 'lists'], 'open=' + LATER, 'close')
        self.assertFalse({'libgdb-later.so', UNDER} & self.check_libraries(out))

    def test_failing_dlopen_leaves_the_list(self):
        out = self.follow(['break getppid', 'run', 'info sharedlibrary', 'lists'], 'now=./libgdb-broken.so', 'open=./libgdb-gone.so')
        self.assertIn('now=./libgdb-broken.so: no', out)
        self.assertFalse({'libgdb-broken.so', UNDER} & self.check_libraries(out))
        self.assertEqual([s['state'] for s in self.lists(out)[-1]['spaces']], [0])

    def test_catch_load_and_unload(self):
        out = self.follow(['catch load gdb-later', 'catch unload gdb-later', 'run', 'continue', 'info sharedlibrary', 'continue'], 'open=' + LATER,
                          'close')
        self.assertRegex(out, r'Inferior loaded .*libgdb-later\.so')
        self.assertRegex(out, r'Inferior unloaded .*libgdb-later\.so')
        self.assertFalse([name for name in libraries(out) if 'gdb-' in Path(name).name])
        self.assertIn('exited with code 03', out)

    def test_threads_and_their_variables(self):
        out = self.follow(['break getppid', 'run', 'info threads', 'print later_number', 'thread apply 2 3 print later_number'], 'open=' + LATER,
                          'call', 'threads=2')
        self.assertIn('[Thread debugging using libthread_db enabled]', out)
        self.assertEqual(len(re.findall(r'^[* ] +\d+ +Thread 0x', out, re.M)), 3)
        self.assertEqual(sorted(map(int, re.findall(r'^\$\d+ = (\d+)', out, re.M))), [7, 200, 300])
        if not self.as_command:
            out = self.follow(['break getppid', 'run', 'thread apply all print own_number'], 'open=' + LATER, 'threads=2')
            self.assertEqual(sorted(map(int, re.findall(r'^\$\d+ = (\d+)', out, re.M))), [1, 2, 3])

    def test_namespaces(self):
        out = self.follow(['break getppid', 'run', 'info sharedlibrary', 'lists'], 'open=' + LATER, 'space=' + LATER, 'space=' + LATER)
        state = self.lists(out)[-1]
        self.assertEqual((state['version'], len(state['spaces'])), (2, 3))
        for space in state['spaces'][1:]:
            self.assertEqual({Path(o['name']).name for o in space['objects']}, {'libgdb-later.so', UNDER})
        dynamic = [o['ld'] for s in state['spaces'] for o in s['objects']]
        self.assertEqual(len(dynamic), len(set(dynamic)))
        self.assertEqual(len(re.findall(r'libgdb-later\.so$', out, re.M)), 3)
        begins = mapped(state['maps'], self.folder)[os.path.realpath(self.folder / 'libgdb-later.so')]
        self.assertEqual(sorted(begins), sorted(o['base'] for s in state['spaces'] for o in s['objects'] if 'later' in o['name']))

    def test_breakpoint_in_every_namespace(self):
        out = self.follow(['break later_mark', 'run', 'continue', 'info breakpoints', 'continue'], 'open=' + LATER, 'space=' + LATER)
        self.assertEqual(len(re.findall(r'Breakpoint 1(?:\.[12])?, later_mark', out)), 2)
        self.assertRegex(out, r'(?m)^1\.2 ')

    def test_a_tool_appears(self):
        options = ['--tool', './libgdb-tool.so'] if self.as_command else []
        out = self.follow(['break getppid', 'run', 'info sharedlibrary', 'lists'], 'open=' + LATER, options=options,
                          env={} if self.as_command else {'LDX_TOOLS': './libgdb-tool.so'})
        self.assertIn('libgdb-tool.so', self.check_libraries(out))
        spaces = self.lists(out)[-1]['spaces']
        self.assertEqual([Path(o['name']).name for o in spaces[1]['objects']], ['libgdb-tool.so'])

    def test_attach(self):
        process = subprocess.Popen([*self.command, 'open=' + LATER, 'wait', 'call'], cwd=self.folder, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        while process.stdout.readline() != 'waiting\n':
            self.assertIsNone(process.poll())
        out = self.batch(['break under_work', 'info probes stap rtld', 'info sharedlibrary', 'lists', 'shell touch released', 'continue', 'backtrace', 'delete',
                          'continue'], '-p', str(process.pid))
        self.assertEqual({name for name in PROBES if name in out}, set(PROBES))
        self.assertIn('libgdb-later.so', self.check_libraries(out))
        self.assertEqual(self.frames(out)[-1][:2], ['under_work', 'later_call'])
        self.assertEqual(process.wait(20), 3)


class Cores(GdbTest):
    def check_core(self, core):
        program = OPTIONS.ldx if self.as_command else './own'
        out = self.batch(['info sharedlibrary', 'info threads', 'backtrace', 'print later_number'], program, core)
        names = {Path(name).name for name in libraries(out)}
        self.assertLessEqual({'libgdb-later.so', UNDER, 'libc.so.6'}, names)
        self.assertEqual(len(re.findall(r'^[* ] +\d+ +Thread 0x', out, re.M)), 2)
        self.assertIn('$1 = 7', out)
        if not self.as_command:
            self.assertEqual(self.frames(out)[-1][-1], 'main')

    def test_generate_core_file(self):
        out = self.follow(['break getppid', 'run', 'generate-core-file core.gdb'], 'open=' + LATER, 'call', 'threads=1')
        self.assertIn('Saved corefile core.gdb', out)
        self.check_core('core.gdb')

    def test_core_of_the_kernel(self):
        pattern = Path('/proc/sys/kernel/core_pattern').read_text().strip()
        if pattern.startswith('|') or '/' in pattern:
            self.skipTest(f'core files go to {pattern}')
        command = ' '.join([*self.command, 'open=' + LATER, 'call', 'threads=1', 'abort'])
        subprocess.run(['sh', '-c', f'ulimit -c unlimited; exec {command}'], cwd=self.folder, capture_output=True, timeout=60)
        cores = list(self.folder.glob('core*'))
        self.assertEqual(len(cores), 1)
        self.check_core(cores[0].name)


def main():
    global OPTIONS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--ldx', required=True)
    parser.add_argument('--mode', choices=('command', 'interp'), default='command')
    parser.add_argument('--built', required=True, help='folder of the built programs')
    parser.add_argument('--interp-tool', required=True, help='the ldx-interp program')
    parser.add_argument('names', nargs='*', help='only these tests (Class.test_name)')
    OPTIONS = parser.parse_args()
    OPTIONS.ldx = os.path.abspath(OPTIONS.ldx)
    sys.argv[1:] = OPTIONS.names
    unittest.main()


if __name__ == '__main__':
    if sys.argv[1:] == ['--packages']:  # Debian packages that the tests stand on
        sys.exit(print('binutils gdb libc6-dbg python3'))
    main()
