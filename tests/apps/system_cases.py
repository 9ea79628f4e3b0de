"""Shells, core utilities, archivers, name services, character sets, encryption, transfer, databases."""

from harness import ADDRESSES, Case, Rewrite

BASH_SCRIPT = r'''
set -u
declare -a list=(one "two words" three)
declare -A map=([red]=1 [green]=2 [blue]=3)
echo "${#list[@]} ${list[1]} ${list[@]: -1}"
for key in $(printf '%s\n' "${!map[@]}" | sort); do echo "$key=${map[$key]}"; done
f() { local IFS=,; echo "$*"; return 3; }
f a b c; echo "status $?"
(cd / && pwd; exit 4); echo "subshell $?"
seq 1 1000 | sort -rn | head -n 3 | tr '\n' ' '; echo "${PIPESTATUS[*]}"
false | true; echo "pipe ${PIPESTATUS[*]}"
diff <(printf 'a\nb\n') <(printf 'a\nc\n'); echo "diff $?"
cat <<END | sed 's/x/y/g'
x $((2 ** 40)) $(echo nested $(echo deeper))
END
[[ "abc-123" =~ ^([a-z]+)-([0-9]+)$ ]] && echo "${BASH_REMATCH[2]} ${BASH_REMATCH[1]}"
trap 'echo trapped' USR1; kill -USR1 $BASHPID; trap - USR1
mapfile -t lines < <(printf '%s\n' p q r); echo "${lines[*]^^}"
printf -v text '%08.3f|%q|%(%Y)T' 3.14159 'a b' 0; echo "$text"
coproc CAT { cat; }; echo through >&"${CAT[1]}"; read -r word <&"${CAT[0]}"; echo "$word"
exec 5>"$HOME/out"; echo five >&5; exec 5>&-; cat "$HOME/out"
echo "${BASH_VERSINFO[0]} $0 $#"
nonexistent_command_here; echo "not found $?"
exit 7
'''

BASH_JOBS = r'''
set -m
sleep 0.2 & first=$!
(exit 9) & second=$!
wait "$second"; echo "second $?"
jobs -r | sed 's/[0-9][0-9]* *sleep/sleep/'
wait "$first"; echo "first $?"
sleep 60 & kill -TERM %%; wait %% 2>/dev/null; echo "killed $?"
sleep 60 & kill -STOP $!; sleep 0.1; jobs -s | grep -c Stopped; kill -KILL $!
'''

ICONV_TEXT = 'Grüße, 日本語, €5, naïve café — Ω\n'
ICONV_SETS = 'UTF-16 UTF-16LE UTF-32BE UTF-7 EUC-JP//TRANSLIT SHIFT_JIS//TRANSLIT ISO-2022-JP//TRANSLIT ' \
             'CP1252//TRANSLIT ISO-8859-15//TRANSLIT KOI8-R//TRANSLIT GB18030 BIG5//TRANSLIT ASCII//TRANSLIT'

SQL = '''
create table item(id integer primary key, name text unique, price real);
insert into item(name, price) values ('nut', 0.25), ('bolt', 0.5), ('wrench', 12.75);
begin; update item set price = price * 2 where price < 1; commit;
with recursive n(x) as (select 1 union all select x + 1 from n where x < 20) select sum(x * x), group_concat(x, '-') from n;
select name, printf('%.2f', price), rank() over (order by price desc) from item;
select json_extract('{"a":[1,2,{"b":3}]}', '$.a[2].b'), hex('blob'), sqrt(2);
insert into item(name) values ('nut');
select upper(name) from item where name like '%n%' order by 1;
'''

