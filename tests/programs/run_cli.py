#!/usr/bin/env python3
"""Compares ldx's command line and environment variables with those of the system loader."""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent.parent / 'apps'))

import cli_cases
import driver

if __name__ == '__main__':
    sys.exit(driver.main(__doc__, cli_cases.CASES))
