"""gdb, strace, ltrace and perf, looking at a program from outside."""

from both_ways import LOADER, both
from harness import ADDRESSES, Case, Rewrite

USE = 'debugged libdebugged.so'
NUMBERS = Rewrite(r'\b(LWP|process|Thread|pid) \(?(0x)?[0-9a-fA-F]+\b', r'\1 N', 'numbers of processes and threads')
# gdb says "Thread 0x... (LWP n)"; the name is that of the file that was executed.
NAME = Rewrite(r'"(debugged|ldx|ld-linux-x86-64)"', '"NAME"', 'the name of the process: that of the loader or of the program')
# gdb lists the loaders among the libraries, in the order of the list of objects: their lines are left out.
OBJECTS = Rewrite(r'^(0x\S+ +0x\S+ +)?(?:Yes|No)( \(\*\))? +LOADER\n', '', 'ldx lists itself beside ld-linux')
COLUMNS = Rewrite(r'^0x\S+ +0x\S+ +|^From +To +', '', 'addresses in a list of libraries, and spaces between columns')
SPACES = Rewrite(r' {2,}', ' ', 'columns as wide as the longest name')
PROGRAM = Rewrite(r'^(?:(0x\S+ +0x\S+ +)?Yes +/\S*/debugged|Breakpoint 1 (at 0x.*, line [0-9]+\.|\(main\) pending\.)|Function "main" not defined\.|#[0-9]+ +0x[0-9a-f]+ in (__libc_start_call_main|__libc_start_main_impl|_start) \(.*)\n', '',
                  'as a command, ldx is the program to gdb, and the program is a library: it comes later, and backtraces do not end at its main')
PIDS = Rewrite(r'\bpid=[0-9]+', 'pid=N', 'numbers of processes')
STOP = Rewrite(r'^(?:\w*_dl_debug_state \(\) at|0x[0-9a-f]+ in ldx_debug_\w+ \() ?.*\n(?:[0-9]+\t.*\n)?', '', 'the function of each loader at which debuggers stop, or its probe')
GDB = (LOADER, PIDS, STOP, OBJECTS, PROGRAM, COLUMNS, NUMBERS, NAME, SPACES, ADDRESSES)

SESSION = ['set pagination off', 'set confirm off', 'set width 0', 'set breakpoint pending on', 'set print thread-events off', 'set debuginfod enabled off']
LAUNCHED = SESSION + ['break library_call', 'run', 'info sharedlibrary', 'backtrace', 'info threads', 'finish', 'delete', 'break getppid', 'break waitpid', 'continue',
                      'backtrace 1', 'delete', 'continue']
AT_MAIN = SESSION + ['break main', 'break library_work', 'run', 'info sharedlibrary', 'backtrace', 'continue', 'info sharedlibrary', 'backtrace', 'info threads', 'up',
                     'print argc', 'catch unload', 'continue', 'info sharedlibrary', 'delete', 'continue']
ATTACHED = SESSION + ['info sharedlibrary', 'info threads', 'shell touch released', 'break library_call', 'continue', 'backtrace', 'delete', 'continue']
CORE = SESSION + ['info sharedlibrary', 'thread apply all backtrace 3']


def gdb(name, commands, run):
    """Also as a command compared with a plain start: gdb sees all of the program."""
    files = {'session': '\n'.join(commands) + '\n'}
    return Case(f'gdb.{name}', rewrites=GDB, script=f'{run} 2>errors; s=$?; grep -v "No such file" errors; exit $s', files=files, use=USE, programs=['./debugged'],
                packages='gdb libc6-dbg', limit=60)


GDB_CASES = [
    gdb('pending', LAUNCHED, 'gdb -nx -batch -x session --args $RUN ./debugged'),
    gdb('attach', ATTACHED, '$RUN ./debugged wait & until grep -q libdebugged /proc/$!/maps; do sleep 0.05; done; sleep 0.2; gdb -nx -batch -p $! -x session; wait $!; echo status $?'),
    gdb('main', AT_MAIN, 'gdb -nx -batch -x session --args $RUN ./debugged')]

# Each process and thread by the order in which it first shows; of each, its calls in order. Those of the start are before the first word written.
CALLS = r'''awk '
  !($1 in number) { number[$1] = ++count; if (count > 1) on[$1] = 1 }
  /write\(.*"ready/ { on[$1] = 1 }
  !on[$1] || /futex\(|resumed>|sched_yield|restart_syscall/ { next }
  { name = $2; sub(/\(.*/, "", name); print number[$1], name; if ($2 ~ /^(write|exit|wait4)/) { sub(/^[0-9]+ +/, ""); print number[$1], $0 } }
' trace | sort -s -n -k1,1'''
CHILD = Rewrite(r'wait4\([0-9-]+', 'wait4(PID', 'the number of a process')
# What dlopen and dlclose are made of is each loader's own affair, and so is where memory comes from.
INSIDE = Rewrite(r'^[0-9]+ (openat|read|pread64|readlink|close|mmap|munmap|mprotect|close_range|getpid|newfstatat|fstat|brk|madvise|getcwd|exit|rseq|set_robust_list|lseek|prlimit64)\n', '', "the loader's own calls")

STRACE_CASES = both('strace.calls', rewrites=(CHILD, INSIDE), script='strace -f -o trace $RUN ./debugged ready; echo $?; ' + CALLS, use=USE, programs=['./debugged'], packages='strace') + both(
    'strace.count', script='strace -f -c -o table $RUN ./debugged ready; echo $?; grep -cE " (clone3?|wait4|exit_group)$" table', use=USE, programs=['./debugged'], packages='strace') + both(
    'strace.execve', script='strace -f -e trace=execve,exit_group -e quiet=all -o trace $RUN /bin/sh -c "$RUN /bin/true; $RUN /bin/false"; echo $?; grep -c exit_group trace',
    programs=['/bin/sh', '/bin/true', '/bin/false'], packages='strace')

LTRACE = Rewrite(r'^[0-9]+ ', '', 'numbers of processes')
LTRACE_CASES = both('ltrace.calls', rewrites=(LTRACE, ADDRESSES), sort='lines', use=USE, programs=['./debugged'], packages='ltrace',
                    script='ltrace -f -e dlopen+dlsym+dlclose+printf+puts+pthread_create -o trace $RUN ./debugged ready; echo $?; cat trace') + both(
    'ltrace.library', rewrites=(LTRACE, ADDRESSES), sort='lines', use=USE, programs=['./debugged'], packages='ltrace', script='ltrace -e @libdebugged.so -o trace $RUN ./debugged ready; echo $?; cat trace')

PERF_CASES = [
    Case('perf.stat', script='perf stat -x, -e task-clock,page-faults -o numbers $RUN ./debugged; echo $?; cut -d, -f3 numbers', use=USE, programs=['./debugged'], packages='linux-perf'),
    Case('perf.record', script='perf record -q -F 499 -e cpu-clock -g -o data $RUN ./debugged spend 600; echo $?; perf report -i data --stdio -q --no-children -g none --sort dso,sym 2>/dev/null | '
         'awk "NF && !n++ { print \\$2, \\$4 }"; perf script -i data -F ip,sym,dso 2>/dev/null | awk "/library_spin/ { s = 1 } / main / && s { print \\$2; exit }"', use=USE, programs=['./debugged'],
         packages='linux-perf', limit=60),
]

CASES = GDB_CASES + STRACE_CASES + LTRACE_CASES + PERF_CASES
