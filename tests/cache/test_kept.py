"""Levels, keys, search algorithms, privileged programs: which kept answers are taken (T11a, T11b, T11c, T29)."""

import json
import os
import shutil
import subprocess

import world
from world import MODES, ONE, World, library, program


class Kept(World):
    def setUp(self):
        super().setUp()
        self.first, self.second = self.folder / 'first', self.folder / 'second'
        self.first.mkdir()
        library(self.second / 'libone.so', 1, '-Wl,--build-id')
        self.settle()
        (self.folder / 'bin').mkdir()
        program(self.folder / 'bin/one', ONE, self.second / 'libone.so', runpath=[self.first, self.second])
        self.one = self.folder / 'bin/one'
        self.settle()

    def entries(self, file, name='libone.so'):
        return [(r, e) for r in json.loads(self.tool('list', '-j', file)) for e in r.get('entries', ()) if e['name'] == name]


class Levels(Kept):
    def test_nearest_wins(self):
        a, b, c = (self.folder / f'kept/{x}' for x in 'abc')
        words = f'{a}:{b}:{c}'
        for mode in MODES:
            with self.subTest(mode):
                for path in a, b, c:
                    path.unlink(missing_ok=True)
                self.start(mode, self.one, cache=str(b))
                self.start(mode, self.one, cache=str(c))
                s = self.start(mode, self.one, cache=words)
                self.assert_warm(s, 3)
                self.assertIn(str(b), s.opened)
                self.assertNotIn(str(c), s.opened, 'the level behind is not looked at')
                self.assertFalse(a.exists())
                answers = json.loads(self.tool('explain', '-j', '-c', words, 'libone.so'))
                self.assertEqual([(x['file'], x['answers']) for x in answers], [(str(a), False), (str(b), True), (str(c), False)])
                self.assertIn('is not there', answers[0]['why_not'])
                # what is stale in the nearest is answered by the next one
                shutil.copy(c, a)
                b.unlink()
                os.utime(self.second / 'libone.so')
                self.start(mode, self.one, cache=str(c))
                s = self.start(mode, self.one, cache=words)
                self.assertEqual(s.out, '1\n')
                self.assertEqual(s.listed, [])
                answers = json.loads(self.tool('explain', '-j', '-c', words, 'libone.so'))
                self.assertEqual([x['answers'] for x in answers], [False, False, True])
                self.assertRegex(answers[0]['why_not'], 'mtime differs')

    def test_usual_levels(self):
        """auto: beside the program, the user's, the system's; only the user's comes to be by itself."""
        home = self.folder / 'home'
        for mode in MODES:
            for variable, file in (('HOME', home / '.cache/ldx/cache'), ('XDG_CACHE_HOME', home / 'ldx/cache')):
                with self.subTest(f'{mode} {variable}'):
                    shutil.rmtree(home, ignore_errors=True)
                    home.mkdir()
                    env = {'HOME': '/nonexistent', 'XDG_CACHE_HOME': '', variable: str(home)}
                    self.start(mode, self.one, cache='auto', env=env)
                    self.assertTrue(file.exists())
                    beside = self.folder / 'bin/.ldx-cache'
                    self.assertFalse(beside.exists())
                    s = self.start(mode, self.one, cache='auto', env=env)
                    self.assert_warm(s, 3)
                    self.assertIn(str(file), s.opened)
                    self.tool('build', '--ldx', world.options.ldx, '--app', self.one if mode == 'command' else f'{self.one}-interp')
                    self.assertTrue(beside.exists())
                    s = self.start(mode, self.one, cache='auto', env=env)
                    self.assert_warm(s, 3)
                    self.assertIn(str(beside), s.opened)
                    self.assertNotIn(str(file), s.opened)
                    beside.unlink()

    def test_whose_word_is_taken(self):
        """A file that anybody may write is no level of auto's; a file that is named is."""
        for mode in MODES:
            with self.subTest(mode):
                beside = self.folder / 'bin/.ldx-cache'
                self.start(mode, self.one, cache=str(beside))
                env = {'HOME': str(self.folder / 'home'), 'XDG_CACHE_HOME': ''}
                (self.folder / 'home').mkdir()
                self.assert_warm(self.start(mode, self.one, cache='auto', env=env), 3)
                beside.chmod(0o666)
                self.assert_cold(self.start(mode, self.one, cache='auto', env=env))
                self.assertTrue((self.folder / 'home/.cache/ldx/cache').exists(), 'what is not believed is not written either')
                self.assert_warm(self.start(mode, self.one, cache=str(beside)), 3)
                beside.unlink()
                shutil.rmtree(self.folder / 'home')

    def test_folder_is_named(self):
        for mode in MODES:
            folder = self.folder / mode
            folder.mkdir()
            self.start(mode, self.one, cache=str(folder))
            self.assertTrue((folder / 'cache').exists())
            self.assert_warm(self.start(mode, self.one, cache=str(folder)), 3)

    def test_not_asked_for(self):
        """Without being asked ldx makes no call more, whatever lies there."""
        for mode in MODES:
            with self.subTest(mode):
                plain = self.start(mode, self.one, cache=None)
                self.start(mode, self.one, cache=str(self.folder / 'bin/.ldx-cache'))
                for cache in None, 'none':
                    s = self.start(mode, self.one, cache=cache)
                    self.assertFalse([x for x in s.trace if 'ldx-cache"' in x or 'ldx/cache"' in x])
                self.assertEqual(len(plain.trace), len(self.start(mode, self.one, cache=None).trace))

    def test_readonly(self):
        policy = self.folder / 'policy.json'
        policy.write_text(f'{{"version": 1, "cache": {{"tiers": ["{self.cache}"], "readonly": true}}}}')
        for mode in MODES:
            s = self.start(mode, self.one, cache=None, env={'LDX_POLICY': str(policy)})
            self.assertEqual((s.out, self.cache.exists()), ('1\n', False))

    def test_privileged(self):
        """A user's variable means nothing to a program that is more than the user."""
        copy = self.folder / 'bin/copy-interp'
        shutil.copy(f'{self.one}-interp', copy)
        for privileged in False, True:
            if privileged:
                os.chown(copy, 65534, 65534)
                copy.chmod(0o6755)
            for _ in range(2):
                s = self.start('interp', self.folder / 'bin/copy')
                self.assertEqual(s.out, '1\n', s.err)
            self.assertEqual(str(self.cache) in ' '.join(s.trace[1:]), not privileged)
            self.assertEqual(bool(s.failed), privileged)

    def test_tool(self):
        self.tool('build', '-c', self.cache, '--ldx', world.options.ldx, self.one)
        self.assertEqual(self.start('command', self.one).failed, [])
        self.tool('verify', '-c', self.cache)
        self.assertIn(f'{self.second}/libone.so', self.tool('list', '-v', '-c', self.cache))
        os.utime(self.second / 'libone.so')
        self.assertIn('stale', self.tool('verify', '-v', '-c', self.cache, status=1))
        self.assertIn('mtime differs', self.tool('explain', '-c', self.cache, self.one))
        self.assertIn('1 record dropped', self.tool('drop', '--stale', '-c', self.cache))
        self.assertEqual(json.loads(self.tool('list', '-j', '-c', self.cache)), [])
        for words in ([], ['frobnicate'], ['list', '--frobnicate']):
            self.tool(*words, status=2)
        self.assertIn('ldx-cache build', self.tool('--help'))
        self.tool('build', '-c', self.cache, '--ldx', world.options.ldx, self.folder / 'nothing', status=1)


