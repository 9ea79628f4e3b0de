"""Thread-local storage: models, alignment, images, threads, libraries that come and go."""

from harness import Case

NOW = {'LD_BIND_NOW': '1'}
LIBRARIES = 'libtls-a.so libtls-b.so libtls-c.so'
OPENED = {'gd': ('libtls-a.so', 'a'), 'desc': ('libtls-b.so', 'b'), 'ld-big': ('libtls-d.so', 'd'),
          'desc-big': ('libtls-e.so', 'e'), 'relr': ('libtls-relr.so', 'g'), 'lld': ('libtls-lld.so', 'h'),
          'gold': ('libtls-gold.so', 'j'), 'ie-small': ('libtls-small-ie.so', 'i')}
ALL = [word for library, prefix in OPENED.values() for word in (f'./{library}', prefix)]
ALL_FILES = ' '.join(library for library, _ in OPENED.values())

CASES = [Case(f'tls.{name}', [f'./tls-{name}'], use=f'tls-{name}') for name in ('le', 'le-aligned', 'no-pie', 'weak', 'gold')]
CASES += [Case(f'tls.{name}', [f'./tls-{name}'], use=f'tls-{name}', modes=('command',), reason='no PT_INTERP')
          for name in ('static', 'static-pie')]
for program in ('libraries', 'libraries-desc', 'libraries-no-pie'):
    CASES += [
        Case(f'tls.{program}', [f'./tls-{program}'], use=f'tls-{program} {LIBRARIES}'),
        Case(f'tls.{program}-bind-now', [f'./tls-{program}'], use=f'tls-{program} {LIBRARIES}', env=NOW),
        Case(f'tls.{program}-lazy-desc', [f'./tls-{program}'],
             use=f'tls-{program} libtls-a.so libtls-b.so=libtls-b-lazy.so libtls-c.so'),
        Case(f'tls.{program}-preloaded', [f'./tls-{program}'], use=f'tls-{program} {LIBRARIES} libtls-d.so',
             env={'LD_PRELOAD': './libtls-d.so'}),
    ]
CASES += [Case(f'tls.open-{name}', ['./tls-open', f'./{library}', prefix], use=f'tls-open {library}')
          for name, (library, prefix) in OPENED.items()]
CASES += [
    Case('tls.open-all', ['./tls-open', *ALL], use=f'tls-open {ALL_FILES}'),
    Case('tls.many-threads', ['./tls-many', *ALL], use=f'tls-many {ALL_FILES}'),
    Case('tls.destructors', ['./tls-destructors'], use='tls-destructors'),
    Case('tls.destructors-library', ['./tls-destructors', './libtls-destructors.so'],
         use='tls-destructors libtls-destructors.so'),
]
