#!/usr/bin/env python3
"""Real compilers (libtcc, libgccjit) as clients of objects made at run time: what they compile is called by name from a
library, found by dladdr and backtrace(), stepped through by gdb, and named in perf's map (B16)."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

OPTIONS = None
COMPILERS = ['tcc', 'gccjit']
SESSION = ['set pagination off', 'set confirm off', 'set width 0', 'set breakpoint pending on', 'set debuginfod enabled off']
SOURCE = """int jit_sum(int n) {
  int total = 0;
  int i;
  for (i = 1; i <= n; i++)
    total += i;
  return total;
}
int jit_twice(int (*f)(int), int x) {
  x = f(x);
  return f(x);
}
"""
OUTPUT = """jit_sum: jit_sum, by everybody the same
jit_twice: jit_twice, by everybody the same
sum 55
called from jit_twice
called from jit_twice
twice 7
done
"""
# What jit_twice stands in when it calls, by the line tables of the two.
LINES = {'tcc': {'sum': 1, 'twice': 9}, 'gccjit': {'sum': 2, 'twice': 12}}


def command(compiler):
    if OPTIONS.way == 'command':
        return [OPTIONS.ldx, str(OPTIONS.folder / 'client'), compiler]
    return [str(OPTIONS.folder / 'client-interp'), compiler]


class Clients(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        (self.folder / 'sums.src').write_text(SOURCE)

    def run_client(self, compiler, **env):
        r = subprocess.run(command(compiler), capture_output=True, text=True, timeout=60, cwd=self.folder,
                           env={**os.environ, **env}, check=False)
        self.assertEqual((r.stdout, r.stderr, r.returncode), (OUTPUT, '', 0))

    def gdb(self, compiler, *commands):
        words = ['gdb', '-q', '-nx', '-batch']
        for c in [*SESSION, *commands]:
            words += ['-ex', c]
        r = subprocess.run([*words, '--args', *command(compiler)], capture_output=True, text=True, timeout=120,
                           cwd=self.folder, check=False)
        return r.stdout + r.stderr

    def test_runs(self):
        for compiler in COMPILERS:
            with self.subTest(compiler):
                self.run_client(compiler)

    def test_gdb_steps(self):
        for compiler in COMPILERS:
            with self.subTest(compiler):
                out = self.gdb(compiler, 'break jit_sum', 'run', 'info symbol $pc', 'bt', 'next', 'next', 'next', 'next',
                               'info line', 'finish', 'echo end\\n')
                self.assertRegex(out, rf'Breakpoint 1, .*jit_sum \(.*\) at \S*sums.src:{LINES[compiler]["sum"]}\n')
                self.assertRegex(out, r'jit_sum( \+ \d+)? in section')
                self.assertRegex(out, r'#0 .*jit_sum \(.*\) at \S*sums.src:\d+\n#1 .*call_sum .*\n#2 .*main ')
                self.assertRegex(out, r'(?m)^5\s+total \+= i;')
                self.assertRegex(out, r'0x[0-9a-f]+ in main .*\n.*call_sum\(10\)(.*\n)*end') # a tail call of call_sum's

    def test_gdb_sees_callers(self):
        for compiler in COMPILERS:
            with self.subTest(compiler):
                out = self.gdb(compiler, 'break add_one', 'run', 'bt', 'up', 'info frame')
                self.assertRegex(out, rf'#0 .*add_one .*\n#1 .*jit_twice \(.*\) at \S*sums.src:{LINES[compiler]["twice"]}\n'
                                      r'#2 .*call_twice .*\n#3 .*main ')

    def test_gdb_reads_variables(self):
        out = self.gdb('gccjit', 'break sums.src:7', 'run', 'info args', 'info locals')
        self.assertIn('n = 10', out)
        self.assertIn('total = 55', out)

    def test_perf_map(self):
        for compiler in COMPILERS:
            with self.subTest(compiler):
                env = {**os.environ, 'LDX_PERF': 'map'}
                with subprocess.Popen(command(compiler), stdout=subprocess.DEVNULL, env=env, cwd=self.folder) as p:
                    self.assertEqual(p.wait(60), 0)
                path = Path(f'/tmp/perf-{p.pid}.map')
                self.addCleanup(path.unlink)
                names = re.findall(r'(?m)^[0-9a-f]+ [0-9a-f]+ (\S+)$', path.read_text())
                self.assertLessEqual({'jit_sum', 'jit_twice'}, set(names))


def main():
    global OPTIONS
    if sys.argv[1:] == ['--packages']:
        print('gdb', 'libgccjit-12-dev', 'libtcc-dev')
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--ldx', required=True)
    parser.add_argument('--folder', required=True, type=Path, help='where the clients were built')
    parser.add_argument('--way', choices=['command', 'interp'], required=True)
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=sys.argv[:1] + rest)


if __name__ == '__main__':
    main()
