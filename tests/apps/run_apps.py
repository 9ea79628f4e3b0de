#!/usr/bin/env python3
"""Runs programs of the system under ldx and compares them with the same programs under the system loader."""

import sys

sys.dont_write_bytecode = True

import driver
import language_cases
import system_cases
import toolchain_cases

CASES = system_cases.CASES + language_cases.CASES + toolchain_cases.CASES

if __name__ == '__main__':
    sys.exit(driver.main(__doc__, CASES))
