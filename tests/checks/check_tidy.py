#!/usr/bin/env python3
"""clang-tidy (.clang-tidy says what for) finds no fault in the C files of src/, compiled as the build compiles them."""

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys

# Of the build's options, the ones that gcc alone knows, or that would turn clang's own warnings into faults.
EXTRA = ["-Wno-unknown-warning-option", "-Wno-error", "-Wno-everything"]


def tidy(build, file):
    command = ["clang-tidy", "--quiet", "-p", build, *(f"--extra-arg={e}" for e in EXTRA), file]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return run.returncode, run.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__)
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
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for number, (status, text) in enumerate(pool.map(lambda f: tidy(args.build, f), files), 1):
            failed += status != 0
            if status:
                print(text.strip() or f"{files[number - 1]}: clang-tidy failed with status {status}")
            if sys.stdout.isatty():
                print(f"\r{number}/{len(files)}", end="\r")
    print(f"{failed} of {len(files)} files have faults" if failed else f"{len(files)} files, no fault")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
