"""What the tests with debuggers share: a scratch folder with the programs, gdb in batch, and reading what it prints.

--mode command debugs `ldx PROGRAM`; --mode interp debugs a copy of the program whose PT_INTERP is ldx.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
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


def file_names(text):
    return {Path(name).name for name in libraries(text)}


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


def frames(out):
    """Of each backtrace the names of its functions, down to main: as a command gdb goes on beyond it."""
    traces = []
    for number, name in re.findall(r'^#(\d+)\s+(?:0x[0-9a-f]+ in )?(\S+) \(', out, re.M):
        if number == '0':
            traces.append([])
        if 'main' not in traces[-1]:
            traces[-1].append(name)
    return traces


def told(word, out):
    """The JSON of the lines that begin with a word."""
    return [json.loads(line[len(word) + 1:]) for line in out.splitlines() if line.startswith(word + ' ')]


class DebuggerTest(unittest.TestCase):
    """self.command is what starts the program."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix='gdb-'))
        self.addCleanup(shutil.rmtree, self.folder)
        for file in Path(OPTIONS.built).iterdir():
            if file.is_file():
                shutil.copy2(file, self.folder)
        self.as_command = OPTIONS.mode == 'command'
        self.command = self.command_of('followed', 'own')

    def command_of(self, program, own=None):
        """How a program of the folder is started."""
        if self.as_command:
            return [OPTIONS.ldx, f'./{program}']
        own = own or program + '-own'
        subprocess.run([OPTIONS.interp_tool, '--set', OPTIONS.ldx, '--output', self.folder / own, self.folder / program], check=True)
        return [f'./{own}']

    def program(self):
        return os.path.realpath(self.folder / self.command[-1])

    def with_options(self, *options):
        """The command with options of ldx; as PT_INTERP it has none."""
        return [self.command[0], *options, *self.command[1:]] if self.as_command else self.command

    def start(self, *words, command=None, env=None):
        """A process that says when it waits."""
        process = subprocess.Popen([*(command or self.command), *words], cwd=self.folder, stdout=subprocess.PIPE, text=True,
                                   env={**os.environ, **(env or {})})
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        while process.stdout.readline() != 'waiting\n':
            self.assertIsNone(process.poll())
        return process


class GdbTest(DebuggerTest):
    def batch(self, commands, *arguments, env=None, limit=90):
        setting = [f'set environment {name} {value}' for name, value in (env or {}).items()] + ['set startup-with-shell off'] * bool(env)
        (self.folder / 'session').write_text('\n'.join(SESSION + setting + list(commands)) + '\n')
        done = subprocess.run(['gdb', '-nx', '-batch', '-x', 'session', *arguments], cwd=self.folder, capture_output=True, text=True, timeout=limit)
        self.output = done.stdout + done.stderr
        self.assertNotIn('Corrupted shared library list', self.output)
        self.assertNotIn('Probes-based dynamic linker interface failed', self.output)
        self.assertNotIn('Error in sourced command file', self.output)
        self.assertNotIn('Python Exception', self.output)
        return done.stdout

    def follow(self, commands, *words, options=(), env=None, command=None):
        return self.batch(commands, '--args', *(command or self.with_options(*options)), *words, env=env)


def main(description):
    global OPTIONS
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--ldx', required=True)
    parser.add_argument('--mode', choices=('command', 'interp'), default='command')
    parser.add_argument('--built', required=True, help='folder of the built programs')
    parser.add_argument('--interp-tool', required=True, help='the ldx-interp program')
    parser.add_argument('names', nargs='*', help='only these tests (Class.test_name)')
    OPTIONS = parser.parse_args()
    OPTIONS.ldx = os.path.abspath(OPTIONS.ldx)
    sys.argv[1:] = OPTIONS.names
    unittest.main(module='__main__')
