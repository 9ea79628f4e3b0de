"""Virtual machines and interpreters with native code of one's own: java, node, python, perl."""

from pathlib import Path

from harness import Case

HERE = Path(__file__).parent


def text(name):
    return (HERE / name).read_text()


JAVA_HOME = '$(dirname "$(dirname "$(readlink -f /usr/bin/javac)")")'
JAVA_FILES = {name: text(name) for name in ('Native.java', 'native_java.c')}
JAVA_BUILD = f'gcc -O1 -shared -fPIC -I{JAVA_HOME}/include -I{JAVA_HOME}/include/linux -o libnative.so native_java.c; head -c 40 libnative.so >damaged.so; javac Native.java'
JAVA_PACKAGES = 'openjdk-17-jdk-headless gcc'


def java(name, *options):
    return Case(f'machine.java-{name}', ['java', *options, '-Djava.library.path=@DIR@', '-cp', '@DIR@', 'Native', '@DIR@'], files=JAVA_FILES, setup=JAVA_BUILD, packages=JAVA_PACKAGES, limit=90)


JAVA = [
    Case('machine.java-version', ['java', '-version'], packages='openjdk-17-jre-headless'),
    java('native'),
    java('interpreted', '-Xint', '-XX:+UseSerialGC'),
    java('checked', '-Xcheck:jni', '-Xss512k'),
    Case('machine.java-preload', ['java', '-Djava.library.path=@DIR@', '-cp', '@DIR@', 'Native', '@DIR@'], files=JAVA_FILES, setup=JAVA_BUILD, packages=JAVA_PACKAGES + ' libjemalloc2', limit=90,
         env={'LD_PRELOAD': 'libjemalloc.so.2'}),
    Case('machine.java-signal-chaining', ['java', '-Djava.library.path=@DIR@', '-cp', '@DIR@', 'Native', '@DIR@'], files=JAVA_FILES, setup=JAVA_BUILD, packages=JAVA_PACKAGES, limit=90,
         env={'LD_PRELOAD': '/usr/lib/jvm/java-17-openjdk-amd64/lib/libjsig.so'}),
]

NODE_FILES = {'addon.c': text('addon.c'), 'a.js': '''
const addon = require('./addon.node');
console.log(addon.add(1, 2.5), addon.count(), addon.twice(() => addon.add(5, 5)));
try { addon.add('x'); } catch (e) { console.log(e.code, e.message); }
try { addon.twice(() => { throw new RangeError('inside'); }); } catch (e) { console.log(e.name, e.message); }
const module2 = { exports: {} };
process.dlopen(module2, require('path').resolve('addon.node'), require('os').constants.dlopen.RTLD_NOW);
console.log(module2.exports.count());
for (const name of ['./absent.node', './damaged.node'])
  try { process.dlopen({ exports: {} }, require('path').resolve(name)); } catch (e) { console.log(e.code, e.message.replace(/.*\\//, '')); }
addon.later(n => {
  console.log('later', n);
  const { Worker } = require('worker_threads');
  new Worker(`const a = require('${require('path').resolve('addon.node')}'); require('worker_threads').parentPort.postMessage([a.add(3, 4), a.count()])`, { eval: true })
    .on('message', m => console.log('worker', m)).on('exit', c => console.log('exit', c));
});
'''}
NODE_BUILD = 'gcc -O1 -shared -fPIC -o addon.node addon.c; head -c 40 addon.node >damaged.node'
NODE = [
    Case('machine.node-addon', ['node', 'a.js'], files=NODE_FILES, setup=NODE_BUILD, packages='nodejs gcc', limit=60),
    Case('machine.node-addon-preload', ['node', 'a.js'], files=NODE_FILES, setup=NODE_BUILD, packages='nodejs gcc libtcmalloc-minimal4', limit=60, env={'LD_PRELOAD': 'libtcmalloc_minimal.so.4'}),
]

