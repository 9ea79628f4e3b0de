"""--record and --frozen."""

import json
import os
import shutil
import subprocess

import shape
from plan_cases import check, python_of, same, shaped


def record(farm, *args, name='record.json', **more):
    file = farm.path(name)
    run = farm.run(f'--record={file}', args=args, **more)
    same((run.returncode, run.stderr), (0, ''))
    return file, shaped(file.read_text(), shape.RECORD), run


def frozen(farm, file, *args, **more):
    return farm.run(f'--frozen={file}', args=args, **more)


def deviates(farm, file, *words, args=(), **more):
    run = frozen(farm, file, *args, **more)
    same((run.returncode, run.stdout), (1, ''), run.stderr)
    same(run.stderr.count('\n'), 1, run.stderr)
    check(run.stderr.startswith('ldx: ') and f'deviates from record {file}: ' in run.stderr, run.stderr)
    for word in words:
        check(str(word) in run.stderr, word, run.stderr)


def case_record_and_follow(farm):
    opened = str(farm.path('run/libopened.so'))
    file, data, run = record(farm, opened, '=' + opened, 'libnone.so', opened)
    paths = [f['path'] for f in data['files']]
    check(opened in paths and str(farm.path('env/libenv.so')) in paths, paths)
    same(len(paths), len(set(paths)), 'files')
    same([r['name'] for r in data['later']], [opened, 'libdeep.so', 'libc.so.6', 'ld-linux-x86-64.so.2', 'libnone.so'], 'the same once more adds nothing')
    same([(r['file'], r['error']) for r in data['later'] if 'error' in r], [(None, 'cannot open shared object file')])
    env = next(f for f in data['files'] if f['path'].endswith('libenv.so'))
    check(env['build_id'] is None and len(env['sha256']) == 64, env)
    again = frozen(farm, file, opened, '=' + opened, 'libnone.so', opened)
    same((again.returncode, again.stdout, again.stderr), (0, run.stdout, ''))
    same([p.name for p in farm.root.glob('record.json*')], ['record.json'], 'no other file is left')


def case_questions_and_namespaces(farm):
    """What only asks whether a library is there is no part of a record; other namespaces are."""
    args = [str(farm.path('run/libopened.so')), '?libagain.so', '?libnone.so', '+' + str(farm.path('run/libopened.so'))]
    file, data, run = record(farm, *args)
    check('?libagain.so: opened\n?libnone.so: not there\n' in run.stdout and run.stdout.endswith('libopened.so: opened\n'), run.stdout)
    check(not any('libagain' in r['name'] for r in data['later']), data['later'])
    check(any(r.get('namespace') for r in data['later']), data['later'])
    again = frozen(farm, file, *args)
    same((again.returncode, again.stdout, again.stderr), (0, run.stdout, ''))
    again = frozen(farm, file, '+' + str(farm.path('run/libopened.so')), '+' + str(farm.path('spare/libfront.so')))
    check('was not asked for' in again.stdout.split('\n')[-2], again.stdout)


def case_frozen_with_tools(farm):
    """What tools made of requests is recorded; a start without them deviates."""
    tool = f'--tool={farm.changer},t,name=libenv.so=libmoved.so,path=env/libmoved.so=newer/libenv.so'
    file = farm.path('tools.json')
    run = farm.run(tool, f'--record={file}')
    same((run.returncode, run.stderr), (0, ''))
    data = shaped(file.read_text(), shape.RECORD)
    check(str(farm.path('newer/libenv.so')) in [f['path'] for f in data['files']] and farm.changer not in str(data), data['files'])
    again = farm.run(tool, f'--frozen={file}')
    same((again.returncode, again.stdout, again.stderr), (0, run.stdout, ''))
    same(frozen(farm, file).returncode, 0, 'the record alone leads there')
    plain, _, _ = record(farm)
    other = farm.run(f'--tool={farm.changer},t,path=env/libenv.so=newer/libenv.so', f'--frozen={plain}')
    same((other.returncode, other.stdout), (1, ''))
    check(f'libenv.so: deviates from record {plain}: is {farm.path("newer/libenv.so")}, recorded is' in other.stderr, other.stderr)


def case_frozen_finds_no_more(farm):
    """What is found now counts for nothing: LD_LIBRARY_PATH could lead elsewhere."""
    file, _, run = record(farm)
    again = frozen(farm, file, env={'LD_LIBRARY_PATH': f'{farm.path("spare")}:{farm.path("env")}'})
    same((again.returncode, again.stdout), (0, run.stdout), again.stderr)


