#!/usr/bin/env python3
"""Events of libraries as tools hear them: complete, in order, read-only, and told whatever the tools do.

Each case runs a program under ldx with recorder.so, a tool that writes one line of JSON for each event and misbehaves
on request. --mode command runs `ldx --tool ... PROGRAM`; --mode interp runs a copy of the program whose PT_INTERP is
ldx, with LDX_TOOLS.
"""

import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

OPTIONS = None
FREQUENT = {'bind', 'ifunc', 'dlsym', 'tls_block', 'tls_block_gone', 'alloc', 'realloc', 'free', 'io'}


class Run:
    """A finished program, and what its tools have written."""

    def __init__(self, status, out, err, events):
        self.status, self.out, self.err, self.events = status, out, err, events

    def of(self, *types):
        return [e for e in self.events if e['type'] in types]


class EventTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix='events-'))
        self.addCleanup(shutil.rmtree, self.folder)
        for file in Path(OPTIONS.built).iterdir():
            if file.is_file() and file.name != 'libev-gone.so':
                shutil.copy2(file, self.folder)

    def _program(self, path):
        """The program as it is to be started."""
        if OPTIONS.mode == 'command':
            return path
        copy = self.folder / f'{Path(path).name}.interp'
        if not copy.exists():
            subprocess.run([OPTIONS.interp_tool, '--set', OPTIONS.ldx, '--output', copy, path], check=True)
        return str(copy)

    def _tool(self, words, log):
        return ','.join([str(self.folder / 'recorder.so'), f'to={log}', *words.split()])

    def run_with(self, tools, program, *args, env=None, status=0):
        """`tools`: words for recorder.so, one text for each."""
        log = self.folder / 'log'
        log.unlink(missing_ok=True)
        path = str(self.folder / program) if (self.folder / program).exists() else shutil.which(program)
        tools = [self._tool(words, log) for words in tools]
        environment = {**os.environ, **(env or {})}
        if OPTIONS.mode == 'command':
            command = [OPTIONS.ldx, *(word for tool in tools for word in ('--tool', tool)), path, *args]
        else:
            command = [self._program(os.path.realpath(path)), *args]
            environment['LDX_TOOLS'] = ':'.join(tools)
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60)
        lines = log.read_text().splitlines() if log.exists() else []
        run = Run(done.returncode, done.stdout, done.stderr, [json.loads(line) for line in lines])
        self.assertEqual(run.status, status, f'{command}\n{run.out}\n{run.err}')
        return run

    def actor(self, tools, *words, **more):
        return self.run_with(tools, 'actor', *words, **more)


def real(path):
    return os.path.realpath(path)


