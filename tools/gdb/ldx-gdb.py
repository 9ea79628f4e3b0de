"""gdb and ldx: what the loader tells beyond the list of libraries. `help ldx` says how to use it.

gdb loads this file by itself when it lies where gdb's auto-load rules look for the scripts of ldx; else: `source ldx-gdb.py`.
It reads the block _ldx_debug (docs/debug-protocol.md) in live processes and core files. gdb 12 or later.
"""
names_before = dict(globals())

import collections
import re
import struct
import sys
import traceback
import types

import gdb

READS_CHANGES = 1  # bit of the block's word for debuggers
BLOCK = struct.Struct('<4s3I8Q2I')
CHANGE = struct.Struct('<QQHHi5Q64s')
SPACE = struct.Struct('<6Qq')
READER_AT = 80
STATES = {0: 'consistent', 1: 'objects come', 2: 'objects go'}
KINDS = {1: 'added', 2: 'removed', 3: 'moved', 4: 'object-changed', 5: 'object-added', 6: 'object-removed'}
DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_HASH = 5, 6, 10, 4
DT_GNU_HASH = 0x6ffffef5

Block = collections.namedtuple('Block', 'address magic version size change_size generation brk ring ring_size first next r_debug made reader reserved')
LinkMap = collections.namedtuple('LinkMap', 'address base name dynamic')
Namespace = collections.namedtuple('Namespace', 'id state objects')
Made = collections.namedtuple('Made', 'object name')
# One change. kind: a value of KINDS; object: address of a link map; namespace: its Lmid_t; old: where a moved symbol was.
Change = collections.namedtuple('Change', 'number generation kind symbol_type namespace object value size old name')
# What functions connected to symbols_changed get; stopped in the announcement.
Announcement = collections.namedtuple('Announcement', 'inferior generation changes')


# ---- reading