def opens(farm, file):
    log = farm.path('strace.log')
    words, variables = farm.command([f'--frozen={file}'], str(farm.path('main')), [])
    env = {**variables, 'LD_LIBRARY_PATH': str(farm.path('env')), 'PATH': os.environ['PATH']}
    pairs = [word for key, value in env.items() for word in ('-E', f'{key}={value}')]
    subprocess.run(['strace', '-o', log, '-e', 'trace=open,openat,stat,newfstatat', *pairs, *words], check=True, capture_output=True)
    return log.read_text().split('\n')


def case_frozen_start_tries_nothing_in_vain(farm):
    file, _, _ = record(farm)
    lines = opens(farm, file)
    check(any('libenv.so' in line for line in lines), lines)
    same([line for line in lines if ' = -1 ' in line], [])
    same([line for line in lines if 'ld.so.cache' in line], [])


def case_replaced_libraries(farm):
    file, data, _ = record(farm)
    old = next(f['build_id'] for f in data['files'] if f['path'].endswith('run/libfront.so'))
    for name, by, *words in (('run/libfront.so', 'spare/libfront.so', 'build-id of', farm.path('run/libfront.so'), old),
                             ('env/libenv.so', 'spare/libenv.so', 'SHA-256', farm.path('env/libenv.so')),
                             ('env/libenv.so', 'run/libcaps.so', 'build-id', 'recorded is none'),
                             ('env/libenv.so', None, farm.path('env/libenv.so'), 'No such file or directory')):
        restore = farm.replace(name, by)
        try:
            deviates(farm, file, name.split('/')[-1] + ': ', *words)
        finally:
            restore()
    restore = farm.replace('run/libfront.so', 'run/libfront.so.kept')
    try:
        with open(farm.path('run/libfront.so'), 'ab') as out:
            out.write(b'more')
        deviates(farm, file, 'libfront.so: ', 'size of')
    finally:
        restore()
    same(frozen(farm, file).returncode, 0, 'all is as it was')


def case_other_requests(farm):
    file, data, _ = record(farm)
    deviates(farm, file, 'libopened.so: ', 'the record has libfront.so', env={'LD_PRELOAD': str(farm.path('run/libopened.so'))})
    with_preload, _, _ = record(farm, name='preload.json', env={'LD_PRELOAD': str(farm.path('run/libopened.so'))})
    deviates(farm, with_preload, 'libfront.so: ', 'the record has')
    for key, change, words in (('start', lambda r: r[:-1], ['was not asked for at start-up']),
                               ('start', lambda r: r + r[-1:], ['is not asked for by', 'any more']),
                               ('start', lambda r: [r[1], r[0], *r[2:]], ['where the record has']),
                               ('init', lambda r: [r[1], r[0], *r[2:]], ['in the order of constructors']),
                               ('scope', lambda r: [r[0], r[2], r[1], *r[3:]], ['place 1 in the order of the search scope']),
                               ('scope', lambda r: r[:-1], ['recorded is none'])):
        other = farm.path('changed.json')
        other.write_text(json.dumps({**data, key: change(data[key])}))
        deviates(farm, other, *words)


def case_other_program(farm):
    file, _, _ = record(farm)
    deviates(farm, file, 'build-id', program='bare')


def case_later_requests(farm):
    opened = str(farm.path('run/libopened.so'))
    file, _, _ = record(farm, opened)
    run = frozen(farm, file, str(farm.path('spare/libfront.so')), opened)
    same(run.returncode, 0, run.stderr)
    check(f'{farm.path("spare/libfront.so")}: deviates from record {file}: was not asked for by' in run.stdout, run.stdout)
    check(f'{opened}: opened' in run.stdout, run.stdout)
    restore = farm.replace('run/libopened.so', 'spare/libfront.so')
    try:
        run = frozen(farm, file, opened)
        check(run.returncode == 0 and 'build-id of' in run.stdout and 'opened\n' not in run.stdout.replace('libopened', ''), run.stdout)
    finally:
        restore()


