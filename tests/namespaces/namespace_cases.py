"""Namespaces: what the system loader does too, what only ldx does, and the table of sharing in rows.txt."""

from itertools import groupby
from pathlib import Path

from harness import Case, Outcome

BETTER = 'the system loader has no such thing'
LIBRARIES = ' '.join(f'libns-{name}.so' for name in ('one', 'two', 'top', 'wants', 'user', 'unique', 'top-unique', 'needs-unique', 'wants-version'))


def held(name, *words, use='', **more):
    """A program that checks for itself, where the system loader cannot tell what is right."""
    return Case(f'namespaces.{name}', [f'./{words[0]}', *words[1:]], use=f'{words[0]} {LIBRARIES} {use}',
                expect=Outcome(0, more.pop('before', '') + 'all held\n', ''), reason=BETTER, **more)


def same(name, *words, use='', **more):
    return Case(f'namespaces.{name}', [f'./{words[0]}', *words[1:]], use=f'{words[0]} {LIBRARIES} {use}', **more)


# --- the table --------------------------------------------------------------------------------------------

# Steps that lead to a state in which a row begins.
LEAD = {('normal', '-'): [], ('normal', '0'): ['0:-'], ('normal', '1'): ['+:-'], ('normal', '0,1'): ['0:-', '+:-'],
        ('normal', '0,1p'): ['0:-', '+:SHARED'],
        ('unique', '-'): [], ('unique', '0'): ['0:-'], ('unique', '1'): ['+:ISOLATE'], ('unique', '0,1'): ['+:ISOLATE', '0:-'],
        ('unique', '0,1p'): ['0:-', '+:-']}


def table():
    lines = (Path(__file__).parent / 'rows.txt').read_text().splitlines()
    return [line.split() for line in lines if line.strip() and not line.startswith('#')]


def rows_case(name, kind, rows):
    lead = [f'={step}' for step in LEAD[kind, rows[0][2]]]
    steps = [f'{target}:{flags}' for _, _, _, target, flags, *_ in rows]
    told = ''.join(f'after {after} handle {handle} free {free}\n' for *_, after, handle, free in rows)
    library = {'normal': './libns-one.so', 'unique': './libns-unique.so'}[kind]
    return held(f'rows-{name}', 'rows', library, *lead, *steps, before=told)


ROWS = [rows_case(series, rows[0][0], rows) for series, rows in ((s, list(r)) for s, r in groupby(table(), key=lambda row: row[1]))]
ROWS += [rows_case(f'{kind}-{number}-in-{before}-into-{target}-{flags}', kind, [row])
         for number, row in enumerate(table(), 1) for kind, _, before, target, flags, *_ in [row]]

# --- what the user shares ---------------------------------------------------------------------------------


def patterns(name, text, flags, told, **more):
    """A library of no special kind, in a new namespace, with patterns of libraries to share."""
    return held(f'patterns-{name}', 'rows', './libns-one.so', f'+:{flags}', before=told, env={'LDX_SHARE': text}, **more)


COPY, PROXY, ISOLATED = (f'after {after} handle {handle} free {free}\n' for after, handle, free in (('1', '1', 0), ('0,1p', '1p', 0), ('1', '1', 1)))
PATTERNS = [
    patterns('file', 'libns-one.so', '-', PROXY),
    patterns('list', 'nothing*:lib?s-o*.so:', '-', PROXY),
    patterns('none', 'libns-on:ns-one.so:', '-', COPY),
    patterns('isolated', '*', 'ISOLATE', ISOLATED),
    held('patterns-option', 'rows', './libns-one.so', '+:-', before=PROXY, options=['--share=libns-*'], env={'LDX_SHARE': 'nothing'}, modes=('command',)),
]

# --- all others -------------------------------------------------------------------------------------------

TELL = {'TELL': '1'}
PLAIN = [same(f'plain-{topic}', 'plain', topic, env=TELL if topic in ('order', 'within') else {})
         for topic in ('numbers', 'refused', 'isolation', 'order', 'within', 'iterate', 'infos', 'modes')]
PLAIN += [
    same('plain-isolation-preloaded', 'plain', 'isolation', env={'LD_PRELOAD': './libns-two.so'}),
    same('isolated', 'isolated'),
    same('isolated-bind-now', 'isolated', env={'LD_BIND_NOW': '1'}),
    same('isolated-preloaded', 'isolated', env={'LD_PRELOAD': './libns-two.so'}),
    same('exceptions', 'spread', use='libns-spread.so'),
    same('exceptions-isolated', 'spread', 'isolated', use='libns-spread.so'),
    same('nested', 'nested', use='libns-nested.so'),
    same('behind-libc', 'behind_libc', use='libns-behind-libc.so'),
    same('ending', 'ending', './libns-top.so', env=TELL),
]

OWN = [
    held('shared', 'shared'),
    held('shared-bind-now', 'shared', env={'LD_BIND_NOW': '1'}),
    held('proxies', 'proxies', before='exit:\n'),
    held('debugger', 'debugger'),
    held('globals', 'globals'),
    held('walks', 'walks'),
    held('threads', 'threads'),
    held('sharing', 'sharing', setup='ln -s libns-top.so link.so'),
    Case('namespaces.ending-shared', ['./ending', './libns-top.so', 'shared'], use=f'ending {LIBRARIES}', env=TELL, reason=BETTER,
         expect=Outcome(0, 'open: +two +top\nopen:\nopen:\nbase: 1\nclose: 0\nclose: 0\nclose in the base: 0\nexit: -top -two', '')),
    Case('namespaces.ending-unique', ['./ending', './libns-top-unique.so'], use=f'ending {LIBRARIES}', env=TELL, reason=BETTER,
         expect=Outcome(0, 'open: +two +top_unique\nopen:\nopen:\nbase: 1\nclose: 0\nclose: 0\nclose in the base: 0\nexit: -top_unique -two', '')),
] + [
    held(f'many-at-once-{size}', 'many', 'at-once', f'./libns-tls-{size}.so', use=f'libns-tls-{size}.so') for size in (16, 512)
] + [
    held(f'many-{how}-{library}', 'many', how, f'./libns-{library}.so', use='libns-tls-512.so', limit=120)
    for how, library in (('plain', 'one'), ('plain', 'top'), ('plain', 'tls-512'), ('plain', 'needs-unique'), ('shared', 'top'),
                         ('isolated', 'one'), ('isolated', 'tls-512'))
]

OWN += [held(f'many-{how}', 'many', how, './libns-one.so') for how in ('alive', 'alive-isolated')]

# Blocks that one namespace allocates and another frees, tables that proxies read: all of it as clean as valgrind sees.
OWN += [
    Case(f'namespaces.valgrind-{name}', script=f'valgrind -q --error-exitcode=9 $RUN ./{name}', use=f'{name} {LIBRARIES}', setup='ln -s libns-top.so link.so',
         expect=Outcome(0, before + 'all held\n', ''), reason=BETTER, packages='valgrind', limit=120)
    for name, before in {'shared': '', 'proxies': 'exit:\n', 'globals': '', 'sharing': ''}.items()
]

CASES = ROWS + PATTERNS + PLAIN + OWN
