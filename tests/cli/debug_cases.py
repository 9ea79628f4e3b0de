"""LD_DEBUG, line by line and in the same order: what ldx tells of a start and of dlopen, and what the system loader tells.

Where the two must differ is said by the rewrites below, each of which removes one kind of line. Nearly all of them come from one cause:
ldx maps the guest's ld-linux as a library, of which it runs no start-up code, while the system loader is ld-linux itself.
"""

from harness import ADDRESSES, Case, Rewrite
from pieces import built

CHAIN = 'liba.so libb.so libc_.so libd.so'
GUEST = r'/lib64/ld-linux-x86-64\.so\.2'
ASKED = r'(?:symbol=(?:{0});  lookup in file=.*\n)*'
PIDS = Rewrite(r'^ *\d+:\t', '', 'every line begins with the process number')
VDSO = Rewrite(r"^(symbol=__vdso_\w+;  lookup in file=|binding file )linux-vdso\.so\.1 .*\n", '',
               'the system loader looks the functions of the vDSO up by name when it starts, ldx reads them from the table')
MAPPED = Rewrite(r'^\nfile=ld-linux-x86-64\.so\.2 \[0\];  needed by .*\n(find library=ld-linux.*\n(?: .*\n)*\n)?'
                 r'file=ld-linux-x86-64\.so\.2 \[0\];  generating link map\n  dynamic: .*\n    entry: .*\n\n', '', 'ldx finds and maps ld-linux')
FOUND = Rewrite(r'^find library=ld-linux-x86-64\.so\.2 \[0\]; searching\n(?: .*\n)*\n', '', 'as above, where libs are told and files are not')
SCOPE = Rewrite(rf'^object={GUEST} \[0\]\n (?:no scope|scope 0: .*)\n\n', '', 'ld-linux as a library has a scope; ld-linux as the loader has none')
# ld-linux calls the program's malloc, and libc's functions for errors, once libc is there.
TAKEN = 'calloc|free|malloc|realloc'
ERRORS = r'_dl_(?:catch|signal)_(?:exception|error)'
MALLOC = Rewrite(rf"^(?:{ASKED.format(TAKEN)}(?:binding file \S+ \[0\] to \S+ \[0\]: normal symbol `(?:{TAKEN})' \[GLIBC_2\.2\.5\]\n)?){{4}}"
                 rf'(?=\nrelocation processing: {GUEST}\n|{ASKED.format(ERRORS)}binding file {GUEST}|symbol={ERRORS};|\ncalling init: {GUEST})', '',
                 'the system loader changes over to the malloc that the program has')
RELOCATED = Rewrite(rf'^\nrelocation processing: {GUEST}(?: \(lazy\))?\n', '', 'ldx relocates ld-linux first, the system loader itself last')
BOUND = Rewrite(rf"^{ASKED.format(ERRORS)}binding file {GUEST} \[0\] to .*\n", '', 'references of ld-linux itself')
LOOKED = Rewrite(rf'^symbol=(?:{ERRORS}|_dl_find_dso_for_object|_dl_exception_create(?:_format)?|_dl_rtld_di_serinfo|_dl_fatal_printf);  lookup in file=.*\n', '',
                 'the functions by which libc calls its loader: the dl functions are ldx\'s own and do not pass through libc')
# libc's own dl functions bind these when they are called for the first time; ldx's have no need to.
LIBC = Rewrite(rf"^binding file \S+/libc\.so\.6 \[0\] to (?:{GUEST}|\S+/libc\.so\.6) \[0\]: normal symbol "
               rf"`(?:{TAKEN}|{ERRORS}|_dl_find_dso_for_object|_dl_exception_create(?:_format)?|_dl_rtld_di_serinfo|_dl_fatal_printf)' .*\n", '', 'as above')
RESOLVED = Rewrite(rf"^{ASKED.format(TAKEN)}(binding file \S+/libc\.so\.6 \[0\] to \S+/libc\.so\.6 \[0\]: normal symbol `(?:{TAKEN})' .*\n)", '', 'as above')
OWN = Rewrite(r'^(/.*/ld-linux-x86-64\.so\.2|/.*/ldx)\n', '', 'what the program tells of its objects')
RULES = (PIDS, VDSO, MAPPED, FOUND, SCOPE, MALLOC, RELOCATED, BOUND, RESOLVED, LOOKED, LIBC, OWN, ADDRESSES)
# Named on the command line, the system loader takes $ORIGIN from the name as given, ldx the program's own folder, as when it is PT_INTERP.
DOT = Rewrite(r'/\.(?=[/:\t])', '', '$ORIGIN')


PROGRAM = Rewrite(r'^file=(?:\.|/usr/bin)/[\w-]+ \[0\];  generating link map\n  dynamic: .*\n    entry: .*\n\n', '', 'as a command, ldx maps the program itself')


