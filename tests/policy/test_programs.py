#!/usr/bin/env python3
"""Policies in whole programs: where they come from, what is obeyed, and what is not."""

import os
import re
import shutil
import struct
import sys

sys.dont_write_bytecode = True
import common
from common import Case, run

DENY = '{"deny": [{"match": "libm.so*", "why": "no maths"}]}'
ALLOW = '{"deny": ["!replace"]}'
MODES = ('command', 'interp')


class Running(Case):
    def start(self, mode, program, *, option=(), policy=None, prefix=(), **env):
        """Runs the program under ldx. As PT_INTERP there are no options: they become LDX_POLICY."""
        env = {'PATH': '/usr/bin:/bin', 'HOME': '/home', **env}
        if policy is not None:
            env['LDX_POLICY'] = policy
        if mode == 'command':
            words = [word for file in option for word in ('--policy', str(file))]
            return run(*prefix, common.options.ldx, *words, program, env=env)
        if option:
            env['LDX_POLICY'] = ':'.join([*([policy] if policy else []), *map(str, option)])
        return run(*prefix, self.interp(program), env=env)

    def interp(self, program):
        other = program.with_name(program.name + '.interp')
        if not other.exists():
            run(common.options.ldx_interp, '--set', common.options.ldx, '-o', other, program, check=True)
        return other

    def assert_runs(self, done):
        self.assertEqual((done.returncode, done.stderr), (7, ''))
        self.assertRegex(done.stdout, r'^1 1\.000 ')

    def assert_denied(self, done, where):
        self.assertEqual((done.returncode, done.stdout), (127, ''))
        self.assertRegex(done.stderr, r'^ldx: .*: libm\.so\.6: .*no maths.*\n$')
        self.assertIn(f'{where}:1:11', done.stderr)

    def assert_refused(self, done, *lines):
        self.assertEqual((done.returncode, done.stdout, done.stderr), (127, '', ''.join(f'ldx: {line}\n' for line in lines)))


class Sources(Running):
    def test_files(self):
        program, policy, allow = self.copy('pie'), self.write('p', DENY), self.write('q', ALLOW)
        for mode in MODES:
            with self.subTest(mode):
                self.assert_runs(self.start(mode, program))
                self.assert_runs(self.start(mode, program, policy=''))
                self.assert_runs(self.start(mode, program, policy='::'))
                self.assert_denied(self.start(mode, program, policy=f':{policy}:'), policy)
                self.assert_denied(self.start(mode, program, option=[policy]), policy)
                self.assert_denied(self.start(mode, program, option=[allow, policy]), policy)
                self.assert_runs(self.start(mode, program, option=[policy, allow]))
                self.assert_runs(self.start(mode, program, policy=str(policy), option=[allow]))
                self.assert_runs(self.start(mode, program, policy=str(policy), option=['none']))
                self.assert_runs(self.start(mode, program, policy=f'{policy}:/nowhere:none'))

    def test_section(self):
        """T08: the same as by a file."""
        policy, allow = self.write('p', DENY), self.write('q', ALLOW)
        for name in ('pie', 'no-pie', 'stripped', 'gold'):
            program = self.copy(name)
            self.add(policy, program)
            for mode in MODES:
                with self.subTest(mode, name=name):
                    self.assert_denied(self.start(mode, program), '(.ldx.policy)')
                    self.assert_runs(self.start(mode, program, option=[allow]))
                    self.assert_runs(self.start(mode, program, policy='none'))
        plain = run(program)
        self.assertEqual(plain.returncode, 7)

    def test_section_without_a_mark(self):
        policy = self.write('p', DENY)
        for name in ('pie', 'lld'):
            program = self.copy(name)
            run('objcopy', '--add-section', f'.ldx.policy={policy}', program, check=True)
            for mode in MODES:
                with self.subTest(mode, name=name):
                    self.assert_runs(self.start(mode, program))
                    self.assert_denied(self.start(mode, program, policy='section'), '(.ldx.policy)')
                    self.assert_denied(self.start(mode, program, option=['section']), '(.ldx.policy)')

    def test_program_is_found_by_any_name(self):
        program = self.copy('pie')
        self.add(self.write('p', DENY), program)
        self.interp(program)
        (self.folder / 'link').symlink_to('pie.interp')
        for words in (['./link'], ['env', 'PATH=.', 'link'], ['sh', '-c', 'exec 0<&-; cd /; exec "$0"', self.folder / 'link']):
            done = run(*words, cwd=self.folder)
            self.assertEqual(done.returncode, 127)
            self.assertIn('no maths', done.stderr)

    def test_faults(self):
        program = self.copy('pie')
        bad = self.write('bad', '{"deny": [{}],\n "tolls": 1}')
        empty = self.write('empty', '')
        for mode in MODES:
            with self.subTest(mode):
                self.assert_refused(self.start(mode, program, option=[bad, '/nowhere', empty]),
                                    f'{bad}:1:11: needs the key "match"',
                                    f'{bad}:2:2: unknown key "tolls" (did you mean "tools"?)',
                                    '/nowhere: cannot read policy file: No such file or directory',
                                    f'{empty}:1:1: the text ends where a value is expected')
                shown = program if mode == 'command' else self.interp(program)
                self.assert_refused(self.start(mode, program, policy='section'), f'{shown}: has no section .ldx.policy')

    def test_mark_without_a_section(self):
        program = self.copy('pie')
        self.add(self.write('p', DENY), program)
        run('objcopy', '--remove-section', '.ldx.policy', program, check=True)
        for mode in MODES:
            shown = program if mode == 'command' else self.interp(program)
            self.assert_refused(self.start(mode, program), f'{shown}: has no section .ldx.policy')

    def test_followed_programs(self):
        """--policy goes on to programs that the program becomes."""
        program, policy = self.copy('pie'), self.write('p', DENY)
        done = run(common.options.ldx, '--follow', '--policy', policy, '/bin/sh', '-c', f'exec {program}')
        self.assert_denied(done, policy)


