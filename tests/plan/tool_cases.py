"""What tools and policies change is told, with its author; conflicts; --check."""

import json
import re
import signal

import shape
from plan_cases import check, plan_of, same, shaped


def tool(farm, name, *changes):
    return f'--tool={farm.changer},{",".join([name, *changes])}'


def explained(farm, *options, **more):
    run = farm.run('--explain=json', *options, **more)
    data = shaped(run.stdout, shape.EXPLANATION)
    check(data['vanilla'], run.stderr)
    return data


def case_no_tools_no_difference(farm):
    data = explained(farm)
    same((data['differences'], data['tools'], data['starts']), ([], [], True))
    explained(farm, prepare=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))


def case_three_tools_in_a_row(farm):
    """Each sees what the one before made of it; every step is told with its tool."""
    tools = [tool(farm, 'names', 'name=libenv.so=libmoved.so'), tool(farm, 'folders', f'folders={farm.path("env")}={farm.path("newer")}'),
             tool(farm, 'paths', 'path=libmoved.so=libenv.so')]
    data = explained(farm, *tools)
    same([t['name'] for t in data['tools']], ['names', 'folders', 'paths'])
    same([t['reason'] for t in data['tools']], ['the first', 'behind names: registered later', 'behind folders: registered later'])
    request = next(r for r in data['requests'] if r['name'] == 'libenv.so')
    same(request['path'], str(farm.path('newer/libenv.so')))
    steps = [(s['author'], s['what']) for s in request['steps'] if s['kind'] == 'rewrite']
    same(steps[0], ('names', 'name'))
    check(('folders', 'search path') in steps and steps[-1] == ('paths', 'path'), steps)
    found = [d for d in data['differences'] if d['kind'] == 'file']
    same([(d['name'], d['vanilla'], d['now']) for d in found],
         [('libenv.so', str(farm.path('env/libenv.so')), str(farm.path('newer/libenv.so')))])
    same({a['author'] for a in found[0]['authors']}, {'names', 'folders', 'paths'})
    text = farm.run('--explain', *tools).stdout
    check('  changed  name libenv.so to libmoved.so, by tool names: told to\n' in text, text)
    check(f'{farm.path("newer/libenv.so")}, not {farm.path("env/libenv.so")}\n    by names (name): told to\n' in text, text)


def case_tool_in_the_program(farm):
    """It is one of the program's libraries, and so in the plan, in records, and a difference."""
    data = explained(farm, f'--tool-in-app={farm.changer},lives-here')
    found = [d for d in data['differences'] if d['kind'] == 'more']
    same([(d['now'], [a['author'] for a in d['authors']]) for d in found], [(farm.changer, [farm.changer])], data['differences'])
    plan = plan_of(farm, f'--tool-in-app={farm.changer},lives-here')
    same(plan['objects'][plan['scope'][1]]['path'], farm.changer)


def case_more_and_less(farm):
    """Another file with other dependencies: what comes, and what goes, follows from it."""
    data = explained(farm, tool(farm, 't', 'path=run/libfront.so=spare/libfront.so', 'path=run/libother.so=spare/libfront.so'))
    kinds = {(d['kind'], d['name']): d for d in data['differences']}
    same(kinds['file', 'libfront.so']['now'], str(farm.path('spare/libfront.so')))
    same(kinds['less', 'libdeep.so']['vanilla'], str(farm.path('run/deep/libdeep.so')))
    same(set(kinds), {('file', 'libfront.so'), ('file', 'libother.so'), ('less', 'libdeep.so')})
    data = explained(farm, tool(farm, 't', 'path=env/libenv.so=run/libopened.so'))
    same({(d['kind'], d['name']) for d in data['differences']}, {('file', 'libenv.so')}, 'libdeep.so is there anyhow')


def case_orders_and_references(farm):
    data = explained(farm, tool(farm, 't', 'init=libcaps.so=libchosen.so', 'scope=libcaps.so=libenv.so', 'bind=puts', 'bind=open', 'bind=printf'))
    kinds = {}
    for d in data['differences']:
        kinds.setdefault(d['kind'], []).append(d)
    same(set(kinds), {'init', 'scope', 'binding'}, data['differences'])
    for kind in ('init', 'scope'):
        same([a['author'] for a in kinds[kind][0]['authors']], ['t'], kind)
    same({d['name'] for d in kinds['binding']} & {'open'}, {'open'})
    for d in kinds['binding']:
        check(d['vanilla'].endswith('libc.so.6'), d)
        same(d['now'], farm.changer)
        same([a['author'] for a in d['authors']], ['t'])
    bindings = shaped(farm.run('--plan=bindings', tool(farm, 't', 'bind=open')).stdout, shape.PLAN)['bindings']
    same({b['author'] for b in bindings if b['symbol'] == 'open' and b['wrapper']}, {'t'})


