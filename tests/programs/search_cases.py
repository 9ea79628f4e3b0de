"""Where libraries are looked for, and in which order."""

from harness import Case, Rewrite

# glibc's libc.so.6 needs the system loader, which is the oracle's own program and needs no search there.
LOADER_NAME = Rewrite(r'^(/.*/ld-linux-x86-64\.so\.2|.*/ldx|/tmp/ldx-\d+)\n', '', 'the loader itself stands under its own name')
PIDS = Rewrite(r'^ *\d+:\t', '', 'every line begins with the process id')
LOADER_SEARCH = Rewrite(r'^find library=ld-linux-x86-64\.so\.2 .*\n(?:  ?[st].*\n)*\n', '',
                        'the system loader does not look for itself')
LOADER_INIT = Rewrite(r'^\n(calling (init|fini)): .*/(ld-linux-x86-64\.so\.2|ldx|ldx-\d+)( \[0\])?\n\n', '',
                      'the loader has an initialiser of its own')
NO_TEXT = Rewrite(r'Error 21$', 'Is a directory', 'the system loader has a text for few error numbers while it starts a program')
DEBUG = (NO_TEXT, PIDS, LOADER_SEARCH, LOADER_INIT, LOADER_NAME)


def find(name, program, layout, *arguments, rewrites=(LOADER_NAME,), **more):
    """`layout`: where libleft.so and libdeep.so (or what stands for them) lie, as 'folder/library' words."""
    words = [word if '=' in word else f'{word}={word.rsplit("/", 1)[-1]}' for word in layout.split()]
    return Case(f'search.{name}', [f'./finder-{program}', *arguments], use=' '.join([f'finder-{program}', *words]),
                rewrites=rewrites, **more)


X = 'x/libleft.so x/libdeep.so'
ONE = 'x/libleft.so=libleft-alone.so'

