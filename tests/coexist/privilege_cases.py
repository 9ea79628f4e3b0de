"""Privileged programs (setuid, setgid, file capabilities): nothing of the user's environment is obeyed, and what is unsafe does not reach a child."""

from harness import Case, Outcome

AS_NOBODY = 'setpriv --reuid=65534 --regid=65534 --clear-groups env -i '
USE = 'privileged libtaken.so taken/libtaken.so=libtaken.so taken/TAKEN.so=libtaken.so'
SETUP = 'printf "module UTF-8// TAKEN// TAKEN 1\\n" > taken/gconv-modules; cp -r /usr/lib/locale/C.utf8 taken/taken_LC; ln -s privileged by-link; chmod 755 . taken'
DIR = '@DIR@/taken'
EVERY = {
    'PATH': '/usr/bin:/bin', 'HOME': '/nowhere', 'LANG': 'C.UTF-8', 'LD_PRELOAD': f'{DIR}/libtaken.so:libtaken.so', 'LD_LIBRARY_PATH': DIR, 'LD_AUDIT': f'{DIR}/libtaken.so', 'LD_DEBUG': 'all',
    'LD_DEBUG_OUTPUT': f'{DIR}/trace', 'LD_BIND_NOW': '1', 'LD_BIND_NOT': '1', 'LD_DYNAMIC_WEAK': '1', 'LD_HWCAP_MASK': '0', 'LD_ORIGIN_PATH': DIR, 'LD_PROFILE': 'libtaken.so',
    'LD_PROFILE_OUTPUT': DIR, 'LD_SHOW_AUXV': '1', 'LD_VERBOSE': '1', 'LD_WARN': '1', 'LD_TRACE_PRELINKING': '1', 'LD_USE_LOAD_BIAS': '1', 'GCONV_PATH': DIR, 'GETCONF_DIR': DIR, 'HOSTALIASES': DIR,
    'LOCALDOMAIN': 'x', 'LOCPATH': DIR, 'MALLOC_ARENA_MAX': '1', 'MALLOC_CHECK_': '3', 'MALLOC_PERTURB_': '85', 'MALLOC_TRACE': f'{DIR}/malloc', 'NIS_PATH': 'x', 'NLSPATH': DIR,
    'RESOLV_HOST_CONF': DIR, 'RES_OPTIONS': 'debug', 'TMPDIR': DIR, 'TZ': 'Asia/Tokyo', 'TZDIR': DIR, 'GLIBC_TUNABLES': 'glibc.malloc.check=3:glibc.malloc.perturb=85:glibc.rtld.nns=2',
}
# Variables of ldx itself, of today and to come: a child of a privileged program must not find them, because it would obey them.
OWN = {'LDX_SHARE': 'libc.so.6', 'LDX_STATIC_TLS': '100000', 'LDX_TOOLS': f'{DIR}/libtaken.so', 'LDX_POLICY': DIR, 'LDX_CACHE': DIR, 'LDX_STRICT': '1', 'LDX_NONSENSE': '1'}
MARKS = {
    'setuid': 'chown 0:0 privileged; chmod 4755 privileged',
    'setgid': 'chown 0:0 privileged; chmod 2755 privileged',
    'setuid-and-setgid': 'chown 1:1 privileged; chmod 6755 privileged',
    'capability': 'setcap cap_net_raw+ep privileged',
    'capability-inheritable': 'setcap cap_net_raw+i privileged',
    'nothing': 'chmod 755 privileged',
}
UNMARKED = ('capability-inheritable', 'nothing') # the user decides: what lies in his way is left out
# A privileged program may not be seen by its user, who may not write where it stands.
AFTER = '; s=$?; ls -A taken .; exit $s'


def words(env):
    return ' '.join(f"'{key}={value}'" for key, value in env.items())


def privileged(name, mark, env, run='./privileged', modes=('interp',), **more):
    return Case(f'privilege.{name}', script=f'{MARKS[mark]} && {AS_NOBODY}{words(env)} {run}{AFTER}', use=USE, setup=SETUP, modes=modes, programs=['./privileged'],
                packages='util-linux libcap2-bin libc-bin', reason='a loader that is named is not privileged', **more)


