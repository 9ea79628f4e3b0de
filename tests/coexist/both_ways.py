"""Cases whose oracle comes in the same form as ldx does: as PT_INTERP a plain start, as a command the system loader as a command.

A tool that looks at the process from outside sees what the kernel started. As a command that is a loader, under either of them.
"""

from harness import Case, Rewrite

# The loader under test, wherever it is named; the guest's ld-linux stays in the list of objects beside ldx.
LOADER = Rewrite(r"(?:/[^\s()'\"]*)?/(?:ldx|ld-linux-x86-64\.so\.2)(?![\w./-])", 'LOADER', 'the loader has another name')


def both(name, rewrites=(), **more):
    return [
        Case(name, rewrites=tuple(rewrites), modes=('interp',), reason='compared with a plain start', **more),
        Case(name + '-as-command', rewrites=tuple(rewrites), modes=('command',), loader=True, reason='compared with the loader as a command', **more),
    ]
