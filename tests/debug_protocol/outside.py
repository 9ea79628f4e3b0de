"""Reads the block _ldx_debug of a process from outside, by what docs/debug-protocol.md says and nothing else."""
import collections
import os
import re
import struct
import subprocess

Block = collections.namedtuple('Block', 'magic version size change_size generation brk changes ring_size first next r_debug made reader reserved')
Change = collections.namedtuple('Change', 'number generation kind symbol_type ns object value size old whole_name name')
BLOCK, CHANGE = '<4sIII8QII', '<QQHHi5Q64s'


class Process:
    def __init__(self, pid, ldx):
        self.memory = os.open(f'/proc/{pid}/mem', os.O_RDWR)
        with open(f'/proc/{pid}/maps', encoding='utf-8') as maps:
            base = min(int(line.split('-')[0], 16) for line in maps if line.rstrip().endswith(os.path.realpath(ldx)))
        table = subprocess.run(['readelf', '-W', '--dyn-syms', ldx], check=True, capture_output=True, text=True).stdout
        self.symbols = {m[2]: base + int(m[1], 16) for m in re.finditer(r'^ *\d+: ([0-9a-f]{16}) .* (\S+)$', table, re.M)}
        self.at = self.symbols['_ldx_debug']

    def close(self):
        os.close(self.memory)

    def read(self, at, size):
        data = os.pread(self.memory, size, at)
        assert len(data) == size, hex(at)
        return data

    def words(self, at, count):
        return struct.unpack(f'<{count}Q', self.read(at, 8 * count))

    def text(self, at):
        return b''.join(iter(lambda read=iter(range(at, at + 4096)): self.read(next(read), 1), b'\0')).decode()

    def block(self):
        return Block(*struct.unpack(BLOCK, self.read(self.at, struct.calcsize(BLOCK))))

    def set_reader(self, bits):
        os.pwrite(self.memory, struct.pack('<I', bits), self.at + 80)

    def change(self, block, number):
        return Change(*struct.unpack(CHANGE, self.read(block.changes + number % block.ring_size * block.change_size, struct.calcsize(CHANGE))))

    def latest(self, count):
        """The block and its latest changes, or None: it was being written."""
        before = self.block()
        if before.generation % 2:
            return None
        found = [self.change(before, n) for n in range(max(before.first, before.next - count), before.next)]
        return (before, found) if self.block().generation == before.generation else None

    def namespaces(self):
        """Of each namespace its number, state and the link maps on its list: (address, base, name, dynamic section)."""
        at = self.block().r_debug
        version = self.words(at, 1)[0] & 0xffffffff
        while at:
            _, first, _, state, _, following, number = self.words(at, 7)
            objects = []
            while first:
                base, name, dynamic, after = self.words(first, 4)
                objects.append((first, base, self.text(name), dynamic))
                first = after
            yield number, state & 0xffffffff, objects
            at = following if version >= 2 else 0
