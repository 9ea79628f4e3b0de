#!/usr/bin/env python3
"""libdlbind's interface: programs linked with libdlbind.so of ldx, and programs that leave its functions undefined."""

import argparse
import os
import re
import subprocess
import sys

if sys.argv[1:] == ["--packages"]:  # Debian packages that the tests stand on
    sys.exit(print("binutils"))

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--ldx", required=True)
parser.add_argument("--library", required=True)
parser.add_argument("--folder", required=True, help="where the test programs were built")
parser.add_argument("--way", choices=["command", "interp"], required=True)
parser.add_argument("cases", nargs="*")
options = parser.parse_args()

CASES = "aliases ends errors names stable global many deleted mapping forked threads init".split()
PROGRAMS = ("cases", "cases-undefined")
TAGS = {"TEXT": 0x6FFFFEE0, "RODATA": 0x6FFFFEE1, "DATA": 0x6FFFFEE2, "DYNSTR": 0x6FFFFEE3, "DYNSYM": 0x6FFFFEE4}


def check(good, text):
    if not good:
        raise AssertionError(text)


def command(program, *words):
    suffix = "" if options.way == "command" else "-interp"
    start = [options.ldx] if options.way == "command" else []
    return start + [os.path.join(options.folder, program + suffix), *words]


def run(words, status=0):
    r = subprocess.run(words, capture_output=True, text=True, timeout=120)
    check(r.returncode == status, f"{words}: status {r.returncode}\n{r.stdout}{r.stderr}")
    return r


def case_answer():
    r = run(command("answer"))
    check((r.stdout, r.stderr) == ("42\n", ""), r)


def case_without_ldx():
    """One line says why, however often it fails."""
    path = os.path.join(options.folder, "cases")
    r = subprocess.run([path, "errors"], capture_output=True, text=True, timeout=60)
    lines = [line for line in r.stderr.splitlines() if "libdlbind.so" in line]
    check(lines == [f"{path}: libdlbind.so: objects are made by ldx, which does not run this program: "
                    "start it as `ldx PROGRAM`"] and r.returncode == 2, r)
    r = subprocess.run([os.path.join(options.folder, "without")], capture_output=True, text=True, timeout=60)
    check(r.returncode == 0 and r.stderr.count("\n") == 1, r)


def case_library():
    """It is called what programs expect, and offers no more."""
    dynamic = run(["readelf", "-dW", options.library]).stdout
    check("[libdlbind.so]" in dynamic, dynamic)
    names = run(["nm", "-D", "--defined-only", options.library]).stdout
    check({line.split()[2] for line in names.splitlines()} ==
          set("__libdlbind_do_init dlalloc dlbind dlcreate dlcreate_with_mmap dldelete dldsym".split()), names)


def dynamic_tags(path):
    """Numbers of the tags, and what readelf sees of the symbols and strings."""
    text = run(["readelf", "-dW", path]).stdout
    found = {name: [int(value, 16) for value in re.findall(rf"^ 0x0*{tag:x} .*\s(0x[0-9a-f]+)$", text, re.M)]
             for name, tag in TAGS.items()}
    check(all(len(values) == 1 for values in found.values()), text)
    return {name: values[0] for name, values in found.items()}


def case_tags():
    """The private tags of the dynamic section say where the free room begins."""
    process = subprocess.Popen(command("cases", "tags"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    seen = []
    try:
        for _ in range(2):
            path, *ends = process.stdout.readline().split()
            text, constants, data = (int(word, 16) for word in ends)
            now = dynamic_tags(path)
            for name, end in (("TEXT", text), ("RODATA", constants), ("DATA", data)):
                check(end <= now[name] < end + 16, f"{name}: {now[name]:#x} for {end:#x}")
            seen.append(now)
            symbols = run(["readelf", "-DsW", path]).stdout
            check(re.search(rf"for image contains {now['DYNSYM']} entries", symbols), (now, symbols[:300]))
            process.stdin.write("\n")
            process.stdin.flush()
    finally:
        process.stdin.close()
        check(process.wait(60) == 0, "the program failed")
    check(seen[1]["DYNSTR"] - seen[0]["DYNSTR"] >= 2000 and seen[1]["DYNSYM"] == seen[0]["DYNSYM"] + 1, seen)


def main():
    failed = []
    cases = {name[5:]: f for name, f in globals().items() if name.startswith("case_")}
    cases.update({f"{p}.{c}": lambda p=p, c=c: check(not run(command(p, c)).stderr, c) for p in PROGRAMS for c in CASES})
    for name, case in cases.items():
        if options.cases and not any(name.startswith(c) for c in options.cases):
            continue
        try:
            case()
            print(f"ok {name}", flush=True)
        except (AssertionError, OSError, subprocess.SubprocessError, ValueError) as e:
            failed.append(name)
            print(f"FAILED {name}: {type(e).__name__}: {e}", flush=True)
    sys.exit(f"{len(failed)} failed: {' '.join(failed)}" if failed else 0)


main()
