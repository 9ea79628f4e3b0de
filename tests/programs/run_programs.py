#!/usr/bin/env python3
"""Runs the test programs of this folder under ldx and compares what they print with the system loader's run."""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent.parent / 'apps'))

import driver
import program_cases

if __name__ == '__main__':
    sys.exit(driver.main(__doc__, program_cases.CASES))
