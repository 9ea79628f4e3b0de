#!/usr/bin/env python3
"""Stock gdb follows programs under ldx: breakpoints, libraries, threads, namespaces, core files, and the probes."""

import json
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

import gdb_test
from gdb_test import LATER, PROBES, UNDER, GdbTest, file_names, frames, libraries, mapped, text_address, told


class Following(GdbTest):
    def test_probes_are_listed(self):
        out = subprocess.run(['readelf', '-n', gdb_test.OPTIONS.ldx], check=True, capture_output=True, text=True).stdout
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
        self.assertEqual([p['new'] for p in done], [f'./{UNDER}', LATER])
        self.assertEqual(done[1]['listed'][-1], LATER)

    def test_pending_breakpoints_and_backtraces(self):
        out = self.follow(['break later_mark', 'break under_work', 'run', 'backtrace', 'continue', 'backtrace', 'finish'], 'open=' + LATER, 'call')
        constructor, called = frames(out)
        self.assertEqual(constructor[:2], ['later_mark', 'later_begin'])
        self.assertEqual(called[:2], ['under_work', 'later_call'])
        self.assertIn('Value returned is', out)
        self.assertEqual(called[2:], ['call', 'act', 'main'])
        self.assertEqual(constructor[-3:], ['open_lazily', 'act', 'main'])
        self.assertNotIn('??', constructor)

    def test_the_program_by_name(self):
        out = self.follow(['break main', 'run', 'next', 'info symbol main', 'print argc', 'tbreak followed.c:act', 'continue', 'info locals', 'print own_number'],
                          'open=' + LATER, 'call')
        self.assertRegex(out, r'Breakpoint 1, main \(argc=3, ')
        self.assertRegex(out, r'(?m)^main in section \.text')
        self.assertRegex(out, r'(?m)^\$1 = 3$')
        self.assertRegex(out, r'value = 0x')
        self.assertRegex(out, r'(?m)^\$2 = 1$')
        out = self.follow(['start', 'backtrace'])
        self.assertEqual(frames(out)[-1], ['main'])

    def test_backtrace_in_the_binding_of_a_lazy_call(self):
        out = self.follow(['break later_call', 'run', 'delete', 'break ldx_bind_lazy', 'continue', 'backtrace'], 'open=' + LATER, 'call')
        trace = frames(out)[-1]
        self.assertIn('later_call', trace)
        self.assertLess(trace.index('later_call'), 8)
        self.assertEqual(trace[-4:], ['later_call', 'call', 'act', 'main'])

    def check_libraries(self, out):
        listed, state = libraries(out), told('LISTS', out)[-1]
        there = mapped(state['maps'], self.folder)
        names = {os.path.realpath(self.folder / name): address for name, address in listed.items()}
        program = set() if self.as_command else {self.program()}  # as a command it is a library to gdb
        self.assertEqual(set(names), {file for file in there if file.startswith('/')} - program)
        for file, address in names.items():
            self.assertIn(address - text_address(file), there[file], file)
        return {Path(file).name for file in names}

    def test_libraries_are_where_they_are(self):
        out = self.follow(['break getppid', 'run', 'info sharedlibrary', 'lists'], 'open=' + LATER, 'call')
        self.assertLessEqual({'libgdb-later.so', UNDER, 'libc.so.6', Path(gdb_test.OPTIONS.ldx).name}, self.check_libraries(out))

    def test_unloaded_libraries_are_gone(self):
        out = self.follow(['break getppid', 'run', 'info sharedlibrary', 'lists'], 'open=' + LATER, 'close')
        self.assertFalse({'libgdb-later.so', UNDER} & self.check_libraries(out))

    def test_failing_dlopen_leaves_the_list(self):
        out = self.follow(['break getppid', 'run', 'info sharedlibrary', 'lists'], 'now=./libgdb-broken.so', 'open=./libgdb-gone.so')
        self.assertIn('./libgdb-broken.so: no', out)
        self.assertFalse({'libgdb-broken.so', UNDER} & self.check_libraries(out))
        self.assertEqual([s['state'] for s in told('LISTS', out)[-1]['spaces']], [0])

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
        out = self.follow(['break getppid', 'run', 'thread apply all print \'followed.c\'::own_number'], 'open=' + LATER, 'threads=2')
        self.assertEqual(sorted(map(int, re.findall(r'^\$\d+ = (\d+)', out, re.M))), [1, 2, 3])

    def test_namespaces(self):
        out = self.follow(['break getppid', 'run', 'info sharedlibrary', 'lists'], 'open=' + LATER, 'space=' + LATER, 'space=' + LATER)
        state = told('LISTS', out)[-1]
        self.assertEqual((state['version'], len(state['spaces'])), (2, 3))
        for space in state['spaces'][1:]:
            self.assertEqual({Path(o['name']).name for o in space['objects']}, {'libgdb-later.so', UNDER})
        dynamic = [o['ld'] for s in state['spaces'] for o in s['objects']]
        self.assertEqual(len(dynamic), len(set(dynamic)))
        self.assertEqual(len(re.findall(r'libgdb-later\.so$', out, re.M)), 3)
        alias = [o['name'] for s in state['shown'] for o in s['objects'] if o['base'] == state['spaces'][0]['objects'][0]['base']]
        self.assertEqual(alias, ['', self.program()] if self.as_command else [''])
        begins = mapped(state['maps'], self.folder)[os.path.realpath(self.folder / 'libgdb-later.so')]
        self.assertEqual(sorted(begins), sorted(o['base'] for s in state['spaces'] for o in s['objects'] if 'later' in o['name']))

    def test_breakpoint_in_every_namespace(self):
        out = self.follow(['break later_mark', 'run', 'continue', 'info breakpoints', 'continue'], 'open=' + LATER, 'space=' + LATER)
        self.assertEqual(len(re.findall(r'Breakpoint 1(?:\.[12])?, later_mark', out)), 2)
        self.assertRegex(out, r'(?m)^1\.2 ')

    def test_tools_and_auditors(self):
        """Pending breakpoints in what is loaded before the program's libraries."""
        for option, variable, file, function in (('--tool', 'LDX_TOOLS', 'libgdb-tool.so', 'ldx_tool_main'), ('--audit', 'LD_AUDIT', 'libgdb-auditor.so', 'la_objopen'),
                                                 ('--audit', 'LD_AUDIT', 'libgdb-auditor.so', 'la_version')):
            with self.subTest(function):
                env = {} if self.as_command else {variable: './' + file}
                out = self.follow([f'break {function}', 'run', 'backtrace', 'info sharedlibrary', 'delete', 'break getppid', 'continue',
                                   'info sharedlibrary', 'lists'], 'open=' + LATER, options=[option, './' + file], env=env)
                early, late = out.split('Breakpoint 2, ')
                self.assertRegex(early, rf'Breakpoint 1(?:\.1)?, {function} ')
                self.assertEqual(frames(early)[0][-1], '_start')
                self.assertLessEqual({file, 'ld-linux-x86-64.so.2', 'ldx'}, file_names(early))
                self.assertIn(file, self.check_libraries(late))
                spaces = told('LISTS', out)[-1]['spaces']
                self.assertEqual(Path(spaces[1]['objects'][0]['name']).name, file)

    def test_original_names(self):
        """Names are those of the files, also when the bytes came from a tool, or the way to them from a cache."""
        session = ['break later_mark', 'run', 'backtrace', 'info sharedlibrary', 'delete', 'break under_work', 'continue', 'backtrace', 'finish']
        plain = libraries(self.follow(session, 'open=' + LATER, 'call'))
        self.assertIn(LATER, plain)
        for option, variable, value in (('--tool', 'LDX_TOOLS', './libgdb-giver.so'), ('--cache', 'LDX_CACHE', str(self.folder)), ('--cache', 'LDX_CACHE', str(self.folder))):
            out = self.follow(session, 'open=' + LATER, 'call', options=[option, value], env={} if self.as_command else {variable: value})
            self.assertEqual({n for n in libraries(out) if 'giver' not in n}, set(plain))
            constructor, called = [trace for trace in frames(out) if trace[-1] == 'main']
            self.assertEqual((constructor[:2], called), (['later_mark', 'later_begin'], ['under_work', 'later_call', 'call', 'act', 'main']))

    def test_attach(self):
        process = self.start('open=' + LATER, 'wait', 'call')
        out = self.batch(['break under_work', 'info probes stap rtld', 'info sharedlibrary', 'lists', 'shell touch released', 'continue', 'backtrace', 'delete',
                          'continue'], '-p', str(process.pid))
        self.assertEqual({name for name in PROBES if name in out}, set(PROBES))
        self.assertIn('libgdb-later.so', self.check_libraries(out))
        self.assertEqual(frames(out)[-1], ['under_work', 'later_call', 'call', 'act', 'main'])
        self.assertEqual(process.wait(20), 3)

    def test_attach_by_the_file(self):
        process = self.start('open=' + LATER, 'wait', 'call')
        out = self.batch(['break call', 'shell touch released', 'continue', 'backtrace', 'delete', 'continue'], self.command[0], str(process.pid))
        self.assertEqual(frames(out)[-1], ['call', 'act', 'main'])
        self.assertEqual(process.wait(20), 3)