class Keys(Kept):
    def changes(self):
        """What may happen to a file; and by which keys it stays the file that it was."""
        lib, new = self.second / 'libone.so', self.folder / 'new'
        before = lib.read_bytes()

        def put(data):
            new.write_bytes(data)
            new.chmod(0o755)
            shutil.copyfile(new, lib)  # in place: the folder does not change

        def rebuild(value):
            library(new, value, '-Wl,--build-id', soname='libone.so')
            put(new.read_bytes())

        yield 'touched', lambda: os.utime(lib), {'build-id', 'content', 'soname', 'tool:keyer'}, '1\n'
        yield 'rebuilt', lambda: rebuild(2), {'soname', 'tool:keyer'}, '2\n'
        yield 'back again', lambda: put(before), {'soname', 'tool:keyer'}, '1\n'

    def test_keys(self):
        for mode in MODES:
            for key in 'path', 'build-id', 'content', 'soname', 'tool:keyer':
                self.forget()
                env = {'LDX_CACHE_KEY': key, **({'LDX_TOOLS': world.options.key_tool} if key[:4] == 'tool' else {})}

                def start():
                    return self.start(mode, self.one, env=env)
                self.settle()
                start()
                for what, change, same, out in self.changes():
                    with self.subTest(f'{mode} {key} {what}'):
                        known = start()
                        self.assertEqual((known.failed, known.listed), ([], []))
                        (record, entry), = self.entries(self.cache)
                        self.assertEqual(entry['key'], key.partition(':')[0])
                        change()
                        s = start()
                        self.assertEqual(s.out, out)
                        self.assertEqual(s.listed == [], key in same)
                        (record, after), = self.entries(self.cache)
                        self.assertEqual(after['value'] == entry['value'], key in same)

    def test_two_of_one_soname(self):
        """Libraries of one soname and two build-ids are two."""
        for i in 1, 2:
            library(self.folder / f'p{i}/libsame.so', i, '-Wl,--build-id', soname='libsame.so')
            program(self.folder / f'same{i}', ONE, self.folder / f'p{i}/libsame.so', runpath=[self.first, self.folder / f'p{i}'])
        self.settle()
        for mode in MODES:
            self.forget()
            for _ in range(2):
                outs = [self.start(mode, self.folder / f'same{i}', env={'LDX_CACHE_KEY': 'build-id'}) for i in (1, 2)]
                self.assertEqual([s.out for s in outs], ['1\n', '2\n'])
            for s in outs:
                self.assert_warm(s, 3)
            kept = self.entries(self.cache, 'libsame.so')
            self.assertEqual([e['path'] for _, e in kept], [f'{self.folder}/p{i}/libsame.so' for i in (1, 2)])
            self.assertEqual(len({e['value'] for _, e in kept}), 2)
            for i, (_, e) in enumerate(kept, 1):
                notes = subprocess.run(['readelf', '-n', f'{self.folder}/p{i}/libsame.so'], capture_output=True, text=True, check=True).stdout
                self.assertIn(f'Build ID: {e["value"]}', notes)

    def test_wrong_key(self):
        for mode in MODES:
            s = self.start(mode, self.one, env={'LDX_CACHE_KEY': 'colour'}, traced=False)
            self.assertEqual((s.status, s.out), (127, ''))
            self.assertEqual(len(s.err.splitlines()), 1)
            self.assertIn('no such cache key: colour', s.err)


