#!/usr/bin/env python3
"""scripts/setup installs every Debian package that a test says it stands on: on a bare machine none is left out."""

import argparse
import glob
import os
import subprocess
import sys


def lines(*command):
    return set(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True, help="top of the source tree")
    root = os.path.abspath(parser.parse_args().root)
    installed = lines(os.path.join(root, "scripts/setup"), "--list", "test")
    needed = set()
    for runner in glob.glob(os.path.join(root, "tests/*/run_*.py")):
        needed |= lines(sys.executable, "-B", runner, "--packages")
    if not needed:
        sys.exit("no test names a package")
    missing = sorted(needed - installed)
    print("scripts/setup does not install: " + " ".join(missing) if missing else f"{len(needed)} packages, all installed")
    sys.exit(bool(missing))


if __name__ == "__main__":
    main()