class Damage(Running):
    """Section headers that lie: one line, and status 127."""

    def headers(self, program):
        data = bytearray(program.read_bytes())
        start, = struct.unpack_from('<Q', data, 40)
        size, count, names = struct.unpack_from('<HHH', data, 58)
        return data, start, size, count, names

    def test_damage(self):
        program = self.copy('pie')
        self.add(self.write('p', DENY), program)
        self.interp(program)
        for source, mode in ((program, 'command'), (self.interp(program), 'interp')):
            data, start, size, count, names = self.headers(source)
            last, table = start + (count - 1) * size, start + names * size
            for at, form, value, says in (
                    (40, '<Q', 1 << 40, 'section headers lie outside the file'),
                    (40, '<Q', (1 << 64) - 8, 'section headers lie outside the file'),
                    (58, '<H', 63, 'section headers of an unknown size'),
                    (60, '<H', 60000, 'section headers lie outside the file'),
                    (62, '<H', 50000, 'section names lie in no section'),
                    (62, '<H', 1, 'section names lie in no string table'),
                    (table + 24, '<Q', 1 << 40, 'section names lie outside the file'),
                    (table + 32, '<Q', 1 << 40, 'section names lie in no string table'),
                    (last + 4, '<I', 8, 'has no contents in the file'),
                    (last + 8, '<Q', 0x800, 'is compressed'),
                    (last + 24, '<Q', 1 << 40, 'lies outside the file'),
                    (last + 32, '<Q', 1 << 40, 'is too large')):
                with self.subTest(mode, says=says):
                    copy = bytearray(data)
                    struct.pack_into(form, copy, at, value)
                    damaged = self.folder / 'damaged'
                    damaged.write_bytes(copy)
                    damaged.chmod(0o755)
                    done = run(*([common.options.ldx] if mode == 'command' else []), damaged)
                    self.assert_refused(done, f'{damaged}: section .ldx.policy: {says}')

    def test_contents(self):
        program = self.copy('pie')
        policy = self.write('p', '{"deny": [}')
        run('objcopy', '--add-section', f'.ldx.policy={policy}', program, check=True)
        for mode in MODES:
            shown = program if mode == 'command' else self.interp(program)
            self.assert_refused(self.start(mode, program, policy='section'),
                                f'{shown}(.ldx.policy):1:11: expected a value')


