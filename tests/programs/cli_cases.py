"""ldx's command line, and the environment variables that users of ld.so know."""

from harness import ADDRESSES, Case, Outcome, Rewrite
from search_cases import LOADER_INIT, LOADER_NAME, LOADER_SEARCH, PIDS

COMMAND = {'modes': ('command',), 'reason': 'options stand on the command line', 'loader': True}
WORDING = Rewrite(r'^(\./[\w.-]+|no-such-program): .*$', r'\1: ...', 'what is wrong is said in ldx\'s own words')
OWN_LIST = Rewrite(r'^\t(/.*/)?(ld-linux-x86-64\.so\.2|ldx)( => .*)? \(0x.*\n', '\t(loader)\n', 'the loader is another')
DOT = Rewrite(r'/\.(?=[/:\t])', '', 'named on the command line, the system loader takes $ORIGIN from the name as given')
CHAIN = 'liba.so libb.so libc_.so libd.so'


def option(name, options, *run, use='scope ' + CHAIN, rewrites=(ADDRESSES,), **more):
    return Case(f'cli.{name}', list(run), options=options.split(), use=use, rewrites=(DOT, *rewrites), **COMMAND, **more)


def refused(name, run, **more):
    """One clear line and exit status 127."""
    return Case(f'cli.refused-{name}', [run], rewrites=(WORDING,), expect=Outcome(127, '', f'{run}: ...\n'),
                reason='one line, in ldx\'s own words', modes=('command',), **more)


OPTIONS = [
    option('list', '--list', './scope'),
    option('list-library', '--list', './liba.so'),
    option('list-no-pie', '--list', './scope-no-pie', use='scope-no-pie ' + CHAIN),
    Case('cli.list-static', ['./facts-static'], options=['--list'], use='facts-static', expect=Outcome(0, '\tstatically linked\n', ''), modes=('command',),
         reason='the system loader crashes'),
    option('list-freestanding', '--list', './free-pie', use='free-pie'),
    option('list-missing-version', '--list', './versions-main3', use='versions-main3 libversioned.so=libversioned1.so'),
    option('list-missing', '--list', './scope', use='scope liba.so libc_.so'),
    option('list-missing-deep', '--list', './scope', use='scope liba.so libb.so libd.so'),
    option('list-preload', '--list --preload ./libp.so', './scope', use='scope libp.so ' + CHAIN),
    option('list-library-path', '--list --library-path x', './finder-none', use='finder-none x/libleft.so=libleft.so x/libdeep.so=libdeep.so'),
    option('list-system', '--list', '/usr/bin/git'),
    option('list-system-many', '--list', '/usr/bin/python3'),
    option('verify', '--verify', './scope'),
    option('verify-static', '--verify', './facts-static', use='facts-static'),
    option('verify-library', '--verify', './liba.so'),
    option('verify-script', '--verify', './text', use='', files={'text': '#!/bin/sh\n'}),
    option('verify-missing', '--verify', './nothing', use=''),
    option('verify-missing-library', '--verify', './scope', use='scope'),
    option('library-path', '--library-path x:y', './finder-none', use='finder-none x/libleft.so=libleft.so y/libdeep.so=libdeep.so', rewrites=(LOADER_NAME,)),
    option('library-path-over-environment', '--library-path x', './finder-none', env={'LD_LIBRARY_PATH': 'y'}, rewrites=(LOADER_NAME,),
           use='finder-none x/libleft.so=libleft.so y/libdeep.so=libdeep.so x/libdeep.so=libdeep.so y/libleft.so=libleft.so'),
    option('preload', '--preload ./libp.so', './scope', use='scope libp.so ' + CHAIN),
    option('preload-and-environment', '--preload ./libp.so', './scope', use='scope libp.so libq.so ' + CHAIN, env={'LD_PRELOAD': './libq.so'}),
    option('preload-two', '--preload ./libq.so:./libp.so', './scope', use='scope libp.so libq.so ' + CHAIN),
    option('preload-missing', '--preload ./nothing.so', './scope'),
    option('inhibit-cache', '--inhibit-cache', './scope', env={'LD_DEBUG': 'libs'}, rewrites=(PIDS, LOADER_SEARCH, LOADER_INIT, Rewrite(r"^\./\w+: error: .*\n", "", "as for MISSES"), ADDRESSES)),
    option('options-then-dashes', '--library-path /x', './ending', '--list', '--help', use='ending'),
]

