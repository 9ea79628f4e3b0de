#!/usr/bin/env python3
"""Unwinding through functions that are made at run time (include/ldx/jit.h): each program of this folder in all its cases.

A case is a run of its own; it is silent and ends with 0 when all is as it should be. --mode command runs `ldx PROGRAM`, --mode interp a
copy of the program whose PT_INTERP is ldx.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAMS = ["frames", "races", "unwinders"]
LIMIT = 120


def commands(options, folder):
    """Pairs of a name and a command."""
    for program in PROGRAMS:
        path = Path(options.built) / program
        cases = subprocess.run([path, "--list"], capture_output=True, text=True, check=True).stdout.split()
        command = [options.ldx, path]
        if options.mode == "interp":
            command = [Path(folder) / program]
            subprocess.run([options.interp_tool, "--set", options.ldx, "--output", command[0], path], check=True)
        for case in cases:
            yield f"{program}.{case}", [*command, case]


def fault(command):
    """What is wrong with a run; None: nothing."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LD_", "LDX_"))}
    try:
        r = subprocess.run(command, env={**kept, "LC_ALL": "C"}, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                           timeout=LIMIT)
    except subprocess.TimeoutExpired as e:
        return f"it does not end: {e.stdout!r} {e.stderr!r}"
    return f"status {r.returncode}: {r.stderr}{r.stdout}" if r.returncode or r.stderr or r.stdout else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ldx", help="the loader under test")
    parser.add_argument("--interp-tool", help="ldx-interp")
    parser.add_argument("--built", help="where the programs were built")
    parser.add_argument("--mode", choices=["command", "interp"], default="command")
    parser.add_argument("--filter", default="", help="only tests whose name matches")
    parser.add_argument("--packages", action="store_true", help="print the Debian packages that the tests stand on")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    if options.packages:
        print("libunwind-14 libunwind-dev")
        return 0
    failed = count = 0
    with tempfile.TemporaryDirectory(prefix="jit-unwind-") as folder:
        for name, command in commands(options, folder):
            if not re.search(options.filter, name):
                continue
            count += 1
            begin = time.monotonic()
            wrong = fault(command)
            if wrong:
                failed += 1
                print(f"FAILED  {name}: {wrong}", flush=True)
            if options.verbose:
                print(f"{time.monotonic() - begin:6.2f} s  {name}", flush=True)
    print(f"{options.mode}: {count - failed} of {count} tests passed")
    return 0 if count and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