class Libraries(EventTest):
    def test_T03_every_library_is_told(self):
        code = 'import ssl\nfor l in open("/proc/self/maps"): print(l.split()[-1])'
        run = self.run_with(['types=mapped+unloaded'], 'python3', '-c', code, env={'PYTHONDONTWRITEBYTECODE': '1'})
        mapped = {real(line) for line in run.out.split() if re.search(r'\.so(\.[0-9.]+)?$', line)}
        tools = {path for path in mapped if path.endswith('/recorder.so')}
        told = {real(e['path']) for e in run.of('mapped')} - {real(e['path']) for e in run.of('unloaded')}
        told = {path for path in told if re.search(r'\.so(\.[0-9.]+)?$', path) and not path.endswith('vdso.so.1')}
        self.assertGreater(len(told), 6)
        self.assertEqual(mapped - tools, told)

    def test_T03_unloaded_after_dlclose(self):
        run = self.actor(['types=all'], 'now=./libev-leaf.so', 'close')
        leaf = next(e['object'] for e in run.of('mapped') if e['path'].endswith('libev-leaf.so'))
        own = [e['type'] for e in run.events if e['object'] == leaf and e['type'] not in FREQUENT]
        self.assertEqual(own, ['mapped', 'relocated', 'load_end', 'init', 'ready', 'dlopened', 'dlclose', 'fini', 'unloaded'])

    def test_start_to_exit(self):
        run = self.actor(['types=all'], 'sym=malloc')
        types = [e['type'] for e in run.events]
        order = ['start', 'load_begin', 'load_end', 'main', 'dlsym', 'exit']
        self.assertEqual([t for t in types if t in order and t != 'dlsym' or t == 'dlsym'][0], 'start')
        places = [types.index(t) for t in order]
        self.assertEqual(places, sorted(places))
        program = run.of('start')[0]['object']
        self.assertEqual(run.of('main')[0]['object'], program)
        found = {e['name']: e for e in run.of('found')}
        self.assertEqual(found['libc.so.6']['reason'], 'ld.so.cache')
        dlsym = [e for e in run.of('dlsym') if e['name'] == 'malloc'][0]
        self.assertEqual(dlsym['object'], program)
        libc = next(e['object'] for e in run.of('mapped') if e['name'] == 'libc.so.6' and e['ns'] == 0)
        self.assertEqual(dlsym['other'], libc)
        self.assertNotEqual(dlsym['addr'], 0)

    def test_failed_dlsym(self):
        run = self.actor(['types=dlsym'], 'sym=no_such_function')
        self.assertEqual([e['addr'] for e in run.of('dlsym') if e['name'] == 'no_such_function'], [0])

    def test_namespaces(self):
        run = self.actor(['types=all'], 'spaces=./libev-leaf.so')
        new, gone = run.of('namespace_new'), run.of('namespace_gone')
        self.assertEqual([e['ns'] for e in new], [e['ns'] for e in gone])
        ns = new[0]['ns']
        inside = [e for e in run.of('mapped') if e['ns'] == ns]
        libc = next(e['object'] for e in run.of('mapped') if e['name'] == 'libc.so.6' and e['ns'] == 0)
        proxies = [e for e in inside if e['other']]
        self.assertIn(libc, [e['other'] for e in proxies])
        self.assertEqual({e['object'] for e in inside}, {e['object'] for e in run.of('unloaded') if e['ns'] == ns})

    def test_T25_pairs(self):
        run = self.actor(['types=load_begin+load_end+mapped+unloaded+dlopen+dlopened'], 'now=./libev-leaf.so',
                         'now=./libev-leaf.so', 'now=./libev-none.so', 'now=./libev-needs-gone.so',
                         'now=./libev-undefined.so', 'open=./libev-undefined.so')
        self.assertEqual(len(run.of('load_begin')), len(run.of('load_end')))
        depth = 0
        for e in run.events:
            depth += {'load_begin': 1, 'load_end': -1}.get(e['type'], 0)
            self.assertIn(depth, (0, 1))
            if e['type'] in ('mapped', 'unloaded'):
                self.assertEqual(depth, 1)
        ends = run.of('load_end')
        self.assertEqual([e['status'] for e in ends], [0, 0, 0, -1, -1, -1, 0])
        self.assertEqual([e['objects'] for e in ends][1:], [1, 0, 0, 0, 0, 1])
        texts = [e['text'] for e in ends if e['status']]
        self.assertEqual(texts[0], './libev-none.so: cannot open shared object file: No such file or directory')
        self.assertEqual(texts[1], 'libev-gone.so: cannot open shared object file: No such file or directory')
        self.assertEqual(texts[2], './libev-undefined.so: undefined symbol: nobody_has_this')
        errors = [e.get('error') for e in run.of('dlopened')]
        self.assertEqual(errors, [None, None, *texts, None])
        taken_back = {e['object'] for e in run.of('unloaded')}
        self.assertEqual(len(taken_back), 2)
        self.assertEqual(taken_back, {e['object'] for e in run.of('mapped') if e['path'].endswith(
            ('libev-needs-gone.so', 'libev-undefined.so'))} - {run.of('mapped')[-1]['object']})

    def test_T25_unloads_are_pairs_too(self):
        run = self.actor(['types=load_begin+load_end+unloaded'], 'now=./libev-leaf.so', 'close')
        self.assertEqual([(e['type'], e['flags']) for e in run.events][-3:],
                         [('load_begin', 1), ('unloaded', 0), ('load_end', 1)])

    def test_threads_of_loads(self):
        run = self.actor(['types=all'], 'threads=./libev-leaf.so')
        for types in (('load_begin', 'load_end'), ('dlopen', 'dlopened')):
            counts = [len(run.of(t)) for t in types]
            self.assertEqual(counts[0], counts[1])
        mapped = [e['object'] for e in run.of('mapped') if e['path'].endswith('libev-leaf.so')]
        gone = [e['object'] for e in run.of('unloaded')]
        self.assertEqual(len(mapped), len(set(mapped)))
        self.assertEqual(sorted(mapped), sorted(gone))
        self.assertEqual(len(run.of('dlclose')), 200)


