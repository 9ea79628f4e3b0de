#!/usr/bin/env python3
"""Tests of runtime.py: every workload runs under both loaders, both ways, and has numbers; what does not run is not
compared. Nothing here looks at time."""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(1, str(HERE))
import runtime

FEW, MANY = 2, 8
LOADERS = ('system', *runtime.HEADINGS)
options = None


def compare(work, *args):
    command = [sys.executable, HERE / 'runtime.py', '--build', options.build, '--work', work, '--rounds', '1', '--batches',
               '1', '--microseconds', '1', *args]
    if options.ldx:
        command += ['--ldx', options.ldx]
    return subprocess.run(command, capture_output=True, text=True, timeout=110)


class Comparison(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(dir='.')
        cls.addClassCleanup(cls.folder.cleanup)

    def compare(self, *args):
        return compare(self.folder.name, '--objects', f'{FEW},{MANY}', *args)

    def results(self, *args):
        done = self.compare('--json', *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)['results']

    def check_numbers(self, results):
        for result in results:
            with self.subTest(workload=result['workload'], objects=result['objects']):
                for loader in LOADERS:
                    for which in ('min', 'median'):
                        self.assertGreaterEqual(result[loader][which]['min'], 0)
                        self.assertEqual(result[loader][which]['min'], result[loader][which]['median'])
                self.assertEqual(set(result['ratio']), {'interp', 'command'})

    def test_every_workload(self):
        results = self.results()
        wanted = [(name, objects) for process in runtime.PROCESSES
                  for objects in ((FEW, MANY) if process.grouped else (None,)) for name in process.workloads]
        self.assertEqual([(result['workload'], result['objects']) for result in results], wanted)
        self.check_numbers(results)
        # operations of some microseconds: a clock that stands still would be seen
        for result in results:
            if result['workload'] in ('open-small', 'thread', 'dladdr-libc'):
                self.assertTrue(all(result[loader]['min']['min'] > 0 for loader in LOADERS), result)

    def test_at_start(self):
        results = self.results('--at-start', 'dlsym-default-last', 'iterate')
        self.assertEqual(len(results), 4)
        self.check_numbers(results)

    def test_table(self):
        done = self.compare('iterate', 'tls-late')
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [line.split()[0] for line in done.stdout.splitlines()]
        self.assertEqual(rows, ['workload', 'iterate', 'iterate', 'tls-late'])
        self.assertNotIn('\033', done.stdout)


class Refusals(unittest.TestCase):
    def check(self, code, why, *args):
        with tempfile.TemporaryDirectory(dir='.') as work:
            done = compare(work, '--objects', '1', *args)
        self.assertEqual((done.returncode, done.stdout), (code, ''), done.stderr)
        self.assertIn(why, done.stderr)

    def test_loader_that_fails(self):
        self.check(1, 'exit status 1', '--ldx', '/bin/false', '--mode', 'command', 'fork')

    def test_loader_that_runs_nothing(self):
        self.check(1, 'no result of fork', '--ldx', '/bin/true', '--mode', 'command', 'fork')

    def test_usage(self):
        self.check(2, 'no such workload', 'nonsense')
        self.check(2, 'not built', '--ldx', '/nonexistent')
        self.check(2, 'at least 1', '--objects', '0')
        self.check(2, 'invalid sizes', '--objects', 'few')


class Programs(unittest.TestCase):
    """What a program was told to measure must have worked."""

    def test_missing_library(self):
        with tempfile.TemporaryDirectory(dir='.') as folder:
            done = subprocess.run([pathlib.Path(options.build, 'bench/runtime/bench-runtime'), folder, '1', '1', 'iterate'],
                                  capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn('libgroup.so', done.stderr)

    def test_usage(self):
        for name in ('bench-runtime', 'bench-throw'):
            done = subprocess.run([pathlib.Path(options.build, 'bench/runtime', name)], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn('workloads:', done.stderr)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--build', required=True, help='the build folder')
    parser.add_argument('--ldx', help='another loader than the build folder\'s')
    options, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