class Algorithms(Kept):
    def test_with_each_algorithm(self):
        """The same files with a cache as without, cold and warm (T29)."""
        store = self.folder / 'store'
        package = self.folder / 'package'
        (package / 'bin').mkdir(parents=True)
        (package / 'etc').mkdir()
        library(store / 'libone.so', 50)
        library(store / 'libtwo.so', 51, function='two')
        library(self.second / 'libtwo.so', 2, self.second / 'libone.so', function='two')
        library(self.first / 'libthree.so', 3, function='three')
        two = ONE.replace('int value(void);', 'int value(void); int two(void);').replace('value())', 'value() + 100 * two())')
        for tag in 'old', 'new':
            program(package / f'bin/{tag}', two, self.second / 'libtwo.so', self.second / 'libone.so', runpath=[self.first, self.second], tag=tag)
        for path in '/lib/x86_64-linux-gnu/libc.so.6', '/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2':
            (store / os.path.basename(path)).symlink_to(path)
        conf = package / 'conf'
        conf.write_text(f'{store}\n')
        subprocess.run(['/sbin/ldconfig', '-X', '-C', package / 'etc/ld.so.cache', '-f', conf], check=True)
        self.settle()
        seen = set()
        for name, search in (('glibc', '"glibc"'), ('musl', '"musl"'), ('depth-first', '"depth-first"'), ('store', f'"store", "store": ["{store}"]'), ('origin-cache', '"origin-cache"')):
            policy = self.folder / f'{name}.json'
            policy.write_text(f'{{"version": 1, "search": {{"algorithm": {search}}}}}')
            for mode in MODES:
                for tag in 'old', 'new':
                    with self.subTest(f'{name} {mode} {tag}'):
                        self.forget()
                        env = {'LDX_POLICY': str(policy), 'LD_LIBRARY_PATH': '/lib/x86_64-linux-gnu'}
                        plain, *cached = [self.start(mode, package / f'bin/{tag}', cache=c, env=env) for c in (None, 'named', 'named')]
                        self.assertEqual(plain.status, 0, plain.err)
                        for s in cached:
                            self.assertEqual((s.out, s.err, s.libraries), (plain.out, plain.err, plain.libraries))
                        self.assert_warm(cached[1])
                        seen.add(plain.out)
        self.assertGreater(len(seen), 1, 'the algorithms differ')


if __name__ == '__main__':
    world.main(__doc__)
