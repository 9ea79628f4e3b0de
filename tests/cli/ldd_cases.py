"""The ldd script, with ldx in place of the loader that it asks."""

from harness import ADDRESSES, Case
from pieces import built

CHAIN = 'liba.so libb.so libc_.so libd.so'
# The same script for both, but for the loaders that it tries.
SCRIPT = 'sed "s|^RTLDLIST=.*|RTLDLIST=${{RUN:-/lib64/ld-linux-x86-64.so.2}}|" "$(command -v ldd)" > ldd.sh; bash ./ldd.sh {}'


def ldd(name, words, use='', **more):
    return Case(f'ldd.{name}', script=SCRIPT.format(words), use=built(use), rewrites=(ADDRESSES,), modes=('command',), reason='ldd names its loader', **more)


CASES = [
    ldd('program', './scope', 'scope ' + CHAIN),
    ldd('by-path', '@DIR@/scope', 'scope ' + CHAIN),
    ldd('by-bare-name', 'scope', 'scope ' + CHAIN),
    ldd('no-pie', './scope-no-pie', 'scope-no-pie ' + CHAIN),
    ldd('library', './libb.so', CHAIN),
    ldd('two-files', './scope ./liba.so', 'scope ' + CHAIN),
    ldd('missing', './scope', 'scope liba.so'),
    ldd('missing-deep', './scope', 'scope liba.so libb.so libc_.so'),
    ldd('missing-for-two', './init-tree', 'init-tree libinit-b.so libinit-c.so libinit-d.so'),
    ldd('missing-all', '-v -r ./scope', 'scope'),
    ldd('damaged-library', './scope', 'scope libb.so libc_.so libd.so', files={'liba.so': 'text ' * 100}),
    ldd('empty-library', './scope', 'scope libb.so libc_.so libd.so', files={'liba.so': ''}),
    ldd('class-of-library', './scope', 'scope liba.so=libclass32.so libb.so libc_.so libd.so'),
    ldd('static', './facts-static', 'facts-static'),
    ldd('static-pie', './free-static-pie', 'free-static-pie'),
    ldd('freestanding', './free-pie', 'free-pie'),
    ldd('freestanding-library', './free-library', 'free-library libplain.so'),
    ldd('script', './text', files={'text': '#!/bin/sh\n'}),
    ldd('empty', './text', files={'text': ''}),
    ldd('folder', './folder', setup='mkdir folder'),
    ldd('nothing', './nothing'),
    ldd('class', './libclass32.so', 'libclass32.so'),
    ldd('machine', './libmachine.so', 'libmachine.so'),
    ldd('truncated', './libtruncated.so', 'libtruncated.so'),
    ldd('not-executable', './scope', 'scope ' + CHAIN, setup='chmod a-x scope'),
    ldd('through-link', './x/link', 'scope ' + CHAIN, setup='mkdir x; ln -s ../scope x/link'),
    ldd('verbose', '-v ./scope', 'scope ' + CHAIN),
    ldd('verbose-weak', '-v ./versions-weak', 'versions-weak libversioned.so=libversioned3.so'),
    ldd('verbose-missing-version', '-v ./versions-main3', 'versions-main3 libversioned.so=libversioned1.so'),
    ldd('verbose-no-versions', '-v ./versions-main3', 'versions-main3 libversioned.so=libversioned0.so'),
    ldd('verbose-missing', '-v ./versions-main2', 'versions-main2'),
    ldd('functions', '-r ./missing-lazy', 'missing-lazy libmissing.so'),
    ldd('functions-data', '-r ./missing-data', 'missing-data libmissing.so'),
    ldd('functions-in-library', '-r ./missing-lazy', 'missing-lazy libmissing.so=libmissing-calls.so'),
    ldd('functions-missing-version', '-r ./versions-main3', 'versions-main3 libversioned.so=libversioned1.so'),
    ldd('functions-missing-library', '-r ./versions-main3', 'versions-main3'),
    ldd('functions-library', '-r ./libb-quiet.so', 'libb-quiet.so libd.so'),
    ldd('data', '-d ./missing-lazy', 'missing-lazy libmissing.so'),
    ldd('data-missing', '-d ./missing-data', 'missing-data libmissing.so'),
    ldd('data-now', '-d ./missing-now', 'missing-now libmissing.so'),
    ldd('data-copy', '-d ./missing-copy', 'missing-copy libmissing.so'),
    ldd('copy-size', '-r ./copy', 'copy libcopy.so=libcopy-short.so'),
    ldd('copy-fits', '-r ./copy', 'copy libcopy.so'),
    ldd('unused', '-u ./scope-silent', 'scope-silent ' + CHAIN),
    ldd('unused-none', '-u ./scope', 'scope liba.so libb.so=libb-quiet.so libc_.so libd.so'),
    ldd('unused-missing', '-u ./scope-silent', 'scope-silent libb.so libd.so'),
    ldd('unused-undefined', '-u ./missing-lazy', 'missing-lazy libmissing.so'),
    ldd('preload', './scope', 'scope libp.so ' + CHAIN, env={'LD_PRELOAD': './libp.so'}),
    ldd('preload-missing', './scope', 'scope ' + CHAIN, env={'LD_PRELOAD': './nothing.so'}),
    ldd('preload-damaged', './scope', 'scope ' + CHAIN, files={'text.so': 'text'}, env={'LD_PRELOAD': './text.so'}),
    ldd('library-path', './finder-none', 'finder-none x/libleft.so=libleft.so x/libdeep.so=libdeep.so', env={'LD_LIBRARY_PATH': 'x'}),
    ldd('filter', './filter', 'filter libfilter.so libfilter-real.so'),
    ldd('filter-missing', './filter', 'filter libfilter.so'),
    ldd('filtees', './filter-two', 'filter-two libfilter-two.so libfilter-first.so libfilter-second.so libfilter-deep.so'),
    ldd('filtee-of-two', './filter-two', 'filter-two libfilter-two.so libfilter-second.so'),
    ldd('filtee-needed-later', './filter-one-after', 'filter-one-after libfilter-one.so libfilter-first.so libfilter-deep.so'),
    ldd('filtee-needed-before', './filter-one-before', 'filter-one-before libfilter-one.so libfilter-first.so libfilter-deep.so'),
    ldd('filtees-needed-later', './filter-two-after', 'filter-two-after libfilter-two.so libfilter-first.so libfilter-second.so libfilter-deep.so'),
    ldd('slash', './finder-slash', 'finder-slash sub/libleft.so=libleft.so libdeep.so', env={'LD_LIBRARY_PATH': '@DIR@'}),
    ldd('slash-missing', './finder-slash', 'finder-slash'),
    ldd('debug', './scope', 'scope liba.so libb.so', env={'LD_DEBUG': 'help'}),
] + [
    ldd(f'system-{program}{option}', f'{option} /usr/bin/{program}')
    for program in ('bash', 'git', 'python3', 'perl', 'gdb') for option in ('', '-v', '-r', '-u')
] + [
    ldd(f'system-{library}{option}', f'{option} /lib/x86_64-linux-gnu/{library}')
    for library in ('libc.so.6', 'libm.so.6', 'libstdc++.so.6', 'libssl.so.3', 'ld-linux-x86-64.so.2') for option in ('', '-v', '-r', '-u')
]
