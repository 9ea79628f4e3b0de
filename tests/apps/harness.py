"""Runs a case under the system loader and under ldx, and says where the two differ.

The system loader is the oracle: nothing here knows the right output of a program, only that it must be
the same. Three ways to start a program:

  plain    PROGRAM ARGS                  the kernel starts the system loader
  command  ldx PROGRAM ARGS              ldx is named on the command line
  interp   PROGRAM ARGS                  the program's PT_INTERP names ldx

For `interp` a program of the case's own (copied into its scratch folder) is changed in place. A program of
the system is copied, changed, and mounted over the original in a private mount namespace, so that its path,
its $ORIGIN, its /proc/self/exe and its children's view of it stay as they were.
"""

import ctypes
import difflib
import os
import re
import shutil
import signal
import stat
import struct
import subprocess
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

PT_INTERP = 3
SYSTEM_LOADER = '/lib64/ld-linux-x86-64.so.2'


@dataclass(frozen=True)
class Rewrite:
    """A difference that must be: text that matches is replaced on both sides before they are compared."""
    pattern: str
    replacement: str
    reason: str

    def apply(self, text):
        return re.sub(self.pattern, self.replacement, text, flags=re.MULTILINE)


ADDRESSES = Rewrite(r'0x[0-9a-f]{5,16}', '0xADDRESS', 'address space layout is random')

# The loader says its own name where the system loader says what it was doing.
LOADER_PREFIX = (
    Rewrite(r'^ldx: ', '', 'ldx begins its messages with its name'),
    Rewrite(r': error while loading shared libraries: ', ': ', 'the system loader words it so'),
)


@dataclass
class Outcome:
    """What a run has shown. A negative status is the signal that ended it; None: the time limit."""
    status: int | None
    stdout: str
    stderr: str
    seconds: float = 0.0


@dataclass
class Case:
    """One comparison. `run` is an argument vector whose first word is the program under test; `script` is
    shell text in which $RUN stands before every program under test (named again in `programs`)."""
    name: str
    run: list = field(default_factory=list)
    script: str = ''
    programs: list = field(default_factory=list)  # changed in mode interp, besides run[0]
    files: dict = field(default_factory=dict)     # path in the scratch folder -> text
    use: str = ''                                 # built files to copy there: 'prog lib.so new.so=built.so dir/x.so=x.so'
    setup: str = ''                               # shell text, run before, under the system loader
    etc: str = ''                                 # shell text that changes $ETC, loaders' files that are mounted over /etc
    hide: list = field(default_factory=list)      # folders that are empty for the program
    linked: str = ''                              # in mode interp, taken in place of `use`: built to name ldx already
    env: dict = field(default_factory=dict)
    stdin: str = ''
    rewrites: tuple = ()
    sort: str = ''                                # 'lines' or 'unique' lines, where order (and number) mean nothing
    loader: bool = False                          # the oracle too is named on the command line, and given `options`
    options: list = field(default_factory=list)
    command: list = field(default_factory=list)   # what ldx is given in mode command, where `run` cannot say it
    limit: int = 30
    packages: str = ''                            # Debian packages the case stands on
    expect: Outcome | None = None                 # instead of the oracle, where ldx is meant to do better
    status: int | None = None                     # ldx's exit status where it is meant to differ
    modes: tuple = ('command', 'interp')
    reason: str = ''                              # why `expect`, `status` or `modes` is given


# --- scratch folders -------------------------------------------------------------------------------------


