"""Environment variables of ld.so, beside LD_DEBUG's lines: what they do, and what becomes of them in a privileged program."""

from debug_cases import CHAIN, DOT, PIDS, PROGRAM, RULES, debug
from harness import ADDRESSES, Case, Rewrite

NUMBERS = Rewrite(r'\b[0-9]+ cycles( \([0-9.]+%\))?$|: [0-9]+$', ': N', 'time, and lookups of which the loaders make different ones')
FILES = Rewrite(r'^(out|)\.[0-9]+$', r'\1.PID', 'the process number')
HEX = Rewrite(r'\b0?x?[0-9a-f]{8,16}\b', 'ADDRESS', 'addresses')
LOADER_AUXV = Rewrite(r'^(AT_BASE|AT_EXECFN|AT_PHNUM|AT_ENTRY|AT_PHDR): .*$', r'\1', 'of the loader, when it is a command')
SCOPE = 'scope ' + CHAIN


def variable(name, program='scope', use=SCOPE, rewrites=(ADDRESSES,), **env):
    return Case(f'environment.{name}', [f'./{program}'], use=use, env=env, rewrites=rewrites)


def debug_words(name, words, **more):
    """The lines of these words, in a file or not, and what files there are."""
    variables = ' '.join(f"{key}='{value}'" for key, value in {'LD_DEBUG': words, **more}.items())
    return Case(f'environment.debug-{name}', script=f'{variables} $RUN ./scope; ls -A; cat out.* .[0-9]* 2>/dev/null', use=SCOPE,
                rewrites=(FILES, *RULES, PROGRAM))


DEBUG = [
    debug_words('output', 'libs', LD_DEBUG_OUTPUT='out'),
    debug_words('output-path', 'files', LD_DEBUG_OUTPUT='@DIR@/out'),
    debug_words('output-nowhere', 'libs', LD_DEBUG_OUTPUT='no/such/folder'),
    debug_words('output-empty', 'versions', LD_DEBUG_OUTPUT=''),
    debug_words('output-unused', 'unused', LD_DEBUG_OUTPUT='out'),
    debug_words('output-no-words', '', LD_DEBUG_OUTPUT='out'),
    debug_words('output-unknown-word', 'nonsense', LD_DEBUG_OUTPUT='out'),
    debug_words('unknown', 'nonsense'),
    debug_words('unknown-and-known', 'nonsense,versions'),
    debug_words('semicolon', 'libs;versions'),
    debug_words('capitals', 'Versions VERSIONS'),
    debug_words('separators', ',:  versions ,,scopes::'),
    debug_words('prefix', 'version lib'),
    debug_words('none', ' ,: '),
    Case('environment.debug-children', script='LD_DEBUG=versions LD_DEBUG_OUTPUT=out sh -c "$RUN ./scope; :"; ls out.* | wc -l; cat out.* | grep -c scope', use=SCOPE),
    Case('environment.debug-statistics', ['./scope'], use=SCOPE, env={'LD_DEBUG': 'statistics'}, rewrites=(PIDS, NUMBERS)),
    Case('environment.debug-statistics-now', ['./scope'], use=SCOPE, env={'LD_DEBUG': 'statistics,versions', 'LD_BIND_NOW': '1'}, rewrites=(PIDS, NUMBERS)),
    Case('environment.debug-statistics-output', script='LD_DEBUG=statistics LD_DEBUG_OUTPUT=out $RUN ./scope; cat out.*', use=SCOPE, rewrites=(PIDS, NUMBERS)),
    # Every lookup is counted: there are a few more of them than bindings, for symbols that nobody has.
    Case('environment.debug-statistics-count', script="LD_DEBUG=statistics,bindings $RUN ./scope 2>&1 >/dev/null | awk '/final number of relocations:/ { n = $NF } "
         "/binding file/ { b++ } END { print(b > 90 && n >= b && n < b + 40) }'", use=SCOPE),
]

BINDING = [case for name, env, run, use in (
    ('not', {'LD_BIND_NOT': '1'}, './scope', SCOPE),
    ('not-empty', {'LD_BIND_NOT': ''}, './scope', SCOPE),
    ('not-now', {'LD_BIND_NOT': '1', 'LD_BIND_NOW': '1'}, './scope', SCOPE),
    ('now', {'LD_BIND_NOW': 'x'}, './registers-lazy', 'registers-lazy libregisters.so'),
    ('now-empty', {'LD_BIND_NOW': ''}, './scope', SCOPE),
    ('weak', {'LD_DYNAMIC_WEAK': '1'}, './scope', 'scope liba.so=liba-weak.so libb.so libc_.so libd.so'),
    ('weak-empty', {'LD_DYNAMIC_WEAK': ''}, './scope', 'scope liba.so=liba-weak.so libb.so libc_.so libd.so'),
    ('weak-unset', {}, './scope', 'scope liba.so=liba-weak.so libb.so libc_.so libd.so'),
) for case in debug(f'bind-{name}', 'bindings,symbols', run, use, env=env)]

