"""Which files of the repository a check reads."""

import os

C_FAMILY = (".c", ".h", ".cc", ".cpp", ".hpp", ".S")


def walk(root, folders=("",), suffixes=None):
    """Paths relative to root, sorted; build folders and git's own are left out."""
    found = []
    for folder in folders:
        for here, names, files in os.walk(os.path.join(root, folder)):
            top = os.path.samefile(here, root)
            names[:] = [n for n in names if n not in (".git", "__pycache__") and not (top and n.startswith("build"))]
            found += [os.path.relpath(os.path.join(here, f), root) for f in files]
    return sorted(f for f in found if suffixes is None or f.endswith(suffixes))
