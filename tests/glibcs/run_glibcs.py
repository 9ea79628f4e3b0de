#!/usr/bin/env python3
"""Runs programs of another Debian release, with its own glibc, under ldx and under that glibc's own loader.

The release is unpacked into a folder (scripts/glibc-roots, which fetches it where it is missing). Three ways:

  command  ldx --library-path ROOT/... PROGRAM              compared with ROOT's ld.so, called the same way
  interp   LD_LIBRARY_PATH=ROOT/... COPY OF PROGRAM         whose PT_INTERP names ldx; compared likewise
  chroot   PROGRAM and all its children, in ROOT as root    whose PT_INTERP names ldx; compared with the same
                                                            programs as they are
"""

import argparse
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True

import glibc_cases
import harness
from driver import Report

HERE = Path(__file__).parent
GUESTS = ('bash', 'git', 'perl', 'python3', 'getent', 'iconv', 'locale', 'localedef')
CHROOT_PATH = '/usr/bin:/bin:/usr/sbin:/sbin'


class Root:
    """An unpacked release, and our own programs compiled for it."""

    def __init__(self, folder, built):
        self.folder = folder
        self.built = built
        self.libraries = [folder / name for name in ('lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu')]
        self.loader = folder / 'lib64/ld-linux-x86-64.so.2'

    def program(self, name):
        if name.startswith('./'):
            return self.built / name[2:]
        path = self.folder / 'usr/bin' / name
        return (path if path.exists() else self.folder / 'bin' / name).resolve()

    def compile(self):
        """What is newer than its source stays."""
        self.built.mkdir(parents=True, exist_ok=True)
        for name, (source, words) in glibc_cases.PROGRAMS.items():
            target, source = self.built / name, HERE / 'programs' / source
            if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
                subprocess.run(self._compiler(target, source, words), cwd=self.built, check=True)

    def _compiler(self, target, source, words):
        """gcc of this machine; headers, start files and libraries of the release."""
        command = ['gcc', f'--sysroot={self.folder}', f'-B{self.folder}/usr/lib/x86_64-linux-gnu/', '-O1', '-g0', '-w',
                   '-Wl,--allow-shlib-undefined', '-Wl,-rpath,$ORIGIN', '-o', target, source]
        if target.suffix == '.so':
            command += ['-shared', '-fPIC', f'-Wl,-soname,{target.name}']
        if source.suffix == '.cc':
            command += ['-l:libstdc++.so.6']
        return command + words

    def environment(self):
        """What programs of a release need when it is not the system."""
        perl = [path for part in ('usr/share', 'usr/lib/x86_64-linux-gnu')
                for path in sorted(self.folder.glob(f'{part}/perl*')) + sorted(self.folder.glob(f'{part}/perl/*'))]
        return {'PYTHONHOME': f'{self.folder}/usr', 'PERL5LIB': ':'.join(map(str, perl)),
                'GIT_EXEC_PATH': f'{self.folder}/usr/lib/git-core', 'LOCPATH': f'{self.folder}/usr/lib/locale',
                'GCONV_PATH': f'{self.libraries[1]}/gconv'}


class Runner:
    """One way of running the cases: `outcome` of the release's own loader (ldx=False) and of ldx."""

    def __init__(self, root, ldx, interp_tool, scratch):
        self.root = root
        self.ldx = ldx
        self.interp_tool = interp_tool
        self.scratch = scratch
        self.work = scratch / 'work'

    def outcome(self, case, ldx):
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        for name, text in case.files.items():
            (self.work / name).parent.mkdir(parents=True, exist_ok=True)
            (self.work / name).write_text(text)
        words, executable = self.words(case, ldx)
        environment = {'LC_ALL': 'C.UTF-8', 'TZ': 'UTC', 'TERM': 'dumb', 'PATH': CHROOT_PATH, 'HOME': self.work_inside,
                       'PYTHONDONTWRITEBYTECODE': '1'} | self.environment()
        environment |= {name: value.replace('@BUILT@', self.built_inside) for name, value in case.env.items()}
        return self.execute(case, words, executable, environment, ldx)

    def expected(self, case):
        return self.outcome(case, False)

    def execute(self, case, words, executable, environment, ldx):
        begin = time.monotonic()
        out, err = self.scratch / 'stdout', self.scratch / 'stderr'
        with open(out, 'wb') as stdout, open(err, 'wb') as stderr:
            child = subprocess.Popen(words, executable=executable, cwd='/', env=environment, stdin=subprocess.PIPE,
                                     stdout=stdout, stderr=stderr, start_new_session=True,
                                     preexec_fn=lambda: self.prepare(ldx))
            status = harness.Runner._wait(child, case)
        return harness.Outcome(status, harness.read_text(out), harness.read_text(err), time.monotonic() - begin)


