"""The dl functions: opening, closing, looking up, asking, failing; each in more ways than a program would think of."""

import graphs
from harness import Case, Outcome, Rewrite

# Unwinders throw their caches away when these counters change.
UNTOUCHED = Rewrite(r"open that fails: adds \+[01], subs \+[01]", "open that fails", "the system loader counts what it takes back; ldx never adds it")


def case(name, words, libraries='', **more):
    """`libraries`: words like a, b for libdl-a.so, libdl-b.so; new=b for a libdl-new.so that is libdl-b.so."""
    files = [f'libdl-{new}.so=libdl-{old or new}.so' for new, _, old in (word.partition('=') for word in libraries.split())]
    return Case(f'dl.{name}', [f'./{words[0]}', *words[1:]], use=' '.join([words[0], *files]), **more)


LINKS = '''ln -s libdl-a.so link.so; ln -s link.so chain.so; ln -s nothing dangling.so; ln -s loop.so loop.so; ln libdl-a.so hard.so
           cp libdl-a.so copy.so; cp libdl-a.so "name with blanks.so"; cp libdl-a.so "$(printf './\\303\\251\\001.so')"; mkdir x closed
           mkfifo x/fifo; printf %s "$(seq 1000)" >text.so; echo '#!/bin/sh' >script.so; : >empty.so; printf '\\177ELF' >short.so
           cp libdl-a.so closed; chmod 700 closed'''

REASON = Rewrite(r'(failed to map segment from shared object): No such device$', r'\1', 'ldx says why')

OPENING = [
    case('modes', ['modes'], 'a needs-a', limit=60),
    Case('dl.names', ['./files'], use='files libdl-a.so static-pie', setup=LINKS),
    Case('dl.names-none', ['./files', 'nameless'], use='files libdl-a.so', rewrites=(REASON,)),
    Case('dl.names-closed', ['./files', 'closed'], use='files libdl-a.so', setup=LINKS),
    case('damaged', ['damaged'], 'a'),
]


def orders(name, libraries, *words, **more):
    return case(f'order-{name}', ['orders', *words], libraries, **more)


DIAMOND = 'top left right bottom'
RING = 'x y z tail'

CLOSING = [
    orders('diamond', DIAMOND, '-open', './libdl-top.so', './libdl-left.so', './libdl-bottom.so'),
    orders('diamond-sides', DIAMOND, '-open', './libdl-left.so', './libdl-right.so', './libdl-bottom.so'),
    orders('diamond-all', DIAMOND, './libdl-bottom.so', './libdl-right.so', './libdl-left.so', './libdl-top.so'),
    orders('diamond-now', DIAMOND, '-open', 'N./libdl-top.so', 'N./libdl-right.so'),
    orders('diamond-global', DIAMOND, '-open', 'G./libdl-top.so', './libdl-right.so', 'G./libdl-bottom.so'),
    orders('diamond-nodelete', DIAMOND, '-open', './libdl-top.so', 'K./libdl-right.so'),
    orders('diamond-flag-nodelete', f'{DIAMOND} stays', '-open', './libdl-stays.so', './libdl-top.so'),
    orders('diamond-twice', DIAMOND, './libdl-top.so', './libdl-top.so', './libdl-left.so', './libdl-left.so'),
    orders('ring', RING, '-open', './libdl-x.so', './libdl-y.so', './libdl-z.so'),
    orders('ring-tail', RING, '-open', './libdl-tail.so', './libdl-z.so'),
    orders('ring-nodelete', RING, '-open', './libdl-x.so', 'K./libdl-y.so'),
    orders('ring-nodelete-tail', RING, '-open', './libdl-x.so', 'K./libdl-tail.so'),
    orders('ring-global', RING, '-open', 'GN./libdl-x.so', 'G./libdl-z.so'),
    orders('two-rings', f'{RING} r s', '-open', './libdl-r.so', './libdl-s.so', './libdl-y.so'),
    orders('own-dependency', 'own', '-open', './libdl-own.so', './libdl-own.so'),
    orders('unrelated', 'a b c', '-open', './libdl-a.so', './libdl-b.so', './libdl-c.so'),
    orders('binding-now', 'gives takes', 'G./libdl-gives.so', 'N./libdl-takes.so'),
    orders('binding-lazy-and-now', 'gives takes', 'G./libdl-gives.so', 'B./libdl-takes.so'),
    orders('binding-now-deepbind', 'gives takes', 'G./libdl-gives.so', 'ND./libdl-takes.so'),
    orders('binding-missing', 'gives takes', '-open', 'G./libdl-gives.so', 'N./libdl-takes.so'),
    orders('first', 'gives-first takes a', '-open', 'G./libdl-gives-first.so', './libdl-takes.so', './libdl-a.so'),
    orders('five', f'{DIAMOND} {RING}', './libdl-top.so', './libdl-x.so', './libdl-right.so', './libdl-tail.so', './libdl-z.so', limit=60),
]