CORE = [
    Case('ls.plain', ['ls', '-1', '/etc/apt', '/usr/lib/python3']),
    Case('ls.long', ['ls', '-lan', '--time-style=long-iso', '/etc/security']),
    Case('ls.missing', ['ls', '/no/such/file'], packages='coreutils'),
    Case('ls.unknown-option', ['ls', '--no-such-option']),
    Case('ls.sorted-by-locale', ['ls', '-1'], files={name: '' for name in ('b', 'A', 'a', 'B', 'ä', 'z', '日')},
         setup='localedef -i de_DE -f UTF-8 "$HOME/../de_DE.UTF-8" || test -d "$HOME/../de_DE.UTF-8"',
         env={'LOCPATH': '@DIR@/..', 'LC_ALL': 'de_DE.UTF-8'}, packages='locales'),
    Case('cat.stdin', ['cat', '-n'], stdin='a\nb\n'),
    Case('cat.several', ['cat', '/etc/hosts', '-', '/no/such/file'], stdin='middle\n'),
    Case('cat.large', script='head -c 5000000 /dev/zero | $RUN /usr/bin/cat | cksum', programs=['/usr/bin/cat']),
    Case('echo.many-arguments', ['/bin/echo'] + [f'argument-{i}' for i in range(5000)]),
    Case('echo.odd-arguments', ['/bin/echo', '', ' ', '--', '-x', '--help-me', 'a=b', '\n', 'ü', '--list']),
    Case('true', ['true']),
    Case('false', ['false']),
    Case('env', ['env'], env={'EMPTY': '', 'ODD': 'a=b=c', 'LD_UNKNOWN': '1', 'LDX_NOTHING': '0'}),
    Case('env.none', script='env -i $RUN /usr/bin/env', programs=['/usr/bin/env']),
    Case('sort', ['sort', '-k2,2n', '-k1,1r'], stdin='b 10\na 9\nc 10\nd 1\n'),
    Case('sort.parallel', script='seq 1 60000 | $RUN /usr/bin/sort --parallel=2 -R --random-source=/bin/ls | cksum',
         programs=['/usr/bin/sort']),
    Case('sort.unique-locale', ['sort', '-u'], stdin='é\ne\nE\nÉ\ne\n', env={'LC_ALL': 'C.UTF-8'}),
    Case('sha256sum', ['sha256sum', '/bin/ls', '/bin/bash']),
    Case('date', ['date', '-u', '-d', '2001-02-03 04:05:06 UTC + 3 days', '+%A %c %s']),
    Case('date.zone', ['date', '-d', '@1000000000', '+%F %T %Z'], env={'TZ': 'Asia/Tokyo'}, packages='tzdata'),
    Case('expr', ['expr', '123456789', '*', '987654321']),
    Case('factor', ['factor', '18446744073709551615', '340282366920938463463374607431768211455']),
    Case('printf', ['/usr/bin/printf', '%5d|%-8s|%x|%g\\n', '42', 'left', '255', '1e-7']),
    Case('stat', ['stat', '-c', '%n %F %a %U', '/etc', '/etc/passwd']),
    Case('id', ['id']),
    Case('whoami', ['whoami']),
    Case('readlink.self', ['readlink', '/proc/self/exe']),
    Case('realpath.self', ['realpath', '/proc/self/exe']),
    Case('cat.comm', ['cat', '/proc/self/comm']),
    Case('cat.cmdline', ['cat', '/proc/self/cmdline', '/dev/null']),
    Case('timeout', ['timeout', '0.2', 'sleep', '30']),
    Case('timeout.signal', ['timeout', '-s', 'KILL', '0.2', 'sleep', '30']),
    Case('nice', ['nice', '-n', '5', 'nice']),
    Case('xargs', ['xargs', '-n', '2', '-P', '1', 'echo'], stdin='a b c d e', packages='findutils'),
    Case('find', script='$RUN /usr/bin/find /usr/share/perl5 -name "*.pm" -printf "%P %s\\n" | LC_ALL=C sort | cksum',
         programs=['/usr/bin/find'], packages='findutils'),
    Case('grep', ['grep', '-cE', '^(root|nobody):', '/etc/passwd'], packages='grep'),
    Case('grep.perl', ['grep', '-oP', '(?<=b)\\w+(?=d)'], stdin='abcd\nbxyzd\nnone\n', packages='grep'),
    Case('grep.none', ['grep', 'no-such-text', '/etc/passwd']),
    Case('sed', ['sed', '-E', 's/(.)(.)/\\2\\1/g;$!N;P;D'], stdin='abcdef\nghijkl\n'),
    Case('mawk', ['mawk', 'BEGIN { srand(1); for (i = 0; i < 5; i++) s += exp(sin(i)); printf "%.12f\\n", s }']),
    Case('dash', ['dash', '-c', 'f() { echo "$1"; }; f "$(printf %s x)"; for i in 1 2; do (exit $i); echo $?; done; exit 5']),
    Case('busybox', ['busybox', 'sh', '-c', 'busybox echo one; echo "$0"; readlink /proc/self/exe; ls /etc/apt'],
         packages='busybox'),
    Case('busybox.list', ['busybox', '--list'], packages='busybox'),
    Case('busybox.awk', ['busybox', 'awk', 'BEGIN { for (i = 0; i < 5; i++) x = x "<" i ">"; print toupper(x) length(x) }'], packages='busybox'),
    Case('setarch', script='setarch -R $RUN /bin/echo same addresses', programs=['/bin/echo']),
    Case('setarch.maps', script='setarch -R $RUN /bin/cat /proc/self/maps | grep -c "\\[stack\\]"', programs=['/bin/cat']),
    Case('ulimit.stack', script='ulimit -s 256; $RUN /bin/ls -d / /etc', programs=['/bin/ls']),
    Case('ulimit.stack-python', script='ulimit -s 256; $RUN /usr/bin/python3 -c "print(6 * 7)"',
         programs=['/usr/bin/python3'], packages='python3'),
    Case('ulimit.files', script='ulimit -n 8; $RUN /bin/bash -c "ulimit -n; echo ok"', programs=['/bin/bash']),
    Case('ulimit.memory', script='ulimit -v 400000; $RUN /usr/bin/sort /etc/passwd', programs=['/usr/bin/sort']),
    Case('closed-stdio', script='$RUN /bin/ls -d / <&- 2>&-; $RUN /bin/ls / >&-; echo $?', programs=['/bin/ls']),
    Case('relative-path', script='cd /usr/bin && $RUN ./sort --version | head -n 1; cd / && $RUN usr/bin/sort --version | head -n 1',
         programs=['/usr/bin/sort']),
    Case('by-link', script='ln -s /usr/bin/id mine; $RUN ./mine -u; $RUN ./mine --no-such', programs=['/usr/bin/id']),
    Case('exec.chain', script='$RUN /usr/bin/env A=1 /usr/bin/nice -n 1 /usr/bin/nohup /bin/sh -c "echo \\$A" 2>&1 </dev/null',
         programs=['/usr/bin/env', '/usr/bin/nice', '/usr/bin/nohup']),
]