def case_conflict_is_told(farm):
    tools = [tool(farm, 'one', 'name=libenv.so=libx.so'), tool(farm, 'two', 'name=libx.so=libenv.so')]
    data = plan_of(farm, *tools)
    same([(c['name'], c['tool'], c['other'], c['what'], c['wanted']) for c in data['conflicts']], [('libenv.so', 'two', 'one', 'name', 'libenv.so')])
    check('conflict tool two wants the name libenv.so, but tool one has changed it' in farm.run('--explain=libenv.so', *tools).stdout)
    if farm.way == 'interp':  # strictness is an option of the command
        return
    for option in ((), ('--plan=json',)):
        run = farm.run('--strict', *option, *tools)
        same(run.returncode, 127, option)
        check('libenv.so: tools one and two both change the name' in run.stderr, run.stderr)
    data = shaped(farm.run('--strict', '--plan=json', *tools).stdout, shape.PLAN)
    same((len(data['conflicts']), data['starts']), (1, False))
    same(farm.run('--strict', tools[0].replace('libx.so', 'libenv.so')).returncode, 0)


def case_wanted_order_is_told(farm):
    text = farm.run('--explain', tool(farm, 'one'), tool(farm, 'two', 'before=one')).stdout
    check(re.search(r'  1\. two \(.*\): the first\n  2\. one \(.*\): behind two: wanted by two\n', text), text)


def write_policy(farm, name='policy.json', **rules):
    file = farm.path(name)
    file.write_text(json.dumps({'$schema': 'ldx-policy-1', 'version': 1, **rules}))
    return file


def rule(match, to, kind='name', **more):
    return {'when': {'kind': kind, 'match': match}, 'to': str(to), **more}


def case_policy_is_an_author(farm):
    file = write_policy(farm, rewrite=[rule('libenv.so', farm.path('spare/libenv.so'), why='newer')])
    found = explained(farm, f'--policy={file}')['differences']
    same([(d['kind'], d['name']) for d in found], [('file', 'libenv.so')])
    author = found[0]['authors'][0]
    same((author['author'], author['what']), ('policy', 'name'))
    check(re.fullmatch(r'newer \(.*policy\.json:1:\d+\)', author['why']), author)
    same(plan_of(farm, f'--policy={file}')['policies'][-1], str(file))
    file = write_policy(farm, preload=[str(farm.path('run/libopened.so'))])
    found = explained(farm, f'--policy={file}')['differences']
    check(any(d['kind'] == 'more' and d['authors'] and d['authors'][0]['author'] == 'policy' for d in found), found)


def checked(farm, file, *options):
    run = farm.run('--check', str(file), '--json', *options)
    return run.returncode, shaped(run.stdout, shape.CHECK), run.stderr


def case_check(farm):
    if farm.way == 'interp':
        return
    farm.clear_marks()
    file = write_policy(farm, rewrite=[rule('libenv.so', farm.path('spare/libenv.so')), rule('libnone.so*', '/nowhere/$0')],
                        deny=[{'match': 'libbad*'}], tools=[{'path': farm.changer, 'name': 'never', 'args': ['never', 'name=libc=libnone']}],
                        bind=[{'sym': 'value_front', 'to': 'libcaps.so'}, {'sym': 'open', 'caller': '*libdeep.so', 'to': 'libc.so.6'}],
                        preload=[str(farm.path('run/libopened.so'))])
    status, data, _ = checked(farm, file)
    same(status, 0)
    same([(r['section'], r['about'], r['matches']) for r in data['rules']],
         [('tools', farm.changer, None), ('rewrite', 'libenv.so', 1), ('rewrite', 'libnone.so*', 0), ('deny', 'libbad*', 0),
          ('preload', str(farm.path('run/libopened.so')), 1), ('bind', 'value_front', 0), ('bind', 'open', 0)])
    same(data['warnings'], 4)
    same(checked(farm, file, '--strict')[0], 1)
    text = farm.run('--check', str(file)).stdout
    check('libnone.so*: matched nothing' in text and '7 rules, 4 of them matched nothing; the program would start' in text, text)
    same(farm.marks(), [], 'nothing is run')
    file = write_policy(farm, rewrite=[rule('libenv.so', farm.path('spare/libenv.so'))],
                        bind=[{'sym': 'shared_name', 'caller': 'main', 'to': 'libcaps.so'}])
    status, data, _ = checked(farm, file, '--strict')
    same((status, [r['matches'] for r in data['rules']], data['warnings']), (0, [1, 1], 0), data)


def case_check_errors(farm):
    if farm.way == 'interp':
        return
    for text, message in (('{', '1:2'), ('{"nonsense": 1}', 'nonsense'), ('', ''), ('[]', '')):
        file = farm.path('bad.json')
        file.write_text(text)
        run = farm.run('--check', str(file))
        same((run.returncode, run.stdout), (127, ''), text)
        check('bad.json' in run.stderr and message in run.stderr, run.stderr)
    run = farm.run('--check', str(farm.path('none.json')))
    same(run.returncode, 127)
    status, data, error = checked(farm, write_policy(farm, deny=[{'match': 'libenv.so', 'why': 'old'}]))
    same((status, data['starts'], data['rules'][0]['matches']), (127, False, 1))
    check('libenv.so: denied by tool policy: old' in error, error)
