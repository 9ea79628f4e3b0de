"""LD_PRELOAD of real libraries that stand before libc: each alone and several together, under programs of all kinds."""

import shlex

from harness import ADDRESSES, Case, Rewrite, locate

LIB = '/usr/lib/x86_64-linux-gnu/'
PRELOADS = { # name: library, environment, Debian package
    'fakeroot': (f'{LIB}libfakeroot/libfakeroot-sysv.so', {}, 'fakeroot'),
    'faketime': (f'{LIB}faketime/libfaketime.so.1', {'FAKETIME': '1999-12-31 23:59:58', 'FAKETIME_DONT_FAKE_MONOTONIC': '1'}, 'faketime'),
    'faketime-threads': (f'{LIB}faketime/libfaketimeMT.so.1', {'FAKETIME': '-30y', 'FAKETIME_DONT_FAKE_MONOTONIC': '1'}, 'faketime'),
    'jemalloc': (f'{LIB}libjemalloc.so.2', {}, 'libjemalloc2'),
    'tcmalloc': (f'{LIB}libtcmalloc.so.4', {}, 'libgoogle-perftools4'),
    'tcmalloc-minimal': (f'{LIB}libtcmalloc_minimal.so.4', {}, 'libtcmalloc-minimal4'),
    'tcmalloc-debug': (f'{LIB}libtcmalloc_minimal_debug.so.4', {}, 'libtcmalloc-minimal4'),
    'stdbuf': ('/usr/libexec/coreutils/libstdbuf.so', {'_STDBUF_O': 'L', '_STDBUF_E': '0'}, 'coreutils'),
    'eatmydata': (f'{LIB}libeatmydata.so', {}, 'eatmydata'),
    'memusage': ('/lib/x86_64-linux-gnu/libmemusage.so', {'MEMUSAGE_OUTPUT': '/dev/null'}, 'libc6-dev'),
    'malloc-debug': ('libc_malloc_debug.so.0', {'MALLOC_CHECK_': '3'}, 'libc6-dev'),
    'profiler': (f'{LIB}libprofiler.so.0', {'CPUPROFILE': '/dev/null'}, 'libgoogle-perftools4'),
}
# libfaketime does not go with jemalloc and tcmalloc's profiling form: they call each other when they begin, under any loader.
TOGETHER = {
    'fakeroot-faketime': ('fakeroot', 'faketime'),
    'fakeroot-jemalloc': ('fakeroot', 'jemalloc'),
    'faketime-tcmalloc': ('faketime', 'tcmalloc-minimal'),
    'fakeroot-tcmalloc': ('fakeroot', 'tcmalloc'),
    'tcmalloc-faketime-stdbuf': ('tcmalloc-minimal', 'faketime-threads', 'stdbuf'),
    'with-tcmalloc': ('stdbuf', 'fakeroot', 'faketime', 'tcmalloc-minimal', 'eatmydata'),
    'with-jemalloc': ('jemalloc', 'eatmydata', 'stdbuf', 'fakeroot'),
    'both-allocators': ('jemalloc', 'tcmalloc-minimal'),
}

PROGRAMS = { # name: words, package
    'ls': (['ls', '-ld', '--time-style=+%Y', '/', '/etc/passwd'], 'coreutils'),
    'python': (['python3', '-c', 'import time, threading, json, hashlib, sqlite3; t = [threading.Thread(target=lambda: [bytes(i) for i in range(999)]) for _ in range(3)]; '
                '[x.start() for x in t]; [x.join() for x in t]; print(time.gmtime().tm_year < 2001, json.dumps({"a": [1]}))'], 'python3'),
    'perl': (['perl', '-MList::Util=sum', '-MPOSIX', '-e', 'my @a = map { { n => $_ } } 1 .. 5000; print sum(map { $_->{n} } @a), " ", ((gmtime)[5] < 101 ? "old" : "new"), " $>\\n"'], 'perl'),
    'git': (['git', 'hash-object', '--stdin', '--no-filters'], 'git'),
    'allocating': (['./allocating'], ''),
}


# What memusage counts hangs on where the loader's own memory comes from.
COLOUR = Rewrite(r'\x1b\[[0-9;]*m', '', 'colours')
COUNTED = Rewrite(r'^ *(?:[0-9]+-[0-9]+|[0-9]+ or more|malloc\||realloc\||calloc\||free\||Total:|large) .*\n|^Memory usage summary.*\n', '', 'numbers of allocations')
PROFILE = Rewrite(r'^PROFILE: interrupts/evictions/bytes = .*\n', '', 'samples in time')


