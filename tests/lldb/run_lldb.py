#!/usr/bin/env python3
"""Stock lldb follows programs under ldx: launched and attached, breakpoints in libraries that are not there yet, the list of images, threads,
backtraces, steps, core files, musl.

lldb knows the base namespace only, and takes it from r_brk and the list at each stop there. Of the core file of a command it takes ldx for
the program, also where that lies.
"""

import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'gdb'))

import gdb_test  # noqa: E402
from gdb_test import LATER, UNDER, DebuggerTest  # noqa: E402

LLDB = 'lldb-14'


def images(out):
    """Of each `image list -f -h` the names of the files, and where they begin."""
    found = []
    for number, file, header in re.findall(r'^\[ *(\d+)\] (\S+) (0x[0-9a-f]{16})', out, re.M):
        if number == '0':
            found.append({})
        found[-1][Path(file).name] = int(header, 16)
    return found


def backtraces(out):
    """Of each `thread backtrace` the names of its functions, down to main."""
    found = []
    for number, name in re.findall(r'^ *[*]? +frame #(\d+): 0x[0-9a-f]+ \S+?`([\w.@]+)', re.sub(r'(?m)^\(lldb\)', '\n#', out), re.M):
        if number == '0':
            found.append([])
        if 'main' not in found[-1]:
            found[-1].append(name)
    return found


class LldbTest(DebuggerTest):
    def batch(self, commands, *arguments, env=None):
        (self.folder / 'session').write_text('\n'.join(commands) + '\n')
        done = subprocess.run([LLDB, '-b', '-x', '-s', 'session', *arguments], cwd=self.folder, capture_output=True, text=True, timeout=90,
                              env={**os.environ, **(env or {})})
        self.output = done.stdout + done.stderr
        self.assertNotRegex(done.stdout + done.stderr, r'(?m)^error:')
        return done.stdout

    def follow(self, commands, *words, options=(), command=None, env=None):
        setting = [f'settings set target.env-vars {name}={value}' for name, value in (env or {}).items()]
        return self.batch(setting + list(commands), '--', *(command or self.with_options(*options)), *words)

    def check_images(self, listed, *expected):
        """They are where they are mapped: the program and ldx too."""
        self.assertLessEqual({'ldx', Path(self.program()).name, 'libc.so.6', *expected}, set(listed))
        self.assertEqual(len(set(listed.values())), len(listed))