class Scratch:
    """A folder that looks the same, under the same name, to every run of a case."""

    def __init__(self, root, built):
        self.root = Path(root)
        self.built = Path(built) if built else None
        self.folder = self.root / 'work'

    def fill(self, case, use):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.root.chmod(0o755)  # also for programs that run as another user
        for name, text in case.files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        copied = [self._copy(word) for word in use.split()]
        self._shell(case.setup)
        return copied

    def etc(self, case):
        """The mount that gives the case an /etc of its own, with what loaders read there and no more."""
        if not case.etc:
            return []
        folder = self.root / 'etc'
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for path in Path('/etc').glob('ld.so.*'):
            (shutil.copytree if path.is_dir() else shutil.copy)(path, folder / path.name)
        self._shell(case.etc.replace('@DIR@', str(self.folder)), ETC=str(folder))
        return [(folder, Path('/etc'))]

    def hide(self, case):
        empty = self.root / 'empty'
        empty.mkdir(exist_ok=True)
        return [(empty, Path(folder)) for folder in case.hide]

    def _shell(self, text, **more):
        if text:
            subprocess.run(['/bin/sh', '-ec', text], cwd=self.folder, env=self.environment(more), check=True,
                           stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def _copy(self, word):
        name, _, source = word.partition('=')
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.built / (source or name), path)
        return path

    def expected(self, case):
        if not case.expect:
            return None
        return replace(case.expect, stdout=case.expect.stdout.replace('@DIR@', str(self.folder)),
                       stderr=case.expect.stderr.replace('@DIR@', str(self.folder)))

    def environment(self, own):
        # Only what is stated here reaches a program, so that a result does not hang on who runs it.
        base = {'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': str(self.folder),
                'LANG': 'C.UTF-8', 'TZ': 'UTC', 'TERM': 'dumb', 'TMPDIR': str(self.folder)}
        return base | {key: value.replace('@DIR@', str(self.folder)) for key, value in own.items()}


# --- PT_INTERP -------------------------------------------------------------------------------------------


def find_interp(data):
    """Offset and size of the interpreter's path in an ELF image, or None."""
    if len(data) < 64 or data[:5] != b'\x7fELF\x02':
        return None
    phoff, = struct.unpack_from('<Q', data, 32)
    phentsize, phnum = struct.unpack_from('<HH', data, 54)
    for i in range(phnum):
        at = phoff + i * phentsize
        kind, = struct.unpack_from('<I', data, at)
        if kind == PT_INTERP:
            offset, = struct.unpack_from('<Q', data, at + 8)
            size, = struct.unpack_from('<Q', data, at + 32)
            return offset, size
    return None


def has_interp(path):
    with open(path, 'rb') as file:
        return find_interp(file.read(4096)) is not None


class Interp:
    """Gives programs ldx as their interpreter: by ldx-interp, or without it in place, by a short link."""

    def __init__(self, ldx, root, tool):
        self.ldx = ldx
        self.tool = tool
        self.store = Path(root) / 'patched'
        self.store.mkdir(parents=True, exist_ok=True)
        self.link = None

    def set(self, path):
        os.chmod(path, os.stat(path).st_mode | stat.S_IWUSR)
        if self.tool:
            subprocess.run([self.tool, '--set', self.ldx, str(path)], check=True, stdout=subprocess.DEVNULL)
        else:
            self._set_in_place(path)

    def _set_in_place(self, path):
        if not self.link:
            self.link = f'/tmp/ldx-{os.getpid()}'
            os.symlink(self.ldx, self.link)
        with open(path, 'r+b') as file:
            offset, size = find_interp(file.read(4096))
            name = self.link.encode()
            if len(name) >= size:
                raise ValueError(f'{path}: no room for {self.link}')
            file.seek(offset)
            file.write(name.ljust(size, b'\0'))

    def copy_of(self, program):
        """A changed copy of a program of the system; made once."""
        copy = self.store / str(program).replace('/', '%')
        if not copy.exists():
            shutil.copy(program, copy)
            self.set(copy)
        return copy

    def close(self):
        if self.link:
            os.unlink(self.link)


# --- private mounts --------------------------------------------------------------------------------------

CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000
_libc = ctypes.CDLL(None, use_errno=True)


def _mount(source, target, flags):
    if _libc.mount(source.encode(), target.encode(), None, flags, None) != 0:
        raise OSError(ctypes.get_errno(), 'mount', target)


def mount_privately(pairs):
    """In the child, before exec: mounts that nobody else sees."""
    if _libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), 'unshare: a mount namespace needs root')
    try:
        _mount('none', '/', MS_REC | MS_PRIVATE)
    except OSError:
        pass  # in a chroot "/" is no mount point; Runner checks that nothing has leaked
    for source, target in pairs:
        _mount(str(source), str(target), MS_BIND)


# --- running ---------------------------------------------------------------------------------------------


