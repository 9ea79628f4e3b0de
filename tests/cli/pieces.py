"""Names the programs and libraries of this folder beside those of tests/programs."""

OWN = ('filter-', 'libfilter-deep', 'libfilter-first', 'libfilter-second', 'libfilter-one', 'libfilter-two', 'libstarts', 'liblater-one', 'opens-',
       'libflags', 'flags', 'libglobal-early')


def built(words):
    """The same words for Case.use, with the folder that each file was built in."""
    return ' '.join(_placed(word) for word in words.split())


def _placed(word):
    name, _, source = word.partition('=')
    source = source or name
    return f'{name}=../cli/{source}' if source.startswith(OWN) else word
