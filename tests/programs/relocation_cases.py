"""Every relocation type of executables and shared objects, and what is sealed after relocation."""

from harness import Case, Outcome, Rewrite

VALUES = ('values-pie', 'values-pie-copy', 'values-no-pie', 'values-no-plt', 'values-lld', 'values-relr', 'values-sysv',
          'values-text', 'values-gold', 'values-gold-pie', 'values-ibt', 'values-retpoline', 'values-lld-relr')
IFUNC = ('ifunc-pie', 'ifunc-now', 'ifunc-no-pie')
RELINK = Rewrite(r'^.*: Relink `.*\n', '',
                 'the system loader warns where it may run a resolver too early; ldx runs all of them late enough')
NOW = {'LD_BIND_NOW': '1'}

CASES = [Case(f'relocation.{name}', [f'./{name}'], use=f'{name} libvalues.so') for name in VALUES]
CASES += [Case(f'relocation.{name}-bind-now', [f'./{name}'], use=f'{name} libvalues.so', env=NOW) for name in VALUES]
CASES += [Case(f'relocation.{name}', [f'./{name}'], use=f'{name} libifunc.so libifunc-other.so', rewrites=(RELINK,))
          for name in IFUNC]
CASES += [Case(f'relocation.{name}-bind-now', [f'./{name}'], use=f'{name} libifunc.so libifunc-other.so', env=NOW,
               rewrites=(RELINK,))
          for name in IFUNC]
CASES += [
    Case('relocation.direct', ['./direct'], use='direct libdirect.so'),
    Case('relocation.direct-inside', ['./direct-inside'], use='direct-inside'),
    Case('relocation.nonpic-large', ['./nonpic-large'], use='nonpic-large libnonpic-large.so'),
    Case('relocation.odd', ['./odd'], use='odd libodd.so'),
    Case('relocation.odd-32', ['./odd-32'], use='odd-32 libodd.so=libodd-32.so'),
    Case('relocation.odd-32-overflow', ['./odd-32-far'], use='odd-32-far libodd.so=libodd-32.so'),
    Case('relocation.odd-pc64', ['./odd-pc64'], use='odd-pc64 libodd.so=libodd-pc64.so',
         expect=Outcome(0, 'pc64 64\nnone 0, glob_dat 1\n', ''),
         reason='the psABI allows R_X86_64_PC64 in a shared object; glibc refuses it'),
    Case('relocation.odd-16', ['./odd'], use='odd libodd.so=libodd-16.so'),
    Case('relocation.odd-unknown', ['./odd'], use='odd libodd.so=libodd-unknown.so'),
    Case('relocation.ifunc-static', ['./ifunc-static'], use='ifunc-static', modes=('command',), reason='no PT_INTERP'),
    Case('relocation.ifunc-static-pie', ['./ifunc-static-pie'], use='ifunc-static-pie', modes=('command',),
         reason='no PT_INTERP'),
    Case('relocation.ifunc-calls', ['./ifunc-calls'], use='ifunc-calls', env={'CHOICE': 'three'}),
    Case('relocation.ifunc-calls-no-pie', ['./ifunc-calls-no-pie'], use='ifunc-calls-no-pie'),
    Case('relocation.copy', ['./copy'], use='copy libcopy.so'),
    Case('relocation.copy-pie', ['./copy-pie'], use='copy-pie libcopy.so'),
    Case('relocation.copy-preloaded', ['./copy'], use='copy libcopy.so libcopy-preload.so',
         env={'LD_PRELOAD': './libcopy-preload.so'}),
    Case('relocation.copy-size-mismatch', ['./copy'], use='copy libcopy.so=libcopy-short.so'),
    Case('relocation.cout', ['./cout'], use='cout', packages='libstdc++6'),
    Case('relocation.cout-no-pie', ['./cout-no-pie'], use='cout-no-pie', packages='libstdc++6'),
    Case('relocation.relative', ['./relative'], use='relative librelative.so'),
    Case('relocation.relative-scattered', ['./relative'], use='relative librelative.so=librelative-scattered.so'),
    Case('relocation.relr', ['./relative-relr'], use='relative-relr librelative.so=librelative-relr.so'),
    Case('relocation.relr-without-version', ['./relative'], use='relative librelative.so=librelative-lld.so',
         expect=Outcome(0, '161 161\n', ''),
         reason='glibc refuses DT_RELR without GLIBC_ABI_DT_RELR, which not every linker writes'),
    Case('relocation.relro-lazy', ['./relro-lazy'], use='relro-lazy librelro.so'),
    Case('relocation.relro-now', ['./relro-now'], use='relro-now librelro.so'),
    Case('relocation.relro-none', ['./relro-none'], use='relro-none librelro.so'),
    Case('relocation.relro-bind-now', ['./relro-lazy'], use='relro-lazy librelro.so', env=NOW),
]
