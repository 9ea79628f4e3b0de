"""The dl functions, told by small scripts: one command an argument (see dlfcn/dlscript.c)."""

from harness import Case, Rewrite

# The loader is an object too; which one it is, and that the system's is there besides ldx, must differ.
LOADERS = Rewrite(r'^  (ld-linux-x86-64\.so\.2|ldx|ldx-\d+),.*\n', '', 'the loader itself is listed under its own name')


def script(name, libraries, *commands, program='dlscript', **more):
    use = ' '.join([program] + [f'lib{library}.so' for library in libraries.split()])
    return Case(f'dlfcn.{name}', [f'./{program}', *commands], use=use, rewrites=(LOADERS,), **more)


OPEN = [
    script('open', 'one', 'open a ./libone.so NOW', 'call a one_own 5', 'call a one_own 5', 'read a one_data', 'close a'),
    script('open-lazy', 'one', 'open a ./libone.so LAZY', 'call a call_shared 5', 'close a', 'mapped libone.so'),
    script('open-absolute', 'one', 'open a @DIR@/libone.so NOW', 'info a', 'open b ./libone.so NOW', 'same a b'),
    script('open-by-runpath', 'one', 'open a libone.so NOW', 'info a'),
    script('open-by-library-path', 'one', 'open a libone.so NOW', 'info a', env={'LD_LIBRARY_PATH': '@DIR@/x'},
           setup='mkdir x; mv libone.so x'),
    script('open-system', '', 'open a libz.so.1 NOW', 'sym a zlibVersion', 'info a', 'close a', 'mapped libz.so'),
    script('open-program', '', 'open p - NOW', 'call p dlscript_own 1', 'sym p puts', 'sym p nowhere', 'info p', 'close p', 'close p'),
    script('open-twice', 'one', 'open a ./libone.so NOW', 'open b ./libone.so NOW', 'same a b', 'close a', 'call b one_own 1', 'close b',
           'mapped libone.so'),
    script('open-by-link', 'one', 'open a ./libone.so NOW', 'open b ./link.so NOW', 'open c ./hard.so NOW', 'same a b', 'same a c',
           'close a', 'close b', 'mapped libone.so', 'close c', 'mapped libone.so', setup='ln -s libone.so link.so; ln libone.so hard.so'),
    script('open-by-soname', 'one', 'open a ./other-name.so NOW', 'open b libone.so NOW', 'same a b', setup='cp libone.so other-name.so'),
    script('open-dependencies', 'one three four', 'open a ./libfour.so NOW', 'call a four_uses 1', 'call a one_own 1', 'sym D one_own', 'list',
           'close a', 'list'),
    script('open-again-after-close', 'one', 'open a ./libone.so NOW', 'call a one_own 1', 'call a one_own 1', 'close a',
           'open a ./libone.so NOW', 'call a one_own 1', 'close a'),
    script('open-global', 'one two', 'open a ./libone.so NOW|GLOBAL', 'open b ./libtwo.so NOW|GLOBAL', 'call D shared 0', 'call b two_calls_shared 0',
           'call b two_next 0', 'call a one_next 0', 'close a', 'call D shared 0'),
    script('open-local', 'one two', 'open a ./libone.so NOW|LOCAL', 'sym D shared', 'open b ./libtwo.so NOW', 'call b two_calls_shared 0',
           'call a one_calls_shared 0', 'call b two_default 0'),
    script('open-promote', 'one two', 'open a ./libone.so NOW|LOCAL', 'sym D shared', 'open b ./libone.so NOW|NOLOAD|GLOBAL', 'call D shared 0',
           'open c ./libtwo.so NOW', 'call c two_calls_shared 0', 'close b', 'call D shared 0', 'close a', 'sym D shared'),
    script('open-promote-dependencies', 'one three', 'open a ./libthree.so NOW', 'sym D one_own', 'open b ./libthree.so NOW|GLOBAL',
           'call D one_own 1'),
    script('open-deepbind', 'one two', 'open a ./libone.so NOW|GLOBAL', 'open b ./libtwo.so NOW|DEEPBIND', 'call b two_calls_shared 0',
           'call b two_default 0', 'call D shared 0'),
    script('open-deepbind-dependencies', 'one two three', 'open a ./libtwo.so NOW|GLOBAL', 'open b ./libthree.so NOW|DEEPBIND',
           'call b three_calls_shared 0', 'call b one_calls_shared 0'),
    script('open-noload', 'one', 'open a ./libone.so NOW|NOLOAD', 'error', 'open b ./libone.so NOW', 'open c ./libone.so LAZY|NOLOAD', 'same b c',
           'close b', 'mapped libone.so', 'close c', 'mapped libone.so'),
    script('open-nodelete', 'one', 'open a ./libone.so NOW|NODELETE', 'call a one_own 1', 'close a', 'mapped libone.so', 'open a ./libone.so NOW',
           'call a one_own 1'),
    script('open-nodelete-later', 'one', 'open a ./libone.so NOW', 'open b ./libone.so NOW|NOLOAD|NODELETE', 'close a', 'close b',
           'mapped libone.so'),
    script('open-flag-nodelete', 'nodelete', 'open a ./libnodelete.so NOW', 'close a', 'mapped libnodelete.so'),
    script('open-flag-noopen', 'noopen', 'open a ./libnoopen.so NOW', 'mapped libnoopen'),
    script('open-flag-noopen-needed', 'noopen needs-noopen', 'open a ./libneeds-noopen.so NOW', 'mapped libnoopen'),
    script('open-flag-global', 'global two', 'open a ./libglobal.so NOW', 'call D shared 0', 'open b ./libtwo.so NOW', 'call b two_calls_shared 0'),
    script('open-flag-now', 'now', 'open a ./libnow.so LAZY', 'mapped libnow.so'),
    script('open-symbolic', 'one symbolic', 'open a ./libone.so NOW|GLOBAL', 'open b ./libsymbolic.so NOW', 'call b sym_calls_shared 0'),
    script('open-no-mode', 'one', 'open a ./libone.so NONE', 'open b ./libone.so GLOBAL', 'open c ./libone.so BAD|NOW'),
    script('open-empty', '', 'open a EMPTY NOW', 'open b / NOW', 'open c . NOW'),
    script('open-needed-already', 'one', 'open a libone.so NOW', 'call D one_own 1', 'call a one_own 1', 'close a', 'call D one_own 1', 'info a',
           program='dlscript-one'),
    script('open-uses-later', 'uses-later later', 'open a ./libuses-later.so LAZY', 'open b ./liblater.so NOW|GLOBAL', 'call a uses_later 4',
           'close b', 'mapped liblater.so', 'close a', 'mapped liblater.so'),
    script('open-no-pie', 'one', 'open a ./libone.so NOW', 'call a one_own 5', 'open p - NOW', 'call p dlscript_own 1', 'list', 'close a',
           program='dlscript-no-pie'),
    script('open-plugin-of-program', 'one', 'open a ./dlscript NOW', 'open b ./libone.so NOW'),
    script('open-in-thread', 'one', 'thread open a ./libone.so NOW', 'thread call a one_own 1', 'thread close a', 'mapped libone.so'),
    script('open-after-fork', 'one two', 'open a ./libone.so NOW', 'fork open b ./libtwo.so NOW', 'fork call a one_own 1', 'mapped libtwo',
           'call a one_own 1'),
]