def memory(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


def text(address):
    out = b''
    while b'\0' not in out:
        out += memory(address + len(out), min(256, 4096 - (address + len(out)) % 4096))
    return out[:out.index(b'\0')].decode(errors='replace')


def address_of(name):
    """Takes gdb some milliseconds."""
    with gdb.with_parameter('language', 'c'):
        return int(gdb.parse_and_eval(f'(unsigned long)&{name}'))


def block_at(address):
    try:
        read = Block(address, *BLOCK.unpack(memory(address, BLOCK.size)))
    except gdb.error:
        return None
    return read if read.magic == b'LDXD' and read.version else None


addresses = {}  # of blocks, by process


def block():
    """The block of the selected inferior; None: ldx is not there, or has not begun."""
    process = gdb.selected_inferior().num, gdb.selected_inferior().pid
    found = block_at(addresses[process]) if process in addresses else None
    if not found:
        try:
            found = block_at(address_of('_ldx_debug'))
        except gdb.error:
            return None
    if found and process[1]:
        addresses[process] = found.address
    return found


def need_block():
    found = block()
    if not found:
        raise gdb.GdbError('There is no ldx at work in this program.')
    return found


def entries(ldx, first, end):
    """The ring's entries number first to end - 1: at most two pieces of memory."""
    while first < end:
        slot = first % ldx.ring_size
        count = min(end - first, ldx.ring_size - slot)
        data = memory(ldx.ring + slot * ldx.change_size, count * ldx.change_size)
        for i in range(count):
            yield CHANGE.unpack_from(data, i * ldx.change_size)
        first += count


def changes(ldx, first, end, announced=False):
    """Changes from number first on. announced: the process stands in the announcement, so whole names can be read."""
    found = []
    for number, generation, kind, symbol_type, space, link, value, size, old, whole, name in entries(ldx, max(first, ldx.first), min(end, ldx.next)):
        name = name.split(b'\0')[0]
        if announced and name.endswith(b'...') and len(name) == 63:
            name = text(whole).encode()
        found.append(Change(number, generation, KINDS.get(kind, f'kind-{kind}'), symbol_type, space, link, value, size, old, name.decode(errors='replace')))
    return found


def announced_changes(ldx):
    """What the announcement that the process stands in is about. It is found in steps that double: most are short."""
    count, found = 4, []
    while True:
        first = max(ldx.first, ldx.next - count)
        found = changes(ldx, first, ldx.next, announced=True)
        if first == ldx.first or found[0].generation != ldx.generation:
            return [c for c in found if c.generation == ldx.generation]
        count *= 8


def link_map(address):
    base, name, dynamic = struct.unpack('<3Q', memory(address, 24))
    return LinkMap(address, base, text(name), dynamic)


def namespaces(ldx):
    """All namespaces with their objects. An object that two lists have is told once."""
    at, found, seen = ldx.r_debug, [], set()
    chained = struct.unpack('<i', memory(at, 4))[0] >= 2
    while at:
        _, first, _, state, _, following, number = SPACE.unpack(memory(at, SPACE.size if chained or at == ldx.r_debug else 40))
        objects = []
        while first:
            this = link_map(first)
            if (this.base, this.dynamic) not in seen:
                seen.add((this.base, this.dynamic))
                objects.append(this)
            first = struct.unpack('<Q', memory(first + 24, 8))[0]
        found.append(Namespace(number, STATES.get(state & 0xffffffff, '?'), objects))
        at = following if chained else 0
    return found


def made_objects(ldx):
    """Objects made at run time, the youngest first. One that has left its namespace's list may be there for a while."""
    at = struct.unpack('<Q', memory(ldx.made, 8))[0] if ldx.made else 0
    while at:
        at, link, name = struct.unpack('<3Q', memory(at, 24))
        yield Made(link_map(link), text(name))


def object_names(ldx):
    """What objects are called, by the address of their link map."""
    names = {this.address: this.name for space in namespaces(ldx) for this in space.objects}
    return {**names, **{one.object.address: one.name for one in made_objects(ldx)}}


def dynamic_tags(this):
    """Tags of an object's dynamic section; offsets are made addresses."""
    tags, at = {}, this.dynamic
    while True:
        tag, value = struct.unpack('<qQ', memory(at, 16))
        if not tag:
            return tags
        tags[tag] = value + this.base if tag in (DT_STRTAB, DT_SYMTAB, DT_HASH, DT_GNU_HASH) and value < this.base else value
        at += 16


def symbol_count(tags):
    if DT_HASH in tags:
        return struct.unpack('<I', memory(tags[DT_HASH] + 4, 4))[0]
    if DT_GNU_HASH not in tags:
        return 0
    buckets, offset, bloom = struct.unpack('<3I', memory(tags[DT_GNU_HASH], 12))
    at = tags[DT_GNU_HASH] + 16 + 8 * bloom
    last = max(struct.unpack(f'<{buckets}I', memory(at, 4 * buckets)), default=0)
    chain = at + 4 * buckets
    while last >= offset and not memory(chain + 4 * (last - offset), 1)[0] & 1:
        last += 1
    return last + 1 if last >= offset else offset


def symbol_names(this):
    """Names that an object's dynamic symbol table defines."""
    tags = dynamic_tags(this)
    strings, table = memory(tags[DT_STRTAB], tags[DT_STRSZ]), memory(tags[DT_SYMTAB], 24 * symbol_count(tags))
    for at, _, _, section, _, _ in struct.iter_unpack('<IBBHQQ', table):
        if at and section:
            yield strings[at:strings.index(b'\0', at)].decode(errors='replace')


# ---- the word by which the process knows that changes are read

def is_live():
    connection = gdb.selected_inferior().connection
    return gdb.selected_inferior().pid and connection and connection.type != 'core'


def write_reader(set_bits, clear_bits=0):
    """False: there is no ldx, or its process can't be written."""
    ldx = block() if is_live() else None
    try:
        if ldx:
            bits = ldx.reader & ~clear_bits | set_bits
            gdb.selected_inferior().write_memory(ldx.address + READER_AT, struct.pack('<I', bits))
        return ldx is not None
    except gdb.error:  # it runs, or is gone
        return False


def is_ldx(objfile):
    """If ldx is stripped it is not known by this."""
    return objfile.lookup_global_symbol('_ldx_debug_changed') is not None


class Presence:
    """Sees to it that processes know of this debugger, without a search for ldx at each step."""

    def __init__(self):
        self.told, self.searched = set(), None  # inferiors; what the last search was in
        self.ldx_loaded = any(map(is_ldx, gdb.objfiles()))

    def tell(self):
        if write_reader(READS_CHANGES):
            self.told.add(gdb.selected_inferior().num)
            symbols_changed.listen()

    def stopped(self, _event):
        files = gdb.selected_inferior().num, len(gdb.objfiles())
        if files[0] not in self.told and self.searched != files:
            self.searched = files
            self.tell()

    def loaded(self, event):
        """ldx may be loaded before it has begun; files come after that, too."""
        if gdb.selected_inferior().num not in self.told:
            self.ldx_loaded = self.ldx_loaded or is_ldx(event.new_objfile)
            if self.ldx_loaded:
                self.tell()

    def forget(self, _event=None):
        self.told.clear()
        self.searched = None

    def clear(self, _event):
        """Another program comes."""
        self.forget()
        self.ldx_loaded = False

    def leave(self, _event=None):
        """Takes the bit back, before the debugger goes."""
        write_reader(0, READS_CHANGES)
        self.forget()


presence = Presence()


# ---- stopping

class Listener(gdb.Breakpoint):
    """Is there as long as somebody is connected, and never stops."""

    def __init__(self):
        super().__init__('_ldx_debug_changed', internal=True)
        self.silent = True

    def stop(self):
        ldx = block()
        if ldx:
            symbols_changed.call(Announcement(gdb.selected_inferior(), ldx.generation, announced_changes(ldx)))
        return False


class Registry:
    """As those of gdb.events. Functions are called with an Announcement."""

    def __init__(self):
        self.functions, self.listener = [], None

    def connect(self, function):
        self.functions.append(function)
        self.listen()

    def disconnect(self, function):
        self.functions.remove(function)
        gdb.post_event(self.rest)  # it may be called by one of them, while gdb asks the breakpoint

    def listen(self):
        """Sets the breakpoint once ldx is there."""
        if not self.functions or self.listener and self.listener.is_valid():
            return
        try:
            address_of('_ldx_debug_changed')
        except gdb.error:
            return
        self.listener = Listener()

    def rest(self):
        if not self.functions and self.listener and self.listener.is_valid():
            self.listener.delete()

    def call(self, announcement):
        for function in list(self.functions):
            try:
                function(announcement)
            except Exception:  # the others are to be told all the same
                gdb.write(traceback.format_exc(), gdb.STDERR)


symbols_changed = Registry()


class SymbolCatch(gdb.Breakpoint):
    def __init__(self, pattern, temporary):
        compiled = re.compile(pattern) if pattern else None
        super().__init__('_ldx_debug_changed', temporary=temporary)
        self.pattern = compiled

    def matching_symbol(self, change):
        """The symbol of a change that this one waits for, or None."""
        if not self.pattern:
            return '' if change.kind.startswith('object') else change.name
        if change.kind in ('object-changed', 'object-removed'):
            try:
                return next(filter(self.pattern.search, symbol_names(link_map(change.object))), None)
            except (gdb.error, KeyError, ValueError):  # it has no table that can be read
                return None
        return change.name if not change.kind.startswith('object') and self.pattern.search(change.name) else None

    def stop(self):
        ldx = block()
        for change in announced_changes(ldx) if ldx else []:
            symbol = self.matching_symbol(change)
            if symbol is not None:
                self.show(change, symbol)
                return True
        return False

    def show(self, change, symbol):
        address = change.old if change.kind == 'removed' else change.value
        for name, value in ('symbol', symbol), ('change', change.kind), ('address', address), ('object', change.object):
            gdb.set_convenience_variable('_ldx_' + name, value)
        gdb.write(f'\nCatchpoint {self.number} ({describe(change)})\n')


def describe(change):
    if change.kind.startswith('object'):
        return f'{change.kind.replace("-", " ")}: {change.name}'
    where = {'moved': f'from {change.old:#x} to {change.value:#x}', 'removed': f'was at {change.old:#x}'}.get(change.kind, f'at {change.value:#x}')
    return f'symbol {change.kind}: {change.name}, {where}'


# ---- commands

class Ldx(gdb.Command):
    """The loader ldx: what it tells beyond the list of libraries.

info ldx                     generation, namespaces, objects made at run time
info ldx changes [N]         the last N changes of symbols (20) that ldx remembers
info linker-namespaces [N]   what is loaded, by namespace (of newer versions of gdb the command of that name is theirs)
catch ldx-symbols [REGEX]    stop when a symbol is added, moved or removed whose name matches

The first three also read core files. Where `catch ldx-symbols` stops, $_ldx_symbol is the first such symbol,
$_ldx_change what happened to it (added, moved, removed; object-changed where too many changed for each to be told;
object-removed, with all its symbols), $_ldx_address where it is, or was, and $_ldx_object the link map of its object.

In Python, functions can be told of each announcement, the process being stopped meanwhile:

    def show(announcement):
        for change in announcement.changes:
            print(change.kind, change.name, hex(change.value))
    ldx.symbols_changed.connect(show)

`ldx` is `gdb.ldx` in other modules; it also has ldx.block(), ldx.namespaces(BLOCK), ldx.made_objects(BLOCK) and
ldx.changes(BLOCK, FIRST, END)."""

    def __init__(self):
        super().__init__('ldx', gdb.COMMAND_SUPPORT)

    def invoke(self, argument, from_tty):
        gdb.execute('help ldx')


class InfoLdx(gdb.Command):
    """What ldx tells debuggers: generation, namespaces, objects made at run time.
Usage: info ldx"""

    def __init__(self):
        super().__init__('info ldx', gdb.COMMAND_STATUS, prefix=True)

    def invoke(self, argument, from_tty):
        if argument:
            raise gdb.GdbError('Usage: info ldx, info ldx changes [N]')
        ldx = need_block()
        print(f'ldx, debug protocol {ldx.version}: generation {ldx.generation} ({ldx.generation // 2} announcements)')
        print(f'Changes {ldx.first} to {ldx.next - 1} are remembered.' if ldx.next > ldx.first else 'No changes.')
        print('Namespaces:')
        listed = set()
        for space in namespaces(ldx):
            print(f'  {space.id}: {len(space.objects)} objects, {space.state}')
            listed.update(this.address for this in space.objects)
        made = [one for one in made_objects(ldx) if one.object.address in listed]
        print('Objects made at run time:' if made else 'No objects made at run time.')
        for one in made:
            print(f'  {one.object.base:#018x}  {one.name} ({one.object.name})')


class InfoChanges(gdb.Command):
    """The last changes of symbols that ldx remembers: number, generation, what happened, address, name, object.
Usage: info ldx changes [N]
N is 20 if it is not given."""

    def __init__(self):
        super().__init__('info ldx changes', gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        ldx = need_block()
        count = int(gdb.parse_and_eval(argument)) if argument else 20
        lines, names = [], object_names(ldx)
        for c in reversed(changes(ldx, ldx.next - count, ldx.next)):
            if c.kind == 'object-removed':  # what came before it was about this object
                names[c.object] = c.name
            of = '' if c.kind in ('object-added', 'object-removed') else ' (%s)' % (names.get(c.object, hex(c.object)) or 'the program')
            address = f'{c.value or c.old:#018x}' if c.value or c.old else ' ' * 18
            lines.append(f'{c.number:>6} {c.generation:>6}  {c.kind:<14} {address}  {c.name}{of}' + (f', was at {c.old:#x}' if c.kind == 'moved' else ''))
        print('\n'.join(reversed(lines)))


class InfoNamespaces(gdb.Command):
    """Linker namespaces (of dlmopen) and what is loaded into each.
Usage: info linker-namespaces [N]
An object that serves in several namespaces is shown in the one that has it."""

    def __init__(self):
        super().__init__('info linker-namespaces', gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        wanted = int(gdb.parse_and_eval(argument)) if argument else None
        found = [s for s in namespaces(need_block()) if wanted in (None, s.id)]
        if not found:
            raise gdb.GdbError(f'There is no namespace {wanted}.')
        for space in found:
            print(f'Namespace {space.id}, {len(space.objects)} objects:')
            for this in space.objects:
                print(f'  {this.base:#018x}  {this.name or "the program"}')


class CatchSymbols(gdb.Command):
    """Stop when ldx tells of a symbol whose name matches REGEX: added, moved or removed.
Usage: catch ldx-symbols [REGEX]
Without REGEX every change stops, also of whole objects. `help ldx` tells of $_ldx_symbol and its kin. Where more
than 8192 symbols of an object change at once ldx tells only that the object has changed: the catchpoint stops then if the
object now has a symbol that matches."""

    def __init__(self, command, temporary):
        super().__init__(command + ' ldx-symbols', gdb.COMMAND_BREAKPOINTS)
        self.temporary = temporary

    def invoke(self, argument, from_tty):
        try:
            SymbolCatch(argument.strip(), self.temporary)
        except re.error as error:
            raise gdb.GdbError(f'Invalid regular expression: {error}')


def exists(command):
    """Asked so that gdb has no error to raise: one within gdb.execute, in the middle of a `run`, makes gdb 13 forget to wait for
    the program."""
    return f'help {command}\n' in gdb.execute(f'complete help {command}', to_string=True)


def begin():
    Ldx(), InfoLdx(), InfoChanges()
    if not exists('info linker-namespaces'):
        InfoNamespaces()
    CatchSymbols('catch', False), CatchSymbols('tcatch', True)
    gdb.events.stop.connect(presence.stopped)
    gdb.events.new_objfile.connect(presence.loaded)
    gdb.events.exited.connect(presence.forget)
    gdb.events.clear_objfiles.connect(presence.clear)
    gdb.events.gdb_exiting.connect(presence.leave)
    if not exists('hook-detach'):  # the user may have one
        gdb.execute('define hook-detach\npython gdb.ldx.presence.leave()\nend')
    presence.tell()


# The file becomes a module of its own, once: gdb runs it for each file that it takes for ldx, and among the names of its user,
# who finds there one more.
if __name__ == 'gdb.ldx':
    begin()
else:
    if not hasattr(gdb, 'ldx'):
        this_file = sys._getframe().f_code.co_filename
        gdb.ldx = types.ModuleType('gdb.ldx', __doc__)
        with open(this_file, encoding='utf-8') as source:
            exec(compile(source.read(), this_file, 'exec'), gdb.ldx.__dict__)
    names_before['ldx'] = gdb.ldx
    globals().update(names_before)
    list(map(globals().pop, set(globals()) - set(names_before)))