class Privileged(Running):
    """X14: a privileged program obeys no policy of its user's, nor that of its file."""

    def test_setuid(self):
        program, policy = self.copy('pie'), self.write('p', DENY)
        self.add(policy, program)
        other = self.interp(program)
        for path in (self.folder, policy):
            path.chmod(0o755)
        shutil.chown(other, 0, 0)
        nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
        for mode, obeyed in ((0o755, True), (0o4755, False), (0o2755, False)):
            other.chmod(mode)
            with self.subTest(oct(mode)):
                self.assertEqual(run(*nobody, other).returncode, 127 if obeyed else 7)
                done = run(*nobody, other, env={'LDX_POLICY': str(policy)})
                self.assertEqual(done.returncode, 127 if obeyed else 7)
                self.assertEqual(done.stderr == '', not obeyed)
                done = run(*nobody, other, env={'LDX_POLICY': '/nowhere:section'})
                self.assertEqual(done.returncode, 127 if obeyed else 7)


class Systems(Running):
    """A policy of the system's, in a mount namespace that has an /etc of its own."""

    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)
        self.etc = self.folder / 'etc'
        (self.etc / 'ldx').mkdir(parents=True)
        shutil.copy('/etc/ld.so.cache', self.etc)
        self.system = self.etc / 'ldx/policy.json'
        program = self.copy('pie')
        self.program = program.with_name('privileged')
        run(common.options.ldx_interp, '--set', common.options.ldx_with_system_policy, '-o', self.program, program,
            check=True)

    def under(self, *words, **more):
        nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
        # in a chroot "/" is no mount point, whose propagation could be changed
        script = 'mount --make-rprivate / 2>/dev/null; mount --bind "$0" /etc && exec "$@"'
        return run('unshare', '-m', '--propagation', 'unchanged', 'sh', '-c', script, self.etc, *nobody, self.program,
                   *words, **more)

    def test_it_is_obeyed(self):
        self.system.write_text(DENY)
        for mode in (0o755, 0o4755):
            self.program.chmod(mode)
            self.assert_denied(self.under(), '/etc/ldx/policy.json')
        self.program.chmod(0o755)
        self.assert_runs(self.under(env={'LDX_POLICY': 'none', 'PATH': '/usr/bin:/bin'}))
        self.program.chmod(0o4755)
        self.assert_denied(self.under(env={'LDX_POLICY': 'none', 'PATH': '/usr/bin:/bin'}), '/etc/ldx/policy.json')

    def test_there_is_none(self):
        for mode in (0o755, 0o4755):
            self.program.chmod(mode)
            self.assert_runs(self.under())

    def test_it_is_not_the_systems(self):
        """Somebody could have written it: the program does not start, rather than without what root wanted."""
        def owner():
            shutil.chown(self.system, 65534)

        def writable():
            self.system.chmod(0o666)

        def folder():
            self.system.chmod(0o644)
            self.system.parent.chmod(0o777)

        def link():
            self.system.parent.chmod(0o755)
            self.system.rename(self.folder / 'elsewhere')
            self.system.symlink_to(self.folder / 'elsewhere')

        for make in (owner, writable, folder, link):
            with self.subTest(make.__name__):
                self.system.unlink(missing_ok=True)
                self.system.write_text(DENY)
                make()
                self.program.chmod(0o755)
                self.assert_denied(self.under(), '/etc/ldx/policy.json')
                self.program.chmod(0o4755)
                done = self.under()
                self.assertEqual((done.returncode, done.stdout), (127, ''))
                self.assertRegex(done.stderr, '^ldx: /etc/ldx/policy.json: cannot read policy file: .*\n$')
                self.assertNotIn('no maths', done.stderr)


class Cost(Running):
    """Without a policy nothing is asked of the kernel for one; with a mark the file is opened once more."""

    def calls(self, mode, program, **more):
        log = self.folder / 'log'
        done = self.start(mode, program, prefix=['strace', '-o', log], **more)
        self.assertEqual(done.returncode, 7, done.stderr)
        return [re.match(r'\w+', line)[0] for line in log.read_text().splitlines() if line[0].isalpha()]

    def test_calls(self):
        program, marked = self.copy('pie'), self.copy('pie', 'marked')
        policy = self.write('p', '{}')
        for mode in MODES:
            with self.subTest(mode):
                plain = self.calls(mode, program)
                unused = self.copy('pie', 'unused')
                run('objcopy', '--add-section', f'.ldx.policy={policy}', unused, check=True)
                self.assertEqual(self.calls(mode, unused), plain)
                self.add(policy, marked)
                opens = self.calls(mode, marked).count('openat')
                self.assertEqual(opens, plain.count('openat') + 1)
                unused.unlink()
                (self.folder / 'unused.interp').unlink(missing_ok=True)


if __name__ == '__main__':
    os.umask(0o022)
    common.main(__doc__)
