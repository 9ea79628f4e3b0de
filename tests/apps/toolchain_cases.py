"""Compilers, linkers, debuggers, version control, and programs with very many libraries."""

from harness import ADDRESSES, Case, Rewrite

C_PROGRAM = r'''
#include <stdio.h>
#include <math.h>
int main(int argc, char **argv) { printf("%s %d %.6f\n", __FILE__, argc, sqrt(argc + 1.0)); return 3; }
'''

CXX_PROGRAM = r'''
#include <iostream>
#include <map>
#include <stdexcept>
#include <thread>
#include <vector>
#include <regex>
int main() {
  std::map<std::string, int> count; for (auto w : {"a", "b", "a"}) ++count[w];
  for (auto &[w, n] : count) std::cout << w << '=' << n << '\n';
  std::vector<std::thread> all; int sum[4] = {};
  for (int i = 0; i < 4; i++) all.emplace_back([i, &sum] { try { throw i; } catch (int n) { sum[n] = n * n; } });
  for (auto &t : all) t.join();
  std::cout << sum[0] + sum[1] + sum[2] + sum[3] << std::regex_match("x12", std::regex("x[0-9]+")) << std::endl;
  throw std::runtime_error("uncaught");
}
'''

THREADED = r'''
#include <pthread.h>
static __thread int value = 5;
static void *work(void *p) { value++; return p; }
int main(void) { pthread_t t; pthread_create(&t, 0, work, 0); pthread_join(t, 0); return value; }
'''

GIT = r'''
git() { $RUN /usr/bin/git "$@"; }
git init -q -b main one && cd one && git config user.name N && git config user.email e@x
printf 'a\nb\nc\n' > f; mkdir d; echo x > d/g; git add . && git commit -qm first
git checkout -qb side; sed -i s/b/B/ f; git commit -qam 'second: ü'; git checkout -q main; echo z >> d/g; git commit -qam third
git merge -q --no-edit side; git log --graph --format='%h %an %ad %s' --date=iso; git diff HEAD~1 --stat; git show HEAD:f
cd .. && git clone -q one two && cd two && git log --oneline | wc -l && git fsck && git gc -q && git status -sb
git blame -s f; git grep -n B; git stash list; git no-such-command; echo $?
git submodule status; git bundle create -q ../b HEAD main && git bundle list-heads ../b; git archive HEAD | tar -t
'''
GIT_DATES = {'GIT_AUTHOR_DATE': '2020-01-02T03:04:05Z', 'GIT_COMMITTER_DATE': '2020-01-02T03:04:05Z',
             'GIT_CONFIG_NOSYSTEM': '1'}

COMPILERS = [
    Case('gcc.version', ['gcc', '--version'], packages='gcc'),
    Case('gcc.search-dirs', ['gcc', '-print-search-dirs'], packages='gcc'),
    Case('gcc.verbose', ['gcc', '-###', '-O2', 'a.c', '-lm'], files={'a.c': C_PROGRAM}, packages='gcc',
         rewrites=(Rewrite(r'/cc[A-Za-z0-9]{6}\.', '/ccTEMP.', 'names of temporary files'),)),
    Case('gcc.program', programs=['gcc', '/usr/lib/gcc/x86_64-linux-gnu/12/cc1', '/usr/lib/gcc/x86_64-linux-gnu/12/collect2', 'as', 'ld'],
         files={'a.c': C_PROGRAM}, script='$RUN /usr/bin/gcc -O2 -Wall a.c -lm -o a && $RUN ./a 1 2; echo $?', packages='gcc libc6-dev'),
    Case('gcc.cc1', programs=['/usr/lib/gcc/x86_64-linux-gnu/12/cc1', 'as'], files={'a.c': C_PROGRAM}, packages='gcc libc6-dev',
         script='gcc -E a.c > a.i; $RUN /usr/lib/gcc/x86_64-linux-gnu/12/cc1 -quiet -O3 a.i -o a.s && sha256sum a.s && '
         '$RUN /usr/bin/as a.s -o a.o && sha256sum a.o'),
    Case('gcc.error', ['gcc', '-c', 'a.c'], files={'a.c': 'int main(void) { return undeclared + ; }\n'}, packages='gcc'),
    Case('gcc.lto', programs=['gcc', '/usr/lib/gcc/x86_64-linux-gnu/12/lto1', '/usr/lib/gcc/x86_64-linux-gnu/12/lto-wrapper', 'ld'],
         files={'a.c': C_PROGRAM}, script='$RUN /usr/bin/gcc -flto -O2 a.c -lm -o a && ./a; echo $?', packages='gcc libc6-dev'),
    Case('g++.program', programs=['g++', '/usr/lib/gcc/x86_64-linux-gnu/12/cc1plus', 'as', 'ld', './a'], files={'a.cc': CXX_PROGRAM},
         setup='g++ -O1 a.cc -o a', script='$RUN /usr/bin/g++ -O1 a.cc -o b && sha256sum b; $RUN ./a; echo $?', limit=90, packages='g++'),
    Case('make', ['make', '-f', '-', '-j2'], stdin='all: x y; @echo $^\nx y:; @echo made | wc -c\n', packages='make'),
    Case('clang.version', ['clang', '--version'], packages='clang'),
    Case('clang.program', programs=['clang'], files={'a.c': C_PROGRAM}, packages='clang libc6-dev',
         script='$RUN /usr/bin/clang -O2 a.c -lm -o a && ./a; echo $?; $RUN /usr/bin/clang -S -emit-llvm -O1 a.c -o - | grep -c define'),
    Case('clang.error', ['clang', '-c', 'a.c'], files={'a.c': 'int f(void) { return x; }\n'}, packages='clang'),
    Case('ld', ['ld', '--verbose'], packages='binutils'),
    Case('readelf', ['readelf', '-dW', '/bin/ls'], packages='binutils'),
    Case('objdump', script='$RUN /usr/bin/objdump -d /bin/true | sha256sum', programs=['objdump'], packages='binutils'),
    Case('cmake', ['cmake', '--version'], packages='cmake'),
    Case('ninja', ['ninja', '--version'], packages='ninja-build'),
]

