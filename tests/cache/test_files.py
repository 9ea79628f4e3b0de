"""The file of a launch cache: damaged, shared by many starts at once, where it cannot be written (T11)."""

import json
import os
import resource
import stat
import subprocess

import world
from world import MODES, ONE, World, library, program


class Small(World):
    def setUp(self):
        super().setUp()
        self.first, self.second = self.folder / 'first', self.folder / 'second'
        self.first.mkdir()
        library(self.second / 'libone.so', 1)
        self.one = self.folder / 'one'
        program(self.one, ONE, self.second / 'libone.so', runpath=[self.first, self.second])
        self.settle()


class Damage(Small):
    def outcome(self, mode, path=None):
        s = self.start(mode, path or self.one, traced=False)
        return s.status, s.out, s.err

    def test_each_byte(self):
        """Whatever became of the file: the program runs as without it."""
        for mode in MODES:
            self.forget()
            self.start(mode, self.one, traced=False)
            sound = self.cache.read_bytes()
            self.assertLess(len(sound), 4000)
            for at in range(0, len(sound), 1 if mode == 'interp' else 5):
                flip = 0xff if at % 3 else 1 << at % 8
                self.cache.write_bytes(sound[:at] + bytes([sound[at] ^ flip]) + sound[at + 1:])
                self.assertEqual(self.outcome(mode), (0, '1\n', ''), f'byte {at} ^ {flip:#x}')

    def test_cut_short(self):
        for mode in MODES:
            self.forget()
            self.start(mode, self.one, traced=False)
            sound = self.cache.read_bytes()
            for size in [*range(0, 140, 3 if mode == 'interp' else 7), *range(140, len(sound), 31)]:
                for data in sound[:size], sound[:size] + b'\0' * (len(sound) - size), sound + sound[:size]:
                    self.cache.write_bytes(data)
                    self.assertEqual(self.outcome(mode), (0, '1\n', ''), f'{size} of {len(sound)} bytes')

    def test_sound_sums_around_lies(self):
        """A file whose sums are right, but whose offsets, counts and sizes are not; written by what writes sound ones."""
        # the sums are those of ldx itself: a file with many records, of which one is put in place of another
        others = [self.folder / f'other{i}' for i in range(3)]
        for path in others:
            program(path, ONE, self.second / 'libone.so', runpath=[self.second])
        self.settle()
        for mode in MODES:
            self.forget()
            for path in others:
                self.start(mode, path, traced=False)
            sound = self.cache.read_bytes()
            records = int.from_bytes(sound[12:16], 'little')
            self.assertEqual(records, 3)
            for a in range(records):
                for b in range(records):
                    slot = [sound[32 + 40 * i:72 + 40 * i] for i in (a, b)]
                    data = bytearray(sound)
                    data[32 + 40 * a:72 + 40 * a] = slot[1]
                    self.cache.write_bytes(data)
                    for path in others:
                        self.assertEqual(self.outcome(mode, path), (0, '1\n', ''))

    def test_no_file_at_all(self):
        (self.folder / 'folder/cache').mkdir(parents=True)
        os.mkfifo(self.folder / 'fifo')
        os.symlink('loop', self.folder / 'loop')
        os.mknod(self.folder / 'device', stat.S_IFCHR | 0o666, os.makedev(1, 5))
        os.symlink('device', self.folder / 'link')
        for mode in MODES:
            for path in 'fifo', 'loop', 'folder', 'device', 'link', 'x' * 5000, 'no/such/folder/x':
                with self.subTest(f'{mode} {path[:20]}'):
                    s = self.start(mode, self.one, cache=path, traced=False)
                    self.assertEqual((s.status, s.out), (0, '1\n'))
                    self.assertLessEqual(len(s.err.splitlines()), 1, s.err)
        self.assertTrue(stat.S_ISCHR(os.stat(self.folder / 'device').st_mode))
        self.assertTrue(stat.S_ISFIFO(os.stat(self.folder / 'fifo').st_mode))
        self.assertTrue((self.folder / 'link').is_symlink())

    def test_tool_and_damage(self):
        self.start('command', self.one, traced=False)
        sound = self.cache.read_bytes()
        for at in range(0, len(sound), 7):
            self.cache.write_bytes(sound[:at] + bytes([sound[at] ^ 0x55]) + sound[at + 1:])
            for command in 'list', 'verify':
                done = subprocess.run([world.options.tool, command, '-v', '-c', self.cache], capture_output=True, text=True, timeout=60)
                self.assertIn(done.returncode, (0, 1))
        self.assertIn('damaged', self.tool('verify', self.cache, status=1))