def debug(name, words, run, use, rules=RULES, loader=True, **more):
    """Twice: as PT_INTERP against a plain start, and as a command, if `loader`, against the system loader as a command."""
    run, use = run.split() if isinstance(run, str) else run, built(use)
    env = {'LD_DEBUG': words, **more.pop('env', {})}
    return [
        Case(f'debug.{name}', run, use=use, env=env, rewrites=rules, modes=('interp',), reason='compared with a plain start', **more),
        Case(f'debug.{name}-as-command', run, use=use, env=env, rewrites=(*rules, DOT), modes=('command',), loader=loader,
             reason='compared with the loader as a command', **more),
    ]


WORDS = ('libs', 'reloc', 'files', 'symbols', 'bindings', 'versions', 'scopes', 'all', 'unused', 'libs,versions', 'files scopes:reloc', 'bindings,symbols')
STARTS = sum((debug(words.replace(' ', '-').replace(',', '-').replace(':', '-'), words, './scope', 'scope ' + CHAIN) for words in WORDS), []) + sum((
    debug(f'all-{name}', 'all', run, use, **more) for name, run, use, more in (
        ('no-pie', './scope-no-pie', 'scope-no-pie ' + CHAIN, {}),
        ('now', './scope', 'scope ' + CHAIN, {'env': {'LD_BIND_NOW': '1'}}),
        ('preload', './scope', 'scope libp.so libq.so ' + CHAIN, {'env': {'LD_PRELOAD': './libp.so ./libq.so'}}),
        ('library-path', './finder-none', 'finder-none x/libleft.so=libleft.so x/libdeep.so=libdeep.so', {'env': {'LD_LIBRARY_PATH': 'q:x'}}),
        ('weak', './weak', 'weak libweak.so', {}),
        ('copy', './copy', 'copy libcopy.so', {}),
        ('protected', './visible', 'visible libvisible.so', {}),
        ('protected-data', './visible-copy', 'visible-copy libvisible.so=libvisible-open.so', {}),
        ('protected-copied', './visible-copy', 'visible-copy libvisible.so', {}),
        ('protected-strictly', './visible-copy', 'visible-copy libvisible.so=libvisible-strict.so', {}),
        ('symbolic', './scope', 'scope liba.so=liba-symbolic.so libb.so libc_.so libd.so', {}),
        ('versions', './versions-main2', 'versions-main2 libversioned.so=libversioned3.so', {}),
        ('unversioned', './versions-main2', 'versions-main2 libversioned.so=libversioned0.so', {}),
        ('missing-version', './versions-main3', 'versions-main3 libversioned.so=libversioned1.so', {'status': 127}),
        ('missing-function', './missing-lazy call', 'missing-lazy libmissing.so', {}),
        ('missing-data', './missing-data', 'missing-data libmissing.so', {}),
        ('missing-library', './scope', 'scope liba.so', {}),
        ('init', './init-tree', 'init-tree ' + ' '.join(f'libinit-{x}.so' for x in 'abcdefg'), {}),
        ('cycle', './init-cycle', 'init-cycle ' + ' '.join(f'libinit-{x}.so' for x in 'abcdefgpq'), {}),
        ('filter', './filter-one', 'filter-one libfilter-one.so libfilter-first.so libfilter-deep.so', {}),
        ('filters', './filter-two', 'filter-two libfilter-two.so libfilter-first.so libfilter-second.so libfilter-deep.so', {}),
        ('flags', './flags', 'flags libflags.so', {'env': {'LD_PRELOAD': './libflags.so'}}),
        ('cout', './cout', 'cout', {}),
        ('statics', './statics', 'statics libstatics1.so libstatics2.so libstatics3.so', {}),
        ('tls', './tls-libraries', 'tls-libraries libtls-a.so libtls-b.so libtls-c.so libtls-d.so libtls-e.so', {}),
        ('ifunc', './ifunc-pie', 'ifunc-pie libifunc.so libifunc-other.so', {}),
    )), [])


def script(name, libraries, *commands, program='dlscript', words='all', **more):
    return debug(f'open-{name}', words, [f'./{program}', *commands], ' '.join([program, *(f'lib{x}.so' for x in libraries.split())]),
                 rules=(*RULES, PROGRAM), loader=False, **more)


