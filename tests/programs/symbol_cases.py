"""Which definition a reference is bound to: scope, visibility, weakness, versions, interposition, laziness."""

from harness import Case, Outcome

CHAIN = 'liba.so libb.so libc_.so libd.so'
NOW = {'LD_BIND_NOW': '1'}


def scope(name, program='scope', libraries=CHAIN, **more):
    return Case(f'symbols.{name}', [f'./{program}'], use=f'{program} {libraries}', **more)


SCOPE = [
    scope('breadth-first'),
    scope('program-first', 'scope-defines'),
    scope('copy-of-data', 'scope-no-pie'),
    scope('silent-program', 'scope-silent'),
    scope('a-undefined', libraries='liba.so=liba-quiet.so libb.so libc_.so libd.so'),
    scope('a-and-b-undefined', libraries='liba.so=liba-quiet.so libb.so=libb-quiet.so libc_.so libd.so'),
    scope('weak-first', libraries='liba.so=liba-weak.so libb.so libc_.so libd.so'),
    scope('weak-first-dynamic-weak', libraries='liba.so=liba-weak.so libb.so libc_.so libd.so', env={'LD_DYNAMIC_WEAK': '1'}),
    scope('symbolic', 'scope-defines', 'liba.so=liba-symbolic.so libb.so libc_.so libd.so'),
    scope('symbolic-functions', 'scope-defines', 'liba.so=liba-symbolic-functions.so libb.so libc_.so libd.so'),
    scope('symbolic-undefined', libraries='liba.so=liba-quiet.so libb.so=libb-symbolic-quiet.so libc_.so libd.so'),
    scope('interpose-flag', libraries='liba.so libb.so libc_.so libd.so=libd-interpose.so'),
    scope('interpose-flag-and-preload', libraries='libp.so liba.so libb.so libc_.so libd.so=libd-interpose.so',
          env={'LD_PRELOAD': './libp.so'}),
    scope('sysv-hash', libraries='liba.so=liba-quiet.so libb.so=libb-quiet.so libc_.so libd.so=libd-sysv.so'),
    scope('preload-one', libraries='libp.so ' + CHAIN, env={'LD_PRELOAD': '@DIR@/libp.so'}),
    scope('preload-two-colon', libraries='libp.so libq.so ' + CHAIN, env={'LD_PRELOAD': './libq.so:./libp.so'}),
    scope('preload-two-blank', libraries='libp.so libq.so ' + CHAIN, env={'LD_PRELOAD': ' ./libp.so   ./libq.so '}),
    scope('preload-twice', libraries='libp.so libq.so ' + CHAIN, env={'LD_PRELOAD': './libp.so ./libq.so ./libp.so'}),
    scope('preload-needed', env={'LD_PRELOAD': './libd.so'}),
    scope('preload-by-path', libraries='x/libp.so=libp.so ' + CHAIN, env={'LD_PRELOAD': 'libp.so', 'LD_LIBRARY_PATH': 'x'}),
    scope('preload-missing', env={'LD_PRELOAD': './libnothing.so libd.so'}),
    scope('preload-not-elf', files={'text.so': 'no library\n'}, env={'LD_PRELOAD': './text.so'}),
    scope('preload-empty', env={'LD_PRELOAD': ''}),
    scope('bind-now', env=NOW),
]

VISIBILITY = [
    Case('symbols.visible', ['./visible'], use='visible libvisible.so'),
    Case('symbols.visible-defines', ['./visible-defines'], use='visible-defines libvisible.so'),
    Case('symbols.visible-defines-unprotected', ['./visible-defines'], use='visible-defines libvisible.so=libvisible-open.so'),
    Case('symbols.copy-unprotected', ['./visible-copy'], use='visible-copy libvisible.so=libvisible-open.so'),
    Case('symbols.copy-protected', ['./visible-copy'], use='visible-copy libvisible.so'),
    Case('symbols.copy-strictly-protected', ['./visible-copy'], use='visible-copy libvisible.so=libvisible-strict.so'),
    Case('symbols.absolute', ['./absolute'], use='absolute libabsolute.so'),
    Case('symbols.many', ['./many'], use='many libmany.so'),
    Case('symbols.many-sysv', ['./many'], use='many libmany.so=libmany-sysv.so'),
    Case('symbols.many-bind-now', ['./many'], use='many libmany.so', env=NOW),
]

WEAK = [Case(f'symbols.{name}{suffix}', [f'./{name}'], use=f'{name} libweak.so', env=env)
        for name in ('weak', 'weak-no-pie', 'weak-lazy')
        for suffix, env in (('', {}), ('-preloaded', {'LD_PRELOAD': './libweak.so'}))]

