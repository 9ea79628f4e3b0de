#!/usr/bin/env python3
"""A library that registers itself as a tool stays mapped when it is closed, and goes on hearing (X18)."""

import subprocess
import sys

if sys.argv[1:] == ["--packages"]:  # Debian packages that the tests stand on
    sys.exit(0)
*command, library, other = sys.argv[1:]
r = subprocess.run([*command, library, other], capture_output=True, text=True, timeout=60)
print(r.stdout, r.stderr, r.returncode)
good = (r.returncode == 0 and r.stdout == "registered once 0\nclosed 0\nheard 3\n"
        and r.stderr.count("\n") == 1 and "self" in r.stderr)
sys.exit(not good)
