"""What a plan says is true, complete, and found without running anything."""

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path

import shape

GOLDEN = Path(__file__).parent / 'golden'


def check(condition, *about):
    if not condition:
        raise AssertionError(' '.join(str(x) for x in about))


def same(got, wanted, what=''):
    check(got == wanted, f'{what}: got {got!r}, wanted {wanted!r}')


def shaped(text, what):
    data = json.loads(text)
    found = shape.faults(data, what)
    check(not found, '\n'.join(found[:10]))
    return data


def plan_of(farm, *options, **more):
    run = farm.run('--plan=json', *options, **more)
    data = shaped(run.stdout, shape.PLAN)
    check((run.returncode == 0) == data['starts'], run.returncode, data['starts'], run.stderr)
    return data


def normalised(farm, text):
    text = text.replace(str(farm.ldx), '@LDX@').replace(str(farm.root), '@DIR@')
    text = re.sub(r'0x[0-9a-f]+', '@', text)
    text = re.sub(r'\b\d+ (bytes|references|lazy|files)', r'N \1', text)
    text = re.sub(r'(first \S*x86-64-)v\d', r'\1vN', text)  # the CPU's best
    return re.sub(r'/usr/bin/python3\.\d+|@DIR@/python3', '@PYTHON@', text)


def golden(farm, name, run):
    same(run.stderr, '', name)
    same(run.returncode, 0, name)
    file, text = GOLDEN / f'{name}.{farm.way}.txt', normalised(farm, run.stdout)
    if farm.write_golden:
        file.write_text(text)
    wanted = file.read_text()
    check(text == wanted, f'{name} differs from {file}:\n{text}')


def python_of(farm):
    """A Python of the farm's way."""
    if farm.way == 'command':
        return '/usr/bin/python3'
    out = farm.path('python3')
    if not out.exists():
        subprocess.run([farm.interp_tool, '--set', farm.ldx, '-o', out, '/usr/bin/python3'], check=True)
    return str(out)


def case_golden_outputs(farm):
    for word in ('plan', 'tree', 'explain'):
        golden(farm, word, farm.run('--' + word))
        golden(farm, f'python-{word}', farm.run('--' + word, program=python_of(farm), env={'LD_LIBRARY_PATH': ''}))
    golden(farm, 'explain-caps', farm.run('--explain=*caps*'))


def system_debug(farm, words, *args, program='main-system', **env):
    environment = {'PATH': os.environ['PATH'], 'LC_ALL': 'C', 'LD_LIBRARY_PATH': str(farm.path('env')), 'LD_DEBUG': words, **env}
    return subprocess.run([farm.path(program), *args], env=environment, cwd=farm.root, capture_output=True, text=True, check=True).stderr


def names(data, ids):
    return [Path(data['objects'][i]['path']).name.replace('main-system', 'main') for i in ids]


def case_objects_are_true(farm):
    data = plan_of(farm)
    listed = subprocess.run([farm.path('main-system')], env={'LD_TRACE_LOADED_OBJECTS': '1', 'LD_LIBRARY_PATH': str(farm.path('env'))},
                            capture_output=True, text=True, check=True).stdout
    wanted = {os.path.realpath(m) for m in re.findall(r'(/\S+) \(0x', listed)}
    same({os.path.realpath(o['path']) for o in data['objects'] if o['kind'] == 'library'}, wanted, 'paths')
    for o in data['objects']:
        if o['kind'] in ('program', 'library'):
            check_object(data, o)


def check_object(data, o):
    text = subprocess.run(['readelf', '-Wnld', o['path']], capture_output=True, text=True, env={'LC_ALL': 'C', 'PATH': os.environ['PATH']}).stdout
    build_id = re.search(r'Build ID: (\w+)', text)
    same(o['build_id'], build_id and build_id[1], 'build-id of ' + o['path'])
    soname = re.search(r'SONAME.*\[(.*)\]', text)
    same(o['soname'], soname and soname[1], 'soname of ' + o['path'])
    st = os.stat(o['path'])
    same(o['file'], {'device': st.st_dev, 'inode': st.st_ino, 'size': st.st_size, 'mtime': st.st_mtime_ns}, 'file ' + o['path'])
    loads = re.findall(r'LOAD +\S+ (\S+) \S+ \S+ (\S+) (R?) ?(W?) ?(E?)', text)
    base = int(o['base'], 16)
    same([(int(s['address'], 16) - base, s['size'], s['flags'].replace('-', '').replace('x', 'E').upper()) for s in o['segments']],
         [(int(a, 16), int(n, 16), ''.join(f)) for a, n, *f in loads], 'segments of ' + o['path'])
    tls = re.search(r'TLS +\S+ \S+ \S+ \S+ (\S+)', text)
    same(o['tls'] and o['tls']['size'], int(tls[1], 16) if tls else None, 'TLS of ' + o['path'])
    wanted = re.findall(r'NEEDED.*\[(.*)\]', text)
    got = [data['objects'][i] for i in o['needed']]
    same(len(got), len(wanted), 'number of dependencies of ' + o['path'])
    for name, dependency in zip(wanted, got):
        check(name in (dependency['soname'], 'libother.so'), name, dependency['path'])
        check(o['id'] in dependency['needed_by'], o['path'], 'is not among those that need', dependency['path'])


