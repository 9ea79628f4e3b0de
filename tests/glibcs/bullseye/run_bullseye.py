#!/usr/bin/env python3
"""Compares ldx with the system loader of Debian 11 (glibc 2.31) on programs that lean on what is special there.

Before 2.34 threads, dlopen and timers were libraries of their own (libpthread.so.0, libdl.so.2, librt.so.1), libc caught
its loader's errors itself, and the loader learned of the CPU in its own start-up. The programs are linked to that
release's libraries, which scripts/glibc-roots unpacks; each runs under that release's loader, and twice under ldx:
named on the command line, and as the program's interpreter.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

HERE = Path(__file__).resolve().parent
LIMIT = 30
TUNABLES = ('glibc.malloc.perturb=85', 'glibc.cpu.hwcaps=-AVX2_Usable,-ERMS:glibc.cpu.x86_non_temporal_threshold=123456',
            'glibc.malloc.perturb=85:nonsense=1:glibc.malloc.perturb', 'glibc.malloc.perturb=0x2a:glibc.malloc.perturb=7')
LIBC = ['libc.so.6', 'ld-linux-x86-64.so.2']
DL = ['libdl.so.2'] + LIBC
CXX = ['libstdc++.so.6', 'libgcc_s.so.1', 'libpthread.so.0'] + DL

# Name: source, and the libraries it is linked to.
LIBRARIES = {
    'libtls.so': ('libtls.c', LIBC),
    'libexec.so': ('libexec.c', LIBC),
    'libthrow.so': ('libthrow.cc', CXX),
    'libthrow2.so': ('libthrow.cc', CXX),
}
PROGRAMS = {
    'threads': ('threads.c', ['libpthread.so.0', 'librt.so.1'] + DL),
    'late': ('late.c', DL),
    'services': ('services.c', DL),
    'features': ('features.c', LIBC),
    'throw': ('throw.cc', ['libthrow.so'] + CXX),
}
EXECUTABLE_STACK = {'libexec.so'}
# Program, and what is added to its environment.
CASES = ([(name, {}) for name in PROGRAMS] + [('features', {'GLIBC_TUNABLES': t}) for t in TUNABLES] +
         [('features', {'MALLOC_PERTURB_': '85'}), ('threads', {'LD_BIND_NOW': '1'}), ('throw', {'LD_BIND_NOW': '1'})])


class Workshop:
    """Builds the programs, and runs them in the three ways."""

    def __init__(self, root, ldx, interp_tool, folder):
        self.root, self.ldx, self.tool, self.folder = root, ldx, interp_tool, folder
        self.paths = [str(root / 'lib/x86_64-linux-gnu'), str(root / 'usr/lib/x86_64-linux-gnu')]

    def _gcc(self, output, source, libraries, *options):
        crt = [subprocess.run(['gcc', f'-print-file-name={name}'], check=True, capture_output=True, text=True).stdout.strip()
               for name in ('crtbeginS.o', 'crtendS.o')]
        language = ['g++', '-std=gnu++17'] if source.endswith('.cc') else ['gcc', '-std=gnu17']
        search = [f'-L{p}' for p in [str(self.folder)] + self.paths] + [f'-Wl,-rpath-link,{":".join(self.paths)}']
        # a DT_RPATH also counts for the libraries' libraries
        place = [f'-Wl,-rpath,{":".join([str(self.folder)] + self.paths)}', '-Wl,--disable-new-dtags']
        command = language + ['-O1', '-g', '-D_GNU_SOURCE', '-fPIC', '-nostdlib', '-o', str(self.folder / output)]
        command += list(options) + [crt[0], str(HERE / source)] + search + place
        subprocess.run(command + [f'-l:{name}' for name in libraries] + [crt[1]], check=True)

    def build(self):
        subprocess.run(['gcc', '-std=gnu17', '-O1', '-fPIC', '-c', '-o', str(self.folder / 'start.o'), str(HERE / 'start.c')],
                       check=True)
        for name, (source, libraries) in LIBRARIES.items():
            stack = 'execstack' if name in EXECUTABLE_STACK else 'noexecstack'
            self._gcc(name, source, libraries, '-shared', f'-Wl,-z,{stack}')
        for name, (source, libraries) in PROGRAMS.items():
            self._gcc(name, source, libraries, '-pie', '-Wl,-z,noexecstack', str(self.folder / 'start.o'))
            for way, interpreter in (('system', self.root / 'lib64/ld-linux-x86-64.so.2'), ('interp', self.ldx)):
                (self.folder / way).mkdir(exist_ok=True)
                subprocess.run([self.tool, '--set', interpreter, '--output', self.folder / way / name, self.folder / name],
                               check=True)

    def run(self, way, name, env):
        program = str(self.folder / ('system' if way == 'command' else way) / name)
        command = [str(self.ldx), '--argv0', name, program] if way == 'command' else [program]
        base = {'PATH': '/usr/bin:/bin', 'GCONV_PATH': self.paths[1] + '/gconv'}
        try:
            p = subprocess.run(command if way == 'command' else [name], env=base | env, cwd=self.folder, timeout=LIMIT,
                               executable=command[0], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        except subprocess.TimeoutExpired:
            return 'time limit', '', ''
        return p.returncode, p.stdout, p.stderr


def difference(want, got):
    words = zip(('status', 'output', 'errors'), want, got)
    return [f'{what}: {b!r} instead of {a!r}' for what, a, b in words if a != b]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--ldx', required=True, type=Path, help='the loader under test')
    parser.add_argument('--interp-tool', required=True, type=Path, help='tools/ldx-interp')
    parser.add_argument('--roots', required=True, type=Path, help='where scripts/glibc-roots unpacks releases')
    parser.add_argument('--script', required=True, type=Path, help='scripts/glibc-roots')
    parser.add_argument('--json', action='store_true', help='one line of JSON a case')
    args = parser.parse_args()
    subprocess.run([args.script, args.roots, 'bullseye'], check=True)
    failed = 0
    with tempfile.TemporaryDirectory(prefix='ldx-bullseye-') as folder:
        shop = Workshop(args.roots.resolve() / 'bullseye', args.ldx.resolve(), args.interp_tool.resolve(), Path(folder))
        shop.build()
        for name, env in CASES:
            want = shop.run('system', name, env)
            for way in ('command', 'interp'):
                title = ' '.join([way, name] + [f'{k}={v}' for k, v in env.items()])
                # an oracle that was killed says nothing
                wrong = difference(want, shop.run(way, name, env)) if isinstance(want[0], int) and want[0] >= 0 else [
                    f'the system loader: {want[0]}']
                failed += bool(wrong)
                if args.json:
                    print(json.dumps({'case': title, 'ok': not wrong, 'differences': wrong}), flush=True)
                else:
                    print(f'{"FAIL" if wrong else "ok  "} {title}', *wrong, sep='\n     ', flush=True)
    if not args.json:
        print(f'{failed} of {2 * len(CASES)} failed')
    return failed > 0


if __name__ == '__main__':
    os.umask(0o022)
    sys.exit(main())
