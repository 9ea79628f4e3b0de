"""Builds a small farm of libraries that are found in every way there is.

main  RUNPATH $ORIGIN/run, needs libfront.so libenv.so libcaps.so libother.so libchosen.so
  run/libfront.so                      RPATH $ORIGIN/deep (the old tag), needs libdeep.so
  run/deep/libdeep.so
  env/libenv.so                        by LD_LIBRARY_PATH
  run/glibc-hwcaps/x86-64-v2/libcaps.so, and run/libcaps.so
  run/libother.so                      a link to libfront.so: the same file by another name
  run/libchosen.so                     has an indirect function, whose resolver leaves a mark
  run/libopened.so                     to be opened; needs libdeep.so through a path of its own
  spare/libfront.so, spare/libenv.so, newer/libenv.so   replacements
"""

import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent


class Farm:
    def __init__(self, root, ldx, way, changer):
        self.root = Path(root)
        self.ldx = ldx
        self.way = way
        self.changer = changer
        self._build()

    def path(self, name):
        return self.root / name

    def _compile(self, out, source, *words):
        self.path(out).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(['cc', '-O1', '-g0', '-Wno-pedantic', '-o', self.path(out), HERE / source, *words], check=True, cwd=self.root)

    def library(self, out, name, *words, soname=None, build_id=True):
        self._compile(out, 'piece.c', '-shared', '-fPIC', f'-DNAME={name}', f'-DMARK="{self.root}/mark-of-{name}"',
                      f'-Wl,-soname,{soname or Path(out).name}', '-Wl,--build-id' if build_id else '-Wl,--build-id=none', *words)

    def _build(self):
        self.library('run/deep/libdeep.so', 'deep', '-DANSWER=1')
        self.library('run/libfront.so', 'front', '-DCALLS=value_deep', '-Wl,--disable-new-dtags', '-Wl,-rpath,$ORIGIN/deep',
                     self.path('run/deep/libdeep.so'))
        self.library('env/libenv.so', 'env', '-DANSWER=2', build_id=False)
        self.library('run/libcaps.so', 'caps', '-DANSWER=3')
        self.library('run/glibc-hwcaps/x86-64-v2/libcaps.so', 'caps', '-DANSWER=4')
        self.library('stub/libother.so', 'other', '-DANSWER=5')
        self.library('run/libchosen.so', 'chosen', '-DANSWER=6', '-DCHOSEN')
        self.library('run/libopened.so', 'opened', '-DCALLS=value_deep', '-Wl,-rpath,$ORIGIN/deep', self.path('run/deep/libdeep.so'))
        self.library('spare/libfront.so', 'front', '-DANSWER=7')
        self.library('spare/libenv.so', 'env', '-DANSWER=8', build_id=False)
        self.library('newer/libenv.so', 'env', '-DANSWER=9', build_id=False)
        os.symlink('libfront.so', self.path('run/libother.so'))
        os.symlink('libopened.so', self.path('run/libagain.so'))
        libraries = [self.path(name) for name in ('run/libfront.so', 'env/libenv.so', 'run/libcaps.so', 'stub/libother.so', 'run/libchosen.so')]
        words = ['-DUSES=value_front', '-Wl,--enable-new-dtags', '-Wl,-rpath,$ORIGIN/run', '-Wl,-z,lazy', '-Wl,--no-as-needed', *libraries]
        if self.way == 'interp':
            words.append(f'-Wl,--dynamic-linker={self.ldx}')
        self._compile('main', 'main.c', *words, f'-Wl,-rpath-link,{self.root}/run/deep')
        self._compile('main-system', 'main.c', *[w for w in words if '--dynamic-linker' not in str(w)], f'-Wl,-rpath-link,{self.root}/run/deep')
        self._compile('static', 'still.c', '-static')
        self._compile('still', 'still.c')
        self._compile('bare', 'main.c', *([words[-1]] if self.way == 'interp' else []))

    def marks(self):
        return sorted(path.name for path in self.root.glob('mark-*'))

    def clear_marks(self):
        for path in self.root.glob('mark-*'):
            path.unlink()

    def replace(self, name, by):
        """Puts another file in a library's place; returns a function that puts it back."""
        kept = self.path(name + '.kept')
        shutil.move(self.path(name), kept)
        if by:
            shutil.copy(self.path(by), self.path(name))
        return lambda: shutil.move(kept, self.path(name))

    VARIABLES = {'--record': 'LDX_RECORD', '--frozen': 'LDX_FROZEN', '--sbom': 'LDX_SBOM', '--policy': 'LDX_POLICY', '--tool': 'LDX_TOOLS',
                 '--tool-in-app': 'LDX_TOOLS_IN_APP'}

    def command(self, options, program, args):
        """The words and the variables that run a program with these options, in this farm's way."""
        if self.way == 'command':
            return [self.ldx, *options, program, *args], {}
        variables = {}
        for option in options:
            name, _, value = option.partition('=')
            if name in ('--plan', '--tree', '--explain'):
                word = name[2:] if name != '--plan' else value or 'text'
                variables['LDX_PLAN'] = f'{word}={value}' if value and name == '--explain' else word
            else:
                variable = self.VARIABLES[name]
                variables[variable] = f'{variables[variable]}:{value}' if variable in variables else value
        return [program, *args], variables

    def run(self, *options, program='main', args=(), env=None, prepare=None):
        words, variables = self.command(options, str(self.path(program)) if '/' not in program else program, args)
        environment = {'PATH': os.environ['PATH'], 'LC_ALL': 'C', 'LD_LIBRARY_PATH': str(self.path('env')), **variables, **(env or {})}
        return subprocess.run([str(w) for w in words], env=environment, cwd=self.root, capture_output=True, text=True, errors='surrogateescape',
                              timeout=60, preexec_fn=prepare)