OPENS = sum((
    script('one', 'one', 'open a ./libone.so NOW', 'call a one_own 5', 'close a'),
    script('lazy', 'one', 'open a ./libone.so LAZY', 'call a one_own 5', 'close a'),
    script('by-name', 'one', 'open a libone.so NOW', 'close a'),
    script('twice', 'one', 'open a ./libone.so NOW', 'open b ./libone.so LAZY', 'close a', 'close b'),
    script('program', '', 'open a - NOW', 'sym a dlscript_own', 'close a'),
    script('dependencies', 'one three four', 'open a ./libfour.so NOW', 'open b ./libone.so NOW', 'close a', 'close b'),
    script('dependency-first', 'one three four', 'open b ./libone.so NOW', 'open a ./libfour.so NOW', 'close b', 'close a'),
    script('missing', '', 'open a ./nothing.so NOW', 'open b nothing.so LAZY'),
    script('missing-dependency', 'four', 'open a ./libfour.so NOW'),
    script('missing-data', 'missing-data', 'open a ./libmissing-data.so NOW'),
    script('symbols', 'one two', 'open a ./libone.so NOW', 'open b ./libtwo.so NOW', 'sym a shared', 'sym a nowhere', 'sym D one_own', 'sym N puts',
           'vsym D puts GLIBC_2.2.5', 'vsym D puts NONE'),
    script('noload', 'one', 'open a ./libone.so NOW|NOLOAD', 'open b ./libone.so NOW', 'open c ./libone.so NOW|NOLOAD'),
    script('nodelete', 'one nodelete', 'open a ./libone.so NOW|NODELETE', 'open b ./libnodelete.so NOW', 'close a', 'close b'),
    script('nodelete-later', 'one', 'open a ./libone.so NOW', 'open b ./libone.so NOW|NODELETE', 'open c ./libone.so NOW|NODELETE', 'close a', 'close b', 'close c'),
    script('noopen', 'noopen needs-noopen', 'open a ./libnoopen.so NOW', 'open b ./libneeds-noopen.so NOW'),
    script('deepbind', 'one two', 'open a ./libone.so NOW', 'open b ./libtwo.so NOW|DEEPBIND', 'call b two_calls_shared 0'),
    script('global', 'one two three', 'open a ./libone.so NOW|GLOBAL', 'open b ./libtwo.so LAZY', 'open b ./libtwo.so LAZY|GLOBAL', 'open c ./libthree.so NOW|GLOBAL',
           'close b', 'close b', 'open d ./libtwo.so NOW|GLOBAL'),
    script('global-in-constructor', 'global-early one', 'open a ./libglobal-early.so NOW|GLOBAL', 'close a'),
    script('reldeps', 'uses-later later', 'open a ./libuses-later.so LAZY', 'open b ./liblater.so NOW|GLOBAL', 'call a uses_later 4', 'close b', 'close a',
           words='files,bindings,scopes'),
    script('noload-by-link', 'one three', 'open a ./libthree.so NOW', 'open b ./link.so NOW|NOLOAD|GLOBAL', 'sym b one_own', 'sym D one_own', 'open c ./link.so NOW|NOLOAD',
           'close a', 'close b', 'close c', setup='ln -s libone.so link.so'),
    script('unique', 'unique1 unique2', 'open a ./libunique1.so NOW', 'open b ./libunique2.so NOW', 'close a', 'close b', words='bindings,files'),
    debug('open-of-start', 'bindings,scopes', './opens-later', 'opens-later libstarts.so liblater-one.so'),
    debug('open-global-for-start', 'bindings,files', './opens-later global', 'opens-later libstarts.so liblater-one.so', loader=False, rules=(*RULES, PROGRAM)),
    script('nodelete-binds', 'uses-later later', 'open a ./libuses-later.so LAZY|NODELETE', 'open b ./liblater.so NOW|GLOBAL', 'call a uses_later 4', 'close b',
           'mapped liblater', 'close a', 'close a', 'close a'),
    debug('open-by-constructor', 'files,scopes', './init-opens', 'init-opens libinit-c.so libinit-d.so libinit-e.so libinit-f.so libinit-b.so libinit-g.so'),
), [])

def real(name, run, words='all', **more):
    return debug(f'real-{name}', words, run, '', rules=(*RULES, PROGRAM), loader=False, **more)


NOT_SYMBOLS = 'files,libs,scopes,reloc,versions'
REAL = sum((
    real('bash', ['bash', '-c', ':']),
    real('git', ['git', '--version']),
    real('sort', ['sort', '/dev/null']),
    real('getent', ['getent', 'passwd', 'root']),
    real('iconv', ['iconv', '-f', 'latin1', '-t', 'utf-16', '/dev/null']),
    real('perl', ['perl', '-MSocket', '-e', '1'], packages='perl'),
    real('python', ['python3', '-S', '-c', 'import ctypes, ssl, sqlite3, decimal'], NOT_SYMBOLS, packages='python3'),
    real('python-bindings', ['python3', '-S', '-c', 'import ctypes, ssl'], 'bindings', packages='python3'),
    real('python-symbols', ['python3', '-S', '-c', 'import math, decimal'], packages='python3'),
    real('gdb', ['gdb', '--version'], NOT_SYMBOLS, packages='gdb'),
    real('ffmpeg-bindings', ['ffmpeg', '-version'], 'bindings', packages='ffmpeg'),
    real('ffmpeg', ['ffmpeg', '-version'], NOT_SYMBOLS, packages='ffmpeg'),
), [])

CASES = STARTS + OPENS + REAL
