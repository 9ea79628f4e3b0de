"""A place where any program may be tried without harm.

enter() moves the calling process into mount, network, IPC and host-name namespaces of its own, in which the whole
file system is read-only, /tmp, /run and /var/tmp are empty, and /dev has no disks. run() then starts one program in a
fresh process namespace (so that its process ids are always the same, and nothing survives it) with /tmp and /run
empty. KEPT_FOLDER is for what the caller wants to show to several runs.
"""

import ctypes
import fcntl
import os
import resource
import select
import signal
import socket
import struct
import tempfile

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 0x1000, 0x4000, 0x40000
SYS_MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 24, 38

# Rights over the machine itself, which namespaces do not confine: MKNOD, SYS_MODULE, SYS_RAWIO, SYS_BOOT, SYS_TIME,
# SYS_ADMIN, SYSLOG, MAC_ADMIN.
DROPPED_CAPABILITIES = (27, 16, 17, 22, 25, 21, 34, 33)
DEVICES = ('null', 'zero', 'full', 'random', 'urandom', 'tty')
OUTPUT_LIMIT = 64 << 20
FRESH_FOLDERS, KEPT_FOLDER = ('/tmp', '/run'), '/var/tmp'

libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f'{what}: {os.strerror(code)}')


def _mount(source, target, kind, flags, options=None):
    words = [w.encode() if w is not None else None for w in (source, target, kind, options)]
    _check(libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]), f'mount on {target}')


def bind(source, target):
    _mount(source, target, None, MS_BIND)


def _tmpfs(target, mode='1777'):
    _mount('tmpfs', target, 'tmpfs', MS_NOSUID | MS_NODEV, f'mode={mode}')


def _write(path, text):
    with open(path, 'w') as file:
        file.write(text)


def _unshare(extra):
    """Without root, a user namespace gives the rights over the other namespaces."""
    uid, gid = os.geteuid(), os.getegid()
    flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | extra
    _check(libc.unshare(flags | (CLONE_NEWUSER if uid else 0)), 'unshare')
    if uid:
        _write('/proc/self/setgroups', 'deny')
        _write('/proc/self/uid_map', f'0 {uid} 1')
        _write('/proc/self/gid_map', f'0 {gid} 1')


def _make_devices(folder):
    _tmpfs(folder, '755')
    for name in DEVICES:
        _write(f'{folder}/{name}', '')
        bind(f'/dev/{name}', f'{folder}/{name}')
    for name, target in (('fd', 'fd'), ('stdin', 'fd/0'), ('stdout', 'fd/1'), ('stderr', 'fd/2')):
        os.symlink(f'/proc/self/{target}', f'{folder}/{name}')
    os.mkdir(f'{folder}/shm')
    os.chmod(f'{folder}/shm', 0o1777)


def _read_only(tree):
    attributes = struct.pack('<QQQQ', MOUNT_ATTR_RDONLY, 0, 0, 0)
    _check(libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, tree.encode(), AT_RECURSIVE, attributes,
                        ctypes.c_size_t(len(attributes))), 'mount_setattr')


def _loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack('<16sH14x', b'lo', 0x1 | 0x40))  # SIOCSIFFLAGS: UP, RUNNING


def enter():
    """Staged on /proc, because that is a mount point even in a chroot, where / may be none; private before all else,
    or the mounts below would reach the machine's own name space."""
    _unshare(0)
    _mount(None, '/proc', None, MS_PRIVATE)
    _tmpfs('/proc')
    tree, devices = '/proc/root', '/proc/dev'
    os.mkdir(tree)
    os.mkdir(devices)
    _make_devices(devices)
    _mount('/', tree, None, MS_BIND | MS_REC)
    _mount(None, tree, None, MS_REC | MS_PRIVATE)
    _read_only(tree)
    for folder in FRESH_FOLDERS + (KEPT_FOLDER,):
        _tmpfs(tree + folder)
    _mount(devices, tree + '/dev', None, MS_BIND | MS_REC)
    _loopback_up()
    os.chroot(tree)
    os.chdir('/')


class Outcome:
    """How one run ended: status as a shell would name it, or 'runs on' at the time limit."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err


def _become_program(argv, env, out, err):
    """In the last child: own session, own output, nothing inherited but what a fresh shell would give."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()
    os.chdir(env['HOME'])
    null = os.open('/dev/null', os.O_RDONLY)
    for source, target in ((null, 0), (out, 1), (err, 2)):
        os.dup2(source, target)
    os.closerange(3, 256)
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (OUTPUT_LIMIT, OUTPUT_LIMIT))
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # set-user-id programs: as their patched copies, which have no such bit
    for capability in DROPPED_CAPABILITIES:
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.execve(argv[0], argv, env)


def _first_process(argv, env, out, err, limit, prepare):
    """Process 1 of the new process namespace: when it ends, the kernel ends all others there."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _mount('proc', '/proc', 'proc', MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for folder in FRESH_FOLDERS + ('/dev/shm',):
        _tmpfs(folder)
    os.mkdir(env['HOME'])
    prepare()
    child = os.fork()
    if child == 0:
        try:
            _become_program(argv, env, out, err)
        except OSError as error:
            os.write(err, f'exec: {error}\n'.encode())
            os._exit(126)
    poll = select.poll()
    poll.register(os.pidfd_open(child), select.POLLIN)
    if not poll.poll(limit * 1000):
        return 'runs on'
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return f'exit {code}' if code >= 0 else signal.Signals(-code).name


def in_child(work):
    """Runs work() in a forked child; returns the text it returned, or raises what went wrong there."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            os.write(write, work().encode())
        except BaseException as error:  # told to the parent, which raises it
            os.write(write, f'!{error!r}'.encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    if not text or text[0] == '!':
        raise RuntimeError(text[1:] or 'the run was killed')
    return text


def run(argv, env, limit, prepare=lambda: None):
    """Runs argv (argv[0]: a path) for at most `limit` seconds. prepare() runs in the mount namespace of this run alone."""
    def in_namespaces():
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _check(libc.unshare(CLONE_NEWPID | CLONE_NEWNS), 'unshare')
        return in_child(lambda: _first_process(argv, env, out.fileno(), err.fileno(), limit, prepare))

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        for file in (out, err):
            fcntl.fcntl(file, fcntl.F_SETFL, os.O_APPEND)
        status = in_child(in_namespaces)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode('utf-8', 'backslashreplace'))
    return Outcome(status, *texts)