class Beside(Runner):
    """The release's programs on this system, with their libraries named by hand."""
    work_inside = property(lambda self: str(self.work))
    built_inside = property(lambda self: str(self.root.built))

    def environment(self):
        return self.root.environment()

    def prepare(self, ldx):
        os.chdir(self.work)

    @property
    def path(self):
        return ':'.join(map(str, self.root.libraries))


class Command(Beside):
    def words(self, case, ldx):
        loader = self.ldx if ldx else self.root.loader
        program = self.root.program(case.run[0])
        return [str(loader), *case.loader_options, '--library-path', self.path, str(program), *case.run[1:]], None


class Interp(Beside):
    def environment(self):
        return super().environment() | {'LD_LIBRARY_PATH': self.path}

    def words(self, case, ldx):
        program = self.root.program(case.run[0])
        if not ldx:
            return [str(self.root.loader), str(program), *case.run[1:]], None
        if program.parent == self.root.built and not (self.scratch / 'built').exists():
            shutil.copytree(self.root.built, self.scratch / 'built')  # the copies stand beside their libraries too
        copy = self.scratch / ('built' if program.parent == self.root.built else '.') / f'{program.name}.ldx'
        set_interp(self.interp_tool, self.ldx, program, copy)
        return [str(program), *case.run[1:]], str(copy)


class Chroot(Runner):
    """In the release's folder as root: the scratch folder is its /tmp."""
    work_inside = '/tmp/work'
    built_inside = '/tmp/built'
    FLAGS = harness.MS_BIND | harness.MS_REC

    def __init__(self, *args):
        super().__init__(*args)
        shutil.copy(self.ldx, self.scratch / 'ldx')
        (self.scratch / 'built').mkdir(exist_ok=True)
        self._write_etc(self.scratch / 'etc')
        self.changed = []
        for name in GUESTS:
            self._change(self.root.program(name), self.scratch / name)
        for name in glibc_cases.PROGRAMS:
            if harness.has_interp(self.root.built / name):
                self._change(self.root.built / name, self.scratch / f'{name}.ldx')

    def _write_etc(self, etc):
        """What the packages' scripts would have written, as far as programs here want to know it."""
        shutil.copytree(self.root.folder / 'etc', etc, symlinks=True)
        (etc / 'passwd').write_text('root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\n')
        (etc / 'group').write_text('root:x:0:\n')
        (etc / 'hosts').write_text('127.0.0.1 localhost\n')
        (etc / 'nsswitch.conf').write_text('passwd: files\ngroup: files\nhosts: files\nservices: files\n')

    def outcome(self, case, ldx):
        result = super().outcome(case, ldx)
        if os.path.ismount(self.root.folder / 'proc'):
            raise RuntimeError(f'{self.root.folder}/proc: the private mount has leaked; umount it')
        return result

    def _change(self, program, copy):
        if program.exists():
            set_interp(self.interp_tool, '/tmp/ldx', program, copy)
            self.changed.append((copy, program))

    def environment(self):
        return {}

    def words(self, case, ldx):
        name = case.run[0]
        program = f'/tmp/built/{name[2:]}' if name.startswith('./') else '/' + str(self.root.program(name).relative_to(
            self.root.folder.resolve()))
        return [program, *case.run[1:]], None

    def prepare(self, ldx):
        target = lambda name: self.root.folder / name
        mounts = self.changed if ldx else []
        mounts = mounts + [(self.root.built, self.scratch / 'built'), (self.scratch, target('tmp')),
                           (self.scratch / 'etc', target('etc')), ('/proc', target('proc')),
                           ('/dev', target('dev'))]
        enter_namespace()
        for source, place in mounts:
            harness._mount(str(source), str(place), self.FLAGS)
        os.chroot(self.root.folder)
        os.chdir('/tmp/work')


def enter_namespace():
    """Mounts that nobody else sees; without privileges, as root of a user namespace."""
    user = 0x10000000  # CLONE_NEWUSER
    uid, gid = os.getuid(), os.getgid()
    if harness._libc.unshare(harness.CLONE_NEWNS if uid == 0 else harness.CLONE_NEWNS | user) != 0:
        raise OSError(ctypes.get_errno(), 'unshare: a mount namespace needs root, or user namespaces')
    if uid != 0:
        for name, text in (('setgroups', 'deny'), ('uid_map', f'0 {uid} 1'), ('gid_map', f'0 {gid} 1')):
            Path('/proc/self', name).write_text(text)
    try:
        harness._mount('none', '/', harness.MS_REC | harness.MS_PRIVATE)
    except OSError:
        pass  # where "/" is no mount point; Chroot checks that nothing has leaked


def set_interp(tool, ldx, program, copy):
    if not copy.exists():
        subprocess.run([tool, '--set', str(ldx), '-o', str(copy), str(program)], check=True)


