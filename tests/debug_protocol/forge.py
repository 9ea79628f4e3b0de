"""For gdb: turns what the program announces (changes of whole objects) into changes of symbols, before anybody reads it."""
import struct

import gdb


class Forge(gdb.Breakpoint):
    """The first breakpoint at _ldx_debug_changed: gdb asks it before the others."""
    # kind, symbol type, value, size, old, name
    wanted = [(1, 2, 0x1000, 16, 0, 'first'), (3, 2, 0x2000, 16, 0x1000, 'first'), (2, 2, 0, 0, 0x2000, 'first'),
              (1, 1, 0x3000, 8, 0, 'long_name_' * 10), (77, 0, 0, 0, 0, 'of_a_later_version'), (6, 0, 0, 0, 0, 'object')]

    def __init__(self):
        super().__init__('_ldx_debug_changed', internal=True)
        self.silent = True

    def stop(self):
        ldx, memory = gdb.ldx.block(), gdb.selected_inferior()
        at = ldx.ring + (ldx.next - 1) % ldx.ring_size * ldx.change_size
        kind, symbol_type, value, size, old, name = self.wanted[(ldx.generation // 2 - 1) % len(self.wanted)]
        shown = name.encode()
        if len(name) > 63:
            whole = int(gdb.parse_and_eval('(unsigned long)$rsp')) - 4096  # nobody needs that memory
            memory.write_memory(whole, shown + b'\0')
            memory.write_memory(at + 56, struct.pack('<Q', whole))
            shown = shown[:60] + b'...'
        memory.write_memory(at + 16, struct.pack('<HH', kind, symbol_type))
        memory.write_memory(at + 32, struct.pack('<3Q', value, size, old))
        memory.write_memory(at + 64, shown.ljust(64, b'\0'))
        return False


Forge()
