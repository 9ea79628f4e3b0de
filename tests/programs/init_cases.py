"""Order and arguments of initialisers and finalisers."""

from harness import Case

TREE = 'libinit-a.so libinit-b.so libinit-c.so libinit-d.so'
CYCLE = 'libinit-e.so libinit-f.so libinit-g.so'


def order(name, program, libraries, *arguments, **more):
    return Case(f'init.{name}', [f'./{program}', *arguments], use=f'{program} {libraries}', **more)


CASES = [
    order('tree', 'init-tree', TREE, 'argument'),
    order('tree-no-pie', 'init-no-pie', TREE, 'argument'),
    order('reverse', 'init-reverse', TREE),
    order('cycle', 'init-cycle', CYCLE),
    order('cycle-among-others', 'init-cycle-2', f'{TREE} {CYCLE}'),
    order('first-leaf', 'init-tree', 'libinit-a.so libinit-b.so libinit-c.so libinit-d.so=libinit-d-first.so'),
    order('first-middle', 'init-tree', 'libinit-a.so libinit-b.so=libinit-b-first.so libinit-c.so libinit-d.so'),
    order('first-twice', 'init-tree', 'libinit-a.so libinit-b.so=libinit-b-first.so libinit-c.so=libinit-c-first.so libinit-d.so'),
    order('preload', 'init-tree', f'{TREE} libinit-p.so', env={'LD_PRELOAD': './libinit-p.so'}),
    order('preload-needs-others', 'init-tree', f'{TREE} libinit-p.so libinit-q.so', env={'LD_PRELOAD': './libinit-p.so ./libinit-q.so'}),
    order('bind-now', 'init-tree', TREE, env={'LD_BIND_NOW': '1'}),
    order('opened', 'init-opens', TREE, '+./libinit-a.so', '+./libinit-b.so', '-./libinit-a.so', '-./libinit-b.so'),
    order('opened-left', 'init-opens', TREE, '+./libinit-b.so', '+./libinit-a.so'),
    order('opened-shared', 'init-opens-b', TREE, '+./libinit-a.so', '-./libinit-a.so', '+./libinit-a.so'),
    order('opened-twice', 'init-opens', TREE, '+./libinit-a.so', '+./libinit-a.so', '-./libinit-a.so', '-./libinit-a.so'),
    order('opened-cycle', 'init-opens', CYCLE, '+./libinit-e.so', '-./libinit-e.so', '+./libinit-f.so'),
    order('opened-first', 'init-opens', 'libinit-a.so libinit-c.so libinit-d.so=libinit-d-first.so', '+./libinit-a.so', '-./libinit-a.so'),
    order('opened-missing', 'init-opens', 'libinit-a.so libinit-c.so', '+./libinit-a.so', '+./libinit-c.so'),
    order('statics', 'statics', 'libstatics1.so libstatics2.so libstatics3.so'),
    order('statics-reverse', 'statics-reverse', 'libstatics1.so libstatics2.so libstatics3.so'),
] + [
    order(f'within-{how}', 'within', 'libwithin.so libinit-d.so', env={'HOW': how})
    for how in ('nothing', 'open', 'open-late', 'thread', 'exit', 'lookup')
] + [
    order(f'within-{how}-preloaded', 'init-reverse', f'{TREE} libwithin.so', env={'HOW': how, 'LD_PRELOAD': './libwithin.so'})
    for how in ('open', 'exit')
]
