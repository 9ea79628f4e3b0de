"""Tries one file in every way a loader can meet it, through the tracer, and judges what came of it."""

import os
import re
import shutil
import subprocess
import tempfile
from collections import namedtuple

import image

Result = namedtuple('Result', 'kind number where offset image call out err')
Expected = namedtuple('Expected', 'status out')

SEPARATOR = '\x1f'
VICTIM = 'libvictim.so'
LINK_TO_LOADER = './ldx'  # what PT_INTERP of the bases says, and the kernel takes relative to the folder of the trial

# What is said and then gone on from; worded and prefixed as the system loader does.
WARNING = re.compile(r'no version information available|weak version .* not found|has different size in shared object'
                     r'|causes overflow in .* relocation')
TRACE = re.compile(r'\s*\d+:\t')
MISSING_VERSION = re.compile(r'version .* not found \(required by ')

# A verdict on one run. The last four are faults of the loader.
SAME = 'same'            # as with the undamaged file
CLEAN = 'clean'          # one line on stderr and status 127, or a message from dlerror
OTHER = 'other'          # ran to its end with another result: the damage changed what the program does
GUEST = 'guest'          # the damaged program's own code crashed
GUEST_HANG = 'guest hang'
REFUSED = 'refused'      # the kernel did not start it
UNCLEAN = 'unclean'      # the loader gave up, but not with one clear line and status 127
CRASH = 'crash'          # in the loader's code, or the loader jumped to what is no code
HANG = 'hang'            # in the loader's code
BROKEN = 'broken'        # an undamaged file does not work
VERDICTS = (SAME, CLEAN, OTHER, GUEST, GUEST_HANG, REFUSED, UNCLEAN, CRASH, HANG, BROKEN)
FAULTS = (UNCLEAN, CRASH, HANG, BROKEN)


class Tracer:
    def __init__(self, path, folder):
        self.process = subprocess.Popen([os.path.abspath(path)], cwd=folder, env={'PATH': '/usr/bin:/bin'},
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, loader, argv, address_space=0, files=0, call=0, errno=0, examine=False):
        words = [os.path.realpath(loader), address_space, files, call, errno, int(examine), *argv]
        self.process.stdin.write((SEPARATOR.join(str(word) for word in words) + '\n').encode())
        self.process.stdin.flush()
        answer = self.process.stdout.readline().decode().split()
        if len(answer) != 8:
            raise RuntimeError(f'the tracer died on {argv}')
        kind, number, where, offset, name, failed, out, err = answer
        texts = [self.process.stdout.read(int(size)).decode('utf-8', 'backslashreplace') for size in (out, err)]
        return Result(kind, int(number), where, int(offset, 0), name, int(failed), *texts)


class Bench:
    """A scratch folder with the good programs, in which one file after another stands as libvictim.so."""

    def __init__(self, bases, tracer, loader):
        self.folder = tempfile.mkdtemp(prefix='hostile-')
        self.loader = os.path.abspath(loader)
        self.bases = bases
        for name in ('host-needs', 'host-needs-versions', 'host-dlopen', 'libdep.so'):
            shutil.copy(os.path.join(bases, name), self.folder)
        os.symlink(self.loader, os.path.join(self.folder, LINK_TO_LOADER))
        self.tracer = Tracer(tracer, self.folder)

    def close(self):
        self.tracer.process.stdin.close()
        self.tracer.process.wait()
        shutil.rmtree(self.folder)

    def path(self, name=VICTIM):
        return os.path.join(self.folder, name)

    def clear(self):
        path = self.path()
        if os.path.isdir(path) and not os.path.islink(path):
            os.rmdir(path)
        elif os.path.lexists(path):
            os.unlink(path)

    def place(self, data):
        """A new inode each time: whatever still maps the old one keeps its pages."""
        self.clear()
        with open(self.path(), 'wb') as file:
            file.write(data)
        os.chmod(self.path(), 0o755)

    def argv(self, way, base, variant=0):
        victim = './' + VICTIM
        host = './host-needs-versions' if base == 'lib-versions.so' else './host-needs'
        return {'program': [self.loader, victim],
                'needed': [self.loader, host],
                'traced': ['LD_DEBUG=all', 'LD_BIND_NOW=1', self.loader, host],
                'dlopened': [self.loader, './host-dlopen', victim, ('now', 'lazy')[variant % 2]],
                'list': [self.loader, '--list', victim],
                'interp': [victim]}[way]

    def run(self, way, base, variant=0, **limits):
        return self.tracer.run(self.loader, self.argv(way, base, variant), **limits)