class Following(LldbTest):
    def test_pending_breakpoints_and_backtraces(self):
        out = self.follow(['breakpoint set -n later_mark', 'breakpoint set -n under_work', 'breakpoint set -n main', 'run', 'thread backtrace', 'continue', 'thread backtrace',
                           'continue', 'thread backtrace', 'finish', 'breakpoint delete -f', 'continue'], 'open=' + LATER, 'call')
        self.assertEqual(out.count('1 location added to breakpoint'), 2 + self.as_command)
        self.assertEqual(backtraces(out)[:2], [['main'], ['main']])  # where it stops, and the backtrace
        constructor, called = [trace for trace in backtraces(out) if trace[1:] and trace[-1] == 'main']
        self.assertEqual((constructor[:2], constructor[-3:]), (['later_mark', 'later_begin'], ['open_lazily', 'act', 'main']))
        self.assertEqual(called, ['under_work', 'later_call', 'call', 'act', 'main'])
        self.assertIn('exited with status = 3', out)

    def test_images(self):
        out = self.follow(['breakpoint set -n getppid', 'run', 'image list -f -h', 'image lookup -n later_call', 'image lookup -n main'],
                          'open=' + LATER, 'call', 'now=./libgdb-broken.so', 'open=./libgdb-gone.so')
        listed = images(out)[-1]
        self.check_images(listed, 'libgdb-later.so', UNDER)
        self.assertNotIn('libgdb-broken.so', listed)
        self.assertRegex(out, r'libgdb-later\.so`later_call')
        self.assertRegex(out, r'`main ')

    def test_images_that_go(self):
        out = self.follow(['breakpoint set -n later_mark', 'breakpoint set -n getppid', 'run', 'image list -f -h', 'continue', 'image list -f -h', 'continue', 'image list -f -h'],
                          'open=' + LATER, 'close', f'open=./{UNDER}', 'open=' + LATER, 'close')
        self.assertEqual(len(re.findall(r'stop reason = breakpoint 1\.', out)), 2)
        first, again, end = images(out)
        self.check_images(first, 'libgdb-later.so', UNDER)
        self.check_images(again, 'libgdb-later.so', UNDER)
        self.check_images(end, UNDER)
        self.assertNotIn('libgdb-later.so', end)

    def test_nested(self):
        out = self.follow(['breakpoint set -n nested_begin', 'breakpoint set -n later_mark', 'breakpoint set -n getppid', 'run', 'image list -f -h', 'continue',
                           'image list -f -h', 'continue', 'image list -f -h'], 'open=./libgdb-nested.so')
        nested, later, end = images(out)
        self.check_images(nested, 'libgdb-nested.so')
        self.assertNotIn('libgdb-later.so', nested)
        for listed in (later, end):
            self.check_images(listed, 'libgdb-nested.so', 'libgdb-later.so')

    def test_opened_by_a_resolver(self):
        out = self.follow(['breakpoint set -n inside_mark', 'run', 'image list -f -h'], 'now=./libgdb-opens.so')
        self.check_images(images(out)[-1], 'libgdb-opens.so', UNDER)

    def test_many_cycles(self):
        out = self.follow(['breakpoint set -n later_mark', 'run', 'thread backtrace -c 2'], 'cycle=50', 'open=' + LATER)
        self.assertEqual(backtraces(out)[-1], ['later_mark', 'later_begin'])

    def test_threads(self):
        out = self.follow(['breakpoint set -n getppid', 'run', 'thread list', 'thread backtrace all'], 'open=' + LATER, 'threads=2')
        self.assertEqual(len(re.findall(r'^[* ] thread #\d+: tid = ', out, re.M)), 3)
        self.assertEqual(sum('thread' in trace for trace in backtraces(out)), 2)

    def test_threads_that_load_at_once(self):
        out = self.follow(['breakpoint set -n getppid', 'run', 'image list -f -h'], 'loaders=6')
        listed = images(out)[-1]
        self.check_images(listed)
        self.assertFalse([name for name in listed if name.startswith('libgdb')])

    def test_steps_into_lazily_bound_functions(self):
        out = self.follow(['breakpoint set -n later_call', 'run', 'step', 'thread backtrace', 'finish', 'thread backtrace'], 'open=' + LATER, 'call')
        self.assertIn('stop reason = step in', out)
        self.assertIn(['under_work', 'later_call', 'call', 'act', 'main'], backtraces(out))
        self.assertIn('Return value: (int) $0 = 12', out)

    def test_expressions(self):
        out = self.follow(['breakpoint set -n later_call', 'run', 'expression n * 3', 'expression (int)getppid() > 0', 'expression marks'], 'open=' + LATER, 'call')
        self.assertIn('(int) $0 = 15', out)
        self.assertIn('$1 = true', out)
        self.assertIn('$2 = 1', out)

    def test_other_namespaces_do_no_harm(self):
        """lldb does not see them: tools, auditors and what dlmopen loads."""
        for option, variable, file in (('--tool', 'LDX_TOOLS', './libgdb-tool.so'), ('--audit', 'LD_AUDIT', './libgdb-auditor.so')):
            out = self.follow(['breakpoint set -n under_work', 'run', 'image list -f -h', 'thread backtrace'], f'space=./{UNDER}', 'open=' + LATER, 'call',
                              options=[option, file], env={} if self.as_command else {variable: file})
            self.check_images(images(out)[-1], 'libgdb-later.so', UNDER)
            self.assertEqual(backtraces(out)[-1], ['under_work', 'later_call', 'call', 'act', 'main'])

    def test_musl(self):
        sources = {'libgdb-musl.so': ('__attribute__((constructor)) static void musl_begin(void) {} int musl_added(int n) { return n + 1; }', ['-shared', '-fPIC']),
                   'muslprog': ('#include <dlfcn.h>\nint main(void) { int (*f)(int) = dlsym(dlopen("./libgdb-musl.so", RTLD_NOW), "musl_added"); return f(4); }', [])}
        for name, (source, words) in sources.items():
            (self.folder / f'{name}.c').write_text(source)
            subprocess.run(['musl-gcc', '-g', f'{name}.c', *words, '-o', name], cwd=self.folder, check=True)
        out = self.follow(['breakpoint set -n musl_begin', 'breakpoint set -n musl_added', 'run', 'continue', 'thread backtrace', 'continue'],
                          command=self.command_of('muslprog'))
        self.assertEqual(backtraces(out)[-1], ['musl_added', 'main'])
        self.assertIn('exited with status = 5', out)


