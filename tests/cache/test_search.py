"""What a launch cache saves, and what makes it stale (T11, C12)."""

import json
import os
import shutil
import subprocess

import world
from world import MODES, ONE, World, library, program

SEARCHER = r'''
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
/* Opens each name; "=COMMAND" renames FROM:TO, as a program does that makes its own libraries. */
int main(int count, char **words) {
  for (int i = 1; i < count; i++) {
    if (words[i][0] == '=') {
      char *to = strchr(words[i], ':');
      *to++ = '\0';
      printf("rename %d\n", rename(words[i] + 1, to));
      continue;
    }
    void *h = dlopen(words[i], RTLD_NOW);
    int (*f)(void) = h ? (int (*)(void))dlsym(h, "value") : NULL;
    if (f)
      printf("%s %d\n", words[i], f());
    else
      printf("%s\n", dlerror());
  }
  return 0;
}
'''


class Storm(World):
    FOLDERS, LIBRARIES = 40, 100

    def setUp(self):
        super().setUp()
        self.folders = [self.folder / f'd{i}' for i in range(self.FOLDERS)]
        self.made = [self.folders[i * 7 % self.FOLDERS] / f'libstorm{i}.so' for i in range(self.LIBRARIES)]
        for path in self.folders:
            path.mkdir()
        source = ''.join(f'int f{i}(void) {{ return {i}; }}\n' for i in range(self.LIBRARIES))
        for i, path in enumerate(self.made):
            world.cc('-x', 'c', '-', '-shared', '-fPIC', '-nostdlib', '-o', path, f'-Wl,-soname,{path.name}', text=source.splitlines()[i])
        calls = ' + '.join(f'f{i}()' for i in range(self.LIBRARIES))
        program(self.folder / 'storm', '#include <stdio.h>\n' + ''.join(f'int f{i}(void);' for i in range(self.LIBRARIES)) +
                f'int main(void) {{ printf("%d\\n", {calls}); return 0; }}', *self.made, runpath=self.folders)
        self.settle()

    def test_storm(self):
        for mode in MODES:
            with self.subTest(mode):
                self.forget()
                plain = self.start(mode, self.folder / 'storm', cache=None)
                cold = self.start(mode, self.folder / 'storm')
                warm = self.start(mode, self.folder / 'storm')
                self.assertEqual({plain.out, cold.out, warm.out}, {f'{sum(range(self.LIBRARIES))}\n'})
                self.assertGreater(len(plain.failed), 1000)
                folders = [os.path.dirname(path) for path in cold.failed]
                self.assertEqual(len(folders), len(set(folders)), 'at most one attempt in vain for each folder')
                self.assert_warm(warm, self.LIBRARIES + 2)
                self.assertLess(warm.count('stat', 'newfstatat'), self.FOLDERS + 10, 'each folder is asked for once')
                self.assertEqual(set(cold.libraries), set(warm.libraries))
                self.assertEqual(cold.count('flock'), 1)
                self.assertEqual(warm.count('flock', 'rename'), 0, 'nothing is new')


class Nowhere(World):
    def test_nowhere(self):
        """Names that are nowhere are known to be; the messages are the same."""
        names = [f'libnowhere{i}.so.1' for i in range(20)]
        (self.folder / 'd').mkdir()
        program(self.folder / 'searcher', SEARCHER, '-ldl', runpath=[self.folder / 'd'])
        self.settle()
        for mode in MODES:
            with self.subTest(mode):
                self.forget()
                plain, *cached = [self.start(mode, self.folder / 'searcher', *names, cache=cache) for cache in (None, 'named', 'named')]
                self.assertEqual([s.out for s in cached], [plain.out] * 2)
                self.assertIn('libnowhere3.so.1: cannot open shared object file: No such file or directory', plain.out)
                self.assertGreater(len(plain.failed), 50)
                self.assertGreater(len(cached[0].failed), 0)
                self.assert_warm(cached[1], 2)

    def test_made_by_the_program(self):
        """A library that comes while the program runs is found: what a folder had is asked anew for each dlopen."""
        first, second = self.folder / 'first', self.folder / 'second'
        first.mkdir()
        second.mkdir()
        program(self.folder / 'searcher', SEARCHER, '-ldl', runpath=[first, second])
        for mode in MODES:
            for state in 'cold', 'warm', 'warm again':
                with self.subTest(f'{mode} {state}'):
                    for path in first.iterdir():
                        path.unlink()
                    library(self.folder / 'made', 7, soname='libmade.so')
                    library(second / 'libother.so', 1)
                    library(self.folder / 'other', 2, soname='libother.so')
                    self.settle()
                    words = ('libmade.so', f'={self.folder}/made:{first}/libmade.so', 'libmade.so')
                    s = self.start(mode, self.folder / 'searcher', *words, 'libno.so', f'={self.folder}/other:{first}/libother.so', 'libother.so')
                    self.assertEqual(s.out.splitlines()[1:3], ['rename 0', 'libmade.so 7'], s.out)
                    self.assertEqual(s.out.splitlines()[4:], ['rename 0', 'libother.so 2'], s.out)


