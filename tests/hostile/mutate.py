"""Damages copies of an Image: one or several mutations, all decided by a seeded random generator."""

import struct

import image

EXTREMES = tuple(value & (1 << 64) - 1 for value in (
    0, 1, 2, 3, 4, 7, 8, 15, 0x7f, 0xff, 0x100, 0xfff, 0x1000, 0x1001, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
    0xffffffff, 0x100000000, 0x400000000000, 0x7fffffffffff, 0x800000000000, 1 << 62, (1 << 63) - 1, 1 << 63,
    -1, -2, -8, -16, -24, -0x1000))


def absurd_value(rng, site, old, known):
    """A new value of the site; `known`: offsets, addresses and sizes of the file."""
    ways = [lambda: rng.choice(EXTREMES), lambda: rng.choice(known), lambda: rng.choice(known) + rng.choice((-8, -1, 1, 8)),
            lambda: old + rng.choice((-0x1000, -16, -8, -4, -1, 1, 4, 8, 16, 0x1000)), lambda: old ^ 1 << rng.randrange(site.size * 8),
            lambda: old * rng.choice((2, 3, 16, 256)), lambda: rng.getrandbits(site.size * 8), lambda: rng.randrange(known[-1] + 1)]
    if site.choices:
        ways += [lambda: rng.choice(site.choices)] * 6
    return rng.choice(ways)() & (1 << site.size * 8) - 1


class Damage:
    """A copy under damage and the account of what was done to it."""

    def __init__(self, base, rng):
        self.base, self.rng = base, rng
        self.data = bytearray(base.data)
        self.known = base.interesting()
        self.done = []

    def read(self, offset, size):
        return int.from_bytes(self.data[offset:offset + size], 'little')

    def write(self, what, offset, size, value):
        if offset + size > len(self.data):
            self.done.append(f'{what}: cut off before')
            return
        old = self.read(offset, size)
        self.data[offset:offset + size] = value.to_bytes(size, 'little')
        self.done.append(f'{what} {old:#x} -> {value:#x}')

    def write_range(self, what, offset, content):
        content = content[:max(0, len(self.data) - offset)]
        self.data[offset:offset + len(content)] = content
        self.done.append(f'{what} [{offset:#x}, +{len(content):#x})')


# --- mutations of fields --------------------------------------------------------------------------------------------

def one_field(damage, category):
    site = damage.rng.choice(damage.base.sites[category])
    old = damage.read(site.offset, site.size)
    damage.write(site.name, site.offset, site.size, absurd_value(damage.rng, site, old, damage.known))


# --- mutations of structure -----------------------------------------------------------------------------------------

def truncate(damage):
    length = damage.rng.choice(damage.known) + damage.rng.choice((-1, 0, 0, 1))
    if damage.rng.random() < 0.3:
        length = damage.rng.randrange(len(damage.base.data))
    length = max(0, min(length, len(damage.data)))
    del damage.data[length:]
    damage.done.append(f'truncated to {length:#x}')


def overlap_segments(damage):
    """Two headers come to speak of the same addresses or the same part of the file."""
    field = damage.rng.choice((8, 16))
    count = damage.base.header_count()
    source, target = damage.rng.randrange(count), damage.rng.randrange(count)
    value = damage.read(damage.base.header_offset(source) + field, 8)
    name = {8: 'offset', 16: 'vaddr'}[field]
    damage.write(f'phdr[{target}].{name} of phdr[{source}]', damage.base.header_offset(target) + field, 8, value)


def copy_record(damage, what, table, size):
    """One entry of a table takes another's place, or they change places."""
    source, target = damage.rng.choice(table), damage.rng.choice(table)
    first, second = bytes(damage.data[source:source + size]), bytes(damage.data[target:target + size])
    damage.write_range(f'{what} from {source:#x}', target, first)
    if damage.rng.random() < 0.5:
        damage.write_range(f'{what} from {target:#x}', source, second)


def copy_header(damage):
    copy_record(damage, 'phdr', [damage.base.header_offset(i) for i in range(damage.base.header_count())], image.PHDR_SIZE)


def copy_dynamic(damage):
    copy_record(damage, 'dynamic', [at for at, _, _ in damage.base.dynamic()], image.DYN_SIZE)


def retarget_dynamic(damage):
    """A table entry of .dynamic points somewhere else inside the file, or has another known size."""
    at, tag, _ = damage.rng.choice(damage.base.dynamic())
    damage.write(f'dynamic[{tag:#x}].value', at + 8, 8, max(0, damage.rng.choice(damage.known)))