def ways_of(base):
    """The ways in which a base is tried; a library and a static program name no interpreter."""
    named = base.startswith('prog-') and 'static' not in base
    return ('program', 'needed', 'traced', 'dlopened', 'list') + (('interp',) if named else ())


def expected(base, way):
    """What the undamaged base does; None where that is an error of the loader's own wording."""
    library = base.startswith('lib-')
    if way == 'list':
        return None if 'static' in base else Expected(0, None)
    if library and way in ('needed', 'traced') or not library and way in ('program', 'interp'):
        return Expected(0, 'value 42\n')
    if library and way == 'dlopened':
        return Expected(0, 'value 42\nclosed\n')
    return None


def load_base(bases, name):
    """The base, with its PT_INTERP made the link to the loader."""
    with open(os.path.join(bases, name), 'rb') as file:
        data = bytearray(file.read())
    offset, size = image.Image(name, bytes(data)).section('.interp')
    data[offset:offset + size] = LINK_TO_LOADER.encode().ljust(size, b'\0') if size else b''
    return image.Image(name, bytes(data))


def lines_of(text):
    """By newlines alone: names in a damaged file may hold other things that Python takes for the end of a line."""
    return [line + '\n' for line in text.split('\n')[:-1]] + [text.rpartition('\n')[2]] * (not text.endswith('\n'))


def errors(text):
    """The lines that are neither warnings nor what LD_DEBUG shows."""
    return ''.join(line for line in lines_of(text) if not WARNING.search(line) and not TRACE.match(line))


def one_line(text, prefix):
    return text.startswith(prefix) and text.count('\n') == 1 and text.endswith('\n') and len(text) > len(prefix) + 1


def clear(said, prefix, many):
    """One line; a list, and what lacks several versions, may say more, each in a line of its own."""
    lines = lines_of(said)
    many = many or all(MISSING_VERSION.search(line) for line in lines)
    return len(lines) > 0 and (many or len(lines) == 1) and all(one_line(line, prefix) for line in lines)


def judge_exit(way, result, wanted, prefix):
    if wanted and result.number == wanted.status and wanted.out in (None, result.out):
        return SAME
    if result.where == 'exec' or result.number == 126 and result.err.startswith('exec: '):
        return REFUSED
    said = errors(result.err)
    # ldd's users know 1 for "not a dynamic executable".
    if result.number == 127 or way == 'list' and result.number == 1:
        return CLEAN if clear(said, prefix, many=way == 'list') else UNCLEAN
    if way == 'dlopened' and result.number == 0 and not said and one_line(result.out, 'dl'):
        return CLEAN
    return UNCLEAN if said.startswith('ldx: ') else OTHER


def judge(way, result, wanted, prefix):
    """prefix: how the loader's own messages begin."""
    in_loader = result.where in ('loader', 'loader-jump')
    if result.kind in ('running', 'blocked'):
        return HANG if in_loader else GUEST_HANG
    if result.kind == 'signal':
        return CRASH if in_loader else REFUSED if result.where == 'exec' else GUEST
    return judge_exit(way, result, wanted, prefix)


def describe(result):
    """One line on how a run ended."""
    first = (errors(result.err) or result.out).strip().split('\n')[0][:160]
    place = f' in {result.image}+{result.offset:#x} ({result.where})' if result.kind != 'exit' else ''
    return f'{result.kind} {result.number}{place}' + (f': {first}' if first else '')
