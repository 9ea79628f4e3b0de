#!/usr/bin/env python3
"""cppcheck finds no fault in the C and C++ files of src/, tools/, bench/ and tests/unit/.

The other programs of tests/ do on purpose what no program should.
What it is told to overlook stands in cppcheck.suppressions, with reasons; a line can also carry a comment
`cppcheck-suppress name`.
"""

import argparse
import os
import subprocess
import sys

sys.dont_write_bytecode = True
import sources

FOLDERS = ["src", "tools", "bench", "tests/unit"]
HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="top of the source tree")
    args = parser.parse_args()
    root = os.path.abspath(args.root)
    files = sources.walk(root, FOLDERS, (".c", ".cc", ".cpp"))
    if not files:
        sys.exit("no C or C++ file found")
    command = [
        "cppcheck", "--quiet", "-j2", "--error-exitcode=1", "--inline-suppr", "--std=c11", "--platform=unix64",
        "--enable=warning,performance,portability", f"--suppressions-list={HERE}/cppcheck.suppressions",
        "--template={file}:{line}: {severity}: {message} [{id}]", "-Isrc", "-Iinclude", "-I/usr/include/x86_64-linux-musl",
        "-D__x86_64__=1", "-D__GNUC__=12", "-D__linux__=1", "-D_GNU_SOURCE=1",
        "-D_Noreturn=__attribute__((noreturn))", *files,  # the one of the two spellings that cppcheck understands
    ]  # fmt: skip
    status = subprocess.run(command, cwd=root).returncode
    print(f"{len(files)} files, cppcheck says {'nothing' if status == 0 else 'what stands above'}")
    sys.exit(status)


if __name__ == "__main__":
    main()
