"""Interpreters and virtual machines: perl, python, node, java, and what they load while they run."""

from harness import Case, Rewrite

PERL_MODULES = r'''
use strict; use warnings;
use POSIX qw(floor strftime sigaction); use List::Util qw(sum max first shuffle reduce); use Data::Dumper;
use Socket; use Digest::SHA qw(sha256_hex); use MIME::Base64; use Storable qw(freeze thaw); use Time::HiRes;
use Encode; use Fcntl ':flock'; use IO::Socket::INET; use Compress::Zlib; use Sys::Hostname; use File::Temp; use B;
$Data::Dumper::Sortkeys = 1; $Data::Dumper::Useqq = 1;
print Dumper({ a => [1, 2, { b => undef }], c => "x\n" });
printf "%d %s %d %s\n", floor(-3.5), strftime("%F %T", gmtime 86400), sum(1 .. 100), max(3, 9, 4);
print sha256_hex("ldx"), " ", encode_base64("loader"), (reduce { $a * $b } 1 .. 10), "\n";
print inet_ntoa(inet_aton("127.0.0.1")), " ", thaw(freeze([7, 8]))->[1], " ", length(encode("UTF-16", "\x{263a}")), "\n";
my $packed = Compress::Zlib::memGzip("a" x 10000); print length(Compress::Zlib::memGunzip($packed)), "\n";
my $server = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die;
my $pid = fork; if (!$pid) { my $s = IO::Socket::INET->new("127.0.0.1:" . $server->sockport); print $s "hello\n"; exit 4 }
my $peer = $server->accept; print scalar <$peer>; waitpid $pid, 0; print $? >> 8, "\n";
eval { die { code => 42 } }; print $@->{code}, "\n"; print B::svref_2object(\&main::f)->GV->NAME, "\n"; sub f { }
local $SIG{ALRM} = sub { print "alarm\n" }; alarm 1; select undef, undef, undef, 3;
print $^X, " $0\n"; exit 5;
'''

PYTHON_CTYPES = r'''
import ctypes, ctypes.util, sys
libc = ctypes.CDLL(None); libm = ctypes.CDLL('libm.so.6')
libm.pow.restype = ctypes.c_double; libm.pow.argtypes = [ctypes.c_double] * 2
print(libm.pow(2, 0.5), libc.strlen(b'twelve bytes'), ctypes.util.find_library('c'))
compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
array = (ctypes.c_int * 8)(5, 3, 8, 1, 9, 2, 7, 4)
libc.qsort(array, 8, 4, compare(lambda a, b: a[0] - b[0])); print(list(array))
class Tm(ctypes.Structure): _fields_ = [(n, ctypes.c_int) for n in 'sec min hour mday mon year wday yday dst'.split()] + [('x', ctypes.c_long * 2)]
libc.gmtime_r.restype = ctypes.POINTER(Tm); t = Tm(); libc.gmtime_r(ctypes.byref(ctypes.c_long(10**9)), ctypes.byref(t)); print(t.year, t.mon, t.mday)
try: ctypes.CDLL('libdoes-not-exist.so')
except OSError as e: print(e)
try: libm.no_such_function
except AttributeError as e: print(str(e).split('/')[-1])
for mode in (ctypes.RTLD_LOCAL, ctypes.RTLD_GLOBAL): print(ctypes.CDLL('libz.so.1', mode).zlibCompileFlags() > 0)
print(ctypes.pythonapi.Py_IsInitialized(), ctypes.c_int.in_dll(libc, 'optind').value)
'''