def steps(name, libraries, *words, program='steps', **more):
    return case(name, [program, *words], libraries, **more)


ENDS = './libdl-ends.so'
ACTS = {'opens': 'a', 'opens-late': 'a', 'opens-in-both': 'a b', 'opens-and-closes': 'a b', 'opens-global': 'a', 'opens-itself': '',
        'closes-itself': '', 'opens-missing': '', 'opens-program': '', 'registers': 'a',
        'registers-late': '', 'makes-thread': '', 'forks': 'a', 'exits': '', 'exits-late': ''}
OPENS_LATE, FINDS_LATE = './libdl-opens-itself-late.so', './libdl-finds-itself-late.so'
DANGLING = 'the system loader gives a handle of what it is about to unmap'
AGAIN = 'the system loader runs the constructors of what it is finalising again'
DEEP = 'deep1 deep2 deep3 deep4 deep5 deep6'

ENDING = [
    steps('ends-close', 'ends', f'+{ENDS}', f'{ENDS}:register_all', f'{ENDS}:use_local_static', f'-{ENDS}', f'={ENDS}', '*@'),
    steps('ends-exit', 'ends', f'+{ENDS}', f'{ENDS}:register_all', f'{ENDS}:use_local_static', '*@'),
    steps('ends-exit-from-library', 'ends', f'+{ENDS}', f'{ENDS}:register_all', f'{ENDS}:leave'),
    steps('ends-quick-exit', 'ends', f'+{ENDS}', f'{ENDS}:register_all', f'{ENDS}:leave_quickly'),
    steps('ends-quick-exit-after-close', 'ends other=ends', f'+{ENDS}', f'{ENDS}:register_all', f'-{ENDS}', '+./libdl-other.so',
          './libdl-other.so:leave_quickly'),
    steps('ends-nested-handler', 'ends', f'+{ENDS}', f'{ENDS}:register_nested', f'-{ENDS}', f'+{ENDS}', f'{ENDS}:register_nested'),
    steps('ends-opened-twice', 'ends', f'+{ENDS}', f'+{ENDS}', f'{ENDS}:register_all', f'-{ENDS}', f'-{ENDS}', f'+{ENDS}', f'-{ENDS}'),
    steps('ends-nodelete', 'ends', f'+K{ENDS}', f'{ENDS}:register_all', f'-{ENDS}', f'={ENDS}'),
    steps('ends-in-thread', 'ends', f'&+{ENDS}', f'&{ENDS}:register_all', f'&-{ENDS}', f'+{ENDS}', f'&{ENDS}:leave'),
    steps('ends-in-child', 'ends', f'+{ENDS}', f'{ENDS}:register_all', f'*-{ENDS}', f'*{ENDS}:leave', f'-{ENDS}'),
    steps('ends-linked', 'ends', '?register_all', '?use_local_static', f'+{ENDS}', f'-{ENDS}', program='steps-ends'),
    steps('ends-linked-exit', 'ends', '?register_all', '?leave', program='steps-ends'),
    case('exit-handlers', ['exit-main'], 'ends a b'),
    case('exit-handlers-before-library', ['exit-main', 'reverse'], 'ends a b'),
] + [
    # What is being finalised has gone already for those that ask for it: they get a copy of their own, or nothing.
    steps('act-opens-itself-late', 'opens-itself-late', f'+{OPENS_LATE}', '@', f'-{OPENS_LATE}', '@', reason=DANGLING, expect=Outcome(0,
          f'''{OPENS_LATE}: +opens_itself_late /opens_itself_late ok
loaded: (program) linux-vdso.so.1 libc.so.6 libdl-opens-itself-late.so
close {OPENS_LATE}: -opens_itself_late +opens_itself_late /opens_itself_late (opens_itself_late opens libdl-opens-itself-late.so: ok) \\opens_itself_late 0 
loaded: (program) linux-vdso.so.1 libc.so.6 libdl-opens-itself-late.so
exit:
 -opens_itself_late (opens_itself_late opens libdl-opens-itself-late.so: ok) \\opens_itself_late''', '')),
    steps('act-finds-itself-late', 'finds-itself-late', f'+{FINDS_LATE}', f'-{FINDS_LATE}', '@', reason=DANGLING, expect=Outcome(0,
          f'''{FINDS_LATE}: +finds_itself_late /finds_itself_late ok
close {FINDS_LATE}: -finds_itself_late (finds_itself_late opens libdl-finds-itself-late.so: (no error)) \\finds_itself_late 0 
loaded: (program) linux-vdso.so.1 libc.so.6
exit:
''', '')),
] + [
    steps('act-opens-itself-late-preloaded', 'opens-itself-late', env={'LD_PRELOAD': OPENS_LATE}, reason=AGAIN, expect=Outcome(0, '''\
 +opens_itself_late /opens_itself_lateexit:
 -opens_itself_late (opens_itself_late opens libdl-opens-itself-late.so: ok) \\opens_itself_late''', '')),
    steps('act-finds-itself-late-preloaded', 'finds-itself-late', env={'LD_PRELOAD': FINDS_LATE}, reason=AGAIN, expect=Outcome(0, '''\
 +finds_itself_late /finds_itself_lateexit:
 -finds_itself_late (finds_itself_late opens libdl-finds-itself-late.so: ok) \\finds_itself_late''', '')),
] + [
    steps(f'act-{name}', f'{name} {more}', f'+./libdl-{name}.so', '@', f'-./libdl-{name}.so', '@', f'+G./libdl-{name}.so', '@')
    for name, more in ACTS.items()
] + [
    steps(f'act-{name}-preloaded', f'{name} {more}', '@', env={'LD_PRELOAD': f'./libdl-{name}.so'}) for name, more in ACTS.items()
] + [
    steps('act-deep', DEEP, '+./libdl-deep1.so', '@', '-./libdl-deep1.so', '@', '+./libdl-deep4.so', '-./libdl-deep4.so'),
    steps('act-deep-in-thread', DEEP, '&+./libdl-deep1.so', '@', '&-./libdl-deep1.so', '@'),
    steps('act-deep-exit', DEEP, '+./libdl-deep3.so', '+./libdl-deep5.so'),
    steps('act-chain-broken', 'deep1 deep2 deep3', '+./libdl-deep1.so', '@', '-./libdl-deep1.so', '@'),
    steps('act-in-child', 'opens-global a', '*+./libdl-opens-global.so', '+./libdl-opens-global.so', '*-./libdl-opens-global.so', '@'),
]

