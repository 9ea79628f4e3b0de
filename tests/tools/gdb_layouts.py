"""Run inside gdb on a file with debug information: prints the layout of the types named in `TYPES` in the form
of `glibc-profile --list`, read by gdb's own DWARF reader. See test_glibc_profile.py."""
import gdb

AGGREGATES = (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION)


def lookup(name):
    for spelling in (f'struct {name}', f'union {name}', name):
        try:
            return gdb.lookup_type(spelling).strip_typedefs()
        except gdb.error:
            continue
    raise gdb.GdbError(f'no type {name}')


def members(aggregate, bits, depth):
    """(path, offset in bits, size of a bit-field or 0); an array's elements stand for its first."""
    for field in aggregate.fields():
        inner = field.type.strip_typedefs()
        at = bits + field.bitpos
        if field.name:
            yield field.name, at, field.bitsize
        while inner.code == gdb.TYPE_CODE_ARRAY:
            inner = inner.target().strip_typedefs()
        if inner.code not in AGGREGATES or depth == 0:
            continue
        for path, inner_at, size in members(inner, at, depth - 1):
            yield f'{field.name}.{path}' if field.name else path, inner_at, size


for name in TYPES:
    found = lookup(name)
    print(f'{name} size {found.sizeof}')
    for path, at, size in members(found, 0, 4):
        print(f'{name}.{path} {at // 8}:{at % 8}:{size}' if size else f'{name}.{path} {at // 8}')
