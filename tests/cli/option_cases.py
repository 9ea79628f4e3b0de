"""Options, and what is said when something is wrong with them or with the program."""

from debug_cases import CHAIN, DOT, RULES
from harness import ADDRESSES, Case, Outcome

SCOPE = 'scope ' + CHAIN
SOUGHT = 'sed -n "/^Shared library search path/,\\$p"'


def both(name, options, run, use=SCOPE, rewrites=(DOT, ADDRESSES), **more):
    """The same option, given to the system loader too."""
    return Case(f'option.{name}', run if isinstance(run, list) else run.split(), options=options if isinstance(options, list) else options.split(),
                use=use, rewrites=rewrites, modes=('command',), loader=True, reason='options stand on the command line', **more)


def script(name, text, use=SCOPE, **more):
    """$LOADER is the loader under test, or the system's."""
    return Case(f'option.{name}', script='LOADER=${RUN:-/lib64/ld-linux-x86-64.so.2}; ' + text, use=use, modes=('command',), reason='as above',
                rewrites=(DOT, ADDRESSES), **more)


def own(name, text, stdout, use=SCOPE, stderr='', **more):
    """What ldx means to do otherwise than the system loader."""
    return Case(f'option.{name}', script=text, use=use, expect=Outcome(0, stdout, stderr), modes=('command',), **more)


LIBS = {'LD_DEBUG': 'libs'}
HWCAPS = [both(f'hwcaps-{name}', options, './scope', env=LIBS, rewrites=(*RULES, DOT)) for name, options in (
    ('prepend', '--glibc-hwcaps-prepend mine'), ('prepend-two', '--glibc-hwcaps-prepend mine:other'), ('prepend-empty', ['--glibc-hwcaps-prepend', '']),
    ('prepend-odd', '--glibc-hwcaps-prepend :mine::x86-64-v2:'), ('mask', '--glibc-hwcaps-mask x86-64-v2'), ('mask-none', ['--glibc-hwcaps-mask', '']),
    ('mask-unknown', '--glibc-hwcaps-mask nonsense'), ('mask-two', '--glibc-hwcaps-mask x86-64-v3:x86-64-v2'),
    ('both', '--glibc-hwcaps-prepend mine --glibc-hwcaps-mask x86-64-v3'))]
SEARCH = HWCAPS + [
    both('library-path', '--library-path x:y', './scope', env=LIBS, rewrites=(*RULES, DOT)),
    both('library-path-last', '--library-path x --library-path y', './scope', env=LIBS, rewrites=(*RULES, DOT)),
    both('library-path-and-variable', '--library-path x', './scope', env={**LIBS, 'LD_LIBRARY_PATH': 'y'}, rewrites=(*RULES, DOT)),
    both('library-path-empty', ['--library-path', ''], './scope', env={**LIBS, 'LD_LIBRARY_PATH': 'y'}, rewrites=(*RULES, DOT)),
    both('library-path-dash', '--library-path --list', './scope', env=LIBS, rewrites=(*RULES, DOT)),
    both('library-path-origin', ['--library-path', '$ORIGIN/x:${ORIGIN}/$LIB'], './scope', env=LIBS, rewrites=(*RULES, DOT)),
    both('inhibit-cache', '--inhibit-cache', './scope', env=LIBS, rewrites=(*RULES, DOT)),
    both('inhibit-rpath-program', ['--inhibit-rpath', ''], './scope', env={**LIBS, 'LD_LIBRARY_PATH': '@DIR@'}, rewrites=(*RULES, DOT)),
    both('inhibit-rpath-library', '--inhibit-rpath @DIR@/./liba.so', './scope', env={**LIBS, 'LD_LIBRARY_PATH': 'q'}, rewrites=(*RULES, DOT)),
    both('inhibit-rpath-other', '--inhibit-rpath liba.so:other', './scope', env=LIBS, rewrites=(*RULES, DOT)),
    both('preload', '--preload ./libp.so', './scope', SCOPE + ' libp.so libq.so', env={'LD_DEBUG': 'files', 'LD_PRELOAD': './libq.so'}, rewrites=(*RULES, DOT)),
    both('preload-separators', ['--preload', ' ./libp.so:  ./libq.so:'], './scope', SCOPE + ' libp.so libq.so', env={'LD_DEBUG': 'files'}, rewrites=(*RULES, DOT)),
    both('preload-last', '--preload ./libp.so --preload ./libq.so', './scope', SCOPE + ' libp.so libq.so', env={'LD_DEBUG': 'files'}, rewrites=(*RULES, DOT)),
    both('preload-missing', '--preload ./nothing.so', './scope'),
    both('preload-file-last', '--preload ./libp.so', './scope', SCOPE + ' libp.so libq.so', env={'LD_DEBUG': 'files'}, rewrites=(*RULES, DOT),
         etc='echo @DIR@/libq.so > $ETC/ld.so.preload'),
]

