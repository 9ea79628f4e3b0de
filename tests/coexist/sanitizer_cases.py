"""Sanitizers of gcc and clang: a clean program stays clean, and a fault is reported with the same frames as under the system loader.

gcc's run time finds the program's symbols as a command too. clang's is linked into the program and reads /proc/self/exe by a system call
of its own, and so takes a loader that was named on the command line for the program: both loaders are compared as commands there, with
bare offsets for names.
"""

from both_ways import LOADER
from harness import ADDRESSES, Case, Rewrite

NUMBERS = Rewrite(r'(==|\b(?:pid|tid)=)\d+', r'\1N', 'numbers of processes and threads')
SHADOW = Rewrite(r'^(?:=>|  )0x[0-9a-f]{12}:.*\n', '', 'the shadow of addresses that are random')
DURATION = Rewrite(r'^T\d+: .*\n|, \d+ us\b', '', 'times')
# Frames without a name: of a library that is gone, whose place another mapping may have.
GONE = Rewrite(r'0xADDRESS  \(\S+ ?\S*\)$', '0xADDRESS', 'a frame of a library that is not there any more')
# gcc's run time names the program by /proc/self/exe, read by a system call of its own.
MODULE = Rewrite(r"(?:/\S*/)?(?<![\w.-])(?:sanitized|plainfault|ldx|ld-linux-x86-64\.so\.2|LOADER)(?=\+)", 'PROGRAM', 'the name of the module that the program is taken for')
REPORT = (LOADER, NUMBERS, SHADOW, ADDRESSES, DURATION)

CLEAN = ('clean', 'recycle')
KINDS = { # build: what the run time shows
    'gcc-address': ('heap-overflow', 'use-after-free', 'leak', 'leak-closed'),
    'gcc-both': ('heap-overflow', 'use-after-free', 'leak', 'signed-overflow'),
    'gcc-undefined': ('signed-overflow',),
    'gcc-thread': ('race', 'library-race'),
    'gcc-leak': ('leak', 'leak-closed'),
    'clang-address': ('heap-overflow', 'use-after-free', 'leak', 'leak-closed', 'keep'),
    'clang-shared': ('heap-overflow', 'use-after-free', 'leak', 'keep'),
    'clang-undefined': ('signed-overflow',),
    'clang-thread': ('race', 'library-race'),
    'clang-leak': ('leak', 'leak-closed', 'keep'),
    'clang-memory': ('uninitialised',),
}
# The system loader as a command is not known to LeakSanitizer as a loader, which then takes its memory for lost: plain starts are the oracle.
PLAIN = ('keep',)
BARE = {f'{name}_OPTIONS': 'symbolize=0' for name in ('ASAN', 'LSAN', 'MSAN', 'TSAN', 'UBSAN')}
NO_PRELOADED_FILES = {'UBSAN_OPTIONS': 'print_stacktrace=1'}


def use(build):
    return f'sanitized={build}-sanitized libsanitized.so={build}-libsanitized.so libsanitized-large.so={build}-libsanitized-large.so'


def sanitized(build, fault):
    name, words = f'sanitizer.{build}.{fault}', ['./sanitized', fault]
    rewrites = REPORT + ((GONE,) if fault == 'leak-closed' else ())
    more = {'use': use(build), 'packages': 'clang llvm libclang-rt-14-dev' if build.startswith('clang') else 'gcc g++', 'limit': 60}
    if build.startswith('gcc') or fault in PLAIN:
        return [Case(name, words, rewrites=rewrites + (MODULE,), env=NO_PRELOADED_FILES, **more)]
    return [
        Case(name, words, rewrites=rewrites, env=NO_PRELOADED_FILES, modes=('interp',), reason='as a command clang\'s run time does not find the program', **more),
        Case(name + '-as-command', words, rewrites=rewrites + (MODULE,), env=BARE, modes=('command',), loader=True, reason='as above', **more),
    ]


def faults(build):
    # Uninitialised memory of a thread before is reported by MemorySanitizer even under the system loader.
    clean = ('clean',) if build == 'clang-memory' else CLEAN
    return clean + KINDS[build]


STACK = Case('sanitizer.thread-after-exec', script='ulimit -s unlimited; $RUN ./sanitized race', programs=['./sanitized'], use=use('gcc-thread'), rewrites=REPORT + (MODULE,), packages='g++',
             reason='')
SAME_ADDRESSES = Case('sanitizer.thread-same-addresses', script='setarch -R $RUN ./sanitized race', programs=['./sanitized'], use=use('gcc-thread'), rewrites=REPORT + (MODULE,), packages='g++')

# A run time that comes by LD_PRELOAD, to a program that knows nothing of it; and one that does not come first.
ASAN = '$(gcc -print-file-name=libasan.so)'
PRELOADED = [
    Case('sanitizer.preloaded-clean', script=f'LD_PRELOAD={ASAN} ASAN_OPTIONS=detect_leaks=0 $RUN /bin/ls -d /', programs=['/bin/ls'], packages='gcc'),
    Case('sanitizer.preloaded-python', script=f'LD_PRELOAD={ASAN} ASAN_OPTIONS=detect_leaks=0 $RUN /usr/bin/python3 -c "import ctypes, json, threading; print(json.dumps([1]))"',
         programs=['/usr/bin/python3'], packages='gcc python3'),
    Case('sanitizer.preloaded-fault', script=f'LD_PRELOAD={ASAN} $RUN ./plainfault; echo $?', programs=['./plainfault'], use='plainfault', rewrites=REPORT + (MODULE,), packages='gcc'),
    Case('sanitizer.not-first', script='LD_PRELOAD=libz.so.1 $RUN ./sanitized clean; echo $?', programs=['./sanitized'], use=use('gcc-address'), rewrites=REPORT, packages='gcc'),
    Case('sanitizer.first', script=f'LD_PRELOAD="{ASAN} libz.so.1" $RUN ./sanitized clean; echo $?', programs=['./sanitized'], use=use('gcc-address'), rewrites=REPORT, packages='gcc'),
    Case('sanitizer.in-library-only', script=f'$RUN ./opener ./libsanitized.so; LD_PRELOAD={ASAN} $RUN ./opener ./libsanitized.so; echo $?', programs=['./opener'],
         use='opener ' + use('gcc-address'), rewrites=REPORT, packages='gcc'),
]

CASES = [case for build in KINDS for fault in faults(build) for case in sanitized(build, fault)] + [STACK, SAME_ADDRESSES] + PRELOADED
