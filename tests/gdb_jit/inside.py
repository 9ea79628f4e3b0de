"""What the tests have gdb's own Python do: read the list of gdb's JIT interface, by addresses alone."""
import json

import gdb


def word(address, size=8):
    return int.from_bytes(gdb.selected_inferior().read_memory(address, size), 'little')


def symbols(file):
    """Names and addresses that an ELF file in memory tells."""
    table = file + word(file + 40) + 64  # the section header of .symtab is the first but one
    strings = file + word(table + 64 + 24)
    at, size = file + word(table + 24), word(table + 32)
    found = {}
    for entry in range(at + 24, at + size, 24):
        name = word(entry, 4)
        if name:
            found[gdb.parse_and_eval(f'(char *){strings + name}').string()] = word(entry + 8)
    return found


class Entries(gdb.Command):
    """Prints what is on the list, as one line of JSON: of symbols, or (entries 1) none; or writes the files (entries files)."""

    def __init__(self):
        super().__init__('entries', gdb.COMMAND_DATA)

    def invoke(self, arg, from_tty):
        entry = word(int(gdb.parse_and_eval('(unsigned long)&__jit_debug_descriptor')) + 16)
        found = []
        while entry:
            if arg == 'files':
                with open(f'entry{len(found)}.elf', 'wb') as file:
                    file.write(gdb.selected_inferior().read_memory(word(entry + 16), word(entry + 24)))
            found.append({} if arg else symbols(word(entry + 16)))
            entry = word(entry)
        objects = sum((o.filename or '').startswith('<in-memory@') for o in gdb.objfiles())
        print('ENTRIES', json.dumps({'count': len(found), 'symbols': found, 'objects': objects}))


Entries()