# What the system loader does with such an option is odd, or another thing than ldd shows: the oracle is a start without it.
BESIDE = [
    Case(f'cli.{name}', script=f'if [ -n "$RUN" ]; then $RUN {options}; else {plain}; fi{filtered}', use=use, modes=('command',), reason='options',
         rewrites=(DOT, ADDRESSES))
    for name, options, plain, use, filtered in (
        ('argv0', '--argv0 other ./facts x', 'bash -c "exec -a other ./facts x"', 'facts', ' | grep -v -e "^env " -e ^AT_EXECFN'),
    )
]

TEXTS = [
    Case('cli.help', script='$RUN --help > out; echo $?; for word in --list --verify --library-path --preload --argv0 --inhibit-cache '
         '--version; do grep -c -- "$word" out | sed "s/[1-9][0-9]*/yes/"; done', expect=Outcome(0, '0\n' + 'yes\n' * 7, ''), **COMMAND),
    Case('cli.version', script='$RUN --version | grep -c "^ldx [0-9]"', expect=Outcome(0, '1\n', ''), **COMMAND),
    Case('cli.no-program', script='$RUN 2>&1 >/dev/null | head -n 1 | grep -c .; $RUN 2>/dev/null; echo $?', expect=Outcome(0, '1\n127\n', ''), **COMMAND),
    Case('cli.unknown-option', script='$RUN --no-such-option x 2>&1 >/dev/null | grep -c "no-such-option"; $RUN --no-such-option 2>/dev/null; echo $?',
         expect=Outcome(0, '1\n127\n', ''), **COMMAND),
]

REFUSED = [
    refused('missing', './nothing'),
    refused('folder', './folder', setup='mkdir folder'),
    refused('empty', './empty', files={'empty': ''}),
    refused('text', './text', files={'text': 'hello\n' * 100}),
    refused('script', './script', files={'script': '#!/bin/sh\necho hello\n'}),
    refused('class', './libclass32.so', use='libclass32.so'),
    refused('machine', './libmachine.so', use='libmachine.so'),
    refused('truncated', './libtruncated.so', use='libtruncated.so'),
    refused('unreadable-name', './' + 'x' * 300),
]


# Where ld-linux stands among libraries that were not found is a chance of how the system loader builds its list.
def trace(name, program, use, **more):
    return Case(f'cli.trace-{name}', [f'./{program}'], use=use, rewrites=(DOT, ADDRESSES, OWN_LIST), **more)


TRACE = {'LD_TRACE_LOADED_OBJECTS': '1'}
TRACES = [
    trace('objects', 'scope', 'scope ' + CHAIN, env=TRACE),
    trace('missing', 'scope', 'scope liba.so', env=TRACE, sort='lines'),
    trace('preload', 'scope', 'scope libp.so ' + CHAIN, env={**TRACE, 'LD_PRELOAD': './libp.so'}),
    trace('warn', 'missing-lazy', 'missing-lazy libmissing.so', env={**TRACE, 'LD_WARN': '1'}),
    trace('warn-bind-now', 'missing-lazy', 'missing-lazy libmissing.so', env={**TRACE, 'LD_WARN': 'yes', 'LD_BIND_NOW': 'yes'}),
    trace('warn-data', 'missing-data', 'missing-data libmissing.so', env={**TRACE, 'LD_WARN': 'yes'}),
    trace('verbose', 'versions-main2', 'versions-main2 libversioned.so=libversioned3.so', env={**TRACE, 'LD_VERBOSE': 'yes'}),
    trace('unused', 'scope-silent', 'scope-silent ' + CHAIN, env={**TRACE, 'LD_DEBUG': 'unused'}),
    trace('missing-version', 'versions-main3', 'versions-main3 libversioned.so=libversioned1.so', env=TRACE),
    Case('cli.ldd-system', ['/usr/bin/git'], env=TRACE, rewrites=(ADDRESSES, OWN_LIST)),
    Case('cli.ldd-many-libraries', ['ffmpeg'], env=TRACE, rewrites=(ADDRESSES, OWN_LIST), packages='ffmpeg'),
]