ERRORS = [
    script('error-missing', '', 'open a libnothing.so NOW', 'error', 'open a ./libnothing.so NOW', 'open a /no/such/lib.so NOW'),
    script('error-missing-needed', 'needs-gone', 'open a ./libneeds-gone.so NOW', 'mapped libneeds-gone.so', 'count'),
    script('error-not-elf', '', 'open a ./text.so NOW', 'open a ./short.so NOW', 'open a ./empty.so NOW', 'open a @DIR@ NOW',
           files={'text.so': 'text ' * 100, 'short.so': 'x', 'empty.so': ''}),
    script('error-class', 'class32', 'open a ./libclass32.so NOW'),
    script('error-machine', 'machine', 'open a ./libmachine.so NOW'),
    script('error-truncated', 'truncated', 'open a ./libtruncated.so NOW'),
    script('error-undefined-now', 'missing-call one', 'open a ./libmissing-call.so NOW', 'mapped libmissing-call.so', 'open a ./libone.so NOW'),
    script('error-undefined-lazy', 'missing-call', 'open a ./libmissing-call.so LAZY', 'call a miss_own 1', 'call a miss_missing 1'),
    script('error-undefined-bind-now', 'missing-call', 'open a ./libmissing-call.so LAZY', env={'LD_BIND_NOW': '1'}),
    script('error-undefined-data', 'missing-data', 'open a ./libmissing-data.so LAZY', 'mapped libmissing-data'),
    script('error-no-symbol', 'one', 'open a ./libone.so NOW', 'sym a nothing', 'sym D nothing', 'sym N nothing', 'sym a hidden_here', 'error'),
    script('error-close-twice', 'one', 'open a ./libone.so NOW', 'close a', 'close X'),
    script('error-per-thread', '', 'open a libnothing.so NOW', 'thread error', 'open a libnothing.so NOW', 'thread sym D nothing', 'error'),
    script('error-version', 'one', 'open a ./libone.so NOW', 'vsym a one_own V1', 'vsym D puts GLIBC_2.2.5', 'vsym D puts GLIBC_9'),
]

