#!/usr/bin/env python3
"""The repository speaks of ldx alone: not of the machines, trackers and people that it happens to be made with."""

import argparse
import os
import re
import sys

sys.dont_write_bytecode = True
import sources

PLACE = "a path of one developer's machine"
MAKING = "how it was made, not what it is"
# Written so that no pattern matches its own line.
FORBIDDEN = [
    (r"(?<![\w/])/[w]ork/|\.\./[s]hared/|\.[l]ibrary/|(?<![\w/])/[f]arm/", PLACE),
    (r"(?i)\b(?:[i]ssues?|[t]icket) (?:#|no\. ?)?\d+\b|\([i]ssue \w+\)", "a number of a tracker that readers don't have"),
    (r"(?i)\b(?:this|next|previous|earlier|later|last|other) [s]essions?\b", MAKING),
    (r"(?i)\b[s]ub-?agents?\b|\b[l]anguage model\b|\b[c]laude\b|\b[c]hat-?gpt\b|\b[c]opilot\b", MAKING),
    (r"\bLL[M]s?\b|\bA[I] (?:generated|written|assistant)|\bC[E]O\b|\b[l]ead engineer\b", MAKING),
    (r"[a]rtifact-?registry|\b[p]ypi\.org|registry\.[n]pmjs|[p]roxy\.golang", "a package host"),
]
PATTERNS = [(re.compile(pattern), why) for pattern, why in FORBIDDEN]


def faults(root):
    for path in sources.walk(root):
        with open(os.path.join(root, path), "rb") as file:
            data = file.read()
        if b"\0" in data:
            continue
        for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
            for pattern, why in PATTERNS:
                if match := pattern.search(line):
                    yield f"{path}:{number}: '{match[0]}': {why}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True, help="top of the source tree")
    args = parser.parse_args()
    found = list(faults(args.root))
    print("\n".join(found) if found else "no word out of place")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