PATHS = [
    find('runpath', 'runpath', ONE),
    find('runpath-two-needs', 'runpath', X),
    find('runpath-not-inherited', 'runpath', 'x/libleft.so=libleft-runpath.so x/libdeep.so'),
    find('runpath-of-library', 'runpath', 'x/libleft.so=libleft-runpath.so x/deep/libdeep.so=libdeep.so'),
    find('rpath', 'rpath', X),
    find('rpath-inherited', 'rpath', 'x/libleft.so=libleft-rpath.so x/libdeep.so'),
    find('rpath-of-library-first', 'rpath', 'x/libleft.so=libleft-rpath.so x/libdeep.so x/deep/libdeep.so=libdeep.so'),
    find('rpath-stopped-by-runpath', 'rpath', 'x/libleft.so=libleft-runpath.so x/libdeep.so'),
    find('rpath-of-library-under-runpath', 'runpath', 'x/libleft.so=libleft-rpath.so x/deep/libdeep.so=libdeep.so'),
    find('runpath-two', 'runpath-two', 'y/libleft.so=libleft-alone.so'),
    find('runpath-two-both', 'runpath-two', 'x/libleft.so=libleft-alone.so y/libleft.so=libleft-alone.so'),
    find('runpath-current-folder', 'runpath-two', 'libleft.so=libleft-alone.so'),
    find('rpath-two', 'rpath-two', 'y/libleft.so x/libdeep.so'),
    find('runpath-braces', 'runpath-braces', ONE),
    find('runpath-lib', 'runpath-lib', 'lib/x86_64-linux-gnu/libleft.so=libleft-alone.so'),
    find('runpath-platform', 'runpath-platform', 'x86_64/libleft.so=libleft-alone.so haswell/libleft.so=libleft-alone.so'),
    find('runpath-unknown-variable', 'runpath-unknown', ONE),
    find('runpath-relative', 'runpath-relative', ONE),
    find('runpath-empty-element', 'runpath-empty', 'libleft.so=libleft-alone.so'),
    find('nodeflib', 'nodeflib', ONE),
    find('nodeflib-library-path', 'nodeflib', ONE, env={'LD_LIBRARY_PATH': '/usr/lib/x86_64-linux-gnu'}),
    find('library-path', 'none', X, env={'LD_LIBRARY_PATH': 'x'}),
    find('library-path-first', 'runpath', 'x/libleft.so x/libdeep.so y/libleft.so y/libdeep.so', env={'LD_LIBRARY_PATH': '@DIR@/y'}),
    find('library-path-after-rpath', 'rpath', 'x/libleft.so x/libdeep.so y/libleft.so y/libdeep.so', env={'LD_LIBRARY_PATH': '@DIR@/y'}),
    find('library-path-semicolon', 'none', 'x/libleft.so y/libdeep.so', env={'LD_LIBRARY_PATH': 'q;x/;@DIR@//y'}),
    find('library-path-empty-elements', 'none', 'libleft.so x/libdeep.so', env={'LD_LIBRARY_PATH': ':x:'}),
    find('library-path-origin', 'none', X, env={'LD_LIBRARY_PATH': '$ORIGIN/x'}),
    find('library-path-lib', 'none', 'lib/x86_64-linux-gnu/libleft.so lib/x86_64-linux-gnu/libdeep.so', env={'LD_LIBRARY_PATH': '@DIR@/$LIB'}),
    find('library-path-long', 'none', X, env={'LD_LIBRARY_PATH': ':'.join(['/no/' + 'x' * 250] * 40) + ':@DIR@/x'}),
    find('library-path-over-long', 'none', X, env={'LD_LIBRARY_PATH': 'y' * 5000 + ':@DIR@/x'}),
    find('hwcaps', 'runpath', 'x/libleft.so=libleft-alone.so x/glibc-hwcaps/x86-64-v2/libleft.so=libleft-alone.so'),
    find('hwcaps-all', 'runpath', 'x/libleft.so=libleft-alone.so ' + ' '.join(f'x/glibc-hwcaps/x86-64-v{n}/libleft.so=libleft-alone.so' for n in (1, 2, 3, 4))),
    find('hwcaps-library-path', 'none', 'x/glibc-hwcaps/x86-64-v2/libleft.so x/libleft.so x/libdeep.so', env={'LD_LIBRARY_PATH': 'x'}),
    find('legacy-hwcaps', 'runpath', ' '.join(f'x/{folder}libleft.so=libleft-alone.so' for folder in ('', 'tls/', 'haswell/', 'x86_64/', 'tls/x86_64/'))),
    find('slash', 'slash', 'sub/libleft.so libdeep.so', env={'LD_LIBRARY_PATH': '@DIR@'}),
    find('slash-missing', 'slash', 'libleft.so libdeep.so', env={'LD_LIBRARY_PATH': '@DIR@'}),
    find('one-inode', 'none', 'x/libleft.so x/libdeep.so', './again.so', env={'LD_LIBRARY_PATH': 'x'}, setup='ln -s x/libdeep.so again.so'),
    find('one-soname', 'none', 'x/libleft.so x/libdeep.so y/libdeep.so', 'y/libdeep.so', 'libdeep.so', env={'LD_LIBRARY_PATH': 'x'}),
    find('opened-by-library', 'runpath', 'x/libleft.so=libleft-opens.so x/libdeep.so x/plugins/libdeep.so=libdeep.so x/plugins/libplugin-found.so=libplugin-found.so',
         env={'LD_LIBRARY_PATH': 'x'}),
    find('opened-by-program', 'runpath', X + ' x/libplugin-found.so', 'libplugin-found.so', 'libnothing.so', 'libz.so.1', '$ORIGIN/x/libplugin-found.so',
         env={'LD_LIBRARY_PATH': 'x'}),
    find('opened-program-rpath', 'rpath', X + ' x/libplugin-found.so', 'libplugin-found.so'),
    find('preload-origin', 'rpath', X + ' x/libplugin-found.so', env={'LD_PRELOAD': '$ORIGIN/x/libplugin-found.so'}),
    Case('search.through-link', ['./p/link'], use='finder-runpath x/libleft.so=libleft.so x/libdeep.so=libdeep.so', rewrites=(LOADER_NAME,),
         setup='mkdir p; ln -s ../finder-runpath p/link', env={'LD_LIBRARY_PATH': '@DIR@/x'}),
]

