#!/usr/bin/env python3
"""Tests of the benchmark: its output is whole and says that both loaders ran every program, it refuses to compare
programs that did not run, it counts system calls as strace does, and ldx needs no more of them than the system
loader to start /bin/true. Nothing here looks at time."""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SMALL = ['true', 'git', 'python', 'relocations', 'libraries']
options = None


def compare(*args):
    with tempfile.TemporaryDirectory(dir='.') as work:
        command = [sys.executable, HERE / 'compare.py', '--build', options.build, '--work', work, '--small', *args]
        if options.ldx:
            command += ['--ldx', options.ldx]
        return subprocess.run(command, capture_output=True, text=True, timeout=110)


class Comparison(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.done = compare('--json', '--rounds', '2', *SMALL)

    def results(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr)
        return json.loads(self.done.stdout)['results']

    def test_every_workload_in_both_modes(self):
        ran = [(result['workload'], result['mode']) for result in self.results()]
        self.assertEqual(ran, [(name, mode) for name in SMALL for mode in ('interp', 'command')])

    def test_numbers(self):
        for result in self.results():
            with self.subTest(workload=result['workload'], mode=result['mode']):
                self.assertEqual(result['rounds'], 2)
                for loader in ('system', 'ldx'):
                    for metric in ('wall_ns', 'cpu_us', 'minor_faults'):
                        numbers = result[loader][metric]
                        self.assertTrue(0 < numbers['min'] <= numbers['q1'] <= numbers['median'] <= numbers['q3'])
                    self.assertGreaterEqual(result[loader]['major_faults']['min'], 0)
                    syscalls = result[loader]['syscalls']
                    self.assertEqual(sum(syscalls['by_name'].values()), syscalls['total'])
                    self.assertEqual(syscalls['by_name']['exit_group'], 1)
                self.assertEqual(set(result['ratio']), {'wall_ns', 'cpu_us', 'minor_faults', 'syscalls'})
                self.assertTrue(all(ratio['median'] > 0 for ratio in result['ratio'].values()))

    def test_system_calls_of_true(self):
        result = next(each for each in self.results() if each['workload'] == 'true' and each['mode'] == 'interp')
        system, ldx = result['system']['syscalls'], result['ldx']['syscalls']
        self.assertLessEqual(ldx['total'], system['total'], f'{ldx} against {system}')

    def test_table(self):
        done = compare('--rounds', '2', 'true')
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [line.split()[:2] for line in done.stdout.splitlines()]
        self.assertEqual(rows, [['workload', 'mode'], ['true', 'interp'], ['true', 'command']])
        self.assertNotIn('\033', done.stdout)


class Refusals(unittest.TestCase):
    def check(self, code, why, *args):
        done = compare('--rounds', '1', *args)
        self.assertEqual((done.returncode, done.stdout), (code, ''))
        self.assertIn(why, done.stderr)

    def test_loader_that_fails(self):
        self.check(1, 'exit status 1', '--ldx', '/bin/false', '--mode', 'command', 'true')

    def test_loader_that_does_something_else(self):
        self.check(1, 'other output', '--ldx', '/bin/echo', '--mode', 'command', 'git')

    def test_usage(self):
        self.check(2, 'no such workload', 'nonsense')
        self.check(2, 'not built', '--ldx', '/nonexistent')
        self.check(2, 'at least 1', '--rounds', '0')


class Counting(unittest.TestCase):
    def test_as_strace(self):
        for command in (['/bin/true'], ['/bin/sh', '-c', '/bin/true; /bin/true; exit 0']):
            with self.subTest(command), tempfile.TemporaryDirectory(dir='.') as folder:
                log = pathlib.Path(folder, 'log')
                subprocess.run(['strace', '-f', '-o', log, *command], check=True)
                calls = re.findall(r'^\d+ +\w+\(', log.read_text(), re.M)
                done = subprocess.run([pathlib.Path(options.build, 'bench/ldx-measure'), 'syscalls', '--', command[0],
                                       *command], capture_output=True, text=True)
                self.assertEqual(int(done.stdout.split()[2]), len(calls) - 1)  # less the execve that starts it

    def test_end_of_the_command_is_told(self):
        measure = pathlib.Path(options.build, 'bench/ldx-measure')
        for what in (['time', '1'], ['syscalls']):
            done = subprocess.run([measure, *what, '--', '/bin/false', 'false', '--', '/bin/true', 'true'],
                                  capture_output=True, text=True)
            self.assertEqual([line.split()[:2] for line in done.stdout.splitlines()], [['0', '256'], ['1', '0']])
        self.assertEqual(subprocess.run([measure, 'time', '0'], capture_output=True).returncode, 2)
        self.assertEqual(subprocess.run([measure, 'time', '1', '--', '/nonexistent', 'x'], capture_output=True)
                         .returncode, 2)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--build', required=True, help='the build folder')
    parser.add_argument('--ldx', help='another loader than the build folder\'s')
    options, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
