#!/usr/bin/env python3
"""The ways in which stock gdb comes to a program under ldx, and what it does there: gdbserver, forks, exec, several programs, checkpoints,
steps into functions that are bound lazily, stops at events of libraries, core files, musl, static programs, programs without symbols."""

import os
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

import gdb_test
from gdb_test import LATER, PROBES, UNDER, GdbTest, file_names, frames, libraries

STACK = ['under_work', 'later_call', 'call', 'act', 'main']


class Remote(GdbTest):
    """gdbserver reads the lists by itself (qXfer:libraries-svr4)."""

    def check(self, out, trace=STACK):
        self.assertEqual(frames(out)[0], trace)
        self.assertLessEqual({'libgdb-later.so', UNDER, 'libc.so.6', 'ldx'}, file_names(out.replace('target:', '')))
        self.assertIn('exited with code 03', out)

    def test_launch(self):
        server = ' '.join(['gdbserver', '--once', '-', *self.command, 'open=' + LATER, 'call', 'threads=2', 'space=' + LATER])
        out = self.batch([f'file {self.command[0]}', f'target remote | {server}', 'break under_work', 'continue', 'backtrace', 'info sharedlibrary', 'delete', 'break getppid',
                          'continue', 'info threads', 'thread apply 2 3 print later_number', 'delete', 'continue'])
        self.check(out)
        self.assertEqual(len(re.findall(r'^[* ] +\d+ +Thread ', out, re.M)), 3)
        self.assertEqual(sorted(map(int, re.findall(r'^\$\d+ = (\d+)', out, re.M))), [200, 300])

    def test_attach(self):
        process = self.start('open=' + LATER, 'wait', 'call')
        out = self.batch([f'target remote | gdbserver --once --attach - {process.pid}', 'break under_work', 'info sharedlibrary', 'shell touch released', 'continue',
                          'backtrace', 'delete', 'continue'])
        self.check(out)

    def test_multi(self):
        out = self.batch(['target extended-remote | gdbserver --multi -', f'set remote exec-file {self.command[0]}', f'file {self.command[0]}', 'break under_work',
                          ' '.join(['run', *self.command[1:], 'open=' + LATER, 'call']), 'backtrace', 'info sharedlibrary', 'delete', 'continue',
                          ' '.join(['run', *self.command[1:], 'open=./libgdb-gone.so']), 'monitor exit'])
        self.check(out)
        self.assertEqual(out.count('exited with code 03'), 2)


class Processes(GdbTest):
    def test_child_of_fork(self):
        out = self.follow(['set follow-fork-mode child', 'break under_work', 'run', 'backtrace', 'info sharedlibrary', 'continue'], 'fork', 'open=' + LATER, 'call')
        self.assertEqual(frames(out)[0], STACK[:-1] + ['fork_child', 'act', 'main'])
        self.assertIn('libgdb-later.so', file_names(out))
        self.assertIn('New inferior 2', out)
        self.assertIn('exited with code 04', out)

    def test_parent_and_child(self):
        out = self.follow(['set detach-on-fork off', 'set schedule-multiple on', 'break under_work', 'run', 'info inferiors', 'info sharedlibrary', 'inferior 1',
                           'info sharedlibrary', 'inferior 2', 'continue'], 'fork', 'open=' + LATER, 'call')
        child, parent = out.split('[Switching to inferior 1')[:2]
        self.assertIn('libgdb-later.so', file_names(child))
        self.assertIn('libc.so.6', file_names(parent))
        self.assertNotIn('libgdb-later.so', file_names(parent))
        self.assertIn('[Inferior 2 (process ', out)
        self.assertRegex(out, r'Inferior \d \(process \d+\) exited with code 0[34]')

    def test_exec(self):
        options = ['--follow'] if self.as_command else []
        out = self.follow(['break under_work', 'catch exec', 'run', 'info sharedlibrary', 'continue', 'backtrace', 'info sharedlibrary', 'continue'],
                          f'open=./{UNDER}', 'exec=./' + Path(self.program()).name, 'open=' + LATER, 'call', options=options)
        before, after = re.split(r'(?m)^Breakpoint 1(?:\.1)?, ', out)
        self.assertNotIn(UNDER, file_names(before))
        self.assertEqual(frames(after)[0], STACK)
        self.assertLessEqual({'libgdb-later.so', UNDER, 'libc.so.6', 'ldx'}, file_names(after))
        self.assertIn('exited with code 03', after)

    def test_several_programs(self):
        file = os.path.realpath(self.folder / self.command[0])
        out = self.batch(['set schedule-multiple on', 'break under_work', 'run', 'backtrace', f'add-inferior -exec {file}', 'inferior 2',
                          ' '.join(['set args', *self.command[1:], f'open=./{UNDER}']), 'tbreak getppid', 'set schedule-multiple off', 'run', 'info inferiors',
                          'info sharedlibrary', 'inferior 1', 'info sharedlibrary'], '--args', *self.command, 'open=' + LATER, 'call')
        self.assertEqual(frames(out)[0], STACK)
        self.assertEqual(len(re.findall(r'^[* ] +\d +process \d+', out, re.M)), 2)
        second, first = out.split('info inferiors')[-1].split('[Switching to inferior 1')[-2:]
        self.assertNotIn('libgdb-later.so', file_names(second.split('[Switching to inferior 2')[-1]))
        self.assertIn('libgdb-later.so', file_names(first))

    def test_checkpoint(self):
        out = self.follow(['break later_mark', 'run', 'checkpoint', 'delete', 'tbreak under_work', 'continue', 'restart 1', 'backtrace', 'info sharedlibrary', 'tbreak under_work',
                           'continue', 'backtrace', 'info sharedlibrary'], 'open=' + LATER, 'call')
        earlier, again = [trace for trace in frames(out) if len(trace) > 1]
        self.assertEqual(earlier[:2], ['later_mark', 'later_begin'])
        self.assertEqual(again, STACK)
        self.assertIn('libgdb-later.so', file_names(out))


