#!/usr/bin/env python3
"""Tests of ldx-policy, on programs linked in several ways and judged by readelf, strip, objcopy and the kernel."""

import json
import pathlib
import re
import sys

sys.dont_write_bytecode = True
import common
from common import Case, run

SMALL = '{\n  "deny": [{"match": "libm.so*", "why": "no maths"}]\n}\n'
SAMPLES = pathlib.Path(__file__).parent / 'samples'
ROOT = pathlib.Path(__file__).parents[2]
MANUAL, SCHEMA = ROOT / 'docs/policy.md', ROOT / 'src/hooks/policy_schema.c'


class Texts(Case):
    def test_check(self):
        good, bad = self.write('good', SMALL), self.write('bad', '{"deny": [{}],\n "tolls": 1}')
        done = self.tool('check', good)
        self.assertEqual((done.stdout, done.stderr), ('', ''))
        done = self.tool('check', bad, status=1)
        self.assertEqual(done.stderr, f'ldx-policy: {bad}:1:11: needs the key "match"\n'
                                      f'ldx-policy: {bad}:2:2: unknown key "tolls" (did you mean "tools"?)\n')
        done = self.tool('check', '--json', bad, 'none', status=1)
        self.assertEqual(json.loads(done.stdout), {'ok': False, 'faults': [
            {'file': str(bad), 'line': 1, 'column': 11, 'text': 'needs the key "match"'},
            {'file': str(bad), 'line': 2, 'column': 2, 'text': 'unknown key "tolls" (did you mean "tools"?)'},
            {'file': 'none', 'text': 'cannot read policy file: No such file or directory'}]})
        self.assertEqual(json.loads(self.tool('check', '--json', good).stdout), {'ok': True, 'faults': []})

    def test_check_sees_the_whole(self):
        a, b = self.write('a', '{"init_order": [["a", "b"]]}'), self.write('b', '{"init_order": [["b", "a"]]}')
        self.tool('check', a)
        self.tool('check', b)
        self.assertIn('circle', self.tool('check', a, b, status=1).stderr)

    def test_format(self):
        for sample in SAMPLES.iterdir():
            laid_out = self.tool('format', sample).stdout
            self.assertEqual(json.loads(laid_out), json.loads(sample.read_text()))
            copy = self.write(sample.name, laid_out)
            self.tool('format', '-i', copy)
            self.assertEqual(copy.read_text(), laid_out)
            self.assertLessEqual(max(map(len, laid_out.splitlines())), 110)

    def test_merge(self):
        a = self.write('a', '{"include": ["c"], "preload": ["a"], "cache": {"key": "path"}}')
        b = self.write('b', '{"preload": ["b"], "cache": {"key": "soname"}, "deny": ["!replace"]}')
        self.write('c', SMALL)
        expected = {'preload': ['a', 'b'], 'cache': {'key': 'soname'}}
        self.assertEqual(json.loads(self.tool('merge', a, b).stdout), expected)
        done = self.tool('merge', '--json', a, b).stdout
        self.assertEqual(done, json.dumps(expected, separators=(',', ':')) + '\n')
        merged = self.write('merged', done)
        self.assertEqual(self.tool('merge', '--json', merged).stdout, done)

    def test_manual(self):
        """Its examples are policies, and show every key."""
        blocks = re.findall(r'(?m)^\n((?:    .*\n)+)', MANUAL.read_text())
        examples = [block for block in blocks if block.startswith('    {')]
        self.write('common.json', '{}')
        for example in examples:
            self.tool('check', self.write('example', example))
        keys = set(re.findall(r'"([$\w]+)":', ''.join(examples)))
        all_keys = set(re.findall(r'(?:POLICY|TOOL|GROUP|RULE)\((?:.*?)"([$\w]+)", POLICY_', SCHEMA.read_text()))
        self.assertGreater(len(all_keys), 50)
        self.assertEqual(all_keys - keys - {'rpath', 'ns'}, set())

    def test_words_that_are_not_understood(self):
        for words in ([], ['chek', 'x'], ['check'], ['add', 'x'], ['show'], ['--nonsense'], ['format', 'a', 'b']):
            done = run(common.options.ldx_policy, *words)
            self.assertEqual((done.returncode, done.stdout), (2, ''), words)
            self.assertIn('Usage:', done.stderr)
        self.assertIn('ldx-policy add', self.tool('--help').stdout)