PYTHON_MODULES = r'''
import ctypes, ssl, sqlite3, threading, decimal, multiprocessing, hashlib, zlib, bz2, lzma, json, socket, select, struct, uuid
import array, mmap, datetime, random, re, tempfile, subprocess, asyncio, curses, readline, fractions, unicodedata, xml.etree.ElementTree as E
context = ssl.create_default_context(); print(context.protocol, len(context.get_ciphers()) > 5, ssl.OPENSSL_VERSION)
print(hashlib.blake2b(b'ldx').hexdigest()[:16], hashlib.sha3_256(b'ldx').hexdigest()[:16], hashlib.new('md5', b'x').hexdigest())
base = sqlite3.connect(':memory:'); base.create_function('twice', 1, lambda x: x * 2)
base.executescript('create table t(x); insert into t values (1), (2), (3);')
print(base.execute('select sum(twice(x)), sqlite_version() from t').fetchone())
decimal.getcontext().prec = 60; print(decimal.Decimal(2).sqrt(), decimal.Decimal(10) ** -40 / 3)
out = []; lock = threading.Lock(); local = threading.local()
def work(i):
    local.x = i
    with lock: out.append(local.x * i)
threads = [threading.Thread(target=work, args=(i,)) for i in range(20)]
[t.start() for t in threads]; [t.join() for t in threads]; print(sum(out))
print(len(zlib.compress(b'a' * 9999)), len(bz2.compress(b'a' * 9999)), lzma.decompress(lzma.compress(b'xz')))
async def main(): return await asyncio.gather(*(asyncio.sleep(0.01, i) for i in range(5)))
print(asyncio.run(main())); print(E.fromstring('<a><b c="d"/></a>')[0].attrib, unicodedata.name('☃'))
print(subprocess.run(['echo', 'child'], capture_output=True).stdout, random.Random(3).random(), fractions.Fraction(3, 9))
'''

PYTHON_POOL = r'''
import multiprocessing as mp, os, sys
def square(x): return x * x
if __name__ == '__main__':
    for method in ('fork', 'spawn', 'forkserver'):
        with mp.get_context(method).Pool(2) as pool: print(method, pool.map(square, range(10)), flush=True)
    q = mp.get_context('spawn').SimpleQueue(); print(sys.executable, os.readlink('/proc/self/exe'), sys.argv, mp.spawn.get_executable())
'''

PYTHON_SSL = r'''
import ssl, socket, subprocess, threading
subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'k', '-out', 'c', '-days', '2', '-subj', '/CN=localhost',
                '-addext', 'subjectAltName=DNS:localhost'], check=True, stderr=subprocess.DEVNULL)
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); server.load_cert_chain('c', 'k')
listener = socket.create_server(('127.0.0.1', 0))
def serve():
    peer, _ = listener.accept()
    with server.wrap_socket(peer, server_side=True) as s: s.sendall(s.recv(100).upper())
threading.Thread(target=serve).start()
client = ssl.create_default_context(cafile='c')
with client.wrap_socket(socket.create_connection(listener.getsockname()), server_hostname='localhost') as s:
    s.sendall(b'hello'); print(s.recv(100), s.version(), s.getpeercert()['subject'])
'''

PYTHON_TRACEBACK = 'import sys\ndef f(n): return f(n - 1) if n else 1 / 0\ntry: f(3)\nfinally: print("finally", flush=True)\n'

PYTHON_FORK_THREADS = r'''
import os, threading, time, ctypes
stop = threading.Event(); threads = [threading.Thread(target=stop.wait) for _ in range(4)]; [t.start() for t in threads]
for i in range(10):
    pid = os.fork()
    if pid == 0:
        ctypes.CDLL('libz.so.1').zlibVersion(); t = threading.Thread(target=lambda: None); t.start(); t.join(); os._exit(i)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), end=' ')
stop.set(); [t.join() for t in threads]; print('done')
'''