class Together(Small):
    COUNT = 50

    def test_starts_at_once(self):
        """50 programs that start at the same time all leave what they have learnt."""
        for i in range(self.COUNT):
            for end in '', '-interp':
                os.link(f'{self.one}{end}', self.folder / f'p{i}{end}')
        for mode in MODES:
            self.forget()
            env = {**os.environ, 'LDX_CACHE': str(self.cache)}
            commands = [[f'{self.folder}/p{i}-interp'] if mode == 'interp' else [world.options.ldx, f'{self.folder}/p{i}'] for i in range(self.COUNT)]
            running = [subprocess.Popen(c, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for c in commands]
            self.assertEqual({(p.communicate(timeout=60)[0], p.returncode) for p in running}, {('1\n', 0)})
            records = json.loads(self.tool('list', '-j', self.cache))
            self.assertEqual(sorted(r['program'] for r in records), sorted(c[-1] for c in commands))
            self.assertTrue(all(len(r['entries']) == 3 and not r['stale'] for r in records))
            self.assertEqual(sorted(os.listdir(self.cache.parent)), ['cache', 'cache.lock'])

    def test_one_program_many_times(self):
        """What different starts of one program learn comes together."""
        count = 12
        for i in range(count):
            library(self.second / f'libopen{i}.so', i)
        source = '#include <dlfcn.h>\n#include <stdio.h>\nint main(int n, char **v) { for (int i = 1; i < n; i++) puts(dlopen(v[i], RTLD_NOW) ? "yes" : dlerror()); return 0; }\n'
        program(self.folder / 'opener', source, runpath=[self.first, self.second])
        self.settle()
        for mode in MODES:
            self.forget()
            env = {**os.environ, 'LDX_CACHE': str(self.cache)}
            command = [f'{self.folder}/opener-interp'] if mode == 'interp' else [world.options.ldx, f'{self.folder}/opener']
            running = [subprocess.Popen([*command, f'libopen{i}.so'], env=env, stdout=subprocess.PIPE, text=True) for i in range(count)]
            self.assertEqual({p.communicate(timeout=60)[0] for p in running}, {'yes\n'})
            s = self.start(mode, self.folder / 'opener', *(f'libopen{i}.so' for i in range(count)))
            self.assert_warm(s, count + 2)

    def test_a_writer_that_died(self):
        """What it left is neither in the way nor believed."""
        self.cache.with_name('cache.new').write_bytes(b'LDXCACHE half')
        self.cache.with_name('cache.lock').touch()
        for mode in MODES:
            self.start(mode, self.one)
            self.assert_warm(self.start(mode, self.one), 3)
            self.assertEqual(sorted(os.listdir(self.cache.parent)), ['cache', 'cache.lock'])
            self.forget()


class Places(Small):
    def mounted(self, mode, mount, *before):
        """The start in a mount namespace of its own; what it has left in the folder."""
        words = f'{self.one}-interp' if mode == 'interp' else f'{world.options.ldx} {self.one}'
        place = self.folder / 'mounted'
        place.mkdir(exist_ok=True)
        script = f'mount -t tmpfs {mount} none {place} && {" ".join(before) or "true"}; LDX_CACHE={place}/cache {words}; echo $?; ls -A {place}'
        # in a chroot "/" is no mount point, whose propagation could be changed
        done = subprocess.run(['unshare', '-m', '--propagation', 'unchanged', 'sh', '-c', f'mount --make-rprivate / 2>/dev/null; {script}'], capture_output=True, text=True, timeout=60)
        return done.stdout.splitlines(), done.stderr.splitlines()

    def test_full(self):
        """One line, no piece of a file, and the program runs."""
        fill = f'dd if=/dev/zero of={self.folder}/mounted/filler bs=4k status=none 2>/dev/null'
        for mode in MODES:
            out, err = self.mounted(mode, '-o size=16k', fill)
            self.assertEqual(out[:2], ['1', '0'])
            self.assertEqual(len(err), 1, err)
            self.assertRegex(err[0], '^ldx: cannot write launch cache .*/mounted/cache: No space left on device$')
            self.assertLessEqual(set(out[2:]), {'filler', 'cache.lock'})

    def test_no_more_files(self):
        for mode in MODES:
            out, err = self.mounted(mode, '-o nr_inodes=1')
            self.assertEqual((out, len(err)), (['1', '0'], 1), err)

    def test_readonly(self):
        for mode in MODES:
            out, err = self.mounted(mode, '-o ro')
            self.assertEqual((out, err), (['1', '0'], []))

    def test_not_allowed(self):
        """A folder that is not the user's: nothing is told, and the next level is written."""
        nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
        own = self.folder / 'own'
        own.mkdir()
        os.chown(own, 65534, 65534)
        for mode in MODES:
            s = self.start(mode, self.one, traced=False, launcher=nobody)
            self.assertEqual((s.out, s.err), ('1\n', ''))
            self.assertEqual(os.listdir(self.cache.parent), [])
            s = self.start(mode, self.one, cache=f'{self.cache}:{own}/cache', traced=False, launcher=nobody)
            self.assertEqual((s.out, s.err, sorted(os.listdir(own))), ('1\n', '', ['cache', 'cache.lock']))
            (own / 'cache').unlink()

    def test_limit_of_file_sizes(self):
        """No SIGXFSZ."""
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
        try:
            starts = [self.start(mode, self.one, traced=False) for mode in MODES]
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        self.assertEqual([(s.status, s.out, s.err) for s in starts], [(0, '1\n', '')] * 2)
        self.assertFalse(self.cache.exists())

    def test_descriptors(self):
        """The program gets no descriptor of the cache."""
        source = '#include <stdio.h>\n#include <fcntl.h>\n#include <unistd.h>\nint main(void) { for (int i = 0; i < 100; i++) if (fcntl(i, F_GETFD) >= 0) printf("%d ", i); return 0; }\n'
        program(self.folder / 'descriptors', source)
        for mode in MODES:
            self.forget()
            outs = {self.start(mode, self.folder / 'descriptors', cache=c, traced=False).out for c in (None, 'named', 'named')}
            self.assertEqual(outs, {'0 1 2 '})


if __name__ == '__main__':
    world.main(__doc__)
