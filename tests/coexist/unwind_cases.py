"""Unwinding out of signal handlers, also at every instruction of the loader's own code, and of threads that are cancelled."""

from harness import Case

USE = 'unwound unwound-libunwind libunwound.so libbound.so'
WHAT = ('step', 'profile', 'crash', 'throw', 'cancel')


def unwound(program, what, **more):
    return Case(f'unwind.{program.partition("-")[2] or "gcc"}-{what}{"-now" if more.get("env") else ""}', [f'./{program}', what], use=USE, limit=60, packages='g++ libunwind-dev', **more)


CASES = [unwound(program, what) for program in ('unwound', 'unwound-libunwind') for what in WHAT
         if (program, what) != ('unwound-libunwind', 'cancel')] + [ # libunwind's form of a forced unwinding fails under any loader
    unwound('unwound', 'step', env={'LD_BIND_NOW': '1'}),
    unwound('unwound', 'cancel', env={'LD_BIND_NOW': '1'}),
    # A C program knows no unwinder: libc opens one when a thread is cancelled first.
    Case('unwind.c-cancel', ['./cancelled'], use='cancelled', packages='gcc'),
    Case('unwind.c-backtrace', ['./cancelled', 'backtrace'], use='cancelled', packages='gcc'),
]
