"""Small stacks, missing resources, odd starts, loaders that start loaders, and runtimes that stand on the loader."""

from harness import Case, Rewrite
from search_cases import LOADER_NAME

# 150 libraries, each of which needs the one before.
CHAIN = '''
echo 'int chain_value(void) { return 7; }' > first.c; gcc -shared -nostdlib -fPIC -Wl,-soname,libn0.so -o libn0.so first.c
gcc -fPIC -x c -c /dev/null -o empty.o
for i in $(seq 1 150); do ld -shared -soname libn$i.so -o libn$i.so empty.o libn$((i - 1)).so; done
cp libn150.so libn-last.so
'''
PERSONALITIES = {'no-randomize': '-R', 'read-implies-exec': '-X', 'compat-layout': '-L', 'page-zero': '-Z', 'three-gigabytes': '-3'}

NO_REASON = Rewrite(r'(failed to map segment from shared object): Cannot allocate memory$', r'\1', 'the system loader leaves out why')

EDGES = [
    Case('edges.small-stacks', ['./altstack', './libone.so'], use='altstack libone.so'),
    Case('edges.vfork', ['./vfork'], use='vfork'),
    Case('edges.limits', ['./limits', './libone.so', './libhuge.so'], use='limits libone.so libhuge.so', rewrites=(NO_REASON,)),
    Case('edges.no-descriptors', script='ulimit -n 3; $RUN ./scope', use='scope liba.so libb.so libc_.so libd.so', modes=('interp',),
         reason='named on the command line, ldx has to open the program as well',
         rewrites=(Rewrite(r'Error 24$', 'Too many open files', 'the system loader has a text for few error numbers at start'),)),
    Case('edges.no-address-space', script='ulimit -v 2000000; $RUN ./huge-needs', use='huge-needs libhuge.so',
         rewrites=(NO_REASON,)),
    Case('edges.unreadable', script='chmod 755 . x; chmod 000 x/libleft.so; exec setpriv --reuid=65534 --regid=65534 --clear-groups $RUN ./finder-rpath',
         use='finder-rpath x/libleft.so=libleft.so x/libdeep.so=libdeep.so',
         rewrites=(Rewrite(r'Error 13$', 'Permission denied', 'the system loader has a text for few error numbers at start'),)),
    Case('edges.cycles-static-tls', ['./cycles', './libtls-small-ie.so', 'i_check'], use='cycles libtls-small-ie.so'),
    Case('edges.cycles-dynamic-tls', ['./cycles', './libtls-a.so', 'a_check'], use='cycles libtls-a.so'),
    Case('edges.cycles-descriptors', ['./cycles', './libtls-b.so', 'b_check'], use='cycles libtls-b.so'),
    Case('edges.cycles-large-tls', ['./cycles', './libtls-d.so', 'd_check'], use='cycles libtls-d.so'),
    Case('edges.debug', ['./debug', './libone.so'], use='debug libone.so',
         rewrites=(Rewrite(r'^  (ld-linux-x86-64\.so\.2|ldx|ldx-\d+),.*\n', '', 'the loader itself stands under its own name'),)),
    Case('edges.features', ['./features'], use='features'),
    Case('edges.long-chain', ['./chain'], use='chain', setup=CHAIN, env={'LD_LIBRARY_PATH': '.', 'LD_PRELOAD': './libn150.so'}, packages='gcc binutils'),
    Case('edges.no-arguments', ['./noargs', './ending'], use='noargs ending'),
    Case('edges.many-arguments', script='$RUN /bin/echo $(seq 1 100000) | cksum', programs=['/bin/echo']),
    Case('edges.large-environment', script='for i in $(seq 1 12); do export "V$i=$(head -c 120000 /dev/zero | tr "\\0" x)"; done; $RUN /usr/bin/env | grep ^V | cksum',
         programs=['/usr/bin/env']),
    Case('edges.profiled', script='$RUN ./profiled; test -s gmon.out; echo $?', use='profiled'),
    Case('edges.musl-static', ['./musl-static'], use='musl-static', modes=('command',), reason='a static program has no PT_INTERP'),
    Case('edges.gone-folder', script='mkdir gone; cd gone; rmdir ../gone; $RUN @DIR@/finder-rpath; $RUN ../finder-rpath',
         use='finder-rpath x/libleft.so=libleft.so x/libdeep.so=libdeep.so', rewrites=(LOADER_NAME,)),
    Case('edges.odd-folder', ['@DIR@/a b:c%d/$ORIGIN/finder-rpath'], setup='mkdir -p "a b:c%d"; mv tree "a b:c%d/\\$ORIGIN"',
         use='tree/finder-rpath=finder-rpath tree/x/libleft.so=libleft.so tree/x/libdeep.so=libdeep.so', rewrites=(LOADER_NAME,)),
    Case('edges.no-proc', ['./scope'], use='scope liba.so libb.so libc_.so libd.so', hide=['/proc'], env={'LD_LIBRARY_PATH': '@DIR@'}),
    Case('edges.no-proc-origin', ['./scope'], use='scope liba.so libb.so libc_.so libd.so', hide=['/proc'], modes=('interp',),
         reason='the system loader asks /proc for $ORIGIN; ldx on the command line need not'),
    Case('edges.no-dev', ['./libc-corners'], use='libc-corners', hide=['/dev', '/sys', '/run']),
    Case('edges.libraries-by-other-paths', ['./cancel'], use='cancel', env={'LD_LIBRARY_PATH': '/lib64:/usr/lib/x86_64-linux-gnu'}),
    Case('edges.corners-by-other-paths', ['./libc-corners'], use='libc-corners', env={'LD_LIBRARY_PATH': '/usr/lib/x86_64-linux-gnu'}),
    Case('edges.copied-libc', ['./libc-corners'], use='libc-corners', env={'LD_LIBRARY_PATH': './copy'}, setup='mkdir copy; cp /lib/x86_64-linux-gnu/lib[cm].so.6 copy'),
    Case('edges.by-descriptor', script='exec 5<./facts; $RUN /proc/self/fd/5 x', use='facts'),
    Case('edges.by-dev-fd', script='exec 5<./facts; $RUN /dev/fd/5', use='facts'),
    Case('edges.through-proc-cwd', script='$RUN /proc/self/cwd/facts', use='facts'),
] + [
    Case(f'edges.personality-{name}', script=f'setarch {flag} $RUN ./facts', use='facts') for name, flag in PERSONALITIES.items()
] + [
    Case(f'edges.sanitised-{name}', [f'./sanitised-{name}'], use=f'sanitised-{name}', limit=60, packages='gcc')
    for name in ('address', 'undefined', 'thread', 'leak')
] + [
    Case(f'edges.sanitised-{name}-report', script=f'$RUN ./sanitised-{name} x 2>&1 | grep -c -e "ERROR: AddressSanitizer: heap-buffer-overflow" '
         '-e "runtime error: shift exponent 40"', use=f'sanitised-{name}', limit=60) for name in ('address', 'undefined')
]

# A loader is a program too.
LOADERS = [
    Case('edges.ldx-runs-ldx', ['./facts', 'x'], use='facts', command=['@LDX@', './facts', 'x'], modes=('command',), reason='it is about the command line'),
    Case('edges.ldx-runs-system-loader', script='if [ -n "$RUN" ]; then $RUN /lib64/ld-linux-x86-64.so.2 ./scope; else ./scope; fi',
         use='scope liba.so libb.so libc_.so libd.so', modes=('command',), reason='it is about the command line'),
    Case('edges.system-loader-runs-ldx', script='if [ -n "$RUN" ]; then /lib64/ld-linux-x86-64.so.2 $RUN ./scope; else ./scope; fi',
         use='scope liba.so libb.so libc_.so libd.so', modes=('command',), reason='it is about the command line'),
]

CASES = EDGES + LOADERS
