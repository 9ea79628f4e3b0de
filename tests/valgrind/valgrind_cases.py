"""Programs without a fault, with seeded faults, and of the system: what valgrind's tools find in them."""

import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / 'apps'))

from harness import Case, locate

REPORT = f'{sys.executable} {Path(__file__).parent / "report.py"}'
PACKAGES = 'valgrind libc6-dbg'


def case(name, program, tool='memcheck', needs=(), more='', packages='', **others):
    """`program`: its words; status 0 says that the report has all that the case needs."""
    words = [REPORT, '--tool', tool, *(f'--need {shlex.quote(need)}' for need in needs), more, '$RUN', program]
    return Case(name, script=' '.join(words), limit=120, packages=f'{PACKAGES} {packages}'.strip(), status=0, **others)


def own(name, program, use='libplugin.so', **others):
    file = program.split()[0]
    return case(name, f'./{program}', use=f'{file} {use}', **others)


CLEAN = {'faultless': ('memcheck',), 'faultless_cxx': ('memcheck', 'helgrind'),
         'faultless_threads': ('memcheck', 'helgrind', 'drd')}
FAULTLESS = [own(f'{program}.{tool}', program, tool=tool, more='--clean')
             for program, tools in CLEAN.items() for tool in tools]

FAULTS = {
    'write': ['InvalidWrite write_past_end main malloc'],
    'read': ['InvalidRead read_before_start main malloc'],
    'freed': ['InvalidRead strlen use_freed main free'],
    'branch': ['UninitCondition branch_on_nothing main'],
    'leak': ['Leak_DefinitelyLost malloc make_list lose_list main', 'Leak_IndirectlyLost malloc make_list lose_list main',
             'Leak_StillReachable malloc make_list lose_list main'],
    'overlap': ['Overlap copy_onto_itself main'],
    'plugin-free': ['InvalidFree free plugin_free_twice call_plugin free_twice_in_plugin main'],
    'plugin-read': ['InvalidRead plugin_read_past_end call_plugin read_in_plugin main'],
    'plugin-leak': ['Leak_DefinitelyLost plugin_begin lose_in_constructor main'],
    'syscall': ['SyscallParam tell_nothing main'],
}
SEEDED = [own(f'fault.{name}', f'faults {name}', needs=needs) for name, needs in FAULTS.items()]
SEEDED += [own(f'fault.no-pie.{name}', f'faults_fixed {name}', needs=FAULTS[name]) for name in ('freed', 'plugin-leak')]
SEEDED += [own('race.data.helgrind', 'races data', tool='helgrind', needs=['Race count_unprotected']),
           own('race.data.drd', 'races data', tool='drd', needs=['ConflictingAccess count_unprotected']),
           own('race.order.helgrind', 'races order', tool='helgrind', needs=['LockOrder lock_both lock_against_order'])]

PROFILED = [own('profile.callgrind', 'profile', tool='callgrind', more='--function checksum --function plugin_use',
                needs=['checksum instructions', 'plugin_use instructions']),
            own('profile.massif', 'profile', tool='massif', more='--function hold', needs=['hold 1000000'])]

SUMS = ['errors 0', 'malloc replaced']


def real(name, program, packages='', **others):
    file, words = program.split(maxsplit=1)
    path = locate(file)  # the system loader, given in the place of ldx, does not search PATH
    return case(f'real.{name}', f'{path} {words}', tool='count', needs=SUMS, packages=packages, programs=[path], **others)


REAL = [
    real('ls', 'ls -l /usr/include/valgrind', 'coreutils'),
    real('bash', """bash -c 'for i in {1..40}; do a[$i]=${i/1/x}; done; echo "${a[@]}"'""", 'bash'),
    real('perl', """perl -MList::Util=sum -e '%h = map { $_ => $_ x 3 } 1..50; print sum(values %h), "\\n"'""", 'perl',
         env={'PERL_HASH_SEED': '0', 'PERL_PERTURB_KEYS': '0'}),
    real('git', 'git --version', 'git'),
    real('sqlite3', """sqlite3 :memory: 'create table t(a, b); insert into t values (1, "x"), (2, "y");
         select sum(a), group_concat(b) from t'""", 'sqlite3'),
    real('python3', """python3 -c 'import json, zlib; print(json.dumps([1, {"a": None}]), zlib.crc32(b"abc"))'""", 'python3',
         env={'PYTHONMALLOC': 'malloc'}),
]

CASES = FAULTLESS + SEEDED + PROFILED + REAL
