#!/usr/bin/env python3
"""Runs the programs of this folder, which try the dl functions, under ldx and compares them with the system loader's run."""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent.parent / 'apps'))

import dl_cases
import driver

if __name__ == '__main__':
    sys.exit(driver.main(__doc__, dl_cases.CASES))