def case_damaged_records(farm):
    file, data, _ = record(farm)
    text = file.read_text()
    bad = [text[:n] for n in range(0, len(text), max(1, len(text) // 60))]
    bad += ['{}', '[]', 'null', '{"ldx": "plan", "schema": 1}', json.dumps({**data, 'schema': 2}), json.dumps({**data, 'files': []}),
            json.dumps({**data, 'start': [{'name': 'x', 'from': 99999, 'file': 0}]}), json.dumps({**data, 'init': ['x']}),
            json.dumps({**data, 'scope': [-1]}), json.dumps({**data, 'start': [1]}), json.dumps({**data, 'files': [{'size': 1}]}),
            text.replace('\n', '\x00', 1), '[' * 5000]
    other = farm.path('damaged.json')
    for content in bad:
        other.write_text(content)
        run = frozen(farm, other)
        same((run.returncode, run.stdout), (127, ''), content[:60] + run.stderr)
        check(run.stderr.count('\n') == 1 and str(other) in run.stderr, run.stderr)
    for path, word in ((farm.path('none.json'), 'No such file'), (farm.root, 'Invalid argument')):
        run = frozen(farm, path)
        same(run.returncode, 127)
        check(word in run.stderr, run.stderr)


def case_record_cannot_be_written(farm):
    run = farm.run(f'--record={farm.path("no-folder/record.json")}')
    same((run.returncode, run.stdout), (127, ''))
    check('cannot write record' in run.stderr and 'No such file or directory' in run.stderr, run.stderr)


def case_python(farm):
    python, code = python_of(farm), 'import ssl, decimal, subprocess; print(subprocess.run(["env"], capture_output=True, text=True).stdout)'
    file = farm.path('python.json')
    run = farm.run(f'--record={file}', program=python, args=['-c', code])
    same((run.returncode, run.stderr), (0, ''))
    check('LDX_RECORD' not in run.stdout, 'the variable means one program')
    data = shaped(file.read_text(), shape.RECORD)
    check(any('_ssl' in f['path'] for f in data['files']), 'what was imported is recorded')
    same(frozen(farm, file, '-c', code, program=python).returncode, 0)
    run = frozen(farm, file, '-c', 'import sqlite3', program=python)
    check(run.returncode == 1 and 'ImportError' in run.stderr and 'was not asked for by' in run.stderr, run.stderr)


def case_children_leave_the_record_alone(farm):
    file = farm.path('fork.json')
    code = 'import os\nif os.fork() == 0:\n import _decimal\n os._exit(0)\nos.wait()'
    run = farm.run(f'--record={file}', program=python_of(farm), args=['-c', code])
    same((run.returncode, run.stderr), (0, ''))
    check(not any('_decimal' in f['path'] for f in shaped(file.read_text(), shape.RECORD)['files']), 'a child wrote')


def case_record_of_a_plan(farm):
    ran, _, _ = record(farm)
    planned = farm.path('planned.json')
    farm.clear_marks()
    same(farm.run('--plan', f'--record={planned}').returncode, 0)
    same(farm.marks(), [])
    same(json.loads(planned.read_text()), json.loads(ran.read_text()))


def case_privileged_programs_are_left_alone(farm):
    if farm.way == 'command' or os.geteuid():
        return
    secret = farm.path('privileged')
    shutil.copy(farm.path('bare'), secret)
    os.chmod(secret, 0o4755)
    env = {'LDX_PLAN': 'text', 'LDX_RECORD': str(farm.path('privileged.json')), 'LDX_FROZEN': str(farm.path('none.json')),
           'LDX_SBOM': str(farm.path('privileged.json'))}
    run = subprocess.run([secret], env=env, capture_output=True, text=True, user=65534, group=65534, extra_groups=[])
    same((run.returncode, run.stdout, run.stderr), (0, 'runs 0 0\n', ''))
    check(not farm.path('privileged.json').exists(), 'a record of a privileged program')


def case_static_programs(farm):
    if farm.way == 'interp':
        return
    file, materials = farm.path('static.json'), farm.path('static-materials.json')
    run = farm.run(f'--record={file}', f'--sbom={materials}', program='static')
    same((run.returncode, run.stdout, run.stderr), (0, 'runs\n', ''))
    data = shaped(file.read_text(), shape.RECORD)
    same(([f['path'] for f in data['files']], data['start'], data['init']), ([str(farm.path('static'))], [], []))
    same(shaped(materials.read_text(), shape.SBOM)['components'], [])
    same(frozen(farm, file, program='static').stdout, 'runs\n')
    restore = farm.replace('static', 'still')
    try:
        deviates(farm, file, 'build-id of', program='static')
    finally:
        restore()
    kept, _, _ = record(farm)
    deviates(farm, kept, 'build-id of', program='static')
