"""The cases: programs of another Debian release, and programs of our own that are compiled for it."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / 'apps'))

import harness

RELEASES = ('bullseye', 'trixie', 'sid')
WAYS = ('command', 'interp', 'chroot')
UNKNOWN = ('unknown-command', 'unknown-interp')  # with a libc that no profile fits


@dataclass
class Case(harness.Case):
    """run[0] is a program of the release, or './NAME' for one of our own."""
    modes: tuple = WAYS
    releases: tuple = RELEASES
    loader_options: list = field(default_factory=list)  # of ldx and of the release's own loader, in way 'command'


# Our own programs: name, sources, and what else the compiler is told. Libraries are found by $ORIGIN.
PROGRAMS = {
    'libmodule.so': ('module.c', []),
    'libthrower.so': ('thrower.cc', []),
    'libopened.so': ('thrower.cc', []),
    'preload.so': ('preload.c', ['-ldl']),
    'threads': ('threads.c', ['-pthread']),
    'modules': ('modules.c', ['-pthread', '-ldl']),
    'throws': ('throws.cc', ['-pthread', 'libthrower.so', '-ldl']),
    'libc-facets': ('libc.c', ['-lm', '-rdynamic']),
    'libc-lazy': ('libc.c', ['-lm', '-rdynamic', '-Wl,-z,lazy', '-no-pie']),
    'libc-fortified': ('libc.c', ['-lm', '-rdynamic', '-D_FORTIFY_SOURCE=2', '-Wl,-z,now']),
    'threads-relr': ('threads.c', ['-pthread', '-Wl,-z,pack-relative-relocs']),
    'modules-tlsdesc': ('modules.c', ['-pthread', '-ldl', '-mtls-dialect=gnu2']),
    'spawns': ('spawns.c', []),
    'names': ('names.c', []),
    'frees': ('frees.c', ['-pthread', '-ldl']),
}
WITH_RELR = ('trixie', 'sid')  # glibc 2.36 and later

PYTHON = '''
import ctypes, decimal, hashlib, json, locale, math, os, pwd, select, signal, socket, sqlite3, ssl, struct, threading, zlib
print(json.dumps({'sum': str(decimal.Decimal('0.1') * 3), 'root': pwd.getpwnam('root').pw_name}))
print(ctypes.CDLL(None).strlen(b'seven c'), ctypes.CDLL('libm.so.6').abs(-4), ctypes.CDLL(None).gnu_get_libc_version)
print(hashlib.sha256(b'x').hexdigest()[:8], zlib.crc32(b'x'), math.cos(1).hex(), ssl.OPENSSL_VERSION)
base = sqlite3.connect(':memory:')
print(base.execute('select sum(value) from json_each(?)', ('[1,2,3]',)).fetchall())
found = []
threads = [threading.Thread(target=lambda n=n: found.append(sum(range(n)))) for n in range(30)]
[t.start() for t in threads]; [t.join() for t in threads]
print(sum(found), locale.setlocale(locale.LC_ALL, ''), os.sched_getaffinity(0) != set())
try:
    ctypes.CDLL('libnowhere.so')
except OSError as error:
    print(error)
child = os.fork()
if child == 0:
    os._exit(6)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
'''.replace(', ctypes.CDLL(None).gnu_get_libc_version)', ')')

MODULES = '''
import importlib, os, sysconfig
folder = sysconfig.get_path('platstdlib') + '/lib-dynload'
names = sorted({name.split('.')[0] for name in os.listdir(folder)})
for name in names:
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(name, error)
print(len(names) > 20)
'''

PERL = '''
use strict; use POSIX; use List::Util qw(sum); use Encode; use Socket; use Storable qw(freeze thaw); use Data::Dumper;
printf "%s %d %a\\n", floor(3.7), sum(1 .. 100), 1/3;
print length(encode("UTF-16", "gr\\x{fc}n")), " ", inet_ntoa(inet_aton("127.0.0.1")), " ", thaw(freeze([4]))->[0], "\\n";
my @found = getpwnam("root"); print "$found[0] ", strftime("%Y-%m-%d", gmtime(0)), "\\n";
my $child = fork; if (!$child) { exit 5 } waitpid $child, 0; print $? >> 8, "\\n";
local $SIG{ALRM} = sub { print "alarm\\n" }; kill "ALRM", $$;
print join(",", sort { $b <=> $a } map { $_ * 2 } 1 .. 5), "\\n"; exit 3;
'''

BASH = '''
declare -A words=([one]=1 [two]=2); printf '%s %d %a\\n' "$BASH_VERSION" $((words[one] + words[two])) 0.5
read -r first rest < <(echo begin middle end); echo "$rest" "${first^^}" "$(printf 'sub %s' shell)"
(exit 7); echo $?; for ((i = 0; i < 200; i++)); do : "$(:)"; done; echo "$i"
trap 'echo trapped' USR1; kill -USR1 $$; sleep_for() { read -rt 0.01 _; }; sleep_for </dev/zero; wait; exit 4
'''

GIT = '''
set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q -b main one; cd one
for i in 1 2 3; do for j in 1 2 3 4 5 6 7 8; do echo "$i $j" >"file$j"; done; git add .; git commit -qm "commit $i"; done
git log --format='%H %s'; git gc -q; git fsck; git -c pack.threads=4 repack -adfq; cd ..
git clone -q one two 2>&1; git -C two log -1 --stat --format=%s; git -C two grep -c --threads=4 3
git -C two -c alias.x='!echo alias; git version' x
'''

# The own loader of a release says how it was called; ldx, what the program calls it.
LISTED_LOADER = harness.Rewrite(r'^\t\S*ld-linux-x86-64\.so\.2( => \S+)?', '\tld-linux-x86-64.so.2', 'each names it in its way')

GREP = ['git', '-c', 'core.pager=', 'grep', '--no-index', '--threads=4', '-c', 'word']
TEXTS = {f'texts/{i}': f'word {i}\n' * i for i in range(1, 40)}

SCRIPT = '''
set -e
bash -c 'echo "$BASH_VERSINFO"' | perl -ne 'print "bash $_"'
python3 -c 'import subprocess; print(subprocess.run(["perl", "-e", "print 6*7"], capture_output=True).stdout)'
python3 -c 'import multiprocessing as m; m.set_start_method("spawn"); print(m.get_context("fork").Pool(3).map(abs, range(-3, 3)))'
perl -e 'print `bash -c "echo from bash"`; open my $p, "-|", "python3", "-c", "print(1)"; print <$p>'
getent passwd root | { IFS=: read -r name _; echo "$name"; }; iconv -f UTF-8 -t UTF-16LE <<<'x' | { read -rn 1 c; echo "$c"; }
locale -a; ldd --version | { read -r line; echo "$line"; }
'''

def listing(program):
    return Case(f'list-{program.strip("./")}', [program], loader_options=['--list'], modes=('command',),
                rewrites=(harness.ADDRESSES, LISTED_LOADER))


CASES = [
    *map(listing, ('bash', 'git', 'python3', './throws', './libc-facets')),
    Case('bash', ['bash', '-c', BASH, 'name', 'argument']),
    Case('bash-reads', ['bash', '-s', 'x'], stdin='echo "$1" $#; while read -r l; do echo "<$l>"; done\na\nb\n'),
    Case('python', ['python3', '-c', PYTHON]),
    Case('python-modules', ['python3', '-c', MODULES]),
    Case('perl', ['perl', '-e', PERL]),
    Case('git-version', ['git', 'version', '--build-options']),
    Case('git-hash', ['git', 'hash-object', '--stdin'], stdin='x\n'),
    Case('git-threads', GREP, files=TEXTS, sort='lines'),
    Case('git', ['bash', '-c', GIT], modes=('chroot',)),
    Case('together', ['bash', '-c', SCRIPT], modes=('chroot',)),
    Case('getent', ['getent', 'passwd', 'root', 'daemon']),
    Case('iconv', ['iconv', '-f', 'UTF-8', '-t', 'ISO-8859-1//TRANSLIT'], stdin='gr\u00fcn\n'),
    Case('localedef', ['localedef', '--help']),
    Case('threads', ['./threads']),
    Case('threads-without-rseq', ['./threads'], env={'GLIBC_TUNABLES': 'glibc.pthread.rseq=0'}),
    Case('threads-relr', ['./threads-relr'], releases=WITH_RELR),
    Case('modules', ['./modules']),
    Case('modules-bound-now', ['./modules'], env={'LD_BIND_NOW': '1'}),
    Case('modules-tlsdesc', ['./modules-tlsdesc']),
    Case('names', ['./names']),
    Case('frees', ['./frees']),
    Case('throws', ['./throws'], sort='lines'),  # threads end in any order
    Case('libc', ['./libc-facets']),
    Case('libc-lazy', ['./libc-lazy']),
    Case('libc-fortified', ['./libc-fortified']),
    Case('libc-tunables', ['./libc-facets'],
         env={'GLIBC_TUNABLES': 'glibc.malloc.perturb=85:glibc.malloc.arena_max=1:glibc.cpu.hwcaps=-AVX2,-AVX512F'}),
    Case('libc-other-tunables', ['./libc-facets'], env={'GLIBC_TUNABLES': 'glibc.malloc.tcache_count=0:glibc.malloc.perturb=0x33'}),
    Case('malloc-debug', ['./libc-facets'], releases=WITH_RELR,
         env={'LD_PRELOAD': 'libc_malloc_debug.so.0', 'GLIBC_TUNABLES': 'glibc.malloc.check=3'}),
    Case('preloaded', ['./libc-facets'], env={'LD_PRELOAD': '@BUILT@/preload.so'}),
    Case('preloaded-bash', ['bash', '-c', 'echo $((1 + 1))'], env={'LD_PRELOAD': '@BUILT@/preload.so'}),
    Case('spawns', ['./spawns'], modes=('chroot',)),
    Case('bash', ['bash', '-c', 'echo "$0 $1"; exit 3', 'name', 'argument'], modes=UNKNOWN),
    Case('libc', ['./libc-facets'], modes=UNKNOWN),
    Case('strict', ['./libc-facets'], loader_options=['--strict'], modes=UNKNOWN[:1]),
]