SHELLS = [
    Case('bash.script', ['bash', '@DIR@/script', 'x', 'y'], files={'script': BASH_SCRIPT}),
    Case('bash.command', ['bash', '-c', BASH_SCRIPT, 'named', '1']),
    Case('bash.stdin', ['bash', '-s', 'p', 'q'], stdin='echo "$0 $@"; echo "$BASH_EXECUTION_STRING"; exit 3\n'),
    Case('bash.jobs', ['bash', '-c', BASH_JOBS]),
    Case('bash.version', ['bash', '--version']),
    Case('bash.login', ['bash', '-l', '-c', 'shopt login_shell; echo "$HOME"']),
    Case('bash.exec', ['bash', '-c', 'exec -a other bash -c \'echo "$0 $BASH_VERSION"\'']),
    Case('bash.signal', ['bash', '-c', 'kill -SEGV $$']),
    Case('bash.self', ['bash', '-c', 'cat /proc/$$/comm; tr "\\0" "|" < /proc/$$/cmdline']),
    Case('bash.exe-seen-by-others', ['bash', '-c', 'readlink /proc/$$/exe'], modes=('interp',),
         reason='another process asks the kernel, and the kernel has started ldx'),
    Case('bash.locale', ['bash', '-c', 'x=äöü; echo ${#x} ${x^^}; LC_ALL=C; echo ${#x}']),
    Case('bash.interactive', ['bash', '--norc', '-i'], stdin='echo $-\nhistory | head -n 2\nexit 6\n',
         rewrites=(Rewrite(r'^bash: (cannot set terminal process group|no job control).*\n', '',
                           'the group it names is a process id'),)),
]

ARCHIVES = [
    Case('tar.create', script='mkdir -p d/e; echo one > d/1; echo two > d/e/2; ln -s 1 d/l; chmod 640 d/1; '
         '$RUN /bin/tar --sort=name --mtime=@0 --owner=0 --group=0 -cf - d | sha256sum; '
         '$RUN /bin/tar -cf a.tar d; mkdir out; $RUN /bin/tar -xvf a.tar -C out; ls -R out; cat out/d/e/2',
         programs=['/bin/tar']),
    Case('tar.compressed', script='$RUN /bin/tar -C /etc --sort=name -czf a.tgz apt && $RUN /bin/tar -tzf a.tgz && '
         '$RUN /bin/tar -C /etc --sort=name -cJf a.txz apt && $RUN /bin/tar -tJf a.txz | wc -l', programs=['/bin/tar'],
         packages='xz-utils'),
    Case('tar.error', ['tar', '-xf', '/etc/passwd']),
    Case('gzip', script='seq 1 50000 | $RUN /bin/gzip -9n | sha256sum; seq 1 9 | gzip | $RUN /bin/gzip -d', programs=['/bin/gzip']),
    Case('xz', script='seq 1 50000 | $RUN /usr/bin/xz -T2 | $RUN /usr/bin/xz -d | sha256sum', programs=['/usr/bin/xz'],
         packages='xz-utils'),
]

