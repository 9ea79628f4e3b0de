#!/usr/bin/env python3
"""ldx beside other tools: debuggers, tracers, profilers, sanitizers, preloaded libraries, virtual machines, privileges."""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent.parent / 'apps'))

import driver
import machine_cases
import preload_cases
import privilege_cases
import sanitizer_cases
import tracer_cases
import unwind_cases

CASES = tracer_cases.CASES + sanitizer_cases.CASES + preload_cases.CASES + machine_cases.CASES + unwind_cases.CASES + privilege_cases.CASES

if __name__ == '__main__':
    sys.exit(driver.main(__doc__, CASES))
