"""Programs and libraries for the tests of launch caches, and starts of them whose system calls are looked at."""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

options = None
MODES = ('command', 'interp')
# Longer than what a folder must have stood unchanged to be relied upon.
SETTLE = 0.15
OPEN = re.compile(r'^(?:\d+ +)?open(?:at)?\((?:AT_FDCWD, )?"([^"]*)", ([^,)]*).*\) = (-?\d+)')


def cc(*words, text=None):
    subprocess.run(['cc', *map(str, words)], input=text, text=True, check=True)


def library(path, value, *flags, soname=None, function='value'):
    """A library whose only function returns `value`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cc('-x', 'c', '-', '-x', 'none', '-shared', '-fPIC', '-o', path, f'-Wl,-soname,{soname or path.name}', *flags,
       text=f'int {function}(void) {{ return {value}; }}\n')


def program(path, source, *flags, runpath=(), tag='new'):
    """Two of them: PATH, and PATH-interp, which names ldx as its loader."""
    words = ['-x', 'c', '-', '-x', 'none', *flags, f'-Wl,--{"enable" if tag == "new" else "disable"}-new-dtags']
    if runpath:
        words.append('-Wl,-rpath,' + ':'.join(map(str, runpath)))
    cc('-o', path, *words, text=source)
    cc('-o', f'{path}-interp', *words, f'-Wl,--dynamic-linker={options.ldx}', text=source)


ONE = '#include <stdio.h>\nint value(void);\nint main(void) { printf("%d\\n", value()); return 0; }\n'


class Start:
    """A start: its output, and the files that were opened until its first write."""

    def __init__(self, done, trace):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr
        self.opened, self.failed, self.listed = [], [], []
        for line in trace:
            m = OPEN.match(line)
            if m and m[3].startswith('-'):
                self.failed.append(m[1])
            elif m:
                (self.listed if 'O_DIRECTORY' in line else self.opened).append(m[1])
        self.trace = trace

    @property
    def libraries(self):
        return [path for path in self.opened if '.so' in path.rsplit('/', 1)[-1] and not path.endswith('ld.so.cache')]

    def count(self, *calls):
        return sum(bool(re.match(rf'(?:\d+ +)?(?:{"|".join(calls)})\(', line)) for line in self.trace)


class World(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='cache-', dir=os.getcwd()))
        os.chmod(self.folder, 0o755)
        self.addCleanup(shutil.rmtree, self.folder)
        self.cache = self.folder / 'kept/cache'
        self.cache.parent.mkdir()

    def start(self, mode, path, *words, cache='named', traced=True, env=None, options_=(), launcher=()):
        """cache: 'named', None, or what LDX_CACHE is to be."""
        env = {**os.environ, **(env or {})}
        env.pop('LDX_CACHE', None)
        asked = str(self.cache) if cache == 'named' else cache
        command = [f'{path}-interp', *words]
        if mode == 'command':
            command = [options.ldx, *([f'--cache={asked}'] if asked else []), *options_, path, *words]
        elif asked:
            env['LDX_CACHE'] = asked
        log = self.folder / 'trace'
        log.unlink(missing_ok=True)
        before = ['strace', '-f', '-o', str(log)] if traced else []
        done = subprocess.run([*launcher, *before, *map(str, command)], capture_output=True, text=True, timeout=60, env=env, cwd=self.folder)
        return Start(done, log.read_text().splitlines() if traced else [])

    def tool(self, *words, status=0, **env):
        done = subprocess.run([options.tool, *map(str, words)], capture_output=True, text=True, timeout=60, env={**os.environ, **env}, cwd=self.folder)
        self.assertEqual(done.returncode, status, (words, done.stdout, done.stderr))
        return done.stdout

    def settle(self):
        time.sleep(SETTLE)

    def forget(self):
        self.cache.unlink(missing_ok=True)

    def assert_warm(self, s, libraries=None):
        self.assertEqual(s.failed, [], 'a warm start asks for nothing that is not there')
        self.assertEqual(s.listed, [])
        self.assertEqual(len(s.libraries), len(set(s.libraries)), 'each library is opened once')
        self.assertNotIn('/etc/ld.so.cache', s.opened)
        if libraries is not None:
            self.assertEqual(len(s.libraries), libraries)

    def assert_cold(self, s):
        self.assertTrue(s.failed or s.listed or '/etc/ld.so.cache' in s.opened, 'something was searched for')


def main(text):
    global options
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument('--ldx', required=True)
    parser.add_argument('--tool', required=True)
    parser.add_argument('--key-tool')
    options, rest = parser.parse_known_args()
    options.ldx, options.tool = map(os.path.abspath, (options.ldx, options.tool))
    sys.exit(not unittest.main(module='__main__', argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful())