NODE = r'''
const c = require('crypto'), z = require('zlib'), w = require('worker_threads'), p = require('child_process'), path = require('path');
console.log(c.createHash('sha256').update('ldx').digest('hex'), z.gunzipSync(z.gzipSync('x'.repeat(9999))).length);
const { publicKey, privateKey } = c.generateKeyPairSync('ec', { namedCurve: 'P-256' });
console.log(c.verify('sha256', Buffer.from('m'), publicKey, c.sign('sha256', Buffer.from('m'), privateKey)));
console.log(p.execFileSync('echo', ['child']).toString().trim(), p.execFileSync(process.execPath, ['-p', '6*7']).toString().trim());
console.log(new Intl.NumberFormat('de-DE').format(1234567.5), 'ß'.toUpperCase(), process.argv0, process.execPath, process.argv.length);
const code = "const{parentPort:q,workerData:d}=require('worker_threads');let s=0;for(let i=0;i<1e6;i++)s+=i%d;q.postMessage(s)";
Promise.all([3, 5, 7, 11].map(d => new Promise(r => new w.Worker(code, { eval: true, workerData: d }).on('message', r))))
  .then(v => { console.log(v.join(' ')); return WebAssembly.instantiate(new Uint8Array([0,97,115,109,1,0,0,0,1,7,1,96,2,127,127,1,127,3,2,1,0,7,7,1,3,97,100,100,0,0,10,9,1,7,0,32,0,32,1,106,11])); })
  .then(m => { console.log(m.instance.exports.add(40, 2)); try { null.x } catch (e) { console.log(e.message) } process.exitCode = 3 });
'''

JAVA = r'''
import java.util.*; import java.util.concurrent.*; import java.util.stream.*; import java.util.zip.*; import java.security.*;
public class Main {
  public static void main(String[] args) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(4);
    List<Future<Integer>> all = new ArrayList<>();
    for (int i = 0; i < 20; i++) { final int n = i; all.add(pool.submit(() -> n * n)); }
    int sum = 0; for (var f : all) sum += f.get(); pool.shutdown();
    var crc = new CRC32(); crc.update("ldx".getBytes());
    var digest = MessageDigest.getInstance("SHA-256").digest("ldx".getBytes());
    System.out.println(sum + " " + crc.getValue() + " " + String.format("%02x%02x", digest[0], digest[1]));
    System.out.println(IntStream.range(0, 10).boxed().collect(Collectors.groupingBy(x -> x % 3)));
    System.out.println(new String(new ProcessBuilder("echo", "child").start().getInputStream().readAllBytes()).trim());
    System.out.println(ProcessHandle.current().info().command().get() + " " + System.getProperty("java.home"));
    System.out.println(java.net.InetAddress.getByName("127.0.0.1") + " " + Arrays.toString(args));
    try { Object o = null; o.hashCode(); } catch (NullPointerException e) { System.out.println("null"); }
    try { recurse(0); } catch (StackOverflowError e) { System.out.println("overflow"); }
    System.exit(6);
  }
  static int recurse(int n) { return recurse(n + 1) + 1; }
}
'''


def python(name, text, **more):
    return Case(f'python.{name}', ['/usr/bin/python3', '-c', text], packages='python3', **more)


PERL = [
    Case('perl.version', ['perl', '-v'], packages='perl'),
    Case('perl.modules', ['perl', '@DIR@/script.pl'], files={'script.pl': PERL_MODULES}, packages='perl'),
    Case('perl.die', ['perl', '-MCarp=confess', '-e', 'sub f { confess "deep" } f(1)'], packages='perl'),
    Case('perl.missing-module', ['perl', '-e', 'use No::Such::Module'], packages='perl'),
    Case('perl.taint', ['perl', '-T', '-e', 'print "${^TAINT}\n"; system "echo x"'], packages='perl'),
    Case('perl.locale', ['perl', '-CS', '-Mutf8', '-e', 'print ucfirst("ärger"), length("日本"), "\n"; printf "%s\n", sort qw(b a)'],
         packages='perl'),
    Case('perl.threads', ['perl', '-Mthreads', '-e', 'print join(",", map { $_->join } map { threads->create(sub { $_[0] ** 2 }, $_) } 1 .. 8), "\n"'],
         packages='perl'),
]