class Stale(World):
    def setUp(self):
        super().setUp()
        self.first, self.second = self.folder / 'first', self.folder / 'second'
        self.first.mkdir()
        library(self.second / 'libone.so', 1)
        program(self.folder / 'one', ONE, self.second / 'libone.so', runpath=[self.first, self.second])
        self.settle()

    def warm_up(self, mode):
        self.forget()
        for check in self.assert_cold, self.assert_warm:
            s = self.start(mode, self.folder / 'one')
            self.assertEqual(s.out, '1\n', s.err)
            check(s)

    def after(self, mode, value, cold=True, **more):
        """The next start finds that value, and the one after it knows it."""
        s = self.start(mode, self.folder / 'one', **more)
        plain = self.start(mode, self.folder / 'one', **{**more, 'cache': None})
        self.assertEqual((s.out, s.status, s.err), (plain.out, plain.status, plain.err))
        self.assertEqual(s.out, f'{value}\n', s.err)
        if cold:
            self.assert_cold(s)
        self.settle()
        self.start(mode, self.folder / 'one', **more)
        s = self.start(mode, self.folder / 'one', **more)
        self.assertEqual(s.out, f'{value}\n')
        self.assert_warm(s, 3)

    def each(self, *steps):
        for mode in MODES:
            with self.subTest(mode):
                library(self.second / 'libone.so', 1)
                for path in self.first.iterdir():
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                self.settle()
                self.warm_up(mode)
                for change, value in steps:
                    change()
                    self.after(mode, value)

    def test_touched(self):
        self.each((lambda: os.utime(self.second / 'libone.so'), 1))

    def test_rewritten_in_place(self):
        def rewrite():
            library(self.folder / 'new', 5, soname='libone.so')
            before = os.stat(self.second / 'libone.so')
            with open(self.second / 'libone.so', 'r+b') as f:
                f.write((self.folder / 'new').read_bytes())
            os.utime(self.second / 'libone.so', ns=(before.st_atime_ns, before.st_mtime_ns))
        self.each((rewrite, 5))

    def test_replaced(self):
        def replace():
            library(self.folder / 'new', 2, soname='libone.so')
            os.rename(self.folder / 'new', self.second / 'libone.so')
        self.each((replace, 2))

    def test_added_before(self):
        self.each((lambda: library(self.first / 'libone.so', 3), 3), (lambda: (self.first / 'libone.so').unlink(), 1))

    def test_added_with_old_times(self):
        """What unpacks archives sets a folder's times back."""
        def add():
            before = os.stat(self.first)
            library(self.first / 'libone.so', 4)
            os.utime(self.first, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.each((add, 4))

    def test_added_for_the_cpu(self):
        self.each((lambda: library(self.first / 'glibc-hwcaps/x86-64-v2/libone.so', 6), 6))

    def test_moved_away(self):
        """The answer's file is gone: the search goes on as ever."""
        def move():
            (self.folder / 'third').mkdir(exist_ok=True)
            os.rename(self.second / 'libone.so', self.first / 'libone.so')
        self.each((move, 1))

    def test_of_the_wrong_class(self):
        """A file that was passed over becomes one that will do."""
        for mode in MODES:
            with self.subTest(mode):
                shutil.copy(self.second / 'libone.so', self.first / 'libone.so')
                with open(self.first / 'libone.so', 'r+b') as f:
                    f.seek(4)
                    f.write(b'\1')  # ELFCLASS32
                self.settle()
                self.forget()
                self.assertEqual(self.start(mode, self.folder / 'one').out, '1\n')
                self.assertEqual(self.start(mode, self.folder / 'one').failed, [])
                library(self.folder / 'new', 9, soname='libone.so')
                with open(self.first / 'libone.so', 'r+b') as f:
                    f.write((self.folder / 'new').read_bytes())
                self.after(mode, 9)

    def test_switched_folder(self):
        """A folder's name means another folder."""
        library(self.folder / 'b/libone.so', 8)
        (self.folder / 'a').mkdir()
        link = self.folder / 'link'
        link.symlink_to('a')
        program(self.folder / 'one', ONE, self.second / 'libone.so', runpath=[link, self.second])
        self.settle()
        for mode in MODES:
            with self.subTest(mode):
                link.unlink()
                link.symlink_to('a')
                self.settle()
                self.warm_up(mode)
                link.unlink()
                link.symlink_to('b')
                self.after(mode, 8)

    def test_dangling_link(self):
        """A link that led nowhere leads somewhere: the folder itself has not changed."""
        target = self.folder / 'elsewhere/lib'
        target.parent.mkdir()
        (self.first / 'libone.so').symlink_to(target)
        self.settle()
        for mode in MODES:
            with self.subTest(mode):
                target.unlink(missing_ok=True)
                self.settle()
                self.forget()
                self.start(mode, self.folder / 'one')
                self.assertEqual(self.start(mode, self.folder / 'one').failed, [])
                library(target, 11, soname='libone.so')
                self.after(mode, 11)

    def test_missing_folder_comes(self):
        program(self.folder / 'one', ONE, self.second / 'libone.so', runpath=[self.folder / 'no/such/folder', self.second])
        for mode in MODES:
            with self.subTest(mode):
                shutil.rmtree(self.folder / 'no', ignore_errors=True)
                self.settle()
                self.warm_up(mode)
                library(self.folder / 'no/such/folder/libone.so', 12)
                self.after(mode, 12)

    def test_fresh_folder(self):
        """A folder that changes at this moment is not relied upon: a second change could bear the same time."""
        for mode in MODES:
            with self.subTest(mode):
                for path in self.first.iterdir():
                    path.unlink()
                self.settle()
                self.forget()
                (self.first / 'x').touch()
                self.start(mode, self.folder / 'one', traced=False)
                self.assertFalse(self.cache.exists(), 'nothing was learnt')
                self.settle()
                self.warm_up(mode)

    def test_environment(self):
        library(self.folder / 'env/libone.so', 20)
        self.settle()
        for mode in MODES:
            with self.subTest(mode):
                self.warm_up(mode)
                self.after(mode, 1, env={'LD_LIBRARY_PATH': str(self.folder / 'nothing')})
                program(self.folder / 'old', ONE, self.second / 'libone.so')
                for path, value in ((self.folder / 'env', 20), (self.second, 1)):
                    s = [self.start(mode, self.folder / 'old', env={'LD_LIBRARY_PATH': str(path)}) for _ in range(2)]
                    self.assertEqual([x.out for x in s], [f'{value}\n'] * 2)
                    self.assert_warm(s[1], 3)

    def test_policy(self):
        """A policy that is edited is another one."""
        library(self.folder / 'other/libone.so', 30)
        self.settle()
        policy = self.folder / 'policy.json'
        copy = self.folder / 'copy'
        shutil.copytree(self.second, copy)
        self.settle()
        # what a rule has made of a candidate is not a candidate
        rules = [{'when': {'kind': 'dir', 'match': str(self.second)}, 'to': str(copy)},
                 {'when': {'kind': 'dir', 'match': str(copy)}, 'to': str(self.folder / 'other')}]
        chain = f'"rewrite": {json.dumps(rules)}'
        for mode in MODES:
            with self.subTest(mode):
                self.forget()
                policy.write_text(f'{{"version": 1, "cache": {{"tiers": ["{self.cache}"]}}}}')
                asked = {'cache': None, 'env': {'LDX_POLICY': str(policy)}}
                outputs = [self.start(mode, self.folder / 'one', **asked) for _ in range(2)]
                self.assertEqual([s.out for s in outputs], ['1\n'] * 2, outputs[0].err)
                self.assert_warm(outputs[1], 3)
                for rule, value in ((f'"rewrite": [{{"when": {{"kind": "path", "match": "{self.second}/libone.so"}}, "to": "{self.folder}/other/libone.so"}}]', 30),
                                    (f'"search": {{"prepend": ["{self.folder}/other"]}}', 30), ('"preload": []', 1), (chain, 1)):
                    policy.write_text(f'{{"version": 1, "cache": {{"tiers": ["{self.cache}"]}}, {rule}}}')
                    outputs = [self.start(mode, self.folder / 'one', **asked) for _ in range(3)]
                    self.assertEqual([s.out for s in outputs], [f'{value}\n'] * 3, outputs[0].err)

    def test_relative_folders(self):
        """What depends on the working folder is not kept."""
        program(self.folder / 'one', ONE, self.second / 'libone.so', runpath=['first', 'second'])
        library(self.folder / 'w/second/libone.so', 40)
        self.settle()
        for mode in MODES:
            with self.subTest(mode):
                self.forget()
                for folder, value in ((self.folder, 1), (self.folder / 'w', 40)) * 2:
                    command = [f'{self.folder}/one-interp'] if mode == 'interp' else [world.options.ldx, self.folder / 'one']
                    done = subprocess.run(command, cwd=folder, env={**os.environ, 'LDX_CACHE': str(self.cache)}, capture_output=True, text=True, timeout=60)
                    self.assertEqual(done.stdout, f'{value}\n', done.stderr)


if __name__ == '__main__':
    world.main(__doc__)