LOADER_LINES = Rewrite(r'^.*(ld-linux-x86-64\.so\.2|/ldx|linux-vdso\.so\.1).*\n', '', 'lines about the loader itself and the vDSO')
MISSES = Rewrite(r'^\./[\w-]+: error: symbol lookup error: .*\n', '', 'under LD_DEBUG the system loader tells every failing dlsym, too')
STEPS = Rewrite(r'^(calling (init|fini)|initialize program|transferring control): .*\n', '', 'shown by other cases')
ALLOCATOR = Rewrite(r"^(binding file \S+ \[0\] to /lib\S*/libc\.so\.6 \[0\]: normal symbol `|symbol=)([cm]alloc\b|realloc\b|free\b|_dl_).*\n", '',
                    'the system loader itself looks for the program\'s allocator, and for what libc takes over from it')
DEBUG = (PIDS, ADDRESSES, LOADER_LINES, MISSES, STEPS, ALLOCATOR)
LOADER_SCOPE = Rewrite(r'^object=\S*/ld-linux-x86-64\.so\.2 .*\n .*\n\n', '', 'ldx maps ld-linux as a library, which has a scope')
RELOCATED = Rewrite(r'^relocation processing: .*\n', '', 'the order of relocation is ldx\'s own')
OPTION_NAMES = Rewrite(r'^  (\w+) .*$|^[^ ].*$', r'\1', 'the names are the contract, not the sentences')


def debug(name, word, program='scope', use='scope ' + CHAIN, rewrites=DEBUG, **more):
    return Case(f'cli.debug-{name}', [f'./{program}'], use=use, env={'LD_DEBUG': word}, rewrites=rewrites, **more)


DEBUGS = [
    debug('libs', 'libs', rewrites=(PIDS, LOADER_SEARCH, LOADER_INIT, MISSES)),
    debug('bindings', 'bindings', sort='unique', rewrites=DEBUG + (RELOCATED,)),
    debug('bindings-missing', 'bindings', 'missing-lazy', 'missing-lazy libmissing.so', sort='unique', rewrites=DEBUG + (RELOCATED,)),
    debug('symbols', 'symbols', sort='unique', rewrites=DEBUG + (RELOCATED,)),
    debug('versions', 'versions', 'versions-main2', 'versions-main2 libversioned.so=libversioned3.so', sort='unique'),
    debug('scopes', 'scopes', rewrites=(PIDS, MISSES, LOADER_SCOPE, Rewrite(r' \S*(ld-linux-x86-64\.so\.2|/ldx)\b', '', 'the loader\'s name'), LOADER_LINES)),
    debug('help', 'help', rewrites=(OPTION_NAMES,)),
    debug('unknown', 'no-such-word,libs', rewrites=(PIDS, LOADER_SEARCH, LOADER_INIT, MISSES, Rewrite(r'^warning: .*\n', '', 'wording'))),
    Case('cli.debug-output', script='LD_DEBUG=libs LD_DEBUG_OUTPUT=out $RUN ./scope; ls | sed s/[0-9]*$//; cat out.*', use='scope ' + CHAIN,
         rewrites=(PIDS, LOADER_SEARCH, LOADER_INIT, MISSES)),
    Case('cli.debug-statistics', script='LD_DEBUG=statistics $RUN ./scope 2>&1 | grep -ci "relocation"  | sed "s/[1-9][0-9]*/some/"',
         use='scope ' + CHAIN),
    Case('cli.debug-files', script='LD_DEBUG=files $RUN ./scope 2>&1 | grep -o "calling init: .*lib[abcd_]*.so"', use='scope ' + CHAIN),
    Case('cli.debug-reloc', script='LD_DEBUG=reloc $RUN ./scope 2>&1 | grep "relocation processing: .*lib[abcd_]*.so" | sort | sed "s/^[^:]*://"',
         use='scope ' + CHAIN),
    Case('cli.debug-all', script='LD_DEBUG=all $RUN ./scope 2>&1 >/dev/null | grep -c . | sed "s/[1-9][0-9]*/some/"', use='scope ' + CHAIN),
    Case('cli.debug-comma', script='LD_DEBUG=libs,versions:scopes $RUN ./scope 2>&1 | grep -c -e "find library=liba" -e "checking for version.*required by file ./scope" '
         '-e "object=./scope"', use='scope ' + CHAIN),
]

CASES = OPTIONS + BESIDE + TEXTS + REFUSED + TRACES + DEBUGS