TOOLS = [
    Case('gdb.version', ['gdb', '--version'], packages='gdb'),
    Case('gdb.python', ['gdb', '-nx', '-batch', '-ex', 'python import gdb, math; print(math.pi, gdb.VERSION)', '-ex', 'print 6 * 7',
                        '-ex', 'ptype struct no_such'], packages='gdb'),
    Case('gdb.static', ['gdb', '-nx', '-batch', '-ex', 'info files', '/usr/bin/true'], packages='gdb'),
    Case('gdb.run', ['gdb', '-nx', '-q', '-batch', '-ex', 'set debuginfod enabled off', '-ex', 'break work', '-ex', 'run', '-ex', 'info threads', '-ex', 'bt 1',
                     '-ex', 'print value', '-ex', 'delete', '-ex', 'continue', './a'], files={'a.c': THREADED}, setup='gcc -g -pthread a.c -o a',
         packages='gdb gcc libc6-dev libc6-dbg', rewrites=(ADDRESSES, Rewrite(r'LWP \d+|process \d+', 'ID', 'ids of threads and processes'),
                   Rewrite(r'^  1 .*\n', '', 'where the waiting thread stands is chance'))),
    Case('git', script=GIT, programs=['git'], env=GIT_DATES, packages='git'),
    Case('git.version', ['git', '--version'], packages='git'),
    Case('git.help', ['git', 'help', '-a'], packages='git'),
    Case('vim', ['vim', '-Nu', 'NONE', '-es', '-c', '%s/a/b/g', '-c', 'wq! out', 'in'], files={'in': 'banana\n'}, packages='vim'),
    Case('strace', programs=['strace'], script='$RUN /usr/bin/strace -e trace=exit_group /bin/true', packages='strace',
         rewrites=(ADDRESSES,)),
]

MANY_LIBRARIES = [
    Case('ffmpeg.version', ['ffmpeg', '-version'], packages='ffmpeg'),
    Case('ffmpeg.codecs', ['ffmpeg', '-hide_banner', '-codecs'], packages='ffmpeg'),
    Case('ffmpeg.filter', script='$RUN /usr/bin/ffmpeg -loglevel error -f lavfi -i testsrc=size=160x120:rate=5:duration=1 -threads 1 '
         '-c:v mpeg4 -flags +bitexact -fflags +bitexact out.avi && sha256sum out.avi && '
         '$RUN /usr/bin/ffmpeg -loglevel error -i out.avi -f framemd5 -', programs=['ffmpeg'], packages='ffmpeg', limit=60),
    Case('ffmpeg.audio', script='$RUN /usr/bin/ffmpeg -loglevel error -f lavfi -i sine=frequency=440:duration=1 -flags +bitexact '
         '-fflags +bitexact -c:a flac out.flac && sha256sum out.flac', programs=['ffmpeg'], packages='ffmpeg', limit=60),
    Case('ffmpeg.error', ['ffmpeg', '-hide_banner', '-i', '/no/such/file'], packages='ffmpeg'),
    Case('ffprobe', ['ffprobe', '-hide_banner', '-formats'], packages='ffmpeg'),
]

CASES = COMPILERS + TOOLS + MANY_LIBRARIES
