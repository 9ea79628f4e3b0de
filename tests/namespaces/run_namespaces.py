#!/usr/bin/env python3
"""Namespaces: compared with the system loader where it can do the same, against the rules of ldx where it cannot."""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent.parent / 'apps'))

import driver
import namespace_cases

if __name__ == '__main__':
    sys.exit(driver.main(__doc__, namespace_cases.CASES))