class Variables(GdbTest):
    """Thread-local variables are there for gdb when they are there under the system's loader, with the same values."""
    LATER_NUMBER, ALL = 'attempt print later_number', "thread apply all print 'followed.c'::own_number"
    CALLED = ['finish', 'next', LATER_NUMBER]  # from under_work: later_number has been read

    def values(self, commands, *arguments):
        """What is printed of each variable, in order: its value, or that it has no memory yet."""
        return [value or refused for value, refused in re.findall(r'(?m)^\$\d+ = (\d+)$|has not yet (allocated) storage', self.batch(commands, *arguments))]

    def compare(self, commands, *words):
        ours, theirs = (self.values(commands, '--args', *command, *words) for command in (self.command, ['./followed']))
        self.assertEqual(ours, theirs)
        return ours

    def test_before_and_after_the_first_use(self):
        values = self.compare(['break later_mark', 'break under_work', 'run', self.LATER_NUMBER, 'continue', self.LATER_NUMBER, *self.CALLED, self.ALL], 'threads=2', 'open=' + LATER, 'call')
        self.assertEqual(values, ['allocated', 'allocated', '7', '3', '2', '1'])
        values = self.compare(['break getppid', 'run', 'thread apply all ' + self.LATER_NUMBER, self.ALL], 'open=' + LATER, 'call', 'threads=2')
        self.assertEqual(values, ['300', '200', '7', '3', '2', '1'])

    def test_in_other_namespaces(self):
        session = ['break under_work', 'run', 'up', self.LATER_NUMBER, 'down', *self.CALLED, 'set var later_number = 70']
        again = ['continue', 'up', self.LATER_NUMBER, 'down', *self.CALLED]
        values = self.compare([*session, *again, *again, self.ALL], 'open=' + LATER, 'call', 'space=' + LATER, 'call', 'call', 'threads=2')
        self.assertEqual(values[:6], ['allocated', '7', 'allocated', '7', '7', '7'])

    def test_in_a_core(self):
        session = ['break under_work', 'run', 'generate-core-file core.before', *self.CALLED, 'generate-core-file core.after', 'set var later_number = 70', 'continue', *self.CALLED,
                   'generate-core-file core.space']
        seen = []
        for command in (self.command, ['./followed']):
            self.batch(session, '--args', *command, 'threads=2', 'open=' + LATER, 'call', 'space=' + LATER, 'call')
            seen.append([self.values(['thread apply all ' + self.LATER_NUMBER, self.ALL, *more], command[0], 'core.' + name)
                         for name, more in (('before', []), ('after', []), ('space', ['thread 1', self.LATER_NUMBER]))])
        self.assertEqual(*seen)
        before, after, space = seen[0]
        self.assertEqual(before, ['allocated'] * 3 + ['3', '2', '1'])
        self.assertEqual(after, ['allocated'] * 2 + ['7', '3', '2', '1'])
        self.assertEqual(space[-1], '7')


class Cores(GdbTest):
    def check_core(self, core):
        program = gdb_test.OPTIONS.ldx if self.as_command else './own'
        out = self.batch(['info sharedlibrary', 'info threads', 'backtrace', 'print later_number'], program, core)
        self.assertLessEqual({'libgdb-later.so', UNDER, 'libc.so.6'}, file_names(out))
        self.assertEqual(len(re.findall(r'^[* ] +\d+ +Thread 0x', out, re.M)), 2)
        self.assertIn('$1 = 7', out)
        self.assertEqual(frames(out)[-1][-1], 'main')

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


if __name__ == '__main__':
    if sys.argv[1:] == ['--packages']:  # Debian packages that the tests stand on
        sys.exit(print('binutils gdb libc6-dbg python3'))
    gdb_test.main(__doc__)