LAZY = [
    Case('symbols.lazy-not-called', ['./missing-lazy'], use='missing-lazy libmissing.so'),
    Case('symbols.lazy-called', ['./missing-lazy', 'call'], use='missing-lazy libmissing.so'),
    Case('symbols.lazy-complete', ['./missing-lazy', 'call'], use='missing-lazy libmissing.so=libmissing-complete.so'),
    Case('symbols.lazy-called-in-library', ['./missing-lazy', 'call'], use='missing-lazy libmissing.so=libmissing-calls.so'),
    Case('symbols.lazy-bind-now', ['./missing-lazy'], use='missing-lazy libmissing.so', env=NOW),
    Case('symbols.lazy-bind-now-empty', ['./missing-lazy'], use='missing-lazy libmissing.so', env={'LD_BIND_NOW': ''}),
    Case('symbols.now', ['./missing-now'], use='missing-now libmissing.so'),
    Case('symbols.missing-data', ['./missing-data'], use='missing-data libmissing.so'),
    Case('symbols.missing-copy', ['./missing-copy'], use='missing-copy libmissing.so'),
    Case('symbols.registers-lazy', ['./registers-lazy'], use='registers-lazy libregisters.so'),
    Case('symbols.registers-now', ['./registers-now'], use='registers-now libregisters.so'),
    Case('symbols.registers-bind-now', ['./registers-lazy'], use='registers-lazy libregisters.so', env=NOW),
]

FILTERS = [
    Case('symbols.filter', ['./filter'], use='filter libfilter.so libfilter-real.so'),
    Case('symbols.filter-without-real', ['./filter'], use='filter libfilter.so'),
    Case('symbols.auxiliary', ['./filter'], use='filter libfilter.so=libfilter-auxiliary.so libfilter-real.so'),
    Case('symbols.auxiliary-without-real', ['./filter'], use='filter libfilter.so=libfilter-auxiliary.so'),
]

INTERPOSED = [
    Case('symbols.interposed-none', ['./interposed'], use='interposed libp.so',),
    Case('symbols.interposed-one', ['./interposed'], use='interposed libp.so libinterposer1.so',
         env={'LD_PRELOAD': './libinterposer1.so'}),
    Case('symbols.interposed-two', ['./interposed'], use='interposed libp.so libinterposer1.so libinterposer2.so',
         env={'LD_PRELOAD': './libinterposer2.so ./libinterposer1.so'}),
]

VERSIONS = [Case(f'versions.main{program}-lib{library}', [f'./versions-main{program}'],
                 use=f'versions-main{program} libversioned.so=libversioned{library}.so',
                 status=127 if program > max(library, 1) and library else None,
                 reason='the system loader leaves with 1 where a version is missing; ldx with 127, as for every failed start')
            for program in range(4) for library in range(4)]
VERSIONS += [Case(f'versions.weak-lib{library}', ['./versions-weak'], use=f'versions-weak libversioned.so=libversioned{library}.so',
                  status=127 if library == 1 else None, reason='as above') for library in range(4)]
VERSIONS += [Case(f'versions.copy-lib{library}', ['./versions-copy'], use=f'versions-copy libversioned.so=libversioned{library}.so',
                  status=127 if library == 1 else None, reason='as above') for library in range(4)]
VERSIONS += [Case(f'versions.user{user}-lib{library}', ['./versions-user'],
                  use=f'versions-user libuser.so=libuser{user}.so libversioned.so=libversioned{library}.so',
                  status=127 if user > library > 0 else None, reason='as above') for user in (1, 2) for library in range(4)]
VERSIONS += [
    Case('versions.no-version-section', ['./versions-user'], use='versions-user libuser.so=libuser2.so libversioned.so=libversioned-bare.so',
         expect=Outcome(0, '100\n', './versions-user: @DIR@/libversioned.so: no version information available (required by @DIR@/libuser.so)\n'),
         reason='the system loader fails an assertion of its own'),
    Case('versions.host', ['./versions-host', './libplugin.so'], use='versions-host libplugin.so'),
    Case('versions.libc', ['./versions-libc'], use='versions-libc'),
    Case('versions.preload-unversioned', ['./versions-main2'], use='versions-main2 libversioned.so=libversioned2.so pre.so=libversioned0.so',
         env={'LD_PRELOAD': './pre.so'}),
    Case('versions.preload-versioned', ['./versions-main2'], use='versions-main2 libversioned.so=libversioned2.so pre.so=libversioned3.so',
         env={'LD_PRELOAD': './pre.so'}),
]

CASES = SCOPE + VISIBILITY + WEAK + LAZY + FILTERS + INTERPOSED + VERSIONS