def endless_dynamic(damage):
    """No DT_NULL: the table runs into whatever follows."""
    offset, size = damage.base.section('.dynamic')
    tag = damage.rng.choice((21, 1, 0x6000000d, 0x7fffffff))
    for at in range(offset, offset + size, image.DYN_SIZE):
        if damage.read(at, 8) == 0 and at + 16 <= len(damage.data):
            damage.data[at:at + 16] = struct.pack('<QQ', tag, 0)
    damage.done.append(f'DT_NULL -> {tag:#x}')


def no_terminators(damage):
    offset, size = damage.base.section('.dynstr')
    damage.write_range('.dynstr without NUL', offset, bytes(damage.data[offset:offset + size]).replace(b'\0', b'A'))


def need_itself(damage):
    """A DT_NEEDED (or a tag made one) names the file's own soname or another string of its table."""
    entries = damage.base.dynamic()
    names = [value for _, tag, value in entries if tag in (image.DT_SONAME, image.DT_NEEDED, image.DT_RUNPATH)] + [0, 1]
    at, tag, _ = damage.rng.choice(entries)
    damage.write(f'dynamic[{tag:#x}].tag', at, 8, image.DT_NEEDED)
    damage.write('needed', at + 8, 8, damage.rng.choice(names))


def fill_table(damage):
    """A whole table, or its rest from some point, becomes zeros, ones, noise or text."""
    names = [name for name in ('.dynsym', '.dynstr', '.gnu.hash', '.hash', '.gnu.version', '.gnu.version_d', '.gnu.version_r',
                               '.rela.dyn', '.rela.plt', '.relr.dyn', '.init_array', '.dynamic', '.got.plt', '.note.gnu.property')
             if damage.base.section(name)[1]]
    if not names:
        return noise(damage)
    name = damage.rng.choice(names)
    offset, size = damage.base.section(name)
    skip = damage.rng.choice((0, damage.rng.randrange(size)))
    kind = damage.rng.choice(('zeros', 'ones', 'noise', 'text'))
    content = {'zeros': bytes(size), 'ones': b'\xff' * size, 'noise': damage.rng.randbytes(size), 'text': b'A' * size}[kind]
    damage.write_range(f'{name} filled with {kind}', offset + skip, content[skip:])
    return None


def noise(damage):
    """A few bytes anywhere in the parts that a loader reads (all before the code, and .dynamic and what surrounds it)."""
    sites = [site for group in damage.base.sites.values() for site in group]
    for _ in range(damage.rng.randrange(1, 17)):
        site = damage.rng.choice(sites)
        damage.write(site.name, site.offset, 1, damage.rng.randrange(256))


def cyclic_chains(damage):
    """Hash chains that never end: every chain word points at itself or the first symbol; no end mark in .gnu.hash."""
    offset, size = damage.base.section('.hash')
    if size:
        buckets, chains = damage.read(offset, 4), damage.read(offset + 4, 4)
        start = offset + 8 + 4 * min(buckets, size // 4)
        damage.write_range('.hash chains', start, b''.join(struct.pack('<I', max(1, i)) for i in range(chains))[:size])
    offset, size = damage.base.section('.gnu.hash')
    if size:
        bloom, buckets = damage.base.unpack('I', offset + 8), damage.base.unpack('I', offset)
        start = 16 + 8 * bloom + 4 * buckets
        words = [damage.read(offset + at, 4) & ~1 for at in range(start, size, 4)]
        damage.write_range('.gnu.hash chains', offset + start, struct.pack(f'<{len(words)}I', *words))


STRUCTURAL = (truncate, truncate, overlap_segments, copy_header, copy_dynamic, retarget_dynamic, retarget_dynamic, endless_dynamic,
              no_terminators, need_itself, fill_table, fill_table, noise, cyclic_chains)


def mutate_once(damage):
    """Every category of fields is as likely as any other, however few bytes it has."""
    categories = sorted(damage.base.sites)
    if damage.rng.random() < 0.25:
        damage.rng.choice(STRUCTURAL)(damage)
    else:
        one_field(damage, damage.rng.choice(categories))


def mutate(base, rng):
    """(damaged bytes, [what was done])"""
    damage = Damage(base, rng)
    for _ in range(1 if rng.random() < 0.6 else rng.randrange(2, 6)):
        mutate_once(damage)
    return bytes(damage.data), damage.done