BAD = [
    find('missing', 'runpath', ''),
    find('missing-deep', 'runpath', 'x/libleft.so'),
    find('missing-with-library-path', 'runpath', 'x/libleft.so', env={'LD_LIBRARY_PATH': 'q:r'}),
    find('class-skipped', 'runpath-two', 'x/libleft.so=libclass32.so y/libleft.so=libleft-alone.so'),
    find('machine-skipped', 'runpath-two', 'x/libleft.so=libmachine.so y/libleft.so=libleft-alone.so'),
    find('class-only', 'runpath', 'x/libleft.so=libclass32.so'),
    find('not-elf', 'runpath-two', 'y/libleft.so=libleft-alone.so', files={'x/libleft.so': 'text ' * 100}),
    find('empty', 'runpath-two', 'y/libleft.so=libleft-alone.so', files={'x/libleft.so': ''}),
    find('folder', 'runpath-two', 'y/libleft.so=libleft-alone.so', setup='mkdir -p x/libleft.so', rewrites=(NO_TEXT,)),
    find('dangling-link', 'runpath-two', 'y/libleft.so=libleft-alone.so', setup='mkdir x; ln -s nowhere x/libleft.so'),
    find('path-is-a-file', 'runpath-two', 'y/libleft.so=libleft-alone.so', files={'x': 'no folder'}),
    find('truncated', 'runpath-two', 'x/libleft.so=libtruncated.so y/libleft.so=libleft-alone.so'),
]

ETC = [
    find('etc-preload', 'rpath', X + ' x/libp.so=libp.so', etc='echo @DIR@/x/libp.so > $ETC/ld.so.preload'),
    find('etc-preload-several', 'rpath', X + ' x/libp.so=libp.so x/libq.so=libq.so', env={'LD_PRELOAD': '@DIR@/x/libq.so'},
         etc="printf '# comment\\n  @DIR@/x/libp.so:@DIR@/x/libnothing.so\\n' > $ETC/ld.so.preload"),
    find('etc-preload-empty', 'rpath', X, etc=': > $ETC/ld.so.preload'),
    find('cache-missing', 'rpath', X, etc='rm $ETC/ld.so.cache'),
    find('cache-damaged', 'rpath', X, etc='head -c 5000 $ETC/ld.so.cache > $ETC/new; mv $ETC/new $ETC/ld.so.cache'),
    find('cache-text', 'rpath', X, etc='echo nothing > $ETC/ld.so.cache'),
    find('cache-names', 'none', X, etc='echo @DIR@/x > c; cp $ETC/ld.so.conf d; cat d >> c; /sbin/ldconfig -X -f c -C $ETC/ld.so.cache'),
    find('cache-hwcaps', 'none', X + ' ' + ' '.join(f'x/glibc-hwcaps/x86-64-v{n}/libleft.so=libleft.so' for n in (2, 3)),
         etc='echo @DIR@/x > c; /sbin/ldconfig -X -f c -C $ETC/ld.so.cache'),
    find('cache-old-format', 'none', X, etc='echo @DIR@/x > c; /sbin/ldconfig -X -c compat -f c -C $ETC/ld.so.cache'),
    find('cache-stale', 'none', 'y/libleft.so=libleft-alone.so', env={'LD_LIBRARY_PATH': 'q'},
         etc='mv y x; echo @DIR@/x > c; /sbin/ldconfig -X -f c -C $ETC/ld.so.cache; mv x y'),
]

TRACES = [
    find(f'tries-{case.name[7:]}', case.run[0][len('./finder-'):], ' '.join(case.use.split()[1:]), *case.run[1:], rewrites=DEBUG,
         env={**case.env, 'LD_DEBUG': 'libs'}, setup=case.setup, files=case.files, etc=case.etc)
    for case in PATHS[:-1] + BAD + ETC
]

CASES = PATHS + BAD + ETC + TRACES
