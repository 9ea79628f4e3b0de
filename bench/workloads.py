"""What compare.py measures. To add a workload, add an entry to WORKLOADS: a function that, given the working folder
and whether small sizes will do, returns the program to run."""
import dataclasses
import os
import pathlib
import shutil
import typing

import synthetic


@dataclasses.dataclass
class Program:
    file: pathlib.Path  # in the working folder; its twin that names ldx as interpreter is made beside it
    args: list[str]


@dataclasses.dataclass
class Workload:
    summary: str
    prepare: typing.Callable[[pathlib.Path, bool], Program]
    rounds: int  # enough for a steady median


class Unavailable(Exception):
    """The workload's program isn't installed."""


def installed_program(name):
    """The system's program, or else the first ELF program of this name on PATH: wrappers in scripts are passed over."""
    for folder in ['/usr/bin', *os.get_exec_path()]:
        path = pathlib.Path(folder, name)
        if os.access(path, os.X_OK) and path.is_file():
            with path.open('rb') as file:
                if file.read(4) == b'\x7fELF':
                    return path.resolve()
    raise Unavailable(f'no program {name} on PATH')


def installed(name, *args):
    def prepare(work, small):
        folder = work / 'programs'
        folder.mkdir(parents=True, exist_ok=True)
        return Program(pathlib.Path(shutil.copy2(installed_program(name), folder / name)), list(args))
    return prepare


def generated(kind, count, small_count):
    def prepare(work, small):
        size = small_count if small else count
        return Program(synthetic.build(kind, work / f'{kind}-{size}', size), [])
    return prepare


WORKLOADS = {
    'true': Workload('/bin/true: the fixed cost of a start', installed('true'), 300),
    'git': Workload('git --version: a few libraries', installed('git', '--version'), 200),
    'python': Workload('python3 -c pass: an interpreter starts', installed('python3', '-c', 'pass'), 100),
    'clang': Workload('clang --version: two libraries of 100 MB', installed('clang', '--version'), 50),
    'relocations': Workload('500,000 relocations, 38 % of them to symbols', generated('relocations', 500000, 2000), 50),
    'libraries': Workload('200 libraries that need each other', generated('libraries', 200, 6), 50),
}