LISTS = [
    both('list-symbols', '--list', './scope who who_data printf'),
    script('list-by-cache', '$LOADER --list libz.so.1', ''),
    both('list-weak-symbol', '--list', './scope seen_by_a data_seen_by_d', SCOPE),
    script('list-missing-symbol', '$LOADER --list ./scope nothing 2> error; echo $?; sed s/^ldx:.// error'),
    both('list-and-verify', '--list --verify', './scope'),
    both('verify-and-list', '--verify --list', './scope'),
    script('verify-folder', '$LOADER --verify .; echo $?', ''),
    both('verify-class', '--verify', './libclass32.so', use='libclass32.so'),
    both('verify-machine', '--verify', './libmachine.so', use='libmachine.so'),
    both('verify-truncated', '--verify', './libtruncated.so', use='libtruncated.so'),
    both('verify-freestanding', '--verify', './free-pie', use='free-pie'),
    both('verify-static-pie', '--verify', './free-static-pie', use='free-static-pie'),
    both('verify-system', '--verify', '/usr/bin/git', use=''),
    both('verify-libc', '--verify', '/lib/x86_64-linux-gnu/libc.so.6', use=''),
    both('verify-loader', '--verify', '/lib64/ld-linux-x86-64.so.2', use=''),
    script('tunables', '$LOADER --list-tunables', ''),
    script('tunables-set', 'GLIBC_TUNABLES=glibc.malloc.check=2:glibc.cpu.hwcaps=-AVX2_Usable:glibc.rtld.nns=5:glibc.malloc.perturb=0x10:glibc.malloc.mxfast=nonsense '
           'MALLOC_ARENA_MAX=7 $LOADER --list-tunables', ''),
    script('tunables-out-of-bounds', 'GLIBC_TUNABLES=glibc.malloc.check=9:glibc.rtld.nns=99:glibc.rtld.nns=0:nonsense:=:a=b $LOADER --list-tunables', ''),
]

TEXTS = [
    script('help-search-path', f'$LOADER --help | {SOUGHT}'),
    script('help-search-path-set', f'LD_LIBRARY_PATH=/x:y $LOADER --library-path a:/b --glibc-hwcaps-prepend p --glibc-hwcaps-mask x86-64-v2 --help | {SOUGHT}'),
    script('help-search-path-variable', f'LD_LIBRARY_PATH=/x:y $LOADER --help | {SOUGHT}'),
    # Every option that the system loader's help names is in ldx's.
    own('help-names-all', '$RUN --help > help; /lib64/ld-linux-x86-64.so.2 --help | grep -o "^  --[a-z0-9-]*" | while read -r o; do grep -q -- "^  $o" help || echo "$o"; done', '',
        reason='ldx\'s own text'),
    # Every option that the help names is one.
    own('help-is-true', '$RUN --help | grep -o "^  --[a-z0-9-]*" | while read -r o; do case $o in --) ;; *) $RUN $o 2>&1 </dev/null | grep "unrecognized.*$o";; esac; done', '',
        reason='ldx\'s own text'),
    own('version-wins', '$RUN --help --version | sed "s/[0-9.]*$//"; $RUN --version --help nothing | wc -l', 'ldx \n1\n', reason='ldx\'s own text'),
    own('diagnostics', '$RUN --list-diagnostics 2>&1 >/dev/null | wc -l; $RUN --list-diagnostics 2> /dev/null; echo $?', '1\n127\n', reason='not supported'),
]