CTYPES = r'''
import ctypes, ctypes.util, _ctypes, threading
libc, libm = ctypes.CDLL(None, use_errno=True), ctypes.CDLL(ctypes.util.find_library('m'))
libm.pow.restype = libm.pow.argtypes = None
libm.pow.restype, libm.pow.argtypes = ctypes.c_double, [ctypes.c_double] * 2
print(libm.pow(2, 10), ctypes.util.find_library('m'), libc.strlen(b'four'))
Compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
numbers = (ctypes.c_int * 6)(5, 2, 9, 1, 7, 3)
libc.qsort(numbers, 6, ctypes.sizeof(ctypes.c_int), Compare(lambda a, b: a[0] - b[0]))
print(list(numbers))
print(libc.open(b'/no/such/file', 0), ctypes.get_errno())
own = ctypes.CDLL('./libdebugged.so')
Call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
print(own.library_call(Call(lambda n: n * 3), 7))
threads = [threading.Thread(target=lambda: own.library_call(Call(lambda n: n), 1)) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
print(_ctypes.dlclose(own._handle))
for name in ('./absent.so', './damaged.so'):
    try: ctypes.CDLL(name)
    except OSError as e: print(e)
try: libc.no_such_function
except AttributeError as e: print(e)
print(ctypes.c_int.in_dll(ctypes.CDLL(None), 'optind').value, ctypes.pythonapi.Py_IsInitialized())
'''
EXTENSION = r'''
import threading, importlib.util, extension
print(extension.remember('main'), extension.remember('again'))
try: extension.raise_inside(7)
except ValueError as e: print(e)
print(extension.raise_inside(0))
extension.from_thread(lambda text: print('thread', text))
seen = []
threads = [threading.Thread(target=lambda i=i: (seen.append(extension.remember(str(i))), seen.append(extension.remember('x')))) for i in range(3)]
for t in threads: t.start(); t.join()
print(seen)
spec = importlib.util.spec_from_file_location('absent', './absent.so')
try: importlib.util.module_from_spec(spec)
except ImportError as e: print(e)
'''
PYTHON = [
    Case('machine.python-ctypes', ['python3', 'a.py'], files={'a.py': CTYPES}, setup='head -c 40 libdebugged.so >damaged.so', use='libdebugged.so', packages='python3 gcc'),
    Case('machine.python-extension', ['python3', 'a.py'], files={'a.py': EXTENSION, 'extension.cpp': text('extension.cpp')}, packages='python3 python3-dev g++',
         setup='g++ -O1 -w -shared -fPIC $(/usr/bin/python3-config --includes) -o extension.so extension.cpp'),
    Case('machine.python-many-modules', ['python3', '-c', 'import sys, ssl, sqlite3, lzma, bz2, decimal, curses, readline, _ctypes, multiprocessing, unicodedata, hashlib; '
         'print(len([m for m in sys.modules.values() if getattr(m, "__file__", "") and m.__file__.endswith(".so")]) > 5, hashlib.blake2b(b"x").hexdigest()[:8])'], packages='python3'),
]

PERL = r'''
use DynaLoader; use List::Util qw(first sum shuffle); use POSIX qw(floor strftime); use Socket; use Digest::SHA; use Storable; use Time::HiRes; use Encode; use Data::Dumper;
print sum(map { $_ * $_ } 1 .. 100), " ", first { $_ > 3 } 1 .. 9; print " ", floor(-2.5), " ", Digest::SHA::sha1_hex("x"), "\n";
print length(Encode::encode("UTF-16", "\x{65e5}")), " ", inet_ntoa(inet_aton("127.0.0.1")), " ", Storable::dclone([1, [2]])->[1][0], "\n";
print "modules: ", join(" ", sort grep { /^(List::Util|POSIX|Socket|Digest::SHA|Storable|Time::HiRes)$/ } @DynaLoader::dl_modules), "\n";
my $library = DynaLoader::dl_load_file("./libdebugged.so", 0) or die DynaLoader::dl_error();
print "found: ", (DynaLoader::dl_find_symbol($library, "library_work") ? 1 : 0), (DynaLoader::dl_find_symbol($library, "absent", 1) ? 1 : 0), "\n";
print "unloaded: ", DynaLoader::dl_unload_file($library), "\n";
for my $name ("./absent.so", "./damaged.so") { DynaLoader::dl_load_file($name, 0) or print DynaLoader::dl_error(), "\n" }
eval { require XSLoader; XSLoader::load("No::Such") }; print $@ =~ /^(Can't locate loadable object for module No::Such)/, "\n";
'''
PERL_CASES = [
    Case('machine.perl-xs', ['perl', 'a.pl'], files={'a.pl': PERL}, setup='head -c 40 libdebugged.so >damaged.so', use='libdebugged.so', packages='perl'),
    Case('machine.perl-threads', ['perl', '-Mthreads', '-MList::Util=sum', '-e', 'my @t = map { my $n = $_; threads->create(sub { require POSIX; sum(1 .. $n * 1000) + POSIX::floor(0.5) }) } 1 .. 4; '
         'print join(" ", map { $_->join } @t), "\\n"'], packages='perl'),
    Case('machine.perl-fork', ['perl', '-e', 'for (1 .. 5) { if (my $p = fork) { waitpid $p, 0; print $? >> 8, " " } else { require List::Util; exit List::Util::sum(1, 2, 3) } } print "\\n"'], packages='perl'),
]

CASES = JAVA + NODE + PYTHON + PERL_CASES