def only(*names):
    return {'PATH': '/usr/bin:/bin', **{name: EVERY[name] for name in names}}


QUIET = {key: value for key, value in EVERY.items() if key not in ('LD_DEBUG', 'LD_SHOW_AUXV', 'LD_AUDIT', 'LD_PROFILE', 'LD_TRACE_PRELINKING', 'LD_DEBUG_OUTPUT', 'LD_USE_LOAD_BIAS')}
# A libc that ldx does not know (another build by its build id), found without the user's help. An unprivileged program is handed over to the libc's own loader; a privileged one never, because its
# path may mean another file by then.
UNKNOWN = ("mkdir other; cp $(ldd /bin/true | grep -o '/[^ ]*libc.so.6') other/; python3 -c 'import re, sys; b = bytearray(open(\"other/libc.so.6\", \"rb\").read()); "
           "i = b.index(b\"\\x04\\0\\0\\0\\x14\\0\\0\\0\\x03\\0\\0\\0GNU\\0\"); b[i + 16] ^= 255; open(\"other/libc.so.6\", \"wb\").write(b)'; chmod 755 . other; "
           "printf 'int puts(const char *); int main(void) { return puts(\"runs\") < 0; }' | gcc -x c - -o unknown -Wl,-rpath,$PWD/other")
CASES = [
    *(Case(f'privilege.{mark}.unknown-libc', script=f'{how} && {AS_NOBODY} ./unknown', use='', setup=UNKNOWN, programs=['./unknown'], modes=('interp',), expect=outcome,
           packages='util-linux libcap2-bin libc-bin gcc', reason='what ldx does with a libc that it does not know')
      for mark, how, outcome in (
          ('setuid', 'chown 0:0 unknown; chmod 4755 unknown', Outcome(127, '', 'ldx: ./unknown: this build of glibc is not known to ldx\n')),
          ('capability', 'setcap cap_net_raw+ep unknown', Outcome(127, '', 'ldx: ./unknown: this build of glibc is not known to ldx\n')),
          ('nothing', 'chmod 755 unknown', Outcome(0, 'runs\n', 'ldx: ./unknown: this build of glibc is not known to ldx: handing over to /lib64/ld-linux-x86-64.so.2\n')))),
    *(privileged(f'{mark}.every', mark, QUIET if mark in UNMARKED else EVERY) for mark in MARKS),
    *(Case(f'privilege.{mark}.own', script=f'{MARKS[mark]} && {AS_NOBODY}{words(OWN)} ./privileged >out; echo $?; grep -c TAKEN out; grep -c "^secure 1" out; grep "^LDX_" out', use=USE, setup=SETUP,
           programs=['./privileged'], modes=('interp',), expect=Outcome(1, '0\n0\n1\n', ''), packages='util-linux libcap2-bin libc-bin',
           reason='the system loader does not know these variables') for mark in ('setuid', 'setgid', 'capability')),
    *(privileged(f'{mark}.{name.lower()}', mark, only(name)) for mark in ('setuid', 'capability') for name in EVERY if name not in ('PATH', 'HOME', 'LANG')),
    privileged('setuid.empty', 'setuid', {}),
    privileged('setuid.argument-path', 'setuid', only('LD_LIBRARY_PATH'), run=f'./privileged {DIR}/libtaken.so'),
    privileged('setuid.argument-origin', 'setuid', {}, run="./privileged '${ORIGIN}/taken/libtaken.so'"),
    privileged('setuid.by-link', 'setuid', EVERY, run='./by-link'),
    privileged('setuid.closed-descriptors', 'setuid', only('LD_DEBUG', 'LD_PRELOAD'), run='./privileged <&- 2>&-'),
    # The user's own system call cannot make a setuid program of it, and so a loader that is named does as its user says.
    *(Case(f'privilege.{mark}.named-loader', script=f'{MARKS[mark]} && {AS_NOBODY}{words(QUIET)} $RUN ./privileged{AFTER}', use=USE, setup=SETUP, loader=True, modes=('command',),
           packages='util-linux libcap2-bin libc-bin', reason='the case is of a command') for mark in ('setuid', 'setgid', 'capability', 'nothing')),
]