def wrong(name, words, message, use=SCOPE, **more):
    """One line that begins with `ldx: `, and status 127."""
    return own(f'wrong-{name}', f'$RUN {words} > out; echo $?; cat out', '127\n', use, stderr=message + '\n', reason='one line in ldx\'s own words', **more)


ENOENT = 'cannot open shared object file: No such file or directory'
WRONG = [
    wrong('option', '--nonsense ./scope', "unrecognized option '--nonsense'; see ldx --help"),
    wrong('option-longer', '--listing ./scope', "unrecognized option '--listing'; see ldx --help"),
    wrong('option-value', '--list=x ./scope', "unrecognized option '--list=x'; see ldx --help"),
    wrong('nothing', '', 'missing program name; see ldx --help'),
    wrong('only-options', '--list --library-path x', 'missing program name; see ldx --help'),
    wrong('only-dashes', '--', 'missing program name; see ldx --help'),
    wrong('argument', '--argv0', "option '--argv0' needs an argument; see ldx --help"),
    wrong('argument-path', '--library-path', "option '--library-path' needs an argument; see ldx --help"),
    wrong('argument-preload', '--list --preload', "option '--preload' needs an argument; see ldx --help"),
    wrong('program', './nothing', f'./nothing: {ENOENT}'),
    wrong('program-name', 'no-such-program', f'no-such-program: {ENOENT}'),
    wrong('program-empty', '""', ENOENT),
    wrong('program-dash', '-', f'-: {ENOENT}'),
    wrong('program-single-dash', '-list ./scope', f'-list: {ENOENT}'),
    wrong('dot', '.', '.: cannot read file data: Is a directory'),
    wrong('folder', './', './: cannot read file data: Is a directory'),
    wrong('below-file', './scope/x', './scope/x: cannot open shared object file: Not a directory'),
    wrong('loop', './loop', './loop: cannot open shared object file: Too many levels of symbolic links', setup='ln -s loop loop'),
    wrong('script', './text', './text: invalid ELF header', files={'text': '#!/bin/sh\necho hello\n'}),
    wrong('long-script', './text', './text: invalid ELF header', files={'text': '#!/bin/sh\n' + 'echo hello\n' * 100}),
    wrong('empty', './text', './text: file too short', files={'text': ''}),
    wrong('class', './libclass32.so', './libclass32.so: wrong ELF class: ELFCLASS32', use='libclass32.so'),
    wrong('device', '/dev/null', '/dev/null: file too short'),
    wrong('no-entry', './libd.so', './libd.so: no entry point'),
    wrong('library', './scope', './scope: libc_.so: ' + ENOENT, use='scope liba.so libb.so libd.so'),
]

EXTENSIONS = [
    own('dashes', '$RUN --list -- ./scope | grep -c libd', '1\n', reason='the system loader knows no --'),
    own('equals', '$RUN --library-path=x --argv0=other ./finder-none | grep libdeep', 'x/libdeep.so\n', 'finder-none x/libleft.so=libleft.so x/libdeep.so=libdeep.so',
        reason='the system loader knows no --option=value'),
    own('argv0-longer', '$RUN --argv0 a-name-that-is-longer-than-that --library-path x ./finder-none | grep libdeep', 'x/libdeep.so\n',
        'finder-none x/libleft.so=libleft.so x/libdeep.so=libdeep.so', reason='options stand on the command line'),
    own('path', 'PATH=@DIR@/x:@DIR@/y:$PATH; $RUN prog hello', 'hello\n', '', files={'x/other': ''}, setup='mkdir -p x/prog y; cp /bin/echo y/prog',
        reason='the system loader does not look into PATH'),
    both('not-executable', '', './scope', setup='chmod a-x scope'),
    both('words-behind', '--inhibit-cache', './ending --list --help', use='ending'),
]

CASES = SEARCH + LISTS + TEXTS + WRONG + EXTENSIONS
