"""Threads, fork, exceptions, and the corners of libc that stand on its contract with the loader."""

from harness import Case, Rewrite

TUNABLES = {'perturb': 'glibc.malloc.perturb=85', 'arena': 'glibc.malloc.arena_max=1', 'check': 'glibc.malloc.check=3',
            'unknown': 'glibc.no.such=1', 'several': 'glibc.malloc.perturb=85:glibc.malloc.tcache_count=0',
            'rseq': 'glibc.pthread.rseq=0', 'stack': 'glibc.rtld.optional_static_tls=4096', 'bad': 'glibc.malloc.perturb=x:y'}

CASES = [
    Case('threads.cancel', ['./cancel'], use='cancel'),
    Case('threads.fork', ['./fork-threads'], use='fork-threads libtwo.so'),
    Case('threads.churn', ['./churn'], use='churn libtls-a.so libtls-b.so libtls-c.so'),
    Case('threads.throw', ['./throw', './libthrower.so', './libpasser.so'], use='throw libthrower.so libpasser.so'),
    Case('threads.throw-one-library', ['./throw', './libthrower.so', './libthrower.so'], use='throw libthrower.so'),
    Case('threads.throw-no-pie', ['./throw-no-pie', './libthrower.so', './libpasser.so'],
         use='throw-no-pie libthrower.so libpasser.so'),
    Case('threads.throw-uncaught', ['./throw', './libthrower.so', './libpasser.so', 'x'], use='throw libthrower.so libpasser.so'),
    Case('threads.throw-preloaded', ['./throw', './libthrower.so', './libpasser.so'], use='throw libthrower.so libpasser.so',
         env={'LD_PRELOAD': './libthrower.so'}),
    Case('threads.unwind', ['./unwind'], use='unwind'),
    Case('threads.openmp', ['./openmp'], use='openmp', packages='libgomp1'),
    Case('threads.openmp-bind', ['./openmp'], use='openmp', env={'OMP_NUM_THREADS': '3', 'OMP_PROC_BIND': 'true'}),
    Case('libc.corners', ['./libc-corners'], use='libc-corners', packages='netbase'),
    Case('libc.corners-bind-now', ['./libc-corners'], use='libc-corners', env={'LD_BIND_NOW': '1'}),
    Case('libc.corners-malloc-debug', ['./libc-corners'], use='libc-corners',
         env={'LD_PRELOAD': 'libc_malloc_debug.so.0', 'GLIBC_TUNABLES': 'glibc.malloc.check=3', 'MALLOC_PERTURB_': '85'}),
    Case('libc.simd', ['./simd'], use='simd'),
] + [
    Case(f'libc.tunable-{name}', ['./libc-corners'], use='libc-corners', env={'GLIBC_TUNABLES': text})
    for name, text in TUNABLES.items()
] + [
    Case(f'libc.guard-{how}', ['./guards', how, 'an argument that is much longer than the buffer is'], use='guards',
         rewrites=(Rewrite(r'\(pid \d+\)', '(pid)', 'a process id'),))
    for how in ('assert', 'stack', 'fortify', 'format', 'free')
]
