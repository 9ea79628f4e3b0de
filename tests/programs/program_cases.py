"""The cases of the test programs, by what they show of the loader."""

import process_cases
import relocation_cases
import symbol_cases
import tls_cases

CASES = process_cases.CASES + relocation_cases.CASES + symbol_cases.CASES + tls_cases.CASES