SYMBOLS = [
    script('sym-own', '', 'call D dlscript_own 1', 'read D dlscript_data', 'write D dlscript_data 44', 'read D dlscript_data', 'sym N dlscript_own'),
    script('sym-libc', '', 'sym D malloc', 'sym D stdout', 'sym D errno', 'sym D gettimeofday', 'sym D memcpy', 'call D abs -5', 'sym N puts'),
    script('sym-chain', 'one two three four', 'call D shared 0', 'call D two_next 0', 'call D four_next 0', 'call D three_next 0', 'call D one_next 0',
           'call D four_uses 1', 'list', program='dlscript-chain'),
    script('sym-handle-order', 'one three four two', 'open a ./libfour.so NOW', 'call a shared 0', 'open b ./libthree.so NOW', 'call b shared 0',
           'call b four_own 0', 'call a one_own 0'),
    script('vsym-libc', '', 'vsym D memcpy GLIBC_2.2.5', 'vsym D memcpy GLIBC_2.14', 'vcall D abs GLIBC_2.2.5 -3', 'open a libc.so.6 NOW',
           'vsym a pthread_create GLIBC_2.34', 'vsym a pthread_create GLIBC_2.2.5', 'vsym a nothing GLIBC_2.2.5'),
    script('sym-tls', 'tls-a', 'open a ./libtls-a.so NOW', 'read a a_value', 'write a a_value 5', 'thread read a a_value', 'read a a_value', 'addr1 a a_check'),
    script('sym-ifunc', 'ifunc', 'open a ./libifunc.so NOW', 'call a ifunc_exported 1', 'addr1 a ifunc_exported', 'call a ifunc_protected 1'),
    script('sym-unique', 'unique1 unique2', 'open a ./libunique1.so NOW', 'open b ./libunique2.so NOW', 'call a unique_bump 0', 'call b unique_bump 0', 'close a',
           'mapped libunique1.so', 'call b unique_bump 0', 'close b', 'mapped libunique2.so'),
]

ADDRESSES = [
    script('addr', 'one', 'addr D main', 'addr D dlscript_own 1', 'addr D dlscript_data 2', 'addr D puts', 'open a ./libone.so NOW', 'addr a one_own',
           'addr a one_own 1', 'addr a shared_data', 'addr1 a shared', 'addr1 a shared_data', 'addr D dlscript_own 100000000'),
    script('addr-after-close', 'one', 'open a ./libone.so NOW', 'addr a one_own', 'close a', 'addr D main'),
    script('find-object', 'one', 'find D main', 'find D puts', 'open a ./libone.so NOW', 'find a one_own', 'find a shared_data', 'close a', 'find D main'),
    script('list', 'one three four', 'list', 'count', 'open a ./libfour.so NOW', 'count', 'list', 'close a', 'count', 'list'),
    script('maps', 'one three', 'open p - NOW', 'map p', 'open a ./libthree.so NOW', 'map a', 'close a', 'map p'),
    script('info', 'one', 'open a ./libone.so NOW', 'info a', 'serinfo a', 'open p - NOW', 'info p', 'serinfo p'),
    script('info-library-path', 'one', 'open a ./libone.so NOW', 'serinfo a', env={'LD_LIBRARY_PATH': '/x:@DIR@'}),
]

CASES = OPEN + ERRORS + SYMBOLS + ADDRESSES