def preload(name, parts, program):
    words, package = PROGRAMS[program]
    env = {key: value for part in parts for key, value in PRELOADS[part][1].items()}
    libraries = ' '.join(PRELOADS[part][0] for part in parts if part != 'fakeroot')
    common = {'use': 'allocating' if program == 'allocating' else '', 'stdin': 'text\n' if program == 'git' else '', 'rewrites': (ADDRESSES, COLOUR, COUNTED, PROFILE),
              'packages': ' '.join([package, *(PRELOADS[part][2] for part in parts)])}
    if 'fakeroot' not in parts:
        return Case(f'preload.{name}.{program}', words, env=env | {'LD_PRELOAD': libraries}, **common)
    # libfakeroot wants the daemon that its command starts; the command preloads it, and the others come before.
    path = locate(words[0])
    return Case(f'preload.{name}.{program}', script='fakeroot -- /bin/sh run', programs=[path], env=env,
                files={'run': f'LD_PRELOAD="{libraries} $LD_PRELOAD" exec $RUN {shlex.join([path, *words[1:]])}\n'}, **common)


# libmemusage loses count of, and damages, what threads allocate.
THREADED = ('python', 'allocating')
SINGLE = [preload(name, (name,), program) for name in PRELOADS for program in PROGRAMS if not (name == 'memusage' and program in THREADED)]
SEVERAL = [preload(name, parts, program) for name, parts in TOGETHER.items() for program in PROGRAMS]

# The commands by which users know these libraries.
COMMANDS = [
    Case('preload.command.fakeroot', script='fakeroot -- $RUN /bin/sh -c "touch f; $RUN /bin/chown 7:8 f; $RUN /usr/bin/stat -c %u:%g f; $RUN /usr/bin/id -u"; $RUN /usr/bin/stat -c %u f',
         programs=['/bin/sh', '/bin/chown', '/usr/bin/stat', '/usr/bin/id'], packages='fakeroot'),
    Case('preload.command.fakeroot-tar', script='mkdir d; echo x > d/x; fakeroot -- /bin/sh -c "chown -R 5:6 d; $RUN /bin/tar -cf a.tar d; $RUN /bin/tar --numeric-owner -tvf a.tar" | cut -c1-18',
         programs=['/bin/tar'], packages='fakeroot tar'),
    Case('preload.command.fakeroot-user', script='chmod 777 .; setpriv --reuid=65534 --regid=65534 --clear-groups fakeroot -- /bin/sh -c "$RUN /usr/bin/id -u; touch f; $RUN /bin/chown 9:9 f; $RUN /usr/bin/stat -c %u f"',
         programs=['/usr/bin/id', '/bin/chown', '/usr/bin/stat'], packages='fakeroot'),
    Case('preload.command.faketime', script='faketime -f "2000-01-01 00:00:00" $RUN /bin/date -u +%F; faketime -f "@2000-01-01 00:00:00" $RUN /usr/bin/perl -e "print scalar(gmtime) =~ /2000/, qq(\\n)"',
         programs=['/bin/date', '/usr/bin/perl'], packages='faketime'),
    Case('preload.command.stdbuf', script='printf "a\\nb\\n" | stdbuf -oL -i0 $RUN /usr/bin/head -n 1; stdbuf -o0 $RUN ./allocating | cat', programs=['/usr/bin/head', './allocating'],
         use='allocating', packages='coreutils'),
    Case('preload.command.eatmydata', script='eatmydata $RUN /usr/bin/sqlite3 db "create table t(x); insert into t values (1), (2); select sum(x) from t"', programs=['/usr/bin/sqlite3'],
         packages='eatmydata sqlite3'),
    Case('preload.command.memusage', script='memusage $RUN /usr/bin/git --version 2>report; echo $?; grep -c "Memory usage summary" report', programs=['/usr/bin/git'],
         packages='libc-devtools git'),
    Case('preload.command.setpriv', script='LD_PRELOAD=libjemalloc.so.2 setpriv --reuid=65534 $RUN /usr/bin/id -u', programs=['/usr/bin/id'], packages='libjemalloc2'),
]

OWN = 'one.so=libpreloaded-one.so two.so=libpreloaded-two.so'


def order(name, libraries, program='./allocating', use='allocating', **env):
    return Case(f'preload.order.{name}', [program], env={'LD_PRELOAD': libraries, **env}, use=f'{OWN} {use}', packages='libjemalloc2 faketime fakeroot')


ORDER = [
    order('one', './one.so'),
    order('two', './one.so ./two.so'),
    order('two-reversed', './two.so:./one.so'),
    order('faketime-between', f'./one.so {PRELOADS["faketime"][0]} ./two.so', FAKETIME='1999-12-31 23:59:58'),
    order('faketime-first', f'{PRELOADS["faketime"][0]} ./two.so ./one.so', FAKETIME='1999-12-31 23:59:58'),
    order('jemalloc-last', './one.so ./two.so libjemalloc.so.2'),
    order('jemalloc-first', 'libjemalloc.so.2 ./one.so'),
    order('fakeroot-and-own', f'./two.so {PRELOADS["fakeroot"][0]} ./one.so'),
    order('id', f'./two.so {PRELOADS["fakeroot"][0]}', program='id', use=''),
    order('twice', './one.so ./one.so ./two.so ./one.so'),
]

CASES = SINGLE + SEVERAL + COMMANDS + ORDER