ASKING = [
    case('lookups', ['lookups'], 'symbols symbols2'),
    case('lookups-global', ['lookups', 'global'], 'symbols symbols2'),
    case('lookups-sysv', ['lookups'], 'symbols=symbols-sysv symbols2'),
    case('lookups-preloaded', ['lookups'], 'symbols symbols2', env={'LD_PRELOAD': './libdl-symbols2.so'}),
    case('lookups-bind-now', ['lookups'], 'symbols symbols2', env={'LD_BIND_NOW': '1'}),
    case('addresses', ['addresses'], 'symbols'),
    case('addresses-no-pie', ['addresses-no-pie'], 'symbols'),
    case('addresses-of-library', ['addresses', './libdl-symbols.so'], 'symbols'),
    case('addresses-of-library-sysv', ['addresses', './libdl-symbols.so'], 'symbols=symbols-sysv'),
    case('addresses-of-program', ['addresses', 'program'], 'symbols'),
    case('addresses-of-program-no-pie', ['addresses-no-pie', 'program'], 'symbols'),
    Case('dl.infos', ['./infos'], use='infos libdl-symbols.so libdl-a.so x/libdl-b.so=libdl-b.so'),
    Case('dl.infos-library-path', ['./infos'], use='infos libdl-symbols.so libdl-a.so x/libdl-b.so=libdl-b.so',
         env={'LD_LIBRARY_PATH': 'x:@DIR@/y:$ORIGIN/z:'}),
    case('errors', ['errors'], 'a b'),
    case('iterate', ['iterate'], 'a b c needs-a symbols symbols2 wants', rewrites=(UNTOUCHED,)),
    case('find-object', ['find-object'], 'a symbols no-frame'),
    case('traces', ['traces'], 'a b wants wants-data needs-wants needs-gone version=plain wants-version noopen gives'),
]

INTERPOSED = {'modes': 'modes a needs-a', 'errors': 'errors a b', 'addresses': 'addresses symbols', 'iterate': 'iterate a b c needs-a symbols symbols2 wants'}
WAYS = {'bare': '', 'runpath': '-runpath', 'rpath': '-rpath'}