PYTHON = [
    python('answer', 'print(6*7)'),
    python('version', 'import sys; print(sys.version, sys.executable, sys.prefix, sys.argv, sys.orig_argv)'),
    python('ctypes', PYTHON_CTYPES),
    python('modules', PYTHON_MODULES),
    python('ssl', PYTHON_SSL),
    python('fork-threads', PYTHON_FORK_THREADS,
           rewrites=(Rewrite(r'^.*DeprecationWarning.*\n.*fork\(\)\n', '', 'not in every 3.11'),)),
    Case('python.pool', ['/usr/bin/python3', '@DIR@/pool.py', 'x'], files={'pool.py': PYTHON_POOL}, packages='python3'),
    Case('python.traceback', ['/usr/bin/python3', '@DIR@/t.py'], files={'t.py': PYTHON_TRACEBACK}, packages='python3'),
    Case('python.stdin', ['/usr/bin/python3', '-'], stdin='import sys; print(sys.argv); sys.exit("bye")\n', packages='python3'),
    python('abort', 'import os; os.abort()'),
    python('signal', 'import os, signal; os.kill(os.getpid(), signal.SIGTERM)'),
    python('fault', 'import ctypes; ctypes.string_at(0)'),
    python('deep-recursion', 'import sys; sys.setrecursionlimit(20000)\ndef f(n): return n and f(n - 1) + 1\nprint(f(15000))'),
    python('all-extensions', 'import sys, os, sysconfig, importlib\n'
           'd = os.path.join(sysconfig.get_path("stdlib"), "lib-dynload")\n'
           'for f in sorted(os.listdir(d)):\n'
           '    n = f.split(".")[0]; m = importlib.import_module(n); print(n, len(dir(m)))',
           rewrites=(Rewrite(r'^.*DeprecationWarning.*\n(  .*\n)?', '', 'some modules are on their way out'),)),
    python('maps', 'import re; text = open("/proc/self/maps").read(); print([l.split()[1] for l in text.splitlines() if "[stack]" in l], '
           '"rwx" in text.replace("rwxp 00000000 00:00 0 \\n", "rwx"))'),
]

NODE_CASES = [
    Case('node.version', ['node', '--version'], packages='nodejs'),
    Case('node.modules', ['node', '-e', NODE], packages='nodejs', limit=60),
    Case('node.file', ['node', '@DIR@/a.js', 'x'], files={'a.js': 'console.log(process.argv.slice(1), require.main === module)'},
         packages='nodejs'),
    Case('node.fork', ['node', '@DIR@/a.js'], packages='nodejs', files={
        'a.js': "const c = require('child_process').fork('b.js', ['7']); c.on('message', m => { console.log(m); c.disconnect() })",
        'b.js': "process.send({ twice: process.argv[2] * 2, path: process.execPath, title: process.title })"}),
    Case('node.exception', ['node', '-e', 'process.on("exit", c => console.log("exit", c)); throw new TypeError("bad")'], packages='nodejs'),
    Case('node.abort', ['node', '-e', 'process.abort()'], packages='nodejs',
         rewrites=(Rewrite(r'0x[0-9a-f]{6,}', '0xADDRESS', 'the stack trace shows where libraries were mapped'),)),
]

JAVA_CASES = [
    Case('java.version', ['java', '-version'], packages='openjdk-17-jre-headless'),
    Case('java.source', ['java', '@DIR@/Main.java', 'x', 'y z'], files={'Main.java': JAVA}, limit=90, packages='openjdk-17-jdk-headless'),
    Case('java.compile', programs=['javac', 'java'], files={'Main.java': JAVA}, limit=90, packages='openjdk-17-jdk-headless',
         script='$RUN /usr/bin/javac Main.java && $RUN /usr/bin/java -cp . Main z; echo $?; '
         '$RUN /usr/bin/java -Xint -XX:+UseSerialGC -cp . Main; echo $?'),
    Case('java.settings', ['java', '-XshowSettings:vm', '-Xss512k', '-Xmx64m', '-version'], packages='openjdk-17-jre-headless'),
    Case('java.no-class', ['java', 'NoSuchClass'], packages='openjdk-17-jre-headless'),
]

CASES = PERL + PYTHON + NODE_CASES + JAVA_CASES
