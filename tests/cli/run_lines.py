#!/usr/bin/env python3
"""Compares what ldx says with what the system loader says: ldd, LD_DEBUG, the environment and the options."""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[:0] = [str(Path(__file__).parent.parent / folder) for folder in ('apps', 'programs')]

import debug_cases
import driver
import environment_cases
import ldd_cases
import option_cases

CASES = ldd_cases.CASES + debug_cases.CASES + environment_cases.CASES + option_cases.CASES

if __name__ == '__main__':
    sys.exit(driver.main(__doc__, CASES))
