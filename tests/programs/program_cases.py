"""The cases of the test programs, by what they show of the loader."""

import dlfcn_cases
import edge_cases
import init_cases
import lifetime_cases
import process_cases
import relocation_cases
import search_cases
import symbol_cases
import thread_cases
import tls_cases

CASES = process_cases.CASES + relocation_cases.CASES + symbol_cases.CASES + tls_cases.CASES + init_cases.CASES + \
    dlfcn_cases.CASES + search_cases.CASES + thread_cases.CASES + edge_cases.CASES + lifetime_cases.CASES