class Stops(GdbTest):
    def test_stop_on_solib_events(self):
        """Each stop has a list that is right: it is compared with what gdb was told before."""
        out = self.follow(['set stop-on-solib-events 1', 'run', 'info sharedlibrary'] + ['continue', 'info sharedlibrary'] * 5 + ['continue'], 'open=' + LATER, 'close')
        stops = re.split(r'Stopped due to shared library event', out)[1:]
        self.assertEqual(len(stops), 6)
        known, told = set(), []
        for stop in stops:
            come = re.search(r'Inferior loaded ((?:\S+\n\s+)*\S+)', stop.split('#0')[0])
            gone = re.search(r'Inferior unloaded ((?:\S+\n\s+)*\S+)', stop.split('#0')[0])
            come, gone = ({Path(name).name for name in m[1].split()} if m else set() for m in (come, gone))
            if not told and not self.as_command:
                known = {'ldx'}  # gdb has it by PT_INTERP
            self.assertFalse(come & known)
            self.assertLessEqual(gone, known)
            known = known - gone | come
            self.assertEqual(file_names(stop), known)
            told.append((come - {'followed', 'libc.so.6', 'ld-linux-x86-64.so.2', 'ldx'}, gone))
        later = {'libgdb-later.so', UNDER}
        self.assertEqual(told, [(set(), set()), (set(), set()), (set(), set()), (later, set()), (set(), set()), (set(), later)])

    def test_catch_every_load(self):
        out = self.follow(['catch load', 'run', 'continue', 'continue'], 'open=' + LATER)
        self.assertRegex(out, r'Inferior loaded .*libgdb-later\.so\n\s+.*libgdb-under\.so')

    def test_steps_into_lazily_bound_functions(self):
        out = self.follow(['break later_call', 'run', 'step', 'backtrace', 'up', 'finish', 'next', 'next', 'step'], 'open=' + LATER, 'call')
        self.assertEqual(frames(out)[0], STACK)
        self.assertRegex(out, r'(?m)^under_work \(f=0x')

    def test_start_and_first_instruction(self):
        out = self.follow(['starti', 'info sharedlibrary', 'tbreak main', 'continue', 'next', 'step', 'info source'])
        self.assertRegex(out, r'_start \(\)')
        self.assertRegex(out, r'Temporary breakpoint \d+, main \(')
        self.assertIn('Current source file is', out)

    def test_probe_arguments_are_glibcs(self):
        """Names, number and types of arguments; where they lie is each compiler's affair."""
        glibc = Path('/lib64/ld-linux-x86-64.so.2')
        probes = {}
        for file in (glibc, gdb_test.OPTIONS.ldx):
            out = subprocess.run(['readelf', '-n', file], check=True, capture_output=True, text=True).stdout
            for name, arguments in re.findall(r'Provider: rtld\s+Name: (\S+)\s+.*\n\s+Arguments: (.*)', out):
                types = tuple(re.sub('@.*', '', a) for a in arguments.split())
                probes.setdefault(file, {}).setdefault(name, types)
        ours = probes[gdb_test.OPTIONS.ldx]
        self.assertEqual(set(ours), set(PROBES))
        # The guest's glibc may have none of them (Debian's), and of those that it has others than these are no debugger's.
        for name in set(probes.get(glibc, {})) & set(PROBES):
            self.assertEqual(ours[name], probes[glibc][name])
        self.assertEqual({name: len(types) for name, types in ours.items()}, {name: 2 + (name in ('map_complete', 'reloc_complete')) for name in PROBES})
        self.assertEqual({types[:2] for types in ours.values()}, {('-8', '8')})

    def test_sysroot(self):
        out = self.follow(['set sysroot /', 'break under_work', 'run', 'backtrace', 'info sharedlibrary'], 'open=' + LATER, 'call')
        self.assertEqual(frames(out)[0], STACK)
        self.assertLessEqual({'libgdb-later.so', UNDER}, file_names(out))
        self.follow(['set sysroot /nowhere', 'break getppid', 'run', 'info sharedlibrary'], 'open=' + LATER)
        self.assertIn('libgdb-later.so', self.output)