class Bindings(EventTest):
    def _wanted(self, path, base):
        """Every symbolic relocation of a file, by readelf: (place, type, symbol)."""
        text = subprocess.run(['readelf', '-rW', path], capture_output=True, text=True, check=True).stdout
        for line in text.splitlines():
            m = re.match(r'([0-9a-f]{16})\s+([0-9a-f]{16})\s+R_X86_64_(\w+)\s+[0-9a-f]{16}\s+(\S+)', line)
            if m and int(m[2], 16) >> 32:
                yield base + int(m[1], 16), int(m[2], 16) & 0xffffffff, m[4].split('@')[0]

    def _check(self, program, *args, env=None):
        run = self.run_with(['types=mapped+bind'], program, *args, env={'LD_BIND_NOW': '1', **(env or {})})
        told = collections.defaultdict(list)
        for e in run.of('bind'):
            told[e['object']].append((e['slot'], e['relocation'], e['name']))
        checked = 0
        for e in run.of('mapped'):
            if e['other'] or 'vdso' in e['path'] or real(e['path']) == real(OPTIONS.ldx):
                continue
            wanted = collections.Counter(self._wanted(e['path'], e['base']))
            self.assertEqual(wanted, collections.Counter(told[e['object']]), e['path'])
            checked += len(wanted)
        return run, checked

    def test_all_kinds(self):
        run, checked = self._check('references')
        kinds = {e['relocation'] for e in run.of('bind')}
        self.assertLessEqual({1, 5, 6, 7, 16, 17, 18, 36}, kinds)  # 64 COPY GLOB_DAT JUMP_SLOT DTPMOD64 DTPOFF64 TPOFF64 TLSDESC
        self.assertGreater(checked, 60)
        unbound = [e for e in run.of('bind') if e['name'] in ('nowhere', 'nowhere_else')]
        self.assertTrue(unbound)
        self.assertEqual({(e['addr'], e['other']) for e in unbound}, {(0, 0)})

    def test_without_plt(self):
        self._check('references-noplt')

    def test_of_a_real_program(self):
        _, checked = self._check('python3', '-c', 'import ssl, ctypes')
        self.assertGreater(checked, 5000)

    def test_lazily_once(self):
        run = self.run_with(['types=bind+mapped+main'], 'references')
        lazily = [e for e in run.of('bind') if e['lazy']]
        self.assertIn('shared_function', [e['name'] for e in lazily])
        self.assertGreater(lazily[0]['seq'], run.of('main')[0]['seq'] if lazily[0]['name'] == 'shared_function' else 0)
        slots = [e['slot'] for e in run.of('bind')]
        self.assertEqual(len(slots), len(set(slots)))
        self.assertEqual({e['relocation'] for e in lazily}, {7})

    def test_T19_indirect_functions(self):
        run = self.run_with(['types=ifunc+bind+mapped'], 'references', env={'LD_BIND_NOW': '1'})
        program = run.of('mapped')[0]['object']
        libc = next(e for e in run.of('mapped') if e['name'] == 'libc.so.6')
        chosen = [e for e in run.of('ifunc') if e['object'] == program and e['name'] == 'strlen']
        self.assertTrue(chosen)
        for e in chosen:
            self.assertEqual(e['other'], libc['object'])
            self.assertNotEqual(e['addr'], e['was'])
        bound = [e for e in run.of('bind') if e['object'] == program and e['name'] == 'strlen']
        self.assertEqual({e['slot'] for e in chosen}, {e['slot'] for e in bound})
        self.assertEqual({e['was'] for e in chosen}, {e['addr'] for e in bound})