class Unknown(Command):
    """With a libc whose build-id no profile has."""

    def __init__(self, *args):
        super().__init__(*args)
        self.folder = self.scratch / 'unknown'
        self.folder.mkdir()
        for name in ('libc.so.6', 'ld-linux-x86-64.so.2'):
            shutil.copy(self.root.libraries[0] / name, self.folder)
        libc = self.folder / 'libc.so.6'
        data = libc.read_bytes()
        at = data.index(build_id(libc))
        libc.write_bytes(data[:at] + bytes([data[at] ^ 0xff]) + data[at + 1:])

    @property
    def path(self):
        return f'{self.folder}:{super().path}'

    def expected(self, case):
        """One line, and then what libc's own loader does; or with --strict, no more than the line."""
        line = f'ldx: {self.root.program(case.run[0])}: this build of glibc is not known to ldx'
        if '--strict' in case.loader_options:
            return harness.Outcome(127, '', f'{line}\n')
        own = self.outcome(case, False)
        return harness.Outcome(own.status, own.stdout, f'{line}: handing over to {self.folder}/ld-linux-x86-64.so.2\n{own.stderr}')


class UnknownInterp(Unknown, Interp):
    """The same where ldx is PT_INTERP."""


RUNNERS = {'command': Command, 'interp': Interp, 'chroot': Chroot, 'unknown-command': Unknown, 'unknown-interp': UnknownInterp}


def build_id(path):
    """From the file's note of type NT_GNU_BUILD_ID."""
    data = path.read_bytes()
    at = data.index(b'\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0') + 16
    return data[at:at + 20]


def compare(runner, case):
    wanted = runner.expected(case)
    if wanted.status is None:
        return [f'the own loader has reached the time limit: {wanted.stdout[-300:]} {wanted.stderr[-300:]}'], 0.0
    if not wanted.stdout and not wanted.status == 127:
        return [f'no output under the own loader: {harness.status_text(wanted.status)}: {wanted.stderr[:300]}'], 0.0
    got = runner.outcome(case, True)
    return harness.differences(harness.normalise(wanted, case), harness.normalise(got, case), case), round(got.seconds, 3)


def is_known(root, options):
    """Whether ldx has a profile of the release's glibc: without one every case would only say so again."""
    loader = Command(root, os.path.abspath(options.ldx), options.interp_tool, options.build)
    done = subprocess.run([options.ldx, '--strict', '--library-path', loader.path, str(root.program('bash')), '-c', ':'],
                          capture_output=True, text=True)
    if 'not known to ldx' in done.stderr:
        print(f"no profile of {options.release}'s glibc: run scripts/glibc-profiles {options.release}, and build ldx again")
        return False
    return True


def run_way(way, root, options, report):
    with tempfile.TemporaryDirectory(prefix='glibcs-', dir=options.build) as scratch:
        os.chmod(scratch, 0o755)
        runner = RUNNERS[way](root, os.path.abspath(options.ldx), options.interp_tool, Path(scratch))
        for case in glibc_cases.CASES:
            name = f'{way}.{case.name}'
            if way in case.modes and options.release in case.releases and re.search(options.filter, name):
                report.start(name)
                case = glibc_cases.Case(**{**vars(case), 'name': name})
                report.add(case, *compare(runner, case))


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--release', choices=glibc_cases.RELEASES, help='the Debian release')
    parser.add_argument('--ldx', help='the loader under test')
    parser.add_argument('--interp-tool', help='the ldx-interp program')
    parser.add_argument('--build', help='folder for unpacked releases and compiled programs')
    parser.add_argument('--fetch', default=HERE.parents[1] / 'scripts/glibc-roots', help='the script that unpacks a release')
    parser.add_argument('--filter', metavar='REGEX', default='', help='only cases whose name (WAY.CASE) matches')
    parser.add_argument('--json', metavar='FILE', help='write the results there')
    parser.add_argument('--list', action='store_true', help='print the names of the cases')
    parser.add_argument('--packages', action='store_true', help='print the Debian packages the test stands on')
    parser.add_argument('-v', '--verbose', action='store_true', help='show each difference in full')
    return parser.parse_args()


def main():
    options = parse()
    if options.packages:
        print('gcc\ng++')
        return 0
    if options.list:
        print('\n'.join(f'{way}.{case.name}' for way in RUNNERS for case in glibc_cases.CASES if way in case.modes))
        return 0
    build = Path(options.build).absolute()
    build.mkdir(parents=True, exist_ok=True)
    options.build = build
    if subprocess.run([options.fetch, build, options.release]).returncode:
        print(f'{options.release} cannot be unpacked: nothing was tested')
        return 1
    root = Root((build / options.release).resolve(), build / f'{options.release}.programs')
    if not is_known(root, options):
        return 1
    root.compile()
    report = Report(options.verbose, sum(way in case.modes and options.release in case.releases
                                         for way in RUNNERS for case in glibc_cases.CASES))
    for way in RUNNERS:
        run_way(way, root, options, report)
    if options.json:
        Path(options.json).write_text(json.dumps({'release': options.release, 'cases': report.rows}, indent=1) + '\n')
    return 0 if report.finish(options.release) else 1


if __name__ == '__main__':
    sys.exit(main())
