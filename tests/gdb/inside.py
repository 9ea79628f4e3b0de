"""What the tests have gdb's own Python do: read the lists that a debugger reads, by addresses alone."""
import json

import gdb


def word(address):
    return int.from_bytes(gdb.selected_inferior().read_memory(address, 8), 'little')


def text(address):
    memory = gdb.selected_inferior()
    out = b''
    while (byte := bytes(memory.read_memory(address + len(out), 1))) != b'\0':
        out += byte
    return out.decode()


def rendezvous():
    return int(gdb.parse_and_eval('(unsigned long)&_r_debug'))


def members(first):
    at, before, found = first, 0, []
    while at:
        assert word(at + 32) == before, 'l_prev does not lead back'
        found.append({'map': at, 'base': word(at), 'name': text(word(at + 8)), 'ld': word(at + 16)})
        before, at = at, word(at + 24)
    return found


class Lists(gdb.Command):
    """Prints each namespace's r_debug and its list, as one line of JSON."""

    def __init__(self):
        super().__init__('lists', gdb.COMMAND_DATA)

    def invoke(self, arg, from_tty):
        at, spaces = rendezvous(), []
        version = word(at) & 0xffffffff
        while at:
            spaces.append({'debug': at, 'state': word(at + 24) & 0xffffffff, 'objects': members(word(at + 8))})
            at = word(at + 40) if version >= 2 else 0
        pid = gdb.selected_inferior().pid
        print('LISTS', json.dumps({'version': version, 'spaces': spaces, 'pid': pid, 'maps': open(f'/proc/{pid}/maps').read() if pid else ''}))


class Probe(gdb.Breakpoint):
    """Tells of a probe, and goes on."""
    last = None

    def __init__(self, name):
        super().__init__(f'-probe-stap rtld:{name}', internal=False)
        self.probe = name

    def stop(self):
        values = [int(gdb.parse_and_eval(f'$_probe_arg{i}')) & (1 << 64) - 1 for i in range(int(gdb.parse_and_eval('$_probe_argc')))]
        new = text(word(values[2] + 8)) if len(values) > 2 and values[2] else None
        listed = [o['name'] for o in members(word(values[1] + 8))]
        told = json.dumps({'name': self.probe, 'id': values[0], 'debug': values[1], 'count': len(values), 'new': new,
                           'state': word(values[1] + 24) & 0xffffffff, 'listed': listed})
        if told != Probe.last:  # as a command, gdb knows the loader twice: as the program and as a library
            print('PROBE', told)
        Probe.last = told
        return False


class Probes(gdb.Command):
    """Watches all probes from here on."""

    def __init__(self):
        super().__init__('probes', gdb.COMMAND_DATA)

    def invoke(self, arg, from_tty):
        for name in 'init_start init_complete map_start map_complete map_failed reloc_start reloc_complete unmap_start unmap_complete'.split():
            Probe(name)


Lists()
Probes()