class Callbacks(EventTest):
    def test_T20_three_tools_in_order(self):
        run = self.actor(['name=third types=all after=second', 'name=first types=all priority=9',
                          'name=second types=all do=unsubscribe@main'], 'now=./libev-leaf.so', 'close')
        self.assertEqual(run.err, 'second: unsubscribe: 0\n')
        by = collections.defaultdict(list)
        for e in run.events:
            by[e['seq']].append(e['tool'])
        start, end = run.of('start')[0]['seq'], run.of('main')[0]['seq']
        for seq, tools in by.items():
            if seq < start:  # the second tool was loaded when the first was there, the third not yet
                continue
            self.assertEqual(tools, ['first', 'second', 'third'] if seq <= end else ['first', 'third'])
        self.assertGreater(max(by), end + 10)
        self.assertEqual(sorted(by), list(range(1, max(by) + 1)))

    def test_circle(self):
        run = self.actor(['name=a before=b', 'name=b before=a'], status=127)
        self.assertEqual(run.out, '')
        self.assertRegex(run.err, r'^ldx: \S+: tools cannot be put in order: '
                                  r'(a before b \(wanted by a\), b before a \(wanted by b\)|'
                                  r'b before a \(wanted by b\), a before b \(wanted by a\))\n$')

    def test_double_name(self):
        run = self.actor(['name=a', 'name=a'], status=127)
        self.assertRegex(run.err, r'^ldx: \S+: two tools are called a: \S+recorder.so and \S+recorder.so: File exists\n$')

    def test_T21_events_are_read_only(self):
        for act in ('write', 'write-text'):
            run = self.actor([f'types=mapped+main do={act}@mapped', 'name=other types=mapped+main'], 'handlers')
            self.assertEqual(run.out, 'handler: default\n')
            self.assertRegex(run.err, r'^ldx: \S+: tool recorder: its callback for event mapped writes to an event, and '
                                      r'events are read-only \(at 0x[0-9a-f]+, in recorder\.so\+0x[0-9a-f]+\): '
                                      r'it is disabled\n$')
            self.assertEqual(len([e for e in run.events if e['tool'] == 'recorder']), 1)
            self.assertEqual([e['type'] for e in run.events if e['tool'] == 'other'][-1], 'main')

    def test_X10_crashes_are_named(self):
        texts = {'crash': 'segmentation fault', 'jump': 'segmentation fault', 'abort': 'abort',
                 'divide': 'arithmetic error', 'illegal': 'illegal instruction', 'overflow': 'segmentation fault'}
        for act, text in texts.items():
            for event in ('relocated', 'init', 'main', 'dlsym', 'dlopen', 'unloaded', 'fini', 'exit'):
                run = self.actor(['name=other after=recorder types=tool_fault+exit', f'types=all do={act}@{event}'], 'set-handler',
                                 'now=./libev-leaf.so', 'sym=malloc', 'close', 'handlers')
                self.assertEqual(run.out.splitlines()[-1], 'handler: kept')
                self.assertRegex(run.err, rf'^ldx: \S+: tool recorder: {text} in its callback for event {event} '
                                          r'\(at 0x[0-9a-f]+(, in [^ ]+\+0x[0-9a-f]+)?\): it is disabled\n$')
                faults = [e for e in run.events if e['type'] == 'tool_fault' and e['tool'] == 'other']
                self.assertEqual([(e['name'], e['text']) for e in faults],
                                 [('recorder', f'{text} in its callback for event {event}')])
                self.assertEqual([e['tool'] for e in run.events][-1], 'other')

    def test_X09_slow_callbacks_are_named(self):
        for event in ('mapped', 'dlopen', 'init'):
            run = self.actor([f'watchdog=100 types=all do=hang@{event}=300', 'name=other types=mapped'], 'now=./libev-leaf.so')
            self.assertRegex(run.err, rf'^ldx: \S+: tool recorder: its callback for event {event} has been running for [\d.]+ s\n'
                                      rf'ldx: \S+: tool recorder: its callback for event {event} returned after [\d.]+ s\n$')
        run = self.actor(['watchdog=2000 types=all do=hang@mapped=20'], 'now=./libev-leaf.so')
        self.assertEqual(run.err, '')

    def _policy(self, events=None, **tool):
        words = tool.pop('words').split()
        file = self.folder / 'policy.json'
        tool = {'path': str(self.folder / 'recorder.so'), 'args': [f'to={self.folder / "log"}', *words], **tool}
        file.write_text(json.dumps({'version': 1, 'tools': [tool], **({'events': events} if events else {})}))
        return {'LDX_POLICY': str(file)}

    def test_X10_policy_decides_what_follows(self):
        crash = {'words': 'types=all do=crash@dlsym'}
        for on_fault, status in ('report', 7), ('abort', -11), ('disable', 0):
            run = self.actor([], 'exit-handler', 'sym=malloc', env=self._policy(on_fault=on_fault, **crash), status=status)
            end = ': it is disabled' if on_fault == 'disable' else ''
            self.assertRegex(run.err, r'^ldx: \S+: tool recorder: segmentation fault in its callback for event dlsym '
                                      rf'\(at 0x[0-9a-f]+, in recorder\.so\+0x[0-9a-f]+\){end}\n$')

    def test_X09_policy_decides_how_long(self):
        env = self._policy(watchdog_ms=100, words='watchdog=60000 types=all do=hang@main=300')
        self.assertRegex(self.actor([], env=env).err, 'callback for event main has been running for .*\n.*returned after')

    def test_T22_policy_decides_how_much_is_kept(self):
        env = self._policy({'history': 1024}, words='types=dlsym')
        run = self.actor([], 'syms=5000', 'history', env=env)
        first, last = map(int, re.search(r'history (\d+) to (\d+),', run.out).groups())
        self.assertEqual(last - first + 1, 1024)

    def test_X10_crash_in_a_lazy_call(self):
        run = self.run_with(['types=bind+main do=crash@main'], 'references')
        self.assertEqual(run.out, self.run_with([], 'references').out)

    def test_X10_other_faults_go_where_they_went(self):
        run = self.actor(['types=mapped+main do=hang@dlopen=10'], 'die', status=-11)
        self.assertEqual(run.err, '')
        run = self.actor(['types=dlopen+mapped do=hang@dlopen=400'], 'fault-meanwhile=./libev-leaf.so')
        self.assertEqual(run.out, 'open ./libev-leaf.so: yes\nfault: handled\nhandler: default\n')
        self.assertEqual(run.err, '')

    def test_no_load_into_what_is_being_loaded(self):
        refused = 'recorder: opened: a callback cannot change the namespace that is being changed\n'
        for event in ('load_begin', 'mapped', 'relocated', 'load_end'):
            run = self.actor([f'types=all do=open-there@{event}=./libev-leaf.so'])
            self.assertEqual(run.err, refused, event)
        for event in ('init', 'dlopen', 'exit'):
            run = self.actor([f'types=all do=open-there@{event}=./libev-shared.so'], 'now=./libev-leaf.so')
            self.assertEqual(run.err, 'recorder: opened: yes\n', event)

    def test_load_into_own_namespace(self):
        for event in ('load_begin', 'mapped', 'relocated', 'load_end', 'init', 'main', 'exit'):
            run = self.actor(['name=other types=mapped', f'types=all do=open@{event}=./libev-leaf.so'],
                             'now=./libev-leaf.so')
            self.assertEqual(run.err, 'recorder: opened: yes\n', event)
            leaves = [(e['tool'], e['ns']) for e in run.of('mapped') if e['path'].endswith('libev-leaf.so')]
            self.assertEqual([ns for tool, ns in leaves if tool == 'recorder'], [0])  # what it does itself it is not told
            self.assertEqual(len([ns for tool, ns in leaves if tool == 'other']), 2)

    def test_fork_in_a_callback(self):
        run = self.actor(['types=libraries do=fork@mapped'], 'now=./libev-leaf.so')
        self.assertRegex(run.err, r'^recorder: child has event \d+\n$')