NAMES = [
    Case('getent.passwd', ['getent', 'passwd', 'root', 'nobody', 'no-such-user']),
    Case('getent.passwd-all', ['getent', 'passwd']),
    Case('getent.group', ['getent', 'group', 'root', '0']),
    Case('getent.hosts', ['getent', 'hosts', 'localhost']),
    Case('getent.ahosts', ['getent', 'ahosts', '127.0.0.1']),
    Case('getent.services', ['getent', 'services', 'ssh', '443', 'domain/udp'], packages='netbase'),
    Case('getent.protocols', ['getent', 'protocols', 'tcp', '17'], packages='netbase'),
    Case('getent.unknown', ['getent', 'no-such-database']),
    Case('libc.as-program', ['/lib/x86_64-linux-gnu/libc.so.6'], modes=('command',),
         reason='a changed libc.so.6 would stand in the way of every other program'),
    Case('locale', ['locale', '-k', 'LC_TIME'], env={'LC_ALL': 'C.UTF-8'}),
    Case('locale.list', ['locale', '-a']),
    Case('iconv.list', ['iconv', '-l']),
    Case('iconv.bad-input', ['iconv', '-f', 'UTF-8', '-t', 'ASCII'], stdin='ok\nü\n'),
    Case('iconv.unknown', ['iconv', '-f', 'NO-SUCH-SET', '-t', 'UTF-8'], stdin='x'),
    Case('iconv.round-trip', files={'text': ICONV_TEXT}, programs=['/usr/bin/iconv'],
         script=f'for set in {ICONV_SETS}; do echo $set; $RUN /usr/bin/iconv -f UTF-8 -t $set text > out; echo $?; '
         'od -An -tx1 out; $RUN /usr/bin/iconv -f ${set%//*} -t UTF-8 out; done'),
]

SERVICES = [
    Case('openssl.version', ['openssl', 'version', '-a'], packages='openssl'),
    Case('openssl.digest', ['openssl', 'dgst', '-sha3-256', '/bin/ls', '/etc/hosts'], packages='openssl'),
    Case('openssl.cipher', programs=['/usr/bin/openssl'], packages='openssl',
         script='for c in aes-256-cbc aes-128-ctr chacha20 camellia-192-cbc; do seq 1 9999 | '
         '$RUN /usr/bin/openssl enc -$c -pbkdf2 -S 0102030405060708 -k secret -out x && sha256sum x && '
         '$RUN /usr/bin/openssl enc -d -$c -pbkdf2 -S 0102030405060708 -k secret -in x | tail -n 1; done'),
    Case('openssl.keys', programs=['/usr/bin/openssl'], packages='openssl',
         script='$RUN /usr/bin/openssl genrsa -out k 1024 && $RUN /usr/bin/openssl rsa -in k -check -noout; '
         '$RUN /usr/bin/openssl req -new -x509 -key k -subj /CN=test -days 1 -out c && '
         '$RUN /usr/bin/openssl x509 -in c -noout -subject -issuer; $RUN /usr/bin/openssl verify -CAfile c c'),
    Case('openssl.legacy-provider', ['openssl', 'dgst', '-provider', 'legacy', '-provider', 'default', '-md4', '/etc/hosts'],
         packages='openssl'),
    Case('openssl.error', ['openssl', 'x509', '-in', '/etc/hosts'], packages='openssl',
         rewrites=(Rewrite(r'^[0-9A-F]{8,16}:', 'THREAD:', 'the error begins with the address of the thread'),)),
    Case('curl.version', ['curl', '--version'], packages='curl'),
    Case('curl.file', ['curl', '-sS', 'file:///etc/hosts'], packages='curl'),
    Case('curl.missing', ['curl', '-sS', 'file:///no/such/file'], packages='curl'),
    Case('curl.refused', ['curl', '-sS', 'https://127.0.0.1:1/'], packages='curl',
         rewrites=(Rewrite(r'after \d+ ms', 'after N ms', 'a time'),)),
    Case('sqlite3.sql', ['sqlite3', ':memory:'], stdin=SQL, packages='sqlite3'),
    Case('sqlite3.file', programs=['/usr/bin/sqlite3'], packages='sqlite3',
         script='$RUN /usr/bin/sqlite3 a.db "create table t(x); insert into t values(1),(2);" && '
         '$RUN /usr/bin/sqlite3 a.db "select sum(x) from t; pragma integrity_check;"'),
    Case('jq', ['jq', '-c', '[.[] | {k: .a, s: (.a | tostring | ascii_upcase)}] | sort_by(.k)'],
         stdin='[{"a": 3}, {"a": "x"}, {"a": null}]', packages='jq'),
    Case('ldd', ['bash', '/usr/bin/ldd', '/bin/ls'], rewrites=(ADDRESSES,)),
]

CASES = CORE + SHELLS + ARCHIVES + NAMES + SERVICES
