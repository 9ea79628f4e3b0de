"""The shapes of ldx's JSON, and a check against them. A shape is a type, a list of one shape, a dict of shapes (all of
its keys, and no others; a key that ends with ? may be missing), a set of values, or several shapes as a tuple."""

TEXT, NUMBER, NULL, ADDRESS = str, int, None, 'address'
HEX = 'hex'
PROGRAM = {'path': TEXT, 'argv0': TEXT, 'interpreter': TEXT}
PLACE = (NUMBER, NULL)
STEP = {'kind': {'rewrite', 'deny', 'conflict', 'known', 'list', 'try', 'cache', 'image'}, 'what?': TEXT, 'from?': TEXT, 'to?': TEXT,
        'source?': TEXT, 'author?': TEXT, 'why?': TEXT, 'error?': NUMBER}
REQUEST = {'name': TEXT, 'requester': PLACE, 'origin': {'program', 'needed', 'dlopen', 'preload', 'tool', 'audit'}, 'namespace': NUMBER,
           'object': PLACE, 'path': (TEXT, NULL), 'reason': (TEXT, NULL), 'error': (TEXT, NULL), 'nanoseconds': NUMBER, 'steps': [STEP]}
TOOL = {'name': TEXT, 'path': (TEXT, NULL), 'version': (TEXT, NULL), 'priority': NUMBER, 'state': {'ready', 'disabled'}, 'reason': (TEXT, NULL)}
OBJECT = {'id': NUMBER, 'name': TEXT, 'path': TEXT, 'soname': (TEXT, NULL), 'kind': {'program', 'library', 'loader', 'vdso'},
          'build_id': (HEX, NULL), 'file': ({'device': NUMBER, 'inode': NUMBER, 'size': NUMBER, 'mtime': NUMBER}, NULL), 'reason': TEXT,
          'requester': PLACE, 'requested_as': (TEXT, NULL), 'namespace': NUMBER, 'needed': [NUMBER], 'needed_by': [NUMBER], 'base': ADDRESS,
          'segments': [{'address': ADDRESS, 'size': NUMBER, 'file_offset': NUMBER, 'flags': TEXT}],
          'tls': ({'module': NUMBER, 'size': NUMBER, 'align': NUMBER, 'offset': NUMBER}, NULL), 'scope': PLACE, 'init': PLACE,
          'references': {'eager': NUMBER, 'lazy': NUMBER, 'undefined': NUMBER, 'to': {'*': NUMBER}}}
HEAD = {'schema': {1}, 'version': TEXT, 'program': PROGRAM, 'starts': bool, 'errors': [TEXT]}
PLAN = {'ldx': {'plan'}, **HEAD,
        'search': {'algorithm': TEXT, 'library_path': (TEXT, NULL), 'library_path_source': (TEXT, NULL), 'cache': (TEXT, NULL),
                   'hwcaps_prepend': (TEXT, NULL), 'hwcaps_mask': (TEXT, NULL)},
        'tools': [TOOL], 'policies': [TEXT], 'objects': [OBJECT], 'scope': [NUMBER], 'init': [NUMBER], 'requests': [REQUEST],
        'missing': [{'name': TEXT, 'requester': PLACE, 'error': TEXT}],
        'conflicts': [{'name': TEXT, 'requester': PLACE, 'what': TEXT, 'tool': TEXT, 'other': TEXT, 'wanted': TEXT, 'outcome': TEXT}],
        'bindings?': [{'from': NUMBER, 'symbol': TEXT, 'version': (TEXT, NULL), 'relocation': NUMBER, 'offset': ADDRESS, 'lazy': bool, 'to': PLACE,
                       'kind': {'function', 'data', 'tls', 'ifunc', 'copy', 'weak', 'undefined', 'ldx'}, 'value': (ADDRESS, NULL),
                       'author': (TEXT, NULL), 'wrapper': (TEXT, NULL)}]}
EXPLANATION = {'ldx': {'explanation'}, **HEAD, 'tools': [TOOL], 'requests': [REQUEST],
               'differences': [{'kind': {'file', 'more', 'less', 'scope', 'init', 'binding'}, 'name': (TEXT, NULL), 'from': (TEXT, NULL),
                                'vanilla': (TEXT, NULL), 'now': (TEXT, NULL),
                                'authors': [{'author': TEXT, 'what': (TEXT, NULL), 'why': (TEXT, NULL)}]}],
               'vanilla': bool}
CHECK = {'ldx': {'check'}, **HEAD, 'policy': TEXT, 'rules': [{'section': TEXT, 'where': TEXT, 'about': TEXT, 'matches': PLACE}],
         'warnings': NUMBER}
FILE = {'path': TEXT, 'soname': (TEXT, NULL), 'build_id': (HEX, NULL), 'size': PLACE, 'sha256': (HEX, NULL), 'reason': (TEXT, NULL)}
RECORDED = {'name': TEXT, 'from': PLACE, 'file': PLACE, 'namespace?': NUMBER, 'error?': (TEXT, NULL)}
RECORD = {'ldx': {'record'}, 'schema': {1}, 'files': [FILE], 'start': [RECORDED], 'later': [RECORDED], 'scope': [NUMBER], 'init': [NUMBER]}
COMPONENT = {'type': {'application', 'library'}, 'bom-ref': TEXT, 'name': TEXT, 'hashes': [{'alg': {'SHA-256'}, 'content': HEX}],
             'properties': [{'name': TEXT, 'value': TEXT}]}
SBOM = {'bomFormat': {'CycloneDX'}, 'specVersion': {'1.5'}, 'version': {1}, 'metadata': {'tools': [{'name': TEXT, 'version': TEXT}], 'component': COMPONENT},
        'components': [COMPONENT], 'dependencies': [{'ref': TEXT, 'dependsOn': [TEXT]}]}


def faults(value, shape, where='$'):
    """Lines that tell where the value has another shape."""
    if isinstance(shape, tuple):
        found = [faults(value, one, where) for one in shape]
        return [] if [] in found else min(found, key=len)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f'{where}: no array']
        return [line for i, item in enumerate(value) for line in faults(item, shape[0], f'{where}[{i}]')]
    if isinstance(shape, dict):
        return _object_faults(value, shape, where)
    if isinstance(shape, set):
        return [] if value in shape else [f'{where}: {value!r} is none of {sorted(map(str, shape))}']
    if shape is None:
        return [] if value is None else [f'{where}: {value!r} is not null']
    if shape in (ADDRESS, HEX):
        good = isinstance(value, str) and (not shape == ADDRESS or value.startswith('0x'))
        try:
            int(value, 16)
        except (TypeError, ValueError):
            good = False
        return [] if good else [f'{where}: {value!r} is no {shape}']
    return [] if type(value) is shape else [f'{where}: {value!r} is no {shape.__name__}']


def _object_faults(value, shape, where):
    if not isinstance(value, dict):
        return [f'{where}: no object']
    if '*' in shape:
        return [line for key, item in value.items() for line in faults(item, shape['*'], f'{where}.{key}')]
    keys = {key.rstrip('?'): key for key in shape}
    lines = [f'{where}: {key} is missing' for key, full in keys.items() if not full.endswith('?') and key not in value]
    for key, item in value.items():
        lines += faults(item, shape[keys[key]], f'{where}.{key}') if key in keys else [f'{where}: {key} is unknown']
    return lines