MASKS = [case for mask in ('0', '2', '4', '6', '0x6', '07', '0xffffffffffffffff', 'nonsense', '', '-1')
         for case in debug(f'hwcap-mask-{mask or "empty"}', 'libs', './scope', SCOPE, env={'LD_HWCAP_MASK': mask})]

PRELOADS = [case for name, value, use in (
    ('colon', './libp.so:./libq.so', 'libp.so libq.so'),
    ('space', './libp.so ./libq.so', 'libp.so libq.so'),
    ('mixed', ':: ./libp.so : :./libq.so::', 'libp.so libq.so'),
    ('semicolon', './libp.so;./libq.so', 'libp.so libq.so'),
    ('newline', './libp.so\n./libq.so', 'libp.so libq.so'),
    ('twice', './libp.so ./libp.so', 'libp.so'),
    ('two-names', './libp.so @DIR@/libp.so', 'libp.so'),
    ('needed', './libb.so', ''),
    ('by-name', 'libp.so', 'libp.so'),
    ('system', 'libz.so.1', ''),
    ('origin', '$ORIGIN/libp.so', 'libp.so'),
    ('origin-braces', '${ORIGIN}/libp.so', 'libp.so'),
    ('missing', './nothing.so libnothing.so ./libp.so', 'libp.so'),
    ('folder', '. /', ''),
    ('program', './scope', ''),
    ('empty', '', ''),
    ('long', '/' + 'x' * 5000 + ' ./libp.so', 'libp.so'),
    ('class', './libclass32.so', 'libclass32.so'),
    ('needs-missing', './libneeds-gone.so', 'libneeds-gone.so'),
) for case in debug(f'preload-{name}', 'files,libs', './scope', f'{SCOPE} {use}', env={'LD_PRELOAD': value},
                                                       loader=False, rules=(*RULES, PROGRAM))]

TRACE = [variable(f'trace-{name}', env_value, LD_TRACE_LOADED_OBJECTS=value, rewrites=(DOT, ADDRESSES)) for name, value, env_value in (
    ('two', '2', 'scope'), ('hexadecimal', '0x10', 'scope'), ('negative', '-1', 'scope'), ('zero', '0', 'scope'), ('empty', '', 'scope'), ('word', 'yes', 'scope'))]

OTHERS = [
    Case('environment.auxv', ['./scope'], use=SCOPE, env={'LD_SHOW_AUXV': '1'}, rewrites=(HEX,), modes=('interp',), reason='the entries are the program\'s'),
    Case('environment.auxv-no-pie', ['./scope-no-pie'], use='scope-no-pie ' + CHAIN, env={'LD_SHOW_AUXV': ''}, rewrites=(HEX,), modes=('interp',),
         reason='as above'),
    Case('environment.auxv-as-command', ['./scope'], use=SCOPE, env={'LD_SHOW_AUXV': '1'}, rewrites=(LOADER_AUXV, HEX), modes=('command',), loader=True,
         reason='the entries are the loader\'s'),
    variable('warn', 'copy', 'copy libcopy.so', LD_WARN='1'),
    variable('warn-short', 'copy', 'copy libcopy.so=libcopy-short.so', LD_WARN='1'),
    variable('warn-empty', 'copy', 'copy libcopy.so=libcopy-short.so', LD_WARN=''),
    variable('verbose', LD_VERBOSE='1'),
    variable('origin-path', LD_ORIGIN_PATH='/x'),
    variable('preload-loader', LD_PRELOAD='ld-linux-x86-64.so.2'),
    variable('unknown', LD_NONSENSE='1', LD_='1', LD='1'),
    variable('load-bias', LD_USE_LOAD_BIAS='1'),
    Case('environment.twice', script='exec python3 -c "import os; os.execve(\'/bin/sh\', [\'sh\', \'-c\', \'$RUN ./finder-none\'], '
         '{b\'LD_LIBRARY_PATH\': b\'x\', b\'PATH\': b\'/usr/bin:/bin\'})"', use='finder-none x/libleft.so=libleft.so x/libdeep.so=libdeep.so',
         rewrites=(Rewrite(r'^(/.*/ld-linux-x86-64\.so\.2|/.*/ldx)\n', '', 'the loader itself'),)),
]

