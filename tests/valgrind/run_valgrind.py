#!/usr/bin/env python3
"""Runs valgrind's tools on programs that ldx loads, and compares what they find with what they find under the system
loader."""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent.parent / 'apps'))

import driver
import valgrind_cases

if __name__ == '__main__':
    sys.exit(driver.main(__doc__, valgrind_cases.CASES))
