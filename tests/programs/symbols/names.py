"""names.py KIND OUT: writes a library with very many, very long or hash-colliding names; its program checks them all."""

import sys

COUNT = 3000


def names():
    for i in range(COUNT):
        yield f'name_{i * 7919 % COUNT}_of_many'
    yield 'long_' + 'x' * 4000
    # Equal SysV and GNU hashes come from pairs of letters: in h * 33 + c, "bA" and "a" + "b" are alike.
    for i in range(64):
        yield 'clash_' + ''.join('bA' if i >> bit & 1 else 'ab' for bit in range(6))


def write(kind, out):
    for i, name in enumerate(names()):
        if kind == 'library':
            out.write(f'int {name}(void) {{ return {i}; }}\n')
        else:
            out.write(f'int {name}(void);\n')
    if kind == 'program':
        out.write('#include <stdio.h>\nint main(void) {\n  int good = 0;\n')
        for i, name in enumerate(names()):
            out.write(f'  good += {name}() == {i};\n')
        out.write(f'  printf("%d of {COUNT + 65}\\n", good);\n}}\n')


if __name__ == '__main__':
    with open(sys.argv[2], 'w', encoding='ascii') as file:
        write(sys.argv[1], file)
