"""The little of ELF that the sweep needs: which files are dynamic executables or libraries, and a new PT_INTERP."""

import os
import stat
import struct

EHDR = struct.Struct('<16sHHIQQQIHHHHHH')
PHDR = struct.Struct('<IIQQQQQQ')
ET_DYN, EM_X86_64 = 3, 62
PT_DYNAMIC, PT_INTERP = 2, 3


def program_headers(file):
    """(e_type, [(p_type, p_offset, p_filesz)]) of an open ELF64 x86-64 file; None for anything else."""
    head = file.read(EHDR.size)
    if len(head) < EHDR.size or head[:6] != b'\x7fELF\x02\x01':
        return None
    fields = EHDR.unpack(head)
    e_type, machine, phoff, phentsize, phnum = fields[1], fields[2], fields[5], fields[9], fields[10]
    if machine != EM_X86_64 or phentsize != PHDR.size:
        return None
    file.seek(phoff)
    table = file.read(phnum * PHDR.size)
    found = []
    for p_type, _, offset, _, _, filesz, _, _ in PHDR.iter_unpack(table[:len(table) // PHDR.size * PHDR.size]):
        found.append((p_type, offset, filesz))
    return e_type, found


def interpreter(path):
    """(name, file offset, room in bytes) of the PT_INTERP string, or None."""
    with open(path, 'rb') as file:
        headers = program_headers(file)
        for p_type, offset, filesz in headers[1] if headers else []:
            if p_type == PT_INTERP:
                file.seek(offset)
                return os.fsdecode(file.read(filesz).rstrip(b'\0')), offset, filesz
    return None


def is_library(path):
    with open(path, 'rb') as file:
        headers = program_headers(file)
    return bool(headers) and headers[0] == ET_DYN and any(p[0] == PT_DYNAMIC for p in headers[1])


def set_interpreter(path, name):
    """Overwrites the PT_INTERP string in place; NULs fill what the new name leaves free."""
    old = interpreter(path)
    new = os.fsencode(name) + b'\0'
    if old is None or len(new) > old[2]:
        raise ValueError(f'{path}: no room for the interpreter name {name}')
    with open(path, 'r+b') as file:
        file.seek(old[1])
        file.write(new.ljust(old[2], b'\0'))


def _regular_files(folder, recursive):
    for here, folders, names in os.walk(folder, onerror=lambda error: None):
        if not recursive:
            folders.clear()
        folders.sort()
        for name in sorted(names):
            yield os.path.join(here, name)


def find(flat, deep, wanted):
    """Paths of regular files for which wanted(path, stat) holds, each inode once, in sorted order."""
    seen, found = set(), []
    for folder, recursive in [(f, False) for f in flat] + [(f, True) for f in deep]:
        for path in _regular_files(os.path.realpath(folder), recursive):
            try:
                status = os.lstat(path)
                key = (status.st_dev, status.st_ino)
                if not stat.S_ISREG(status.st_mode) or key in seen or not wanted(path, status):
                    continue
            except OSError:
                continue
            seen.add(key)
            found.append(path)
    return sorted(found)


def executables(flat, deep):
    return find(flat, deep, lambda path, status: status.st_mode & 0o111 and interpreter(path) is not None)


def libraries(flat, deep):
    return find(flat, deep, lambda path, status: '.so' in os.path.basename(path) and interpreter(path) is None
                and is_library(path))
