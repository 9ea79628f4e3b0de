#!/usr/bin/env python3
"""The folders of src/ are layers: an #include names a file of its own folder, or of a layer to the left of it.

base <- arch/x86_64 <- elf <- namespace <- {search, tls, ifunc, debug-protocol, hooks} <- libc <- loader
     <- {tools, tests, bench}

Layers within braces don't include each other. Headers of include/ldx/ are public and open to everyone.
"""

import argparse
import os
import re
import sys

sys.dont_write_bytecode = True
import sources

RANKS = [
    ["base"],
    ["arch/x86_64"],
    ["elf"],
    ["namespace"],
    ["search", "tls", "ifunc", "debug-protocol", "hooks"],
    ["libc"],
    ["loader"],
    ["tools", "tests", "bench"],
]
RANK = {layer: rank for rank, layers in enumerate(RANKS) for layer in layers}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def layer_of(path):
    """The layer that a path below src/ (or a top-level folder) belongs to, or None."""
    for layer in RANK:
        if path.startswith(layer + "/"):
            return layer
    return None


def target_of(root, source, quote, name):
    """The path, as from src/, of the included file, or None where it is a system or public header."""
    if quote == '"':
        beside = os.path.normpath(os.path.join(os.path.dirname(source), name))
        if os.path.exists(os.path.join(root, beside)):
            return beside.removeprefix("src/")
    if os.path.exists(os.path.join(root, "src", name)):
        return os.path.normpath(name)
    if name.startswith("ldx/") or quote == "<":
        return None
    return name  # to be found nowhere: the compiler will say so, and meanwhile its path is judged


def faults(root):
    for source in sources.walk(root, ["src", "include", "tools", "tests", "bench"], sources.C_FAMILY):
        below = source.removeprefix("src/")
        own = layer_of(below)
        public = below.startswith("include/ldx/")
        if own is None and not public:
            yield f"{source}:1: belongs to no layer"
            continue
        with open(os.path.join(root, source), encoding="utf-8", errors="replace") as file:
            text = file.read()
        for match in INCLUDE.finditer(text):
            target = target_of(root, source, *match.groups())
            if target is None or target.startswith("include/ldx/"):
                continue
            other = layer_of(target)
            if public and other is None or other == own:
                continue
            where = f"{source}:{text.count(chr(10), 0, match.start(2)) + 1}"
            if public:
                yield f"{where}: a public header includes {target} of layer {other}"
            elif other is None:
                if "/" in target:
                    yield f"{where}: {target} belongs to no layer"
            elif RANK[other] >= RANK[own]:
                yield f"{where}: {own} may not include {target}: {other} is not to the left of it"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="top of the source tree")
    args = parser.parse_args()
    found = list(faults(args.root))
    print("\n".join(found) if found else "every include points left")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