class Attached(LldbTest):
    def test_attach(self):
        process = self.start('open=' + LATER, 'wait', 'call')
        out = self.batch(['image list -f -h', 'breakpoint set -n under_work', f'platform shell touch {self.folder}/released', 'continue', 'thread backtrace',
                          'breakpoint delete -f', 'continue'], '-p', str(process.pid))
        self.check_images(images(out)[0], 'libgdb-later.so', UNDER)
        self.assertEqual(backtraces(out)[-1], ['under_work', 'later_call', 'call', 'act', 'main'])
        self.assertIn('exited with status = 3', out)

    def check_middle(self, library, listed):
        process = self.start('open=' + LATER, 'now=./' + library)
        out = self.batch(['image list -f -h', 'breakpoint set -n inside_mark', f'platform shell touch {self.folder}/released', 'continue', 'thread backtrace', 'image list -f -h',
                          'breakpoint delete -f', 'continue'], '-p', str(process.pid))
        before, after = images(out)
        self.check_images(before, 'libgdb-later.so')
        self.assertEqual(library in before, listed)
        self.check_images(after, 'libgdb-later.so', library)
        self.assertEqual(backtraces(out)[-1][:2], ['inside_mark', 'inside_begin'])
        self.assertIn('exited with status = 3', out)

    def test_in_a_constructor(self):
        self.check_middle('libgdb-begins.so', True)

    def test_in_a_resolver(self):
        self.check_middle('libgdb-resolves.so', False)


class Cores(LldbTest):
    def test_core(self):
        pattern = Path('/proc/sys/kernel/core_pattern').read_text(encoding='utf-8').strip()
        if pattern.startswith('|') or '/' in pattern:
            self.skipTest(f'core files go to {pattern}')
        command = ' '.join([*self.command, 'open=' + LATER, 'call', 'threads=1', 'abort'])
        subprocess.run(['sh', '-c', f'ulimit -c unlimited; exec {command}'], cwd=self.folder, capture_output=True, timeout=60)
        core, = self.folder.glob('core*')
        out = self.batch(['image list -f -h', 'thread list', 'thread backtrace all'], '-c', core.name, self.command[0])
        self.assertLessEqual({'ldx', 'libc.so.6', 'libgdb-later.so', UNDER}, set(images(out)[0]))
        self.assertEqual(len(re.findall(r'^[* ] thread #\d+: tid = ', out, re.M)), 2)
        if not self.as_command:
            self.check_images({name: at for name, at in images(out)[0].items() if 'vdso' not in name}, 'libgdb-later.so', UNDER)
            self.assertEqual(backtraces(out)[-2][-3:], ['end', 'act', 'main'])


if __name__ == '__main__':
    if sys.argv[1:] == ['--packages']:  # Debian packages that the tests stand on
        sys.exit(print('libc6-dbg lldb-14 musl-tools python3'))
    gdb_test.main(__doc__)