class History(EventTest):
    def test_T22_late_tool_reads_all(self):
        run = self.actor(['name=early types=load_end'], 'now=./libev-leaf.so', 'close',
                         f'late={self._tool("name=late types=all replay", self.folder / "log")}', 'now=./libev-leaf.so')
        self.assertIn('late: 0\n', run.out)
        late = [e['seq'] for e in run.events if e['tool'] == 'late']
        self.assertEqual(late, list(range(1, late[-1] + 1)))
        first = [e['type'] for e in run.events if e['tool'] == 'late'][:2]
        self.assertEqual(first, ['tool', 'start'])
        mapped = [e for e in run.of('mapped') if e['path'].endswith('libev-leaf.so')]
        self.assertEqual(len(mapped), 2)

    def test_T22_late_tool_among_threads(self):
        run = self.actor(['name=early types=load_end'], 'threads=./libev-leaf.so',
                         f'late={self._tool("name=late types=mapped+unloaded replay", self.folder / "log")}')
        late = [e for e in run.events if e['tool'] == 'late']
        mapped = {e['object'] for e in late if e['type'] == 'mapped' and e['path'].endswith('libev-leaf.so')}
        self.assertEqual(mapped, {e['object'] for e in late if e['type'] == 'unloaded' and e['ns'] == 0})

    def test_T22_overflow_is_counted(self):
        run = self.actor(['types=dlsym'], 'syms=70000', 'history')
        first, last, end, lost = map(int, re.search(r'history (\d+) to (\d+), next (\d+), lost (\d+)', run.out).groups())
        self.assertEqual((last + 1, last - first + 1, lost), (end, 65536, first - 1))
        self.assertNotIn('gap', run.out)
        self.assertGreater(lost, 4000)

    def test_child_has_its_own(self):
        run = self.actor(['types=libraries'], 'fork', 'history')
        child, parent = re.findall(r'history 1 to (\d+), next \d+, lost 0', run.out)
        self.assertNotIn('gap', run.out)
        self.assertIn('child: 0', run.out)
        self.assertGreaterEqual(int(child), len(run.events))
        self.assertGreaterEqual(int(parent), int(child) - 1)


def main():
    global OPTIONS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--ldx', required=True)
    parser.add_argument('--mode', choices=('command', 'interp'), default='command')
    parser.add_argument('--built', required=True, help='folder of the built programs')
    parser.add_argument('--interp-tool', required=True, help='the ldx-interp program')
    parser.add_argument('names', nargs='*', help='only these tests (Class.test_name)')
    OPTIONS = parser.parse_args()
    OPTIONS.ldx = os.path.abspath(OPTIONS.ldx)
    sys.argv[1:] = OPTIONS.names
    unittest.main()


if __name__ == '__main__':
    if sys.argv[1:] == ["--packages"]:  # Debian packages that the tests stand on
        sys.exit(print("binutils python3 gdb"))
    main()
