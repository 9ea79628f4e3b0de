#!/usr/bin/env python3
"""The linked ldx can live in someone else's process.

Once the program's libc has set the thread pointer, %fs is the program's, and code entered from a lazy-binding
or TLSDESC stub must preserve the vector registers. So the linked file has: no thread-local segment; no %fs access
but reads of the words that a loader shares with every libc (the thread pointer's self pointers at 0 and 16, the DTV
at 8); no vector or x87 instruction outside the stubs that save those registers; nothing of any
libc; no writable and executable segment; and it needs no other file.
"""

import argparse
import glob
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
import elfimage as elf

# Thread control block words with the same meaning in every x86-64 libc: may be read (not written) anywhere.
SHARED_TCB_WORDS = {0x0, 0x8, 0x10}
READS = ("mov", "add", "sub", "cmp")
# Stubs that save or restore the extended state are named so.
SAVES_VECTORS = re.compile(r"xsave|vector|ldx_audit_stub|(keep|give)_x87")
FROM_LINKER = set(
    """_DYNAMIC _GLOBAL_OFFSET_TABLE_ __GNU_EH_FRAME_HDR __ehdr_start __executable_start __etext _etext etext
    __bss_start _edata edata _end end __dso_handle __init_array_start __init_array_end __fini_array_start
    __fini_array_end __preinit_array_start __preinit_array_end __rela_iplt_start __rela_iplt_end""".split()
)

FUNCTION_LINE = re.compile(r"^[0-9a-f]+ <(.+)>:$")
CODE_LINE = re.compile(r"^\s*([0-9a-f]+):\s+(?:(?:notrack|bnd|lock|rep\w*|data16|cs|addr32|rex\S*)\s+)*(\S+)\s*(.*)$")
FS_OPERAND = re.compile(r"%fs:(?:(0x[0-9a-f]+|\d+)(?!\()\b)?(\([^)]*\))?")
VECTOR_REGISTER = re.compile(r"%(?:[xyz]?mm\d|st\b|k[0-7]\b)")
VECTOR_MNEMONIC = re.compile(r"f[a-z]|xsave|xrstor|ldmxcsr|stmxcsr|vzero|emms|vldmx|vstmx")


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def instructions(path):
    """(function, address, mnemonic, operands) of every instruction."""
    function = "?"
    for line in output("objdump", "-d", "--no-show-raw-insn", path).splitlines():
        if match := FUNCTION_LINE.match(line):
            function = match[1]
        elif match := CODE_LINE.match(line):
            yield function, match[1], match[2], re.sub(r"\s+[#<].*", "", match[3])


def fs_read_allowed(mnemonic, operands):
    access = FS_OPERAND.search(operands)
    reads = mnemonic in READS and operands.startswith(access[0] + ",")
    return reads and access[1] is not None and access[2] is None and int(access[1], 0) in SHARED_TCB_WORDS


def code_faults(path, foreign):
    counted = 0
    for function, address, mnemonic, operands in instructions(path):
        counted += 1
        where = f"{function} at {address}: {mnemonic} {operands}"
        if "%gs:" in operands:
            yield f"{where}: uses %gs"
        if "%fs:" in operands and (function in foreign or not fs_read_allowed(mnemonic, operands)):
            yield f"{where}: uses %fs, which is the program's"
        vector = VECTOR_REGISTER.search(operands) or VECTOR_MNEMONIC.match(mnemonic)
        if vector and not SAVES_VECTORS.search(function):
            yield f"{where}: vector or x87 state outside a stub that saves it"
    if not counted:
        yield f"objdump shows no instruction in {path}"


def segment_faults(image):
    types = [s.type for s in image.segments]
    for segment in image.segments:
        if segment.flags & elf.PF_W and segment.flags & elf.PF_X:
            yield f"segment at {segment.address:#x} is writable and executable"
    if elf.PT_TLS in types:
        yield "there is a PT_TLS segment: some object has thread-local variables"
    if elf.PT_INTERP in types:
        yield "there is a PT_INTERP segment: ldx cannot need a loader"
    for needed, name in (elf.PT_GNU_RELRO, "PT_GNU_RELRO"), (elf.PT_GNU_STACK, "PT_GNU_STACK"):
        if needed not in types:
            yield f"there is no {name} segment"
    tags = image.dynamic_tags()
    for tag, name in (elf.DT_NEEDED, "DT_NEEDED"), (elf.DT_TEXTREL, "DT_TEXTREL"):
        if tag in tags:
            yield f"there is a {name} tag"


def symbol_faults(defined, undefined, foreign):
    for name in sorted(undefined - defined - FROM_LINKER):
        yield f"{name} is undefined"
    for name in sorted(foreign - FROM_LINKER):
        yield f"{name} comes from libc.a: nothing there knows that the thread pointer is not its own"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ldx", required=True, help="the linked loader, with its symbols")
    parser.add_argument("--objects", help="folder of ldx's own object files (default: LDX.p)")
    args = parser.parse_args()

    image = elf.Image(args.ldx)
    symbols = list(image.symbols())
    objects = glob.glob(os.path.join(args.objects or args.ldx + ".p", "*.o"))
    inputs = [s for o in objects for s in elf.Image(o).symbols()]
    own = {s.name for s in inputs if s.defined}
    defined = {s.name for s in symbols if s.defined}
    foreign = defined - own
    # The linker drops weak undefined symbols, so those are looked for in its input.
    weak = {s.name for s in inputs if s.binding == elf.STB_WEAK}
    undefined = {s.name for s in symbols if not s.defined} | weak - own

    found = list(segment_faults(image))
    if not symbols or not objects:
        found.append("no symbols, or no object files, to judge by")
    found += symbol_faults(defined, undefined, foreign)
    found += code_faults(args.ldx, foreign)
    print("\n".join(found) if found else "fit to live in another program's process")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