class Runner:
    """Runs a case in one of the modes and collects the outcome."""

    def __init__(self, ldx, scratch, interp):
        self.ldx = ldx
        self.scratch = scratch
        self.interp = interp

    def outcome(self, case, mode):
        linked = mode == 'interp' and case.linked
        copied = self.scratch.fill(case, linked or case.use)
        mounts = self._prepare_interp(case, copied) if mode == 'interp' and not linked else []
        mounts += self.scratch.etc(case) + self.scratch.hide(case)
        words = self._words(case, mode)
        environment = self.scratch.environment(case.env)
        if case.script:
            environment['RUN'] = ' '.join(self._loader(case, mode))
        before = {target: os.stat(target).st_ino for _, target in mounts}
        result = self._execute(case, words, environment, mounts)
        for target, inode in before.items():
            if os.stat(target).st_ino != inode:
                raise RuntimeError(f'{target}: the private mount has leaked; umount it')
        return result

    def _words(self, case, mode):
        if case.script:
            return ['/bin/sh', '-c', case.script.replace('@DIR@', str(self.scratch.folder))]
        words = [word.replace('@DIR@', str(self.scratch.folder)) for word in case.run]
        if mode == 'command' and case.command:
            return [self.ldx, *(word.replace('@LDX@', self.ldx) for word in case.command)]
        words[:1] = [locate(word) for word in words[:1]]  # the same argv[0] in every mode
        return self._loader(case, mode) + words

    def _loader(self, case, mode):
        """What stands before the program's name."""
        if mode == 'command':
            return [self.ldx, *case.options]
        return [SYSTEM_LOADER, *case.options] if case.loader else []

    def _prepare_interp(self, case, copied):
        """Changes the case's own programs in place; answers with the mounts for those of the system."""
        own, mounts = set(copied), {}
        for name in case.run[:1] + case.programs:
            if name.startswith(('./', '@DIR@/')):
                own.add(self.scratch.folder / name.split('/', 1)[1])
            else:
                path = os.path.realpath(locate(name))
                mounts[path] = self.interp.copy_of(path)
        for path in own:
            if path.exists() and has_interp(path):
                self.interp.set(path)
        return [(copy, path) for path, copy in mounts.items()]

    def _execute(self, case, words, environment, mounts):
        out, err = self.scratch.root / 'stdout', self.scratch.root / 'stderr'
        begin = time.monotonic()
        with open(out, 'wb') as stdout, open(err, 'wb') as stderr:
            child = subprocess.Popen(words, cwd=self.scratch.folder, env=environment, stdin=subprocess.PIPE,
                                     stdout=stdout, stderr=stderr, start_new_session=True,
                                     preexec_fn=lambda: prepare_child(mounts))
            status = self._wait(child, case)
        seconds = time.monotonic() - begin
        return Outcome(status, read_text(out), read_text(err), seconds)

    @staticmethod
    def _wait(child, case):
        try:
            child.communicate(case.stdin.encode(), timeout=case.limit)
            return child.returncode
        except subprocess.TimeoutExpired:
            return None
        finally:
            # Also what a program has left behind in its session.
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()


def prepare_child(mounts):
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if mounts:
        mount_privately(mounts)


def locate(name):
    """The path by which a shell would start `name`; a name with a slash is left alone."""
    return name if '/' in name else shutil.which(name, path='/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin') or name


def read_text(path):
    return Path(path).read_bytes().decode('utf-8', 'backslashreplace')


# --- comparing -------------------------------------------------------------------------------------------


def normalise(outcome, case):
    texts = []
    for text in (outcome.stdout, outcome.stderr):
        for rewrite in LOADER_PREFIX + tuple(case.rewrites):
            text = rewrite.apply(text)
        if case.sort:
            lines = text.split('\n')
            text = '\n'.join(sorted(set(lines) if case.sort == 'unique' else lines))
        texts.append(text)
    return Outcome(outcome.status, *texts, outcome.seconds)


def status_text(status):
    if status is None:
        return 'time limit'
    return f'signal {signal.Signals(-status).name}' if status < 0 else f'exit {status}'


def differences(wanted, got, case):
    """A list of unified diffs and sentences; empty when the runs are the same."""
    result = []
    status = case.status if case.status is not None else wanted.status
    if got.status is None or status != got.status:
        result.append(f'status: {status_text(status)} expected, {status_text(got.status)} seen')
    for name in ('stdout', 'stderr'):
        a, b = getattr(wanted, name), getattr(got, name)
        if a != b:
            result.append('\n'.join(difflib.unified_diff(a.splitlines(), b.splitlines(), f'system {name}',
                                                         f'ldx {name}', lineterm='', n=2)))
    return result