class Kinds(GdbTest):
    """Programs of other kinds."""

    def compile(self, source, program, *words, compiler='cc'):
        (self.folder / f'{program}.c').write_text(source)
        subprocess.run([compiler, '-g', f'{program}.c', *words, '-o', program], cwd=self.folder, check=True)

    def test_without_symbols(self):
        subprocess.run(['strip', 'followed', 'libgdb-later.so'], cwd=self.folder, check=True)
        out = self.follow(['break later_call', 'run', 'backtrace', 'info sharedlibrary'], 'open=' + LATER, 'call', command=self.command_of('followed'))
        self.assertEqual(frames(out)[0][0], 'later_call')
        self.assertIn('__libc_start_call_main', frames(out)[0])
        self.assertEqual(frames(out)[0][-1], '??')
        self.assertLessEqual({'libgdb-later.so', UNDER}, file_names(out))

    def test_not_position_independent(self):
        self.compile('int under_work(int (*f)(int), int n); static int f(int n) { return n; } int main(void) { return under_work(f, 2); }', 'fixed', '-no-pie',
                     f'-Wl,-rpath,{self.folder}', UNDER)
        command = self.command_of('fixed')
        out = self.follow(['break under_work', 'run', 'backtrace', 'info sharedlibrary', 'generate-core-file core.fixed'], command=command)
        self.assertEqual(frames(out)[0], ['under_work', 'main'])
        self.assertIn(UNDER, file_names(out))
        for program in {command[0], command[-1]}:  # of a command: ldx, and the program
            core = self.batch(['backtrace', 'info sharedlibrary'], program, 'core.fixed')
            self.assertEqual(frames(core)[-1], ['under_work', 'main'])
            self.assertIn(UNDER, file_names(core))

    def test_static(self):
        """ldx as a command has the kernel start them."""
        if not self.as_command:
            return
        for word in ('-static', '-static-pie'):
            self.compile('int main(void) { return 5; }', 'alone', word)
            out = self.follow(['break main', 'run', 'backtrace', 'continue'], command=self.command_of('alone'))
            self.assertEqual(frames(out)[0], ['main'])
            self.assertIn('exited with code 05', out)

    def test_musl(self):
        self.compile('__attribute__((constructor)) static void musl_begin(void) {} int musl_added(int n) { return n + 1; }', 'libgdb-musl.so', '-shared', '-fPIC', compiler='musl-gcc')
        self.compile('#include <dlfcn.h>\nint main(void) { int (*f)(int) = dlsym(dlopen("./libgdb-musl.so", RTLD_NOW), "musl_added"); return f(4); }', 'muslprog',
                     compiler='musl-gcc')
        out = self.follow(['break musl_begin', 'break musl_added', 'run', 'backtrace', 'continue', 'backtrace', 'info sharedlibrary', 'continue'], command=self.command_of('muslprog'))
        constructor, called = frames(out)
        self.assertEqual((constructor[0], constructor[-1], called), ('musl_begin', 'main', ['musl_added', 'main']))
        self.assertLessEqual({'libgdb-musl.so', 'ldx'}, file_names(out))
        self.assertIn('exited with code 05', out)


if __name__ == '__main__':
    if sys.argv[1:] == ['--packages']:  # Debian packages that the tests stand on
        sys.exit(print('binutils gdb gdbserver libc6-dbg musl-tools python3'))
    gdb_test.main(__doc__)