AS_NOBODY = 'exec setpriv --reuid=65534 --regid=65534 --clear-groups env -i '
# The variables that stay; those that are not named here must go. HOME and PATH belong to no loader.
ALL = {name: '/x' for name in (
    'GCONV_PATH', 'GETCONF_DIR', 'HOSTALIASES', 'LD_AUDIT', 'LD_BIND_NOT', 'LD_BIND_NOW', 'LD_DEBUG_OUTPUT', 'LD_DYNAMIC_WEAK', 'LD_HWCAP_MASK',
    'LD_LIBRARY_PATH', 'LD_NONSENSE', 'LD_ORIGIN_PATH', 'LD_PREFER_MAP_32BIT_EXEC', 'LD_PROFILE', 'LD_PROFILE_OUTPUT', 'LD_SHOW_AUXV', 'LD_USE_LOAD_BIAS',
    'LD_VERBOSE', 'LD_WARN', 'LOCALDOMAIN', 'LOCPATH', 'MALLOC_ARENA_MAX', 'MALLOC_ARENA_TEST', 'MALLOC_CHECK_', 'MALLOC_MMAP_MAX_', 'MALLOC_PERTURB_',
    'MALLOC_TCACHE_COUNT', 'MALLOC_TOP_PAD_', 'MALLOC_TRACE', 'NIS_PATH', 'NLSPATH', 'PATH', 'RESOLV_HOST_CONF', 'RES_OPTIONS', 'TMPDIR', 'TZ', 'TZDIR')}


def privileged(name, env, mode='4755', program='secure', use='secure libp.so', **more):
    words = ' '.join(f"'{key}={value}'" for key, value in env.items())
    return Case(f'environment.privileged-{name}', script=f'chmod {mode} {program}; {AS_NOBODY} {words} ./{program}', use=use, modes=('interp',),
                reason='a loader named on the command line is not setuid', **more)


PRIVILEGED = [
    privileged('all', ALL),
    privileged('all-setgid', ALL, '2755'),
    privileged('all-neither', {key: value for key, value in ALL.items() if key not in ('LD_SHOW_AUXV', 'LD_PROFILE', 'LD_AUDIT', 'LD_PREFER_MAP_32BIT_EXEC')}, '755'),
    privileged('none', {}),
    privileged('trace', {'LD_TRACE_LOADED_OBJECTS': '1'}),
    privileged('trace-unused', {'LD_TRACE_LOADED_OBJECTS': '1', 'LD_DEBUG': 'unused'}),
    privileged('debug', {'LD_DEBUG': 'all'}),
    privileged('debug-output', {'LD_DEBUG': 'statistics', 'LD_DEBUG_OUTPUT': '@DIR@/out'}),
    privileged('tunables', {'GLIBC_TUNABLES': 'glibc.malloc.perturb=85:glibc.malloc.check=3:glibc.rtld.nns=3:glibc.malloc.arena_max=2'}),
    privileged('tunables-kept', {'GLIBC_TUNABLES': 'glibc.malloc.arena_test=1'}),
    privileged('tunables-erased', {'GLIBC_TUNABLES': 'glibc.malloc.check=3', 'MALLOC_CHECK_': '3'}),
    privileged('tunables-odd', {'GLIBC_TUNABLES': ':glibc.malloc.perturb=:x:=:glibc.malloc.mxfast=1:nonsense=2:glibc.malloc.top_pad='}),
    privileged('tunables-empty', {'GLIBC_TUNABLES': ''}),
    privileged('tunables-other-spelling', {'GLIBC_TUNABLESX': 'glibc.malloc.check=3', 'GLIBC_TUNABLE': 'x'}),
    privileged('preload-path', {'LD_PRELOAD': '@DIR@/libp.so:./libp.so'}),
    privileged('preload-name', {'LD_PRELOAD': 'libp.so'}),
    privileged('preload-name-in-path', {'LD_PRELOAD': 'libp.so', 'LD_LIBRARY_PATH': '@DIR@'}),
    privileged('preload-system', {'LD_PRELOAD': 'libz.so.1'}),
    privileged('preload-system-path', {'LD_PRELOAD': '/lib/x86_64-linux-gnu/libz.so.1'}),
    privileged('preload-file', {}, etc='echo @DIR@/libp.so > $ETC/ld.so.preload'),
    privileged('preload-file-name', {}, etc='echo libz.so.1 > $ETC/ld.so.preload'),
    privileged('library-path', {'LD_LIBRARY_PATH': '@DIR@/x'}, program='secure-origin', use='secure-origin libp.so libplain.so x/libplain.so=libplain.so'),
]

CASES = DEBUG + BINDING + MASKS + PRELOADS + TRACE + OTHERS + PRIVILEGED
