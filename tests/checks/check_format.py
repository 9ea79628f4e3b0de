#!/usr/bin/env python3
"""clang-format finds nothing to change in the C and C++ files. --fix lets it change them."""

import argparse
import os
import subprocess
import sys

sys.dont_write_bytecode = True
import sources

FOLDERS = ["include", "src", "tools", "tests", "bench"]
SUFFIXES = tuple(s for s in sources.C_FAMILY if s != ".S")


def misformatted_lines(path):
    with open(path, encoding="utf-8") as file:
        before = file.read()
    after = subprocess.run(
        ["clang-format", "--style=file", path], stdout=subprocess.PIPE, text=True, encoding="utf-8", check=True
    ).stdout
    if before == after:
        return 0
    diff = subprocess.run(["diff", path, "-"], input=after, stdout=subprocess.PIPE, text=True).stdout
    return sum(line.startswith("<") for line in diff.splitlines()) or 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True, help="top of the source tree")
    parser.add_argument("--fix", action="store_true", help="reformat in place")
    parser.add_argument("files", nargs="*", help="only these files, relative to the root")
    args = parser.parse_args()
    files = args.files or sources.walk(args.root, FOLDERS, SUFFIXES)
    if not files:
        sys.exit("no C or C++ file found")
    if args.fix:
        sys.exit(subprocess.run(["clang-format", "--style=file", "-i", *files], cwd=args.root).returncode)
    wrong = 0
    for name in files:
        if lines := misformatted_lines(os.path.join(args.root, name)):
            wrong += 1
            print(f"{name}: clang-format would change {lines} lines")
    print(f"{wrong} of {len(files)} files are misformatted" if wrong else f"{len(files)} files are well formatted")
    if wrong:
        print("to reformat: tests/checks/check_format.py --root . --fix FILE...")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
