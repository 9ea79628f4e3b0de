"""When two runs of a program count as the same."""

import difflib
import re

# (what, pattern, replacement): things that differ between any two runs of one program under one loader.
NORMALISATIONS = (
    ('addresses, which the kernel randomises', re.compile(r'\b0x[0-9a-fA-F]{5,16}\b'), '<address>'),
    ('addresses without 0x, as in maps and backtraces', re.compile(r'\b(?:0000)?[57][0-9a-f]{11}\b'), '<address>'),
    ('times of day', re.compile(r'\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?\b'), '<time>'),
    ('dates with a time or in log form', re.compile(r'\b20\d\d[-/]\d\d[-/]\d\d(?=[ T_]<time>)'), '<date>'),
    ('durations', re.compile(r'\b\d+(?:\.\d+)? ?(?:ns|us|µs|ms|s|sec|seconds)\b'), '<duration>'),
    ('seconds since 1970', re.compile(r'\b1[6-9]\d{8}(?:\.\d+)?\b'), '<epoch>'),
)


# When a program cannot be started, both loaders say the same of it, each under its own name.
LOADERS_OWN = re.compile(r'^(?:ldx: (?P<ldx>[^\n:]+)|(?P<system>[^\n:]+): error while loading shared libraries): ', re.M)


def normalise(text):
    text = LOADERS_OWN.sub(lambda match: f"<loader>: {match['ldx'] or match['system']}: ", text)
    for _, pattern, replacement in NORMALISATIONS:
        text = pattern.sub(replacement, text)
    return text


def differences(expected, actual):
    """[(part, expected text, actual text)] of two outcomes after normalisation; [] when they are the same."""
    found = []
    if expected.status != actual.status:
        found.append(('status', expected.status, actual.status))
    for part in ('out', 'err'):
        texts = [normalise(getattr(outcome, part)) for outcome in (expected, actual)]
        if texts[0] != texts[1]:
            found.append((f'std{part}', *texts))
    return found


def render(found, lines=20):
    """The differences as indented text, each part at most `lines` long."""
    text = []
    for part, expected, actual in found:
        if part == 'status':
            text.append(f'status: {expected} became {actual}')
            continue
        diff = list(difflib.unified_diff(expected.splitlines(), actual.splitlines(), 'system loader', 'ldx',
                                         lineterm='', n=1))
        text += [f'{part}:'] + diff[:lines] + ([f'... {len(diff) - lines} more lines'] if len(diff) > lines else [])
    return '\n'.join('    ' + line for line in text)