def case_tls_modules_are_numbered(farm):
    modules = sorted(o['tls']['module'] for o in plan_of(farm)['objects'] if o['tls'])
    same(modules, list(range(1, len(modules) + 1)), 'modules')


def case_orders_are_the_system_loaders(farm):
    data = plan_of(farm)
    init = re.findall(r'calling init: (\S+)', system_debug(farm, 'files'))
    same(names(data, data['init'])[:-1], [Path(p).name for p in init], 'constructors')
    check(data['init'][-1] == 0, 'the program is constructed last')
    scope = re.search(r'object=\S*main-system \[0\]\s+\d*:?\s* scope 0: (.*)', system_debug(farm, 'scopes'))[1].split()
    same(names(data, data['scope']), [Path(p).name.replace('main-system', 'main') for p in scope], 'scope')
    for key in ('scope', 'init'):
        same([data['objects'][i][key] for i in data[key]], list(range(len(data[key]))), key)


def case_bindings_are_the_system_loaders(farm):
    run = farm.run('--plan=bindings')
    data = shaped(run.stdout, shape.PLAN)
    pattern = r'binding file (\S+) \[0\] to (\S+) \[0\]: normal symbol `(\S+?)\''
    wanted = {(Path(a).name.replace('main-system', 'main'), Path(b).name.replace('main-system', 'main'), s)
              for a, b, s in re.findall(pattern, system_debug(farm, 'bindings', LD_BIND_NOW='1')) if str(farm.root) in a}
    got = {(*names(data, (b['from'], b['to'])), b['symbol']) for b in data['bindings']
           if b['to'] is not None and str(farm.root) in data['objects'][b['from']]['path']}
    same(got - wanted, set(), 'bindings that the system loader does not make')
    # In the program's name the system loader also asks for what it uses itself.
    same({w for w in wanted if w[2] not in ('malloc', 'calloc', 'realloc', 'free')} - got, set(), 'bindings that the plan lacks')
    counts = {}
    for b in data['bindings']:
        counts[b['from']] = counts.get(b['from'], 0) + 1
    for o in data['objects']:
        same(o['references']['eager'] + o['references']['lazy'], counts.get(o['id'], 0), 'references of ' + o['path'])


def case_nothing_is_run(farm):
    farm.clear_marks()
    for option in ('--plan', '--plan=json', '--plan=bindings', '--tree', '--explain', '--explain=json'):
        same(farm.run(option).returncode, 0, option)
        same(farm.marks(), [], option)
        same(farm.run(option, env={'LD_BIND_NOW': '1'}).returncode, 0, option)
        same(farm.marks(), [], option)
    run = farm.run()
    check(run.stdout.startswith('runs '), run.stdout, run.stderr)
    check('mark-of-chosen' in farm.marks(), farm.marks())


def case_missing_library(farm):
    restore = farm.replace('run/libfront.so', None)
    try:
        run = farm.run('--plan=json')
        data = shaped(run.stdout, shape.PLAN)
        same((run.returncode, data['starts']), (127, False))
        same([(m['name'], m['requester']) for m in data['missing']], [('libfront.so', 0), ('libother.so', 0)])
        real = farm.run()
        check(real.stderr.strip() in run.stderr.strip().split('\n'), 'the message of a start', real.stderr, run.stderr)
        check('libenv.so' in [o['soname'] for o in data['objects']], 'the rest is told')
        tree = farm.run('--tree')
        same(tree.returncode, 127)
        check('├─ libfront.so: cannot open shared object file' in tree.stdout, tree.stdout)
        explained = farm.run('--explain=libfront.so')
        check(re.search(r'libfront.so\n  missing .*No such file or directory\n  asked by .*main', explained.stdout), explained.stdout)
    finally:
        restore()


def case_damaged_library(farm):
    restore = farm.replace('run/libfront.so', 'main')
    farm.path('run/libfront.so').write_bytes(b'\x7fELF junk')
    try:
        run = farm.run('--plan=json')
        data = shaped(run.stdout, shape.PLAN)
        same((run.returncode, data['missing'][0]['error']), (127, 'file too short'))
    finally:
        restore()


