"""What the tests of ldx-policy and of policies in programs share: the command line, a folder, compiled programs."""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

LINKS = {
    'pie': [],
    'no-pie': ['-no-pie'],
    'stripped': ['-s'],
    'one-code-segment': ['-Wl,-z,noseparate-code'],
    'gold': ['-fuse-ld=gold'],
    'lld': ['-fuse-ld=lld'],
}
SOURCE = '''#include <math.h>
#include <stdio.h>
int main(int count, char **words) { printf("%d %.3f %s\\n", count, cos(count - 1), words[0]); return 7; }
'''
options = None
programs = None


def run(*command, **more):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, **more)


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=programs))

    def copy(self, name, to=None):
        return pathlib.Path(shutil.copy(f'{programs}/{name}', self.folder / (to or name)))

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return self.folder / name

    def tool(self, *words, status=0):
        done = run(options.ldx_policy, *words)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def add(self, policy, program):
        """The tool's own words must be none: the program was marked."""
        self.assertEqual(self.tool('add', policy, program).stderr, '')


def build():
    global programs
    programs = tempfile.mkdtemp(prefix='policy-', dir=os.getcwd())
    os.chmod(programs, 0o755)
    for name, flags in LINKS.items():
        subprocess.run([options.cc, '-x', 'c', '-', '-fno-builtin', '-g', '-o', f'{programs}/{name}', *flags, '-lm'],
                       input=SOURCE, text=True, check=True)
    subprocess.run([options.cc, '-x', 'c', '-', '-static', '-o', f'{programs}/static', '-lm'], input=SOURCE, text=True,
                   check=True)


def main(text):
    global options
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument('--ldx', required=True)
    parser.add_argument('--ldx-policy', required=True)
    parser.add_argument('--ldx-interp', required=True)
    parser.add_argument('--ldx-with-system-policy', required=True)
    parser.add_argument('--cc', default='cc')
    options, rest = parser.parse_known_args()
    build()
    try:
        result = unittest.main(module='__main__', argv=[sys.argv[0], *rest], exit=False).result
    finally:
        shutil.rmtree(programs)
    sys.exit(not result.wasSuccessful())
