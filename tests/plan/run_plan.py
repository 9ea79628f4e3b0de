#!/usr/bin/env python3
"""Plans: printed, explained, checked, recorded and followed. The system loader's LD_DEBUG and readelf are the oracles."""

import argparse
import os
import re
import sys
import tempfile
import traceback
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))

import plan_cases
import record_cases
import tool_cases
from farm import Farm

CASES = [function for module in (plan_cases, tool_cases, record_cases)
         for name, function in vars(module).items() if name.startswith('case_')]


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--ldx', required=True)
    parser.add_argument('--way', choices=('command', 'interp'), default='command')
    parser.add_argument('--changer', required=True, help='the tool of changer.c')
    parser.add_argument('--interp-tool', required=True, help='ldx-interp')
    parser.add_argument('--filter', default='', metavar='REGEX')
    parser.add_argument('--golden', action='store_true', help='write the expected outputs anew')
    return parser.parse_args()


def main():
    options = parse()
    failed = done = 0
    with tempfile.TemporaryDirectory(prefix='ldx-plan-') as root:
        os.chmod(root, 0o755)
        farm = Farm(root, options.ldx, options.way, options.changer)
        farm.interp_tool = options.interp_tool
        farm.write_golden = options.golden
        for case in CASES:
            if not re.search(options.filter, case.__name__):
                continue
            done += 1
            try:
                case(farm)
            except Exception:
                failed += 1
                print(f'FAILED {case.__name__}')
                traceback.print_exc(limit=-2, file=sys.stdout)
    print(f'{options.way}: {done - failed} of {done} cases')
    return 1 if failed or not done else 0


if __name__ == '__main__':
    if sys.argv[1:] == ["--packages"]:  # Debian packages that the tests stand on
        sys.exit(print("binutils python3 util-linux strace"))
    sys.exit(main())