def case_undefined_symbol(farm):
    restore = farm.replace('run/deep/libdeep.so', 'env/libenv.so')
    try:
        lazy, now = farm.run('--plan=json'), farm.run('--plan=json', env={'LD_BIND_NOW': '1'})
        same((lazy.returncode, now.returncode), (0, 127), 'it would start, and end at the first call')
        check('undefined symbol: value_deep' in now.stderr, now.stderr)
        check(any('value_deep' in e for e in shaped(now.stdout, shape.PLAN)['errors']), now.stdout[:600])
    finally:
        restore()


def case_other_names_and_attempts(farm):
    data = plan_of(farm)
    requests = {r['name']: r for r in data['requests'] if r['requester'] == 0}
    same(requests['libother.so']['object'], requests['libfront.so']['object'], 'libother.so')
    check({'kind': 'known', 'to': str(farm.path('run/libfront.so')), 'why': 'by its file'} in requests['libother.so']['steps'],
          requests['libother.so']['steps'])
    env = requests['libenv.so']
    same(env['reason'], 'LD_LIBRARY_PATH')
    caps = requests['libcaps.so']
    tried = [s['to'] for s in caps['steps'] if s['kind'] == 'try']
    same(tried[-1], caps['path'])
    check(caps['path'].endswith('run/glibc-hwcaps/x86-64-v2/libcaps.so'), caps['path'])
    deep = next(o for o in data['objects'] if o['soname'] == 'libdeep.so')
    same(deep['reason'], f'RPATH of {farm.path("run/libfront.so")}')


def case_tree_marks_repeated(farm):
    lines = farm.run('--tree').stdout.split('\n')
    seen = set()
    for line in lines[1:]:
        m = re.match(r'[│├└─ ]*(\S+)(?: => (\S+?))?( \(above\))?$', line)
        if line:
            path = m[2] or m[1]
            same(bool(m[3]), path in seen, line)
            seen.add(path)
    check('\033' not in ''.join(lines), 'colours where no terminal is')


def case_names_may_be_any_bytes(farm):
    folder = os.fsdecode(bytes(str(farm.root), 'ascii') + b'/odd\xff\xc3\x28"\\\x01name')
    os.makedirs(folder, exist_ok=True)
    data = plan_of(farm, env={'LD_LIBRARY_PATH': f'{folder}:{farm.path("env")}'})
    same(data['search']['library_path'].split(':')[0], folder)
    text = farm.run('--plan=json', env={'LD_LIBRARY_PATH': f'{folder}:{farm.path("env")}'}).stdout
    check(text.isascii() or text.encode('utf-8'), 'is UTF-8')


def case_words(farm):
    run = farm.run('--plan=nonsense')
    same((run.returncode, run.stdout), (127, ''))
    same(run.stderr, 'ldx: nonsense: no form of a plan; there are text, json and bindings\n')


def case_variable_is_the_option(farm):
    words, _ = farm.command([], str(farm.path('main')), [])
    env = {'LD_LIBRARY_PATH': str(farm.path('env')), 'LDX_PLAN': 'tree'}
    run = subprocess.run(words, env=env, cwd=farm.root, capture_output=True, text=True)
    same(run.stdout, farm.run('--tree').stdout)


def case_materials(farm):
    file = farm.path('materials.json')
    run = farm.run(f'--sbom={file}', args=[farm.path('run/libopened.so')])
    same((run.returncode, run.stderr), (0, ''))
    data = shaped(file.read_text(), shape.SBOM)
    parts = [data['metadata']['component'], *data['components']]
    paths = [p['bom-ref'] for p in parts]
    check(str(farm.path('run/libopened.so')) in paths and str(farm.path('env/libenv.so')) in paths, paths)
    for part in parts:
        properties = {p['name']: p['value'] for p in part['properties']}
        wanted = hashlib.sha256(Path(part['bom-ref']).read_bytes()).hexdigest()
        same(part['hashes'], [{'alg': 'SHA-256', 'content': wanted}], part['bom-ref'])
        same(properties['ldx:size'], str(os.path.getsize(part['bom-ref'])))
    refs = {d['ref']: d['dependsOn'] for d in data['dependencies']}
    same(refs[str(farm.path('run/libfront.so'))][0], str(farm.path('run/deep/libdeep.so')))
    check(str(farm.path('run/libopened.so')) in refs[paths[0]], refs[paths[0]])
    file.unlink()
    same(farm.run('--plan', f'--sbom={file}').returncode, 0)
    check(set(p['bom-ref'] for p in shaped(file.read_text(), shape.SBOM)['components']) < set(paths), 'with the plan')
