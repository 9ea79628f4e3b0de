"""Programs whose libc is musl. The oracle is musl's loader, which the programs name as their interpreter."""

from harness import ADDRESSES, Case, Outcome, Rewrite

# musl's loader has a sentence of its own for what goes wrong at start; the status must be the same.
START_ERRORS = (
    Rewrite(r'^Error loading shared library (\S+): (.*) \(needed by .*\)$', r'cannot load \1: \2', "musl's words"),
    Rewrite(r'^Error relocating .*: (\S+): symbol not found$', r'cannot find \1', "musl's words"),
    Rewrite(r'^.*?(\S+): cannot open shared object file: (.*)$', r'cannot load \1: \2', "ldx's words"),
    Rewrite(r'^.*undefined symbol: (\S+)$', r'cannot find \1', "ldx's words"),
    Rewrite(r'^.*?([^/\s]+): invalid ELF header$', r'cannot load \1: Exec format error', "ldx's words"),
    Rewrite(r'^(cannot load .*\n)(?:cannot find .*\n)+', r'\1', "ldx stops when a library is missing, before it looks for symbols"),
)

PLUGINS = 'libplugin.so liblate.so'
ORDER = 'libone.so libtwo.so libthree.so libfour.so libfive.so'
TREE = 'x/libfind.so=bare-libfind.so y/libdeep.so=bare-libdeep.so z/libdeep.so=bare-libdeep2.so'


def find(name, program, use=TREE, **more):
    return Case('search.' + name, ['./' + program], use=f'{program} {use}', rewrites=START_ERRORS, **more)


PROCESS = [
    Case('process.facts', ['./process', 'a', 'b c'], use='process'),
    Case('process.no-pie', ['./process-no-pie', 'a'], use='process-no-pie'),
    Case('process.preloaded', ['./process', 'x'], use='process libfive.so libtwo.so', env={'LD_PRELOAD': './libfive.so'}),
    Case('process.preload-missing', ['./copy', '-a', 'x'], use='copy libtwo.so', env={'LD_PRELOAD': './libtwo.so ./none.so'},
         rewrites=(Rewrite(r'^ERROR: .*ignored\.\n', '', 'musl passes over it without a word'),)),
    Case('process.copies', ['./copy', '-a', '-b', '37', 'rest'], use='copy'),
    Case('process.libc-by-other-names', ['./aliases', '-b', '5', 'rest'], use='aliases'),
    Case('process.malloc', ['./malloc'], use='malloc'),
    Case('process.malloc-no-pie', ['./malloc-no-pie'], use='malloc-no-pie'),
    Case('process.bind-now', ['./dl'], use='dl ' + PLUGINS, env={'LD_BIND_NOW': '1'}),
    Case('process.undefined', ['./undefined'], use='undefined', rewrites=START_ERRORS),
    Case('process.through-path', script='PATH=.:$PATH; $RUN ./process; cd /; $RUN @DIR@/process', use='process'),
    Case('process.no-stdin', script='$RUN ./process <&-', use='process'),
]

ORDER_CASES = [
    Case('order.program', ['./order'], use='order ' + ORDER),
    Case('order.no-pie', ['./order-no-pie'], use='order-no-pie ' + ORDER),
    Case('order.opened', ['./order', './libfour.so', './libtwo.so'], use='order ' + ORDER),
    Case('order.preloaded', ['./order', './libfour.so'], use='order ' + ORDER, env={'LD_PRELOAD': './libfour.so'}),
    Case('order.preloaded-two', ['./order'], use='order ' + ORDER, env={'LD_PRELOAD': './libtwo.so:./libfive.so'}),
]

TLS = [
    Case('tls.models', ['./tls'], use='tls libtls.so'),
    Case('tls.no-pie', ['./tls-no-pie'], use='tls-no-pie libtls.so'),
    Case('tls.descriptors', ['./tls-descriptors'], use='tls-descriptors libtlsdesc.so'),
    Case('tls.opened', ['./dltls', './libplugin.so'], use='dltls libplugin.so', limit=60),
    Case('tls.opened-descriptors', ['./dltls', './libplugindesc.so'], use='dltls libplugindesc.so', limit=60),
    Case('tls.opened-initial-exec', script='$RUN ./dltls ./libtls.so | sed "s/^Error relocating.*/refused/; s/^Error loading.*/refused/"',
         use='dltls libtls.so'),
]

THREADS = [
    Case('threads.libc', ['./threads'], use='threads'),
    Case('threads.stack-size', ['./stack'], use='stack'),
    Case('threads.signals', ['./signals'], use='signals'),
    Case('threads.fork', ['./fork'], use='fork ' + PLUGINS, limit=60),
]

DL = [
    Case('dl.family', ['./dl'], use='dl ' + PLUGINS),
    Case('dl.preloaded', ['./dl'], use='dl ' + PLUGINS, env={'LD_PRELOAD': './liblate.so'}),
    Case('dl.objects', ['./objects'], use='objects'),
    Case('dl.throw', ['./throw'], use='throw libthrow.so'),
]

SEARCH = [
    find('none', 'bare-find'),
    find('rpath', 'bare-find-rpath'),
    find('runpath-inherited', 'bare-find-runpath'),
    find('library-path', 'bare-find', env={'LD_LIBRARY_PATH': '@DIR@/x:/nowhere:@DIR@/y'}),
    find('library-path-first', 'bare-find-rpath', env={'LD_LIBRARY_PATH': 'nowhere:z'}),
    find('deep-missing', 'bare-find-runpath', use='x/libfind.so=bare-libfind.so'),
    find('path-file', 'bare-find', etc='printf "/nowhere:@DIR@/x\\n@DIR@/y\\n" > $ETC/ld-musl-x86_64.path'),
    find('path-file-empty', 'bare-find-rpath', use='x/libfind.so=bare-libfind.so', etc=': > $ETC/ld-musl-x86_64.path'),
    find('path-file-missing', 'bare-find', etc='true'),
    find('no-elf-file', 'bare-find-runpath', use='', files={'x/libfind.so': 'text that is long enough for a header of an ELF file, and is none of them\n'}),
]

# The libc is the one that the program names; what cannot be started as musl is handed over.
LIBC = [
    Case('libc.own', ['./dl'], use=f'dl=bare-own {PLUGINS}', setup='mkdir lib; cp /lib/ld-musl-x86_64.so.1 lib', modes=('command',),
         reason='as interpreter ldx takes the system\'s libc'),
    Case('libc.other', ['./bare-other', '-a', 'x'], use='bare-other ld-musl-other.so.1', modes=('command',),
         expect=Outcome(23, '--argv0\n./bare-other\n./bare-other\n-a\nx\n',
                        './bare-other: its libc cannot be started by ldx: handing over to ./ld-musl-other.so.1\n'),
         reason='what is named as interpreter is no musl'),
    Case('libc.other-strict', ['./bare-other', '-a', 'x'], use='bare-other ld-musl-other.so.1', modes=('command',), options=['--strict'],
         expect=Outcome(127, '', './bare-other: its libc cannot be started by ldx\n'), reason='--strict refuses'),
    Case('libc.list', ['./tls'], use='tls libtls.so', options=['--list'], modes=('command',), rewrites=(ADDRESSES,),
         expect=Outcome(0, '\tlinux-vdso.so.1 (0xADDRESS)\n\tlibtls.so => @DIR@/./libtls.so (0xADDRESS)\n'
                        '\t/lib/ld-musl-x86_64.so.1 (0xADDRESS)\n', ''), reason='musl\'s ldd has another format'),
]

CASES = LIBC + PROCESS + ORDER_CASES + TLS + THREADS + DL + SEARCH
