"""What the tests have gdb's own Python do: read the lists that a debugger reads, by addresses alone, and judge them."""
import json
import os
import re
import struct

import gdb

PROBES = 'init_start init_complete map_start map_complete map_failed reloc_start reloc_complete unmap_start unmap_complete'.split()
CONSISTENT, ADD, DELETE = 0, 1, 2
DT_STRTAB, DT_DEBUG, DT_INIT_ARRAY, DT_INIT_ARRAYSZ = 5, 21, 25, 27
PT_LOAD, PT_RELRO = 1, 0x6474e552


def memory(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


def word(address):
    return int.from_bytes(memory(address, 8), 'little')


def text(address):
    out = b''
    while b'\0' not in out:
        out += memory(address + len(out), 64 - (address + len(out)) % 64)
    return out[:out.index(b'\0')].decode()


def rendezvous():
    """Where debuggers begin: the symbol of ldx."""
    return int(gdb.parse_and_eval('(unsigned long)&_r_debug'))


def members(first):
    """The link maps of a list; it must lead back as it leads forward."""
    at, before, found = first, 0, []
    while at:
        base, name, ld, after, back = struct.unpack('<5Q', memory(at, 40))
        if back != before:
            raise AssertionError(f'l_prev of {at:#x} is {back:#x}, not {before:#x}')
        found.append({'map': at, 'base': base, 'name': text(name), 'ld': ld})
        before, at = at, after
    return found


def spaces(at):
    """The rendezvous of each namespace, with its list."""
    found = []
    while at:
        version, _, first, brk, state, _, base, after, number = struct.unpack('<iiQQiiQQq', memory(at, 56))
        found.append({'debug': at, 'version': version, 'brk': brk, 'state': state, 'loader': base, 'ns': number, 'objects': members(first)})
        if any(f['debug'] == after for f in found):
            raise AssertionError('the chain of namespaces is a ring')
        at = after if version >= 2 else 0
    return found


def dynamic(ld):
    """Tags and values of a dynamic section."""
    found = {}
    while True:
        tag, value = struct.unpack('<qQ', memory(ld, 16))
        if not tag:
            return found
        found.setdefault(tag, value)
        ld += 16


def inside():
    """Where the program itself begins: its DT_DEBUG."""
    return dynamic(word(word(rendezvous() + 8) + 16)).get(DT_DEBUG)


class Maps:
    """/proc/PID/maps"""

    def __init__(self, pid):
        self.lines = []
        with open(f'/proc/{pid}/maps', encoding='utf-8') as f:
            for line in f:
                part = line.rstrip('\n').split(None, 5)
                start, end = (int(x, 16) for x in part[0].split('-'))
                self.lines.append((start, end, part[1], int(part[2], 16), part[5] if len(part) > 5 else ''))

    def at(self, address):
        return next((line for line in self.lines if line[0] <= address < line[1]), None)

    def covers(self, start, end):
        while start < end:
            line = self.at(start)
            if not line:
                return False
            start = line[1]
        return True


class Judge:
    """Holds what the lists were, and finds what is wrong with what they are."""

    def __init__(self):
        self.before = {}  # of each namespace: its list when it was consistent, and its state
        self.started = False
        self.faults, self.stops, self.sequence = [], 0, []

    def fault(self, what):
        self.faults.append(f'stop {self.stops}: {what}')

    def stop(self, where):
        self.stops += 1
        self.started |= where == 'init_complete'
        try:
            seen = spaces(rendezvous())
            self.judge(where, seen)
        except (AssertionError, gdb.error, UnicodeDecodeError) as e:
            self.fault(f'at {where}: {e}')

    def judge(self, where, seen):
        maps = Maps(gdb.selected_inferior().pid)
        self.judge_inside(seen)
        for s in seen:
            self.judge_rendezvous(s, len(seen))
            self.judge_change(where, s)
            for o in s['objects']:
                self.judge_object(maps, s, o)
        gone = set(self.before) - {s['debug'] for s in seen}
        for debug in gone:
            if self.before.pop(debug)[1]:
                self.fault('a namespace that was not empty is gone')

    def judge_inside(self, seen):
        """What the program finds is the same, but for the alias that debuggers get of a command's program."""
        theirs = [[o['map'] for o in s['objects']] for s in spaces(inside())] if inside() else []
        mine = [[o['map'] for o in s['objects']] for s in seen if s is seen[0] or s['ns'] or s['debug'] != self.alias(seen)]
        if theirs and theirs != mine:
            self.fault(f'the program finds other lists: {theirs} instead of {mine}')
        dynamics = [o['ld'] for s in seen if s['debug'] != self.alias(seen) for o in s['objects']]
        if len(dynamics) != len(set(dynamics)):
            self.fault('an object is on two lists')

    @staticmethod
    def alias(seen):
        return seen[1]['debug'] if len(seen) > 1 and not seen[1]['ns'] else None

    def judge_rendezvous(self, s, count):
        if s['version'] != (2 if count > 1 else 1) and s['version'] != 2:
            self.fault(f'version {s["version"]} with {count} namespaces')
        if s['brk'] != BREAK:
            self.fault(f'r_brk is {s["brk"]:#x}')
        if memory(s['loader'], 4) != b'\x7fELF':
            self.fault('r_ldbase leads to no ELF header')
        if s['state'] not in (CONSISTENT, ADD, DELETE):
            self.fault(f'r_state is {s["state"]}')

    def judge_change(self, where, s):
        """Lists change between an announcement and its end; nothing follows ADD and DELETE but CONSISTENT."""
        now = [(o['map'], o['name']) for o in s['objects']]
        state, before = self.before.get(s['debug'], (CONSISTENT, []))
        if s['state'] != state:
            self.sequence.append((s['debug'], s['state']))
        if s['state'] != CONSISTENT and state not in (CONSISTENT, s['state']):
            self.fault(f'state {s["state"]} follows {state}')
        if now != before and self.started and (s['state'] != CONSISTENT or state == CONSISTENT) and s['debug'] in self.before:
            self.fault(f'at {where} the list has changed while nobody was told: {before} {now}')
        self.before[s['debug']] = (s['state'], now if s['state'] == CONSISTENT or not self.started else before)

    def judge_object(self, maps, s, o):
        who = o['name'] or 'the program'
        if not maps.at(o['ld']):
            self.fault(f'{who}: l_ld leads nowhere')
            return
        head = next((l for l in maps.lines if l[3] == 0 and l[4] == maps.at(o['ld'])[4] and (l[0] == o['base'] or not o['base'])), None)
        if not head:
            self.fault(f'{who}: nothing is mapped at {o["base"]:#x}')
            return
        if o['name'].startswith('/') and not o['name'].startswith('/proc/') and os.path.exists(o['name']) and head[4].startswith('/') and \
                os.path.realpath(o['name']) != head[4]:
            self.fault(f'{who} is {head[4]}')
        self.judge_image(maps, who, o, head[0])
        if self.started or (o['name'] and s['ns']):
            self.judge_relocated(maps, who, o)

    def judge_image(self, maps, who, o, header):
        """All segments are mapped, and what is to be read-only is."""
        head = memory(header, 64)
        if head[:4] != b'\x7fELF':
            self.fault(f'{who}: no ELF header')
            return
        offset, size, count = struct.unpack('<Q', head[32:40])[0], *struct.unpack('<HH', head[54:58])
        for i in range(count):
            kind, _, _, vaddr, _, _, memsz, _ = struct.unpack('<IIQQQQQQ', memory(header + offset + i * size, 56))
            start, end = o['base'] + vaddr, o['base'] + vaddr + memsz
            if kind == PT_LOAD and not maps.covers(start, end):
                self.fault(f'{who}: {start:#x}-{end:#x} is not mapped')
            first, last = start & -4096, end & -4096
            if kind == PT_RELRO and self.started and first < last and 'w' in maps.at(first)[2] and 'ldx' not in who:
                self.fault(f'{who}: {first:#x} can still be written')

    def judge_relocated(self, maps, who, o):
        """Constructors are where they can be called: before relocation their addresses are not."""
        tags = dynamic(o['ld'])
        if 'vdso' in who or not tags.get(DT_INIT_ARRAYSZ):
            return
        array = tags[DT_INIT_ARRAY] + o['base']
        for i in range(tags[DT_INIT_ARRAYSZ] // 8):
            f = word(array + 8 * i)
            line = maps.at(f)
            if f not in (0, 2**64 - 1) and not (line and 'x' in line[2]):
                self.fault(f'{who} is on the list, and constructor {f:#x} is not relocated')


class Announced(gdb.Breakpoint):
    """Each stop is judged, and passed."""

    def __init__(self, where, address):
        super().__init__(f'*{address:#x}', internal=True)
        self.where = where

    def stop(self):
        JUDGE.stop(self.where)
        return False


class Lists(gdb.Command):
    """Prints each namespace's r_debug and its list as the program finds them, and what debuggers are shown, as one line of JSON."""

    def __init__(self):
        super().__init__('lists', gdb.COMMAND_DATA)

    def invoke(self, arg, from_tty):
        pid = gdb.selected_inferior().pid
        maps = ''
        if pid:
            with open(f'/proc/{pid}/maps', encoding='utf-8') as f:
                maps = f.read()
        found = spaces(inside() or rendezvous())
        print('LISTS', json.dumps({'version': found[0]['version'], 'spaces': found, 'shown': spaces(rendezvous()), 'pid': pid, 'maps': maps}))


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
        for name in PROBES:
            Probe(name)


class Judging(gdb.Command):
    """Stops at each announcement from here on: at _dl_debug_state, and at each probe."""

    def __init__(self):
        super().__init__('judge', gdb.COMMAND_DATA)

    def invoke(self, arg, from_tty):
        global BREAK
        BREAK = int(gdb.parse_and_eval('(unsigned long)&_dl_debug_state'))
        Announced('_dl_debug_state', BREAK)
        found = re.findall(r'^stap\s+rtld\s+(\S+)\s+(0x\S+)', gdb.execute('info probes stap rtld', to_string=True), re.M)
        for name, address in sorted(set(found)):
            Announced(name, int(address, 16))


class Verdict(gdb.Command):
    """What was seen since, as one line of JSON."""

    def __init__(self):
        super().__init__('verdict', gdb.COMMAND_DATA)

    def invoke(self, arg, from_tty):
        print('VERDICT', json.dumps({'stops': JUDGE.stops, 'faults': JUDGE.faults, 'sequence': JUDGE.sequence}))


class Attempt(gdb.Command):
    """Runs a command; an error is printed, and ends nothing."""

    def __init__(self):
        super().__init__('attempt', gdb.COMMAND_DATA)

    def invoke(self, arg, from_tty):
        try:
            gdb.execute(arg)
        except gdb.error as e:
            print(e)


BREAK = 0
JUDGE = Judge()
Lists()
Probes()
Judging()
Verdict()
Attempt()
