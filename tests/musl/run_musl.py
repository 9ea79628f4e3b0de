#!/usr/bin/env python3
"""Runs programs of musl under ldx and compares what they do with a run under musl's own loader."""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent.parent / 'apps'))

import driver
import musl_cases

if __name__ == '__main__':
    sys.exit(driver.main(__doc__, musl_cases.CASES))