class Programs(Case):
    def check_program(self, program):
        done = run('readelf', '-aW', program)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        done = run(program)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (7, f'1 1.000 {program}\n', ''))

    def test_there_and_back(self):
        policy = self.write('p', SMALL)
        for name in common.LINKS:
            with self.subTest(name):
                program = self.copy(name)
                before = program.read_bytes()
                done = self.tool('add', policy, program)
                self.assertEqual('no room for a mark' in done.stderr, name == 'lld', done.stderr)
                self.check_program(program)
                self.assertEqual(self.tool('show', program).stdout, SMALL)
                self.assertEqual('6c647870' in run('readelf', '-d', program).stdout, name != 'lld')
                self.tool('remove', program)
                self.check_program(program)
                if name != 'lld': # it puts other sections behind the names
                    self.assertEqual(program.read_bytes(), before)
                self.add_twice_is_once(policy, program)

    def add_twice_is_once(self, policy, program):
        sizes = set()
        for _ in range(3):
            self.tool('add', policy, program)
            sizes.add(program.stat().st_size)
            self.tool('remove', program)
        self.assertEqual(len(sizes), 1)
        self.check_program(program)

    def test_adding_replaces(self):
        program, first = self.copy('pie'), self.write('p', SMALL)
        self.add(first, program)
        size = program.stat().st_size
        for _ in range(3):
            self.add(SAMPLES / 'all-keys.json', program)
            self.add(first, program)
        self.assertEqual(program.stat().st_size, size)
        self.check_program(program)

    def test_output_goes_elsewhere(self):
        program, out = self.copy('pie'), self.folder / 'out'
        before = program.read_bytes()
        self.tool('add', '-o', out, self.write('p', SMALL), program)
        self.assertEqual(program.read_bytes(), before)
        self.check_program(out)
        self.assertEqual(self.tool('show', '--json', out).stdout, '{"deny":[{"match":"libm.so*","why":"no maths"}]}\n')

    def test_other_tools_come_along(self):
        policy = self.write('p', SMALL)
        for name in ('pie', 'no-pie'):
            program = self.copy(name)
            run('objcopy', '--add-section', f'.ldx.policy={policy}', program, check=True)
            self.assertEqual(self.tool('show', program).stdout, SMALL)
            self.add(policy, program)
            run('strip', program, check=True)
            self.assertEqual(self.tool('show', program).stdout, SMALL)
            self.assertIn('6c647870', run('readelf', '-d', program).stdout)
            run(common.options.ldx_interp, '--set', '/lib64/' + '/' * 3000 + 'ld-linux-x86-64.so.2', program, check=True)
            self.add(policy, program)
            self.check_program(program)
            run('objcopy', '--remove-section', '.ldx.policy', program, check=True)
            self.assertIn('has no section', self.tool('show', program, status=1).stderr)

    def test_links_between_sections_stay_right(self):
        """A section added before others: taking it out shifts their numbers."""
        program = self.copy('pie')
        run('objcopy', '--add-section', f'.ldx.policy={self.write("p", SMALL)}', program, check=True)
        run('objcopy', '--add-section', f'.other={self.write("q", "other")}', program, check=True)
        before = run('nm', program).stdout
        self.tool('remove', program)
        self.assertEqual(run('nm', program).stdout, before)
        self.assertIn('other', run('readelf', '-p', '.other', program).stdout)
        self.check_program(program)

    def test_what_is_refused(self):
        policy, program = self.write('p', SMALL), self.copy('pie')
        tail = self.copy('pie', 'tail')
        with tail.open('ab') as file:
            file.write(b'archive that the program reads from its own end')
        cut = self.copy('pie', 'cut')
        cut.write_bytes(cut.read_bytes()[:-100])
        bad, includes = self.write('bad', '{"a": 1}'), self.write('includes', '{"include": ["p"]}')
        for words, says in (([policy, tail], 'holds data behind its sections'),
                            ([policy, cut], 'damaged: section headers outside the file'),
                            ([policy, self.copy('static')], 'not dynamically linked'),
                            ([policy, policy], 'not an ELF file'),
                            ([bad, program], 'unknown key'),
                            ([includes, program], 'includes other files'),
                            ([program, program], 'has no section')):
            before = words[1].read_bytes()
            self.assertIn(says, self.tool('add', *words, status=1).stderr)
            self.assertEqual(words[1].read_bytes(), before)
        self.assertIn('has no section', self.tool('remove', program, status=1).stderr)


if __name__ == '__main__':
    common.main(__doc__)
