#!/usr/bin/env python3
"""clang-tidy (.clang-tidy says what for) finds no fault in the C files of src/, compiled as the build compiles them.

Prints one line a fault; for the steps that lead to it: clang-tidy -p BUILD FILE
"""

import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys

# Of the build's options, gcc's own ones are unknown to clang, and its warnings are gcc's to give. The analyzer follows
# so many states of a function: a few functions would otherwise take longer than all others together.
EXTRA = ["-Wno-unknown-warning-option", "-Wno-error", "-Wno-everything"]
EXTRA += ["-Xclang", "-analyzer-config", "-Xclang", "max-nodes=50000"]
FAULT = re.compile(r"^(\S+:\d+:\d+: error: .*)", re.M)


def tidy(build, root, path):
    """Set of the faults in one file and the headers it includes."""
    command = ["clang-tidy", "--quiet", "-p", build, *(f"--extra-arg={e}" for e in EXTRA), path]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    faults = set()
    for fault in FAULT.findall(run.stdout):
        name, rest = fault.split(":", 1)
        faults.add(os.path.relpath(os.path.join(build, name), root) + ":" + rest)
    if run.returncode and not faults:
        faults.add(f"{os.path.relpath(path, root)}: clang-tidy ended with status {run.returncode}")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="build folder, with compile_commands.json")
    parser.add_argument("--root", required=True, help="top of the source tree")
    args = parser.parse_args()
    with open(os.path.join(args.build, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    paths = {os.path.normpath(os.path.join(e["directory"], e["file"])) for e in entries}
    inside = os.path.join(os.path.realpath(args.root), "src", "")
    files = sorted(p for p in paths if os.path.realpath(p).startswith(inside) and p.endswith(".c"))
    if not files:
        sys.exit("no C file of src/ is in compile_commands.json")
    found = set()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for number, faults in enumerate(pool.map(lambda f: tidy(args.build, args.root, f), files), 1):
            for fault in sorted(faults - found):
                print(fault, flush=True)
            found |= faults
            if sys.stdout.isatty():
                print(f"{number}/{len(files)}", end="\r")
    print(f"{len(files)} files, {len(found) or 'no'} faults")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
