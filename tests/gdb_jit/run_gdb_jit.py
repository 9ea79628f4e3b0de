#!/usr/bin/env python3
"""Stock gdb sees what a program makes at run time, with no script that knows ldx: breakpoints by name, backtraces, lines, data.

--mode command runs `gdb --args ldx PROGRAM`; --mode interp runs a copy of the program whose PT_INTERP is ldx.
"""

import argparse
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
HERE = Path(__file__).resolve().parent
SESSION = ['set pagination off', 'set confirm off', 'set width 0', 'set breakpoint pending on', 'set debuginfod enabled off',
           'set print thread-events off']
LISTING = [f'source {HERE / "inside.py"}']
COUNTING = ['break __jit_debug_register_code', 'ignore 1 1000000']
COUNT = 'info breakpoints 1'
PUBLISHED = ['break stop_here', 'run']  # called by code that was published
END = ['break getppid', 'run']          # the last thing that the program does


class GdbTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix='gdb-jit-'))
        self.addCleanup(shutil.rmtree, self.folder)
        for file in [*Path(OPTIONS.built).iterdir(), HERE / 'made.src']:
            if file.is_file():
                shutil.copy2(file, self.folder)
        self.command = [OPTIONS.ldx, './made']
        if OPTIONS.mode == 'interp':
            subprocess.run([OPTIONS.interp_tool, '--set', OPTIONS.ldx, '--output', self.folder / 'own', self.folder / 'made'], check=True)
            self.command = ['./own']

    def batch(self, commands, *arguments, env=None):
        words = [word for command in SESSION + list(commands) for word in ('-ex', command)]
        done = subprocess.run(['gdb', '-nx', '-batch', *words, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=120,
                              env={**os.environ, **(env or {})})
        self.output = done.stdout + done.stderr
        self.assertNotIn('internal-error', self.output)
        return done.stdout

    def follow(self, commands, *words):
        return self.batch(commands, '--args', *self.command, *words)

    def frames(self, out):
        """Of each backtrace the names of its functions."""
        traces = []
        for number, name in re.findall(r'^#(\d+)\s+(?:0x[0-9a-f]+ in )?(\S+) \(', out, re.M):
            if number == '0':
                traces.append([])
            traces[-1].append(name)
        return traces

    def assert_reaches_main(self, trace, *inner):
        self.assertEqual(trace[:len(inner)], list(inner))
        self.assertIn('main', trace)
        self.assertNotIn('??', trace)

    def count(self, out):
        """How often the first breakpoint was hit."""
        found = re.search(r'breakpoint already hit (\d+) time', out)
        return int(found[1]) if found else 0

    def entries(self, out):
        return [json.loads(line[8:]) for line in out.splitlines() if line.startswith('ENTRIES ')]

    def start(self, *words):
        """A process that waits."""
        process = subprocess.Popen([*self.command, *words], cwd=self.folder, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        while process.stdout.readline() != 'waiting\n':
            self.assertIsNone(process.poll())
        return process


class Names(GdbTest):
    def test_break_before_it_exists(self):
        out = self.follow(['break jit_answer', 'run', 'info symbol $pc', 'print $pc == (long)&jit_answer', 'backtrace', 'continue'], 'new=a', 'leaf=jit_answer',
                          'publish', 'call=jit_answer')
        self.assertIn('Breakpoint 1 (jit_answer) pending', self.output)
        self.assertRegex(out, r'Breakpoint 1, 0x[0-9a-f]+ in jit_answer \(\)')
        self.assertRegex(out, r'(?m)^jit_answer in section \.text of <in-memory@')
        self.assertIn('$1 = 1', out)
        self.assert_reaches_main(self.frames(out)[0], 'jit_answer')
        self.assertIn('jit_answer: 1', out)

    def test_break_when_it_exists(self):
        out = self.follow(END + ['break jit_answer', 'info symbol jit_answer', 'continue', 'backtrace 1', 'continue'], 'new=a', 'leaf=jit_answer', 'publish', 'stop',
                          'call=jit_answer')
        self.assertRegex(out, r'Breakpoint 2 at 0x[0-9a-f]+\n')
        self.assertRegex(out, r'Breakpoint 2, 0x[0-9a-f]+ in jit_answer \(\)')

    def test_nothing_before_publish(self):
        out = self.follow(END + ['info symbol jit_answer', 'continue', 'info symbol jit_answer'], 'new=a', 'leaf=jit_answer', 'stop', 'publish')
        self.assertIn('No symbol "jit_answer"', self.output)
        self.assertRegex(out, r'(?m)^jit_answer in section \.text')

    def test_breakpoints_outlive_later_publishes(self):
        """In the same page of code, merged with what comes: each entry of the list is made anew again and again."""
        out = self.follow(['break jit_first', 'run', 'info breakpoints', 'continue', 'info breakpoints'], 'new=a', 'leaf=jit_first', 'publish', 'call=jit_first',
                          'each=9', 'call=jit_first', 'caller=later', 'publish', 'call=later', 'call=jit_first')
        self.assertEqual(len(re.findall('Breakpoint 1, 0x[0-9a-f]+ in jit_first', out)), 2)
        self.assertIn('breakpoint already hit 2 times', out)

    def test_temporary_breakpoints_and_conditions(self):
        out = self.follow(['tbreak one', 'break two if $_hitcount == 2', 'rbreak ^three$', 'run', 'rbreak ^three$', 'continue', 'continue'], 'new=a',
                          'leaf=one', 'leaf=two', 'leaf=three', 'publish', 'call=one', 'call=one', 'call=three', 'call=two', 'call=two', 'call=two')
        self.assertEqual(len(re.findall(r'Temporary breakpoint 1, 0x[0-9a-f]+ in one', out)), 1)
        self.assertEqual(len(re.findall(r'in three \(\)', out)), 1)

    def test_data(self):
        out = self.follow(END + ['print (int)jit_counter', 'print *(int *)&jit_counter', 'info symbol &jit_counter', 'print (int)jit_fixed', 'info symbol &jit_fixed',
                                 'set var *(int *)&jit_counter = 5', 'print (int)jit_counter'], 'new=a', 'data=jit_counter', 'rodata=jit_fixed', 'publish')
        self.assertIn('$1 = 4201\n$2 = 4201\n', out)
        self.assertRegex(out, r'(?m)^jit_counter in section \.data of')
        self.assertIn('$3 = 4202', out)
        self.assertRegex(out, r'(?m)^jit_fixed in section \.rodata of')
        self.assertIn('$4 = 5', out)

    def test_calls(self):
        out = self.follow(END + ['print ((int (*)(void))jit_answer)()', 'print (int)jit_answer()'], 'new=a', 'leaf=jit_answer', 'publish')
        self.assertIn('$1 = 1\n$2 = 1\n', out)

    def test_disassembly(self):
        out = self.follow(END + ['disassemble jit_answer', 'x/2i jit_answer'], 'new=a', 'leaf=jit_answer', 'publish')
        self.assertIn('Dump of assembler code for function jit_answer', out)
        self.assertRegex(out, r'<jit_answer\+5>:\s+ret')

    def test_symbols_of_other_memory_are_not_shown(self):
        """gdb crashes on symbols of such files that have no section."""
        out = self.follow(LISTING + END + ['entries', 'info symbol stop_here', 'info symbol jit_answer'], 'new=a', 'outside=jit_elsewhere', 'leaf=jit_answer', 'publish')
        self.assertEqual(set().union(*self.entries(out)[0]['symbols']), {'jit_answer'})
        self.assertRegex(out, r'jit_answer in section')

    def test_several_objects(self):
        out = self.follow(['break jit_twin', 'run', 'info breakpoints', 'continue', 'continue'], 'new=a', 'leaf=jit_twin', 'publish', 'new=b', 'leaf=jit_twin', 'leaf=other',
                          'publish', 'call=jit_twin', 'in=a', 'call=jit_twin')
        self.assertEqual(len(re.findall(r'(?m)^1\.\d .* <jit_twin', out)), 2)
        self.assertEqual(len(re.findall(r'Breakpoint 1(?:\.\d)?, 0x[0-9a-f]+ in jit_twin', out)), 2)

    def test_namespaces(self):
        out = self.follow(['break jit_foreign', 'run', 'backtrace'], 'space=jit_foreign')
        self.assertRegex(out, r'Breakpoint 1, 0x[0-9a-f]+ in jit_foreign')
        self.assert_reaches_main(self.frames(out)[0], 'jit_foreign', 'make')

    def test_quiet_objects_are_not_shown(self):
        out = self.follow(COUNTING + END + ['info symbol jit_hushed', 'info sharedlibrary', COUNT], 'quiet=a', 'leaf=jit_hushed',
                          'publish', 'call=jit_hushed')
        self.assertIn('jit_hushed: 1', out)
        self.assertIn('No symbol "jit_hushed"', self.output)
        self.assertEqual(self.count(out), 0)
        self.assertRegex(out, r'/proc/\d+/fd/\d+')

    def test_a_debugger_that_needs_no_bridge(self):
        """What it was shown before goes with the next publish, since it would be out of date; then nothing comes any more."""
        out = self.follow(COUNTING + END + [COUNT, "set var ((struct ldx_debug *)&_ldx_debug)->reader = 3", 'continue', COUNT, 'info symbol jit_answer', 'continue', COUNT],
                          'new=a', 'leaf=jit_answer', 'publish', 'stop', 'leaf=jit_second', 'publish', 'stop', 'each=10')
        self.assertEqual(re.findall(r'(?m)^1 .*\n\tbreakpoint already hit (\d+) time', out), ['1', '4', '4'])  # one goes; an empty one comes and goes
        self.assertIn('No symbol "jit_answer"', self.output)

    def test_functions_that_follow(self):
        out = self.follow(['break jit_jumped', *PUBLISHED, 'backtrace', 'continue', 'backtrace'], 'new=a', 'follows=jit_jumped', 'publish', 'call=jit_jumped')
        self.assert_reaches_main(self.frames(out)[0], 'jit_jumped')
        self.assert_reaches_main(self.frames(out)[1], 'stop_here', 'jit_jumped')


class Frames(GdbTest):
    def test_backtrace_through_frames(self):
        out = self.follow(PUBLISHED + ['backtrace', 'up', 'info frame', 'up', 'down', 'frame 0', 'finish', 'finish'], 'new=a', 'caller=jit_outer', 'publish', 'call=jit_outer')
        self.assert_reaches_main(self.frames(out)[0], 'stop_here', 'jit_outer')
        self.assertEqual(re.findall(r'(?m)^Value returned is \$1 = (\d+)', out), ['2'])
        self.assertRegex(out, r'(?m)^0x[0-9a-f]+ in jit_outer \(\)\n')

    def test_no_backtrace_without_frames(self):
        """Else the tests of frames would show nothing."""
        out = self.follow(PUBLISHED + ['backtrace'], 'new=a', 'silent=jit_outer', 'publish', 'call=jit_outer')
        self.assertEqual(self.frames(out)[0][:3], ['stop_here', 'jit_outer', '??'])

    def test_frames_come_after_their_function(self):
        out = self.follow(PUBLISHED + ['backtrace'], 'new=a', 'silent=jit_outer', 'leaf=other', 'publish', 'frames=jit_outer', 'publish', 'call=jit_outer')
        self.assert_reaches_main(self.frames(out)[0], 'stop_here', 'jit_outer')

    def test_frames_of_code_without_a_name(self):
        out = self.follow(PUBLISHED + ['backtrace'], 'new=a', 'caller=jit_outer', 'publish', 'unbind=jit_outer', 'publish', 'call=jit_outer')
        self.assertEqual(self.frames(out)[0][:2], ['stop_here', '??'])
        self.assertIn('main', self.frames(out)[0])

    def test_stepping_over_and_out(self):
        out = self.follow(['break jit_outer', 'run', 'break stop_here', 'continue', 'finish', 'stepi', 'backtrace', 'info registers rip', 'finish', 'continue'], 'new=a',
                          'caller=jit_outer', 'publish', 'call=jit_outer')
        self.assert_reaches_main(self.frames(out)[-1], 'jit_outer')
        self.assertIn('jit_outer: 2', out)

    def test_frame_pointers(self):
        out = self.follow(PUBLISHED + ['backtrace'], 'new=a', 'pointer=jit_outer', 'publish', 'call=jit_outer')
        self.assert_reaches_main(self.frames(out)[0], 'stop_here', 'jit_outer')

    def test_code_that_took_anothers_place(self):
        """Frames of the memory's first owner are not believed any more."""
        out = self.follow(['break stop_here', 'run', 'backtrace', 'continue', 'backtrace', 'continue', 'backtrace'], 'new=a', 'caller=jit_first', 'publish',
                          'call=jit_first', 'unbind=jit_first', 'publish', 'free=jit_first', 'pointer=second', 'publish', 'call=second', 'leaf=other', 'publish',
                          'call=second')
        first, second, third = self.frames(out)
        self.assert_reaches_main(first, 'stop_here', 'jit_first')
        self.assert_reaches_main(second, 'stop_here', 'second')
        self.assertEqual(second, third)


class Lines(GdbTest):
    def test_next_and_step_by_line(self):
        out = self.follow(['break jit_worker', 'run', 'next', 'step', 'finish', 'next', 'next'], 'new=a', 'lines=jit_worker', 'publish', 'call=jit_worker')
        self.assertRegex(out, r'Breakpoint 1, jit_worker \(\) at made\.src:3\n3\t  begins here\n')
        self.assertRegex(out, r'(?m)^4\t  calls stop_here\n')
        self.assertIn('stop_here (n=1)', out)
        self.assertRegex(out, r'(?m)^6\t  ends here\n')
        self.assertIn('jit_worker: 2', out)

    def test_list_and_places(self):
        out = self.follow(['break made.src:4', 'run', 'list', 'info line 6', 'info scope jit_worker', 'info source', 'backtrace', 'list jit_worker', 'info symbol jit_worker'],
                          'new=a', 'lines=jit_worker', 'publish', 'call=jit_worker')
        self.assertRegex(out, r'Breakpoint 1, jit_worker \(\) at made\.src:4')
        self.assertIn('1\t# The source of code that is made at run time', out)
        self.assertRegex(out, r'Line 6 of "made\.src" starts at address 0x[0-9a-f]+ <jit_worker\+21>')
        self.assert_reaches_main(self.frames(out)[0], 'jit_worker')

    def test_lines_after_their_function(self):
        out = self.follow(END + ['info line *jit_worker', 'continue', 'info line *jit_worker'], 'new=a', 'pointer=jit_worker', 'publish', 'stop', 'tell=jit_worker', 'publish')
        self.assertRegex(out, r'No line number information available for address 0x[0-9a-f]+ <jit_worker>')
        self.assertIn('Line 3 of "made.src" starts at', out)

    def test_lines_go_with_their_code(self):
        out = self.follow(END + ['print $at = (long)&jit_worker', 'info line *$at', 'continue', 'info line *$at', 'info symbol $at'], 'new=a', 'lines=jit_worker',
                          'publish', 'stop', 'unbind=jit_worker', 'publish', 'free=jit_worker', 'leaf=other', 'publish')
        self.assertIn('Line 3 of "made.src" starts at', out)
        self.assertRegex(out, r'No line number information available for address 0x[0-9a-f]+ <other')
        self.assertRegex(out, r'other in section')

    def test_many_line_tables(self):
        words = [word for i in range(40) for word in (f'lines=w{i}', 'publish')]
        out = self.follow(LISTING + ['break w17', 'run', 'info line', 'break made.src:4', 'entries 1'], 'new=a', *words, 'call=w17')
        self.assertRegex(out, r'Breakpoint 1, w17 \(\) at made\.src:3')
        self.assertRegex(out, r'Breakpoint 2 at .*made\.src:4. \(40 locations\)')
        self.assertLess(self.entries(out)[0]['count'], 8)

    def test_debug_information_of_its_own(self):
        out = self.follow(['break jit_fully', 'run', 'next', 'backtrace', 'info symbol $pc', 'break stop_here', 'continue', 'backtrace', 'finish', 'info symbol jit_known'],
                          'new=a', 'leaf=jit_known', 'debug=jit_fully', 'publish', 'call=jit_fully')
        self.assertRegex(out, r'Breakpoint 1, jit_fully \(\) at made\.src:8')
        self.assertIn('9\t  calls stop_here, too', out)
        self.assert_reaches_main(self.frames(out)[0], 'jit_fully')
        self.assert_reaches_main(self.frames(out)[1], 'stop_here', 'jit_fully')
        self.assertIn('jit_known in section .text', out)

    def test_debug_information_with_a_symbol(self):
        """Both tell of the same memory."""
        out = self.follow(['break jit_fully', 'run', 'backtrace', 'info symbol $pc', 'break stop_here', 'continue', 'backtrace'], 'new=a', 'leaf=before', 'debug=jit_fully',
                          'leaf=behind', 'name=jit_fully', 'publish', 'leaf=later', 'publish', 'call=jit_fully')
        self.assertRegex(out, r'Breakpoint 1(?:\.\d)?, jit_fully \(\) at made\.src:8')
        self.assert_reaches_main(self.frames(out)[0], 'jit_fully')
        self.assert_reaches_main(self.frames(out)[1], 'stop_here', 'jit_fully')

    def test_debug_information_goes_with_its_object(self):
        out = self.follow(LISTING + END + ['entries 1', 'continue', 'entries 1', 'info symbol jit_fully'], 'new=a', 'debug=jit_fully', 'publish', 'stop', 'delete')
        self.assertEqual([e['count'] for e in self.entries(out)][1], 0)
        self.assertIn('No symbol "jit_fully"', self.output)


class Changes(GdbTest):
    def assert_disabled(self, out):
        """So does gdb with breakpoints whose function it finds no more."""
        self.assertRegex(out, r'(?m)^2\s+breakpoint\s+keep n\s+(?:<PENDING>\s+jit_going|0x[0-9a-f]+ )')

    def test_rebound_functions(self):
        out = self.follow(['break jit_moving', 'run', 'print $old = $pc', 'continue', 'print $pc != $old', 'info symbol $old', 'info breakpoints'], 'new=a',
                          'leaf=jit_moving', 'publish', 'call=jit_moving', 'leaf=jit_moving', 'publish', 'call=jit_moving')
        self.assertEqual(len(re.findall(r'Breakpoint 1, 0x[0-9a-f]+ in jit_moving', out)), 2)
        self.assertIn('$2 = 1', out)
        self.assertRegex(out, 'No symbol matches')
        self.assertNotRegex(out, r'(?m)^1\.2')

    def test_unbound_functions(self):
        out = self.follow(END + ['info symbol jit_going', 'break jit_going', 'continue', 'info symbol jit_going', 'info breakpoints', 'continue'], 'new=a', 'leaf=jit_going',
                          'leaf=jit_staying', 'publish', 'stop', 'unbind=jit_going', 'publish', 'stop', 'leaf=jit_going', 'publish', 'call=jit_going')
        self.assertRegex(out, r'jit_going in section \.text')
        self.assertIn('No symbol "jit_going"', self.output)
        self.assert_disabled(out)
        self.assertIn('jit_going: ', out)  # no instruction of a breakpoint was left in its code

    def test_the_last_function_goes(self):
        out = self.follow(END + ['break jit_going', 'continue', 'info symbol jit_going', 'continue', 'info breakpoints'], 'new=a', 'leaf=jit_going', 'publish', 'stop',
                          'unbind=jit_going', 'publish', 'stop', 'new=b', 'leaf=other', 'publish')
        self.assertIn('No symbol "jit_going"', self.output)
        self.assert_disabled(out)

    def test_deleted_objects(self):
        out = self.follow(LISTING + END + ['entries', 'break jit_going', 'continue', 'info symbol jit_going', 'info symbol jit_staying', 'entries', 'info breakpoints', 'continue'],
                          'new=a', 'leaf=jit_going', 'data=value', 'publish', 'new=b', 'leaf=jit_staying', 'publish', 'stop', 'in=a', 'delete', 'stop',
                          'in=b', 'call=jit_staying')
        self.assertIn('No symbol "jit_going"', self.output)
        self.assertRegex(out, r'jit_staying in section \.text')
        before, after = [set().union(*e['symbols']) for e in self.entries(out)]
        self.assertEqual((before, after), ({'jit_going', 'value', 'jit_staying'}, {'jit_staying'}))
        self.assert_disabled(out)
        self.assertIn('jit_staying: ', out)

    def test_publishing_while_a_line_is_stepped(self):
        """What is made by the very function that is stepped over takes the entry of its caller along."""
        out = self.follow(['break jit_worker', 'run', 'next', 'next', 'info symbol jit_meanwhile', 'backtrace', 'finish', 'continue'], 'new=a',
                          'publisher=jit_worker', 'publish', 'call=jit_worker')
        self.assertRegex(out, r'(?m)^4\t  calls stop_here\n(?:jit_worker \(\) at made\.src:6\n)?6\t  ends here\njit_meanwhile in section')
        self.assert_reaches_main(self.frames(out)[0], 'jit_worker')
        self.assertIn('jit_worker: 1', out)

    def test_threads_publish_at_once(self):
        out = self.follow(LISTING + ['break thread2_77', *END, 'info symbol thread0_99', 'info symbol thread3_0', 'break thread1_50', 'entries'], 'threads=100')
        self.assertRegex(out, r'thread0_99 in section')
        self.assertRegex(out, r'thread3_0 in section')
        self.assertEqual(set().union(*self.entries(out)[0]['symbols']), {f'thread{t}_{i}' for t in range(4) for i in range(100)})

    def test_fork(self):
        out = self.follow(['set follow-fork-mode child', 'break jit_answer', 'break late', 'run', 'backtrace', 'continue', 'backtrace', 'info symbol jit_answer'], 'new=a',
                          'leaf=jit_answer', 'publish', 'fork', 'call=jit_answer', 'caller=late', 'publish', 'call=late')
        self.assertRegex(out, r'Breakpoint 1, 0x[0-9a-f]+ in jit_answer')
        self.assertRegex(out, r'Breakpoint 2, 0x[0-9a-f]+ in late')
        self.assert_reaches_main(self.frames(out)[1], 'late')

    def test_parent_of_a_fork(self):
        out = self.follow(['break late', 'run', 'info symbol jit_answer'], 'new=a', 'leaf=jit_answer', 'publish', 'child=3', 'leaf=late', 'publish', 'call=late')
        self.assertRegex(out, r'Breakpoint 1, 0x[0-9a-f]+ in late')
        self.assertRegex(out, r'jit_answer in section')


class Scale(GdbTest):
    def counts(self, functions):
        out = self.follow(LISTING + COUNTING + [f'break each_{functions - 1}', *END, COUNT, 'entries 1', 'info symbol each_3',
                                      f'info symbol each_{functions // 2}', f'print (int)each_{functions // 2}()'], 'new=a', f'each={functions}')
        self.assertRegex(out, r'each_3 in section')
        self.assertIn(f'$1 = {functions // 2}\n', out)
        return self.count(out), self.entries(out)[0]

    def test_registrations_grow_with_what_is_published(self):
        small, few = self.counts(250)
        large, more = self.counts(500)
        self.assertLessEqual(few['count'], 8)
        self.assertLessEqual(more['count'], 9)
        self.assertEqual(small, 2 * 250 - few['count'])  # each comes, and all but those that are there went
        self.assertEqual(large, 2 * 500 - more['count'])

    def test_five_thousand_functions(self):
        count, entries = self.counts(5000)
        self.assertLessEqual(count, 10000)
        self.assertLessEqual(entries['count'], 13)

    def test_one_batch_is_one_registration(self):
        out = self.follow(COUNTING + END + [COUNT, 'info symbol batch_4999'], 'new=a', 'batch=5000')
        self.assertEqual(self.count(out), 1)
        self.assertRegex(out, r'batch_4999 in section')

    def test_objects_share_entries(self):
        words = [word for i in range(12) for word in (f'new=o{i}', f'leaf=f{i}', 'publish')]
        out = self.follow(LISTING + END + ['entries', 'info symbol f0', 'info symbol f11'], *words)
        self.assertLessEqual(self.entries(out)[0]['count'], 4)
        self.assertRegex(out, r'f0 in section')
        self.assertRegex(out, r'f11 in section')


class Later(GdbTest):
    def test_attach(self):
        process = self.start('new=a', 'each=5000', 'caller=jit_outer', 'publish', 'wait', 'call=jit_outer')
        out = self.batch(['info symbol each_4999', 'break each_17', 'break stop_here', 'shell touch released', 'continue', 'backtrace', 'delete', 'continue'], '-p',
                         str(process.pid))
        self.assertRegex(out, r'each_4999 in section')
        self.assertRegex(out, r'Breakpoint 1 at 0x')
        self.assert_reaches_main(self.frames(out)[-1], 'stop_here', 'jit_outer')
        self.assertEqual(process.wait(20), 3)

    def test_publishing_after_attach(self):
        process = self.start('new=a', 'leaf=early', 'publish', 'wait', 'leaf=late', 'publish', 'call=early', 'call=late')
        out = self.batch(['break early', 'break late', 'shell touch released', 'continue', 'continue', 'delete', 'continue'], '-p', str(process.pid))
        self.assertRegex(out, r'Breakpoint 1, 0x[0-9a-f]+ in early')
        self.assertRegex(out, r'Breakpoint 2, 0x[0-9a-f]+ in late')
        self.assertEqual(process.wait(20), 3)

    def check_core(self, core):
        program = OPTIONS.ldx if OPTIONS.mode == 'command' else './own'
        out = self.batch(['backtrace', 'info symbol each_99', 'print (int)jit_counter', 'x/i jit_outer', 'frame function jit_outer', 'info line *with_lines'], program, core)
        trace = self.frames(out)[1]  # gdb itself shows one frame
        self.assertIn('jit_outer', trace)
        self.assertIn('main', trace)
        self.assertRegex(out, r'each_99 in section')
        self.assertIn('$1 = 42', out)
        self.assertIn('Line 3 of "made.src"', out)

    WORDS = ['new=a', 'each=100', 'data=jit_counter', 'lines=with_lines', 'caller=jit_outer', 'publish', 'call=jit_outer']

    def test_generate_core_file(self):
        out = self.follow(PUBLISHED + ['generate-core-file core.gdb'], *self.WORDS)
        self.assertIn('Saved corefile core.gdb', out)
        self.check_core('core.gdb')

    def test_core_of_the_kernel(self):
        pattern = Path('/proc/sys/kernel/core_pattern').read_text().strip()
        if pattern.startswith('|') or '/' in pattern:
            self.skipTest(f'core files go to {pattern}')
        command = ' '.join([*self.command, *self.WORDS[:-1], 'dies', 'call=jit_outer'])
        subprocess.run(['sh', '-c', f'ulimit -c unlimited; exec {command}'], cwd=self.folder, capture_output=True, timeout=60)
        cores = list(self.folder.glob('core*'))
        self.assertEqual(len(cores), 1)
        self.check_core(cores[0].name)


class Lldb(GdbTest):
    """lldb has gdb's JIT interface too, behind a setting."""

    def lldb(self, *commands):
        words = [word for command in ('settings set plugin.jit-loader.gdb.enable on', *commands) for word in ('-o', command)]
        done = subprocess.run(['lldb-14', '--no-lldbinit', '-b', *words], cwd=self.folder, capture_output=True, text=True, timeout=120)
        return done.stdout + done.stderr

    def test_names_frames_and_lines(self):
        program, *words = [*self.command, 'new=a', 'leaf=jit_answer', 'publish', 'call=jit_answer', 'caller=jit_outer', 'data=jit_counter', 'publish',
                           'call=jit_outer', 'lines=jit_worker', 'publish', 'call=jit_worker']
        out = self.lldb(f'target create {program}', 'breakpoint set -n jit_answer', 'breakpoint set -n stop_here', 'breakpoint set -n jit_worker',
                        f'process launch -- {" ".join(words)}', 'bt', 'continue', 'bt', 'expression *(int *)&jit_counter', 'continue', 'next', 'next', 'kill')
        self.assertRegex(out, r'\* frame #0: 0x[0-9a-f]+ JIT\(0x[0-9a-f]+\)`jit_answer\n')
        self.assertRegex(out, r'frame #0: .*`stop_here.*\n.*frame #1: 0x[0-9a-f]+ JIT\(0x[0-9a-f]+\)`jit_outer \+ 24\n.*`call\(')
        self.assertIn('(int) $0 = 4203', out)
        self.assertRegex(out, r'`jit_worker at made\.src:4')
        self.assertIn('-> 4   \t  calls stop_here', out)

    def test_attach(self):
        process = self.start('new=a', 'each=300', 'wait')
        program = 'own' if OPTIONS.mode == 'interp' else OPTIONS.ldx
        out = self.lldb(f'target create {program}', f'process attach -p {process.pid}', 'breakpoint set -n each_44', 'image lookup -n each_299', 'detach')
        self.assertRegex(out, r'Breakpoint 1: where = JIT\(0x[0-9a-f]+\)`each_44')
        self.assertRegex(out, r'Summary: JIT\(0x[0-9a-f]+\)`each_299')


class Files(GdbTest):
    """The files themselves, as the process shows them: readers that check everything find nothing to complain of."""

    def test_checkers(self):
        self.follow(LISTING + END + ['entries files'], 'new=a', 'each=37', 'data=jit_counter', 'rodata=jit_fixed', 'lines=jit_worker', 'lines=other', 'caller=jit_outer', 'pointer=p', 'publish', 'unbind=each_5',
                    'publish')
        files = sorted(self.folder.glob('entry*.elf'))
        self.assertGreater(len(files), 1)
        seen = ''
        for file in files:
            for command in (['eu-elflint', '--debuginfo', '--gnu-ld'], ['readelf', '-aW', '-wifL'], ['objdump', '-x', '--dwarf=info,frames,decodedline']):
                done = subprocess.run([*command, file], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, command)
                self.assertEqual(done.stderr, '', command)
                self.assertNotRegex(done.stdout.replace('No errors', ''), r'(?i)\b(?:warning|error|corrupt|invalid)', command)
                seen += done.stdout
        for text in ('jit_worker', 'made.src', 'DW_CFA_def_cfa_offset: 160', 'jit_counter'):
            self.assertIn(text, seen)


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
    if sys.argv[1:] == ['--packages']:  # Debian packages that the tests stand on
        sys.exit(print('binutils elfutils gdb libc6-dbg lldb-14 python3'))
    main()
