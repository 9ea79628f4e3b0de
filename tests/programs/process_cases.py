"""How a process looks to the program that was started in it, and how it ends."""

from harness import Case, Rewrite

STATIC = 'a static program has no PT_INTERP; only the command line starts it by ldx'
STATIC_EXE = Rewrite(r'^(/proc/self/exe|realpath) .*\n', '', 'a static program asks the kernel, and the kernel has started ldx')
STATIC_PIE_HEAP = Rewrite(r'^(break lies above|a small block lies).*\n', '', 'the kernel places a static PIE apart from its heap')
FACTS = {'ONE': '1', 'EMPTY': ''}


def facts(name, *arguments, **more):
    return Case(f'process.{name}', [f'./{name}', *arguments], use=name, env=FACTS, **more)


SECURE = {'LD_LIBRARY_PATH': '/x', 'LD_PRELOAD': '@DIR@/libp.so', 'LD_BIND_NOW': '1', 'LD_ORIGIN_PATH': '/x',
          'LD_UNKNOWN': '1', 'GCONV_PATH': '/x', 'LOCPATH': '/x', 'MALLOC_ARENA_MAX': '1', 'NLSPATH': '/x',
          'HOSTALIASES': '/x', 'RES_OPTIONS': '/x', 'GLIBC_TUNABLES': 'glibc.malloc.perturb=85', 'TZDIR': '/x'}
# The variables are for the setuid program alone: they are set by env, after setpriv has started.
AS_NOBODY = 'exec setpriv --reuid=65534 --regid=65534 --clear-groups env ' + ' '.join(f'{k}={v}' for k, v in SECURE.items())


def secure(name, program, mode, libraries='libp.so', more=''):
    return Case(f'process.secure-{name}', script=f'chmod {mode} {program}; {AS_NOBODY} {more} ./{program}', use=f'{program} {libraries}',
                modes=('interp',), reason='ldx on the command line is not setuid')


CASES = [
    facts('facts', 'one', '', 'two words'),
    facts('facts-no-pie', 'x'),
    facts('facts-far'),
    facts('facts-static', 'x', modes=('command',), reason=STATIC, rewrites=(STATIC_EXE,)),
    facts('facts-static-pie', 'x', modes=('command',), reason=STATIC, rewrites=(STATIC_EXE, STATIC_PIE_HEAP)),
    facts('facts-huge-pages'),
    facts('facts-lld'),
    facts('facts-no-phdr'),
    facts('facts-no-relro'),
    Case('process.facts-as-nobody', script='chmod 755 . facts; exec setpriv --reuid=65534 --regid=65534 --clear-groups $RUN ./facts x', use='facts'),
    Case('process.facts-by-path', ['@DIR@/bin/facts'], use='bin/facts=facts'),
    Case('process.facts-by-dots', ['./bin/../bin/facts'], use='bin/facts=facts'),
    Case('process.facts-by-link', ['./link'], use='facts', setup='ln -s facts link'),
    Case('process.facts-small-stack', script='ulimit -s 256; $RUN ./facts', use='facts'),
    Case('process.facts-unlimited-stack', script='ulimit -s unlimited; $RUN ./facts', use='facts'),
    Case('process.facts-no-aslr', script='setarch -R $RUN ./facts', use='facts'),
    Case('process.facts-no-pie-no-aslr', script='setarch -R $RUN ./facts-no-pie', use='facts-no-pie'),
    Case('process.facts-many-arguments', script='$RUN ./facts $(seq 1 2000) | cksum', use='facts'),
    Case('process.facts-no-environment', script='R=$RUN; exec env -i X=1 $R ./facts', use='facts'),
    Case('process.facts-linked', ['./facts', 'x'], use='facts', linked='facts=facts-linked', modes=('interp',),
         reason='the linker has named ldx'),
    secure('setuid', 'secure', '4755'),
    secure('setuid-debug', 'secure', '4755', more='LD_DEBUG=all LD_DEBUG_OUTPUT=/tmp/x LD_AUDIT=./x.so LD_SHOW_AUXV=1 LD_VERBOSE=1'),
    secure('setgid', 'secure', '2755'),
    secure('neither', 'secure', '755'),
    secure('origin', 'secure-origin', '4755', 'libp.so libplain.so'),
    Case('process.aligned', ['./aligned', './libspacious-huge.so', './libspacious-64k.so', './libspacious-high.so', './libspacious-lld.so'],
         use='aligned libspacious.so libspacious-huge.so libspacious-64k.so libspacious-high.so libspacious-lld.so'),
    Case('process.aligned-huge', ['./aligned-huge'], use='aligned-huge libspacious.so=libspacious-huge.so'),
    Case('process.stack-unstated', ['./stack-unstated'], use='stack-unstated'),
    Case('process.stack-library-unstated', ['./free-library'], use='free-library libplain.so=libplain-unstated.so'),
    Case('process.stack-dlopen-unstated', ['./stack', './libplain-unstated.so'], use='stack libplain-unstated.so'),
    Case('process.vdso', ['./vdso'], use='vdso'),
    Case('process.maps', ['./maps'], use='maps libmapped.so'),
    Case('process.maps-norelro', ['./maps-norelro'], use='maps-norelro libmapped.so'),
    Case('process.maps-merged', ['./maps-merged'], use='maps-merged libmapped.so'),
    Case('process.stack', ['./stack'], use='stack'),
    Case('process.stack-executable', ['./stack-executable'], use='stack-executable'),
    Case('process.stack-by-library', ['./stack-needs'], use='stack-needs libexecstack.so'),
    Case('process.stack-by-dlopen', ['./stack', '@DIR@/libexecstack.so'], use='stack libexecstack.so'),
    Case('process.free-pie', ['./free-pie', 'a', 'b'], use='free-pie'),
    Case('process.free-library', ['./free-library', 'a'], use='free-library libplain.so'),
    Case('process.free-no-pie', ['./free-no-pie'], use='free-no-pie libplain.so'),
    Case('process.free-static', ['./free-static', 'a'], use='free-static', modes=('command',), reason=STATIC),
    Case('process.free-static-pie', ['./free-static-pie', 'a'], use='free-static-pie', modes=('command',), reason=STATIC),
    Case('process.reexec', ['./reexec'], use='reexec'),
    Case('process.reexec-path', ['@DIR@/reexec'], use='reexec'),
    Case('process.throw-static', ['./throw-static'], use='throw-static', modes=('command',), reason=STATIC),
    Case('process.throw-static-pie', ['./throw-static-pie'], use='throw-static-pie', modes=('command',), reason=STATIC),
] + [
    # Programs with a fixed place where the kernel likes to put things: the heap of a PIE, libraries, ldx itself.
    Case(f'process.free-{base}-base{suffix}', script=f'{prefix} $RUN ./free-{base}-base', use=f'free-{base}-base libplain.so',
         modes=('interp',) if base + suffix == 'high-no-aslr' else ('command', 'interp'),
         reason='named on the command line, ldx itself stands in that place, as the system loader does then')
    for base in ('et-dyn', 'mmap', 'high') for suffix, prefix in (('', ''), ('-no-aslr', 'setarch -R'))
] + [
    Case(f'process.ending-{how}', ['./ending', how], use='ending')
    for how in ('return', 'exit', '_exit', 'quick_exit', 'abort', 'segv', 'ill', 'term', 'thread', 'pthread_exit')
]
