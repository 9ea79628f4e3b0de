"""Libraries, errors and locks whose lifetimes cross: roots that go first, loads that fail, threads and constructors."""

from harness import Case, Outcome

CHAIN = 'liblife-top.so liblife-middle.so liblife-leaf.so'
OPENER = 'close-opener liblife-middle.so liblife-leaf.so'


def case(name, words, libraries='', **more):
    return Case(f'lifetimes.{name}', [f'./{words[0]}', *words[1:]], use=f'{words[0]} {libraries}', **more)


def script(name, libraries, *commands, **more):
    """A case told to dlfcn/dlscript.c, one command an argument."""
    return case(name, ['dlscript', *commands], libraries, **more)


ROOTS = [
    case('close-opener-then-next', ['close-opener'], f'{OPENER} liblife-opener.so liblife-finder.so'),
    case('close-opener-then-rpath', ['close-opener'], f'{OPENER} liblife-opener.so=liblife-opener-rpath.so liblife-finder.so=liblife-finder-bare.so'),
    case('outlive-root-by-nodelete', ['outlive', 'LOCAL'], f'{CHAIN} liblife-middle.so=liblife-middle-nodelete.so'),
    case('outlive-root-by-thread-destructor', ['outlive', 'LOCAL', 'keep'], f'{CHAIN} liblife-middle.so=liblife-middle-destructor.so'),
    case('outlive-root-by-binding', ['outlive', 'GLOBAL', 'bind_keep', './liblife-binder.so'], f'{CHAIN} liblife-binder.so'),
    script('open-dependency-by-other-path', CHAIN, 'open a ./liblife-top.so LAZY', 'open b ././liblife-middle.so LAZY|NOLOAD', 'sym b leaf',
           'call b middle 0', 'close a', 'call b middle 0', 'close b', 'mapped liblife'),
    script('open-dependency-by-other-path-global', CHAIN, 'open a ./liblife-top.so LAZY', 'sym D leaf',
           'open b ././liblife-leaf.so LAZY|NOLOAD|GLOBAL', 'sym D leaf', 'sym D middle', 'close a', 'sym D leaf', 'close b', 'mapped liblife'),
    script('open-dependency-by-link', CHAIN, 'open a ./liblife-top.so LAZY', 'open b ./link.so LAZY|NOLOAD|GLOBAL', 'sym D leaf', 'sym b leaf',
           'close a', 'call b middle 0', setup='ln -s liblife-middle.so link.so'),
]

CONSTRUCTORS = [
    script('constructor-joins-a-call', 'liblife-joins-call.so liblife-leaf.so', 'open a ./liblife-joins-call.so LAZY', 'close a'),
    script('constructor-joins-dlinfo', 'liblife-joins-ask.so liblife-leaf.so', 'open a ./liblife-joins-ask.so LAZY', 'close a'),
    script('constructor-joins-dlsym', 'liblife-joins-look-up.so liblife-leaf.so', 'open a ./liblife-joins-look-up.so LAZY', 'close a',
           expect=Outcome(0, 'symbol 1\njoined\nopen liblife-joins-look-up.so LAZY: ok\nclose a: 0\n', ''),
           reason='the system loader looks up under the lock that dlopen() holds, and waits for ever'),
    script('constructor-opens-its-root', 'liblife-outer.so liblife-inner.so', 'open a ./liblife-outer.so NOW', 'close a', 'mapped liblife-outer',
           'close a', 'mapped liblife'),
    case('constructor-environment', ['open-environment'], 'liblife-environment.so'),
    case('vfork-waits-for-constructor', ['vfork-opens'], 'liblife-slow.so'),
]

FAILURES = [
    script('failed-open-leaves-tls', 'liblife-tls.so liblife-tls-missing.so', 'open a ./liblife-tls.so NOW', 'open b ./liblife-tls-missing.so NOW',
           'call a tls_read 0', 'thread call a tls_read 0', 'close a', 'mapped liblife'),
    script('failed-opens-free-static-tls', 'liblife-block.so liblife-block-missing.so', *['open a ./liblife-block-missing.so NOW'] * 20,
           'open b ./liblife-block.so NOW', 'call b block_first 3', 'thread call b block_first 3'),
    script('closes-free-static-tls', 'liblife-block.so liblife-block-user.so',
           *['open a ./liblife-block-user.so NOW', 'call a block_use 3', 'close a'] * 50),
    case('thread-has-its-own-error', ['thread-error']),
]

LOOKUPS = [
    script(f'lookup-{name}', 'liblife-weak.so liblife-strong.so', 'open a ./liblife-weak.so NOW|GLOBAL', 'call D which 1',
           'open b ./liblife-strong.so NOW|GLOBAL', 'call D which 1', 'call N which 1', 'open p - NOW', 'call p which 1', 'call a which 1', env=env)
    for name, env in {'takes-weak': {}, 'passes-over-weak': {'LD_DYNAMIC_WEAK': '1'}}.items()
] + [case('lookup-from-generated-code', ['generated'])]

ESCAPES = [case(f'escape-by-{how}', ['escapes', how], 'liblife-leaf.so') for how in ('throw', 'throw-nested', 'exit', 'cancel')]

CASES = ROOTS + CONSTRUCTORS + FAILURES + LOOKUPS + ESCAPES