CALLING = [
    case(f'interposed-{name}', [words.split()[0]], f'interpose {words.split(" ", 1)[1]}', env={'LD_PRELOAD': './libdl-interpose.so'},
         limit=60, rewrites=(UNTOUCHED,))
    for name, words in INTERPOSED.items()
] + [
    Case(f'dl.callers-{program}-{library}', [f'./callers{WAYS[program]}', 'library=./l/libdl-caller.so', 'libdl-a.so', '^libdl-a.so', '^libdl-b.so',
                                             'libdl-b.so', '^libdl-c.so', 'libdl-c.so', '^$ORIGIN/q/libdl-a.so', '$ORIGIN/p/libdl-a.so', '^libdl-needs-a.so'],
         use=f'callers{WAYS[program]} l/libdl-caller.so=libdl-caller{WAYS[library]}.so p/libdl-a.so=libdl-a.so p/libdl-b.so=libdl-b.so '
             'l/q/libdl-a.so=libdl-a.so l/q/libdl-c.so=libdl-c.so l/q/libdl-needs-a.so=libdl-needs-a.so')
    for program in WAYS for library in WAYS
] + [
    Case('dl.callers-environment', ['./callers', 'library=./l/libdl-caller.so', 'LD_LIBRARY_PATH=p', 'libdl-a.so', '^libdl-a.so', 'LD_PRELOAD=./p/libdl-b.so',
                                    'LD_BIND_NOW=1', 'libdl-b.so', './p/libdl-a.so', 'LD_DEBUG=all', 'libdl-a.so'],
         use='callers l/libdl-caller.so=libdl-caller.so p/libdl-a.so=libdl-a.so p/libdl-b.so=libdl-b.so'),
    Case('dl.callers-library-path', ['./callers', 'library=./l/libdl-caller.so', 'libdl-a.so', 'LD_LIBRARY_PATH=q', 'libdl-b.so', '^libdl-b.so', 'libdl-c.so'],
         use='callers l/libdl-caller.so=libdl-caller-runpath.so p/libdl-a.so=libdl-a.so p/libdl-b.so=libdl-b.so q/libdl-c.so=libdl-c.so l/q/libdl-b.so=libdl-b.so',
         env={'LD_LIBRARY_PATH': 'p'}),
]

FILTERS = [
    steps(f'filter-{name}{mode}', f'{name} {libraries}', f'+{mode}./libdl-{name}.so', '@', f'./libdl-{name}.so:sieved', f'./libdl-{name}.so:only_filter',
          f'./libdl-{name}.so:only_filtee', '?sieved', f'-./libdl-{name}.so', '@')
    for mode in ('', 'G') for name, libraries in (('filter', 'filtee'), ('auxiliary', 'filtee'), ('auxiliary2', 'filtee'))
] + [
    steps(f'filter-{name}-alone', name, f'+./libdl-{name}.so', '@', f'+G./libdl-{name}.so') for name in ('filter', 'auxiliary', 'auxiliary2')
] + [
    steps('filter-filtee-first', 'filter filtee', '+./libdl-filtee.so', '+./libdl-filter.so', './libdl-filter.so:sieved', '-./libdl-filtee.so', '@',
          './libdl-filter.so:only_filtee', '-./libdl-filter.so', '@'),
]

THREADS = [
    case('race', ['race'] + ['./libdl-race.so'] * 6, 'race'),
    case('race-by-other-names', ['race', './libdl-race.so', '././libdl-race.so', './libdl-race.so', './/libdl-race.so'], 'race'),
    case('race-crossed', ['race', './libdl-race-x.so', './libdl-race-y.so'], 'race-x race-y'),
    case('race-crossed-by-many', ['race'] + ['./libdl-race-x.so', './libdl-race-y.so', './libdl-race.so'] * 2, 'race-x race-y race'),
    case('crossing', ['crossing'], 'crossing-x crossing-y'),
    case('pins', ['pins'], 'pins a'),
    case('pins-main-thread', ['pins', 'main'], 'pins a'),
]

# Libraries that need and bind one another at random (graphs.py), twelve runs of steps over each set.
GRAPHS = [
    Case(f'dl.graph-{seed}', script=graphs.script(seed), limit=60,
         use='steps ' + ' '.join(f'{name}=graphs/{seed}/{name}' for name in graphs.names(seed)))
    for seed in graphs.SEEDS
]

CASES = OPENING + CLOSING + ENDING + ASKING + CALLING + FILTERS + THREADS + GRAPHS
