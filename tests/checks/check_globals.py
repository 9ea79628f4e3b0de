#!/usr/bin/env python3
"""ldx keeps no writable state but `ldx_self`: whatever it knows is reached from there.

Looks at every writable section that is not sealed after start-up (RELRO), and at every symbol in one. Names for
parts of ldx_self (such as _r_debug) are welcome. Bytes without a symbol count too.
"""

import argparse
import sys

sys.dont_write_bytecode = True
import elfimage as elf

STATE = "ldx_self"


def sealed(image, section):
    return any(
        s.type == elf.PT_GNU_RELRO and s.address <= section.address and section.address + section.size <= s.address + s.size
        for s in image.segments
    )


def faults(image):
    symbols = [s for s in image.symbols() if s.defined and s.section < elf.SHN_LORESERVE]
    owner = next((s for s in symbols if s.name == STATE), None)
    if owner is None:
        yield f"there is no symbol {STATE}"
        return

    def inside(symbol):
        return owner.value <= symbol.value and symbol.value + symbol.size <= owner.value + owner.size

    for index, section in enumerate(image.sections):
        writable = section.flags & elf.SHF_WRITE and section.flags & elf.SHF_ALLOC
        if not writable or not section.size or sealed(image, section):
            continue
        others = [s for s in symbols if s.section == index and s.size and not inside(s)]
        for symbol in sorted(others, key=lambda s: s.value):
            yield f"{symbol.name}: {symbol.size} writable bytes in {section.name}"
        # What no symbol claims: anything more than padding is state too.
        covered = sum(s.size for s in others) + (owner.size if owner.section == index else 0)
        if section.size - covered >= max(section.alignment, 16):
            yield f"{section.name}: {section.size - covered} writable bytes that belong to no symbol"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ldx", required=True, help="the linked loader, with its symbols")
    args = parser.parse_args()
    found = list(faults(elf.Image(args.ldx)))
    print("\n".join(found) if found else f"{STATE} is the only writable state")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
