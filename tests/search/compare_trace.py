#!/usr/bin/env python3
"""Compares the library search with LD_DEBUG=libs of the system loader: every try, in order, and the messages.

`searcher` looks for what a program needs through src/search/; the same program is run by the system loader. Names
after the program are asked for by dlopen. The programs and libraries are made by workshop.py. With --ldx instead of
--searcher the loader itself is compared. It always runs as a command, and finds $ORIGIN like a program that the
kernel started: of the file itself, without "." or symbolic links.
"""

import argparse
import difflib
import functools
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from workshop import Workshop

SYSTEM_LOADER = "/lib64/ld-linux-x86-64.so.2"
SEARCH_LINES = ("find library=", " search path=", " search cache=", "  trying file=")
CASES = []


def case(function):
    CASES.append(function)
    return function


def search_lines(text):
    """The lines of LD_DEBUG=libs that tell of searches, and the empty line that ends each."""
    kept, inside = [], False
    for line in text.splitlines():
        line = re.sub(r"^ *\d+:\t", "", line)
        if line.startswith(SEARCH_LINES):
            kept.append(line)
            inside = True
        else:
            if inside and line == "":
                kept.append(line)
            inside = False
    return kept


def spell_errno(message):
    """At start-up the system loader knows the names of a few errors only and tells the others' numbers."""
    return re.sub(r"Error (\d+)$", lambda m: os.strerror(int(m[1])), message)


def error_lines(text):
    return [line for line in text.splitlines() if line.startswith("error: ")]


def without_support(trace):
    """ldx looks for the system's own loader, which libc needs: the system loader has that already."""
    kept, skipping = [], False
    for line in trace:
        skipping |= line == "find library=ld-linux-x86-64.so.2 [0]; searching"
        if not skipping:
            kept.append(line)
        skipping &= line != ""
    return kept


def without_dots(trace):
    return [re.sub(r"/\.(?=[/:\t]|$)", "", line) for line in trace]


class Judge:
    def __init__(self, searcher, ldx, workshop):
        self.shop = workshop
        self.ldx = shutil.copy(ldx, workshop.path("ldx")) if ldx else None
        self.searcher = shutil.copy(searcher, workshop.path("searcher")) if searcher else None
        os.makedirs(workshop.path("logs"))
        os.chmod(workshop.path("logs"), 0o777)
        os.chmod(workshop.folder, 0o755)
        self.faults = []
        self.compared = 0

    def loader(self, loader, program, names, env, options):
        log = self.shop.path("logs/log")
        for old in glob.glob(log + ".*"):
            os.unlink(old)
        environment = {"PATH": os.environ["PATH"], "LD_DEBUG": "libs", "LD_DEBUG_OUTPUT": log, **env}
        command = [loader, *options, program] if options is not None else [program]
        done = self.run(command + list(names), env=environment)
        trace = "".join(open(f).read() for f in glob.glob(log + ".*"))
        prefix = f"error while loading shared libraries|ldx: {re.escape(program)}"
        errors = re.findall(f"(?:{prefix}): (.*)", done.stderr)
        preload = re.findall(r"object '(.*)' from LD_PRELOAD cannot be preloaded \((.*)\): ignored", done.stderr)
        errors = [": ".join(pair) for pair in preload] + errors
        return search_lines(trace), [f"error: {spell_errno(e)}" for e in errors] + error_lines(done.stdout)

    def ours(self, program, names, env, options):
        words = []
        if "LD_LIBRARY_PATH" in env:
            words += ["--env-path", env["LD_LIBRARY_PATH"]]
        if "LD_HWCAP_MASK" in env:
            words += ["--hwcap-mask", env["LD_HWCAP_MASK"]]
        if "LD_PRELOAD" in env:
            words += ["--preload", env["LD_PRELOAD"]]
        if options is not None:
            words += ["--explicit", *options]
        done = self.run([self.searcher, *words, program, *names])
        if done.returncode not in (0, 1):
            return [f"searcher ended with status {done.returncode}", done.stderr], []
        return [l for l in done.stdout.splitlines() if not l.startswith("error: ")], error_lines(done.stdout)

    def compare(self, title, program, names=(), env=None, options=None, cwd=None, expect=None, nobody=False):
        env, cwd = env or {}, cwd or self.shop.folder
        self.run = functools.partial(subprocess.run, capture_output=True, text=True, cwd=cwd)
        if nobody and os.geteuid() == 0:
            self.run = functools.partial(self.run, user=65534, group=65534, extra_groups=[])
        system = self.loader(SYSTEM_LOADER, program, names, env, options)
        if self.ldx:
            ours = self.loader(self.ldx, program, names, env, options or [])
            ours = without_dots(without_support(ours[0])), ours[1]
            system = without_dots(system[0]), system[1]
        else:
            ours = self.ours(program, names, env, options)
        if expect and not any(expect in line for part in system for line in part):
            self.faults.append(f"{title}: the system loader does not say {expect!r}, so this tests nothing")
        self.same(title, [*system[0], *system[1]], [*ours[0], *ours[1]])

    def same(self, title, system, ours):
        self.compared += 1
        if system != ours:
            diff = difflib.unified_diff(system, ours, "system loader", "ldx", lineterm="")
            self.faults.append("\n".join([f"{title}:", *diff]))


@case
def plain_programs(j):
    for name in ("ls", "bash", "python3", "gcc", "gdb"):
        for folder in ("/bin", "/usr/bin"):
            if os.path.exists(f"{folder}/{name}"):
                j.compare(name, f"{folder}/{name}", env={"LD_TRACE_LOADED_OBJECTS": "1"}, expect="libc.so.6")
                break


@case
def library_path(j):
    s = j.shop
    p = s.program("lp/prog", ["libone.so", "libtwo.so"])
    s.library("lp/one/libone.so")
    s.library("lp/two/libtwo.so")
    s.write("lp/file", "no folder")
    one, two = s.path("lp/one"), s.path("lp/two")
    for value in (f"{one}:{two}", f"{one}///:{two}/:{one}", f"{one};{two}", f"/nonexistent:{one}:/nonexistent/x:{two}",
                  "", ":", "one:two", "./one/:./two", f":{one}::{two}", f"{s.path('lp/file')}:{one}:{two}",
                  f"/:{one}:{two}", f"//:{one}:{two}", f"/lib:{two}:{one}", f"{one}:/usr/lib/x86_64-linux-gnu/:{two}",
                  "/nonexistent", f"{one}", "one", "nonexistent", f"{one}:{'/long' * 900}:{two}"):
        j.compare(f"LD_LIBRARY_PATH={value[:80]}", p, env={"LD_LIBRARY_PATH": value}, cwd=s.path("lp"))
        if value:
            j.compare(f"--library-path {value[:80]}", "./prog", options=["--library-path", value], cwd=s.path("lp"))


@case
def subfolders(j):
    s = j.shop
    names = ["liba.so", "libb.so", "libc1.so", "libd.so", "libe.so"]
    p = s.program("sub/prog", names)
    where = ["glibc-hwcaps/x86-64-v2", "tls", "x86_64", "tls/x86_64/x86_64", ""]
    for name, folder in zip(names, where):
        s.library(os.path.join("sub/d", folder, name))
    s.library("sub/d/glibc-hwcaps/mine/libe.so")
    s.library("sub/d/liba.so")
    s.write("sub/f/tls", "no folder")
    d = s.path("sub/d")
    j.compare("subfolders", p, env={"LD_LIBRARY_PATH": d}, expect="tls/x86_64/x86_64/libd.so")
    j.compare("subfolders, relative", p, env={"LD_LIBRARY_PATH": "d"}, cwd=s.path("sub"))
    j.compare("a file for a subfolder", p, env={"LD_LIBRARY_PATH": s.path("sub/f") + ":" + d})
    j.compare("LD_HWCAP_MASK=0", p, env={"LD_LIBRARY_PATH": d, "LD_HWCAP_MASK": "0"})
    for options in (["--glibc-hwcaps-prepend", "mine:other"], ["--glibc-hwcaps-mask", "x86-64-v3"],
                    ["--glibc-hwcaps-mask", ""], ["--glibc-hwcaps-prepend", "::x::y:", "--glibc-hwcaps-mask", "none"]):
        j.compare(f"subfolders {options}", p, options=["--library-path", d, *options])


@case
def inherited_paths(j):
    s = j.shop
    for kind in ("rpath", "runpath"):
        for inner in ("rpath", "runpath", None):
            base = f"path/{kind}-{inner}"
            own = {inner: s.path(base, "inner")} if inner else {}
            s.library(f"{base}/outer/libmiddle.so", ["libleaf.so"], **own)
            s.library(f"{base}/outer/libleaf.so")
            s.library(f"{base}/inner/libleaf.so", ["libdeep.so"])
            s.library(f"{base}/outer/libdeep.so")
            s.library(f"{base}/inner/libdeep.so")
            p = s.program(f"{base}/prog", ["libmiddle.so", "libleaf.so"], **{kind: s.path(base, "outer")})
            j.compare(f"{kind} over {inner}", p, expect="libleaf.so")
            j.compare(f"{kind} over {inner}, shared", p,
                      env={"LD_LIBRARY_PATH": f"{s.path(base, 'inner')}:{s.path(base, 'outer')}"})
            j.compare(f"{kind} over {inner}, dlopen", p, ["libdeep.so", "libnone.so", "libdeep.so"])


@case
def tokens(j):
    s = j.shop
    s.library("dst/here/libhere.so", ["libby.so"], runpath="$ORIGIN/../by")
    s.library("dst/by/libby.so")
    s.library("dst/lib/x86_64-linux-gnu/libhere.so")
    s.library("dst/by/x86_64/libhere.so")
    for n, path in enumerate(("$ORIGIN/here", "${ORIGIN}/here", "$ORIGINAL/here:$ORIGIN/here", "${ORIGIN/here:here",
                              "$ORIGIN/$LIB", "${ORIGIN}/by/${PLATFORM}", "$FOO:$:${}:$$ORIGIN:$ORIGIN/here", "here",
                              "$ORIGIN:$ORIGIN/:$ORIGIN//here", "", ":", "$ORIGIN/here:$ORIGIN/here/", "/:$ORIGIN/here",
                              "{ORIGIN}:$LIBX:$ORIGIN/$ORIGIN:$ORIGIN/here")):
        for kind in ("rpath", "runpath"):
            p = s.program(f"dst/prog{n}{kind}", ["libhere.so"], **{kind: path})
            j.compare(f"{kind} {path}", p, cwd=s.path("dst"))
            j.compare(f"{kind} {path}, by a relative name", f"./prog{n}{kind}", cwd=s.path("dst"))
            j.compare(f"{kind} {path}, opened by the loader", f"./prog{n}{kind}", options=[], cwd=s.path("dst"))
    p = s.program("dst/plain", ["libhere.so"])
    for value in ("$ORIGIN/here", "$LIB:${ORIGIN}/$LIB", "$ORIGIN/by/$PLATFORM;$ORIGIN/here", "$NONE:$ORIGIN/none"):
        j.compare(f"LD_LIBRARY_PATH={value}", p, env={"LD_LIBRARY_PATH": value}, cwd=s.path("dst"))
    for n, name in enumerate(("$ORIGIN/here/libhere.so", "$ORIGIN/$LIB/libhere.so", "lib$PLATFORM.so", "lib$LIB.so",
                              "$ORIGIN", "$NONE.so", "./here/libhere.so", "here/libhere.so", "$ORIGIN/libnone.so")):
        p = s.program(f"dst/needed{n}", [name])
        j.compare(f"needed {name}", p, cwd=s.path("dst"))
        j.compare(f"dlopen {name}", s.path("dst/plain"), [name], {"LD_LIBRARY_PATH": "here"}, cwd=s.path("dst"))


@case
def options(j):
    s = j.shop
    p = s.program("opt/prog", ["liba.so"], runpath="$ORIGIN/d")
    s.library("opt/d/liba.so", ["libb.so"], runpath="$ORIGIN/e")
    s.library("opt/d/e/libb.so")
    a = s.path("opt/d/liba.so")
    j.compare("--inhibit-cache", p, options=["--inhibit-cache"])
    for value in ("", a, f"x:{a}", f"{a}:x", f":{a}", "x::y", f"{a}x", "x:", f"{a[:-1]}:{a}"):
        j.compare(f"--inhibit-rpath {value!r}", p, options=["--inhibit-rpath", value])
    nodef = s.program("opt/nodef", ["libz.so.1"], flags=["-Wl,-z,nodefaultlib"])
    j.compare("nodefaultlib", nodef, expect="error")
    j.compare("nodefaultlib with path", nodef, env={"LD_LIBRARY_PATH": "/lib/x86_64-linux-gnu"})
    missing = s.program("opt/missing", ["libnone.so", "libnone2.so"], flags=["-Wl,-z,nodefaultlib"])
    j.compare("nodefaultlib, not in the cache", missing, env={"LD_LIBRARY_PATH": "/nonexistent"})


@case
def faulty_files(j):
    s = j.shop
    good = s.library("bad/good/liba.so")
    s.library("bad/third/liba.so")
    faults = {
        "class32": (4, b"\x01"), "class0": (4, b"\x00"), "class7": (4, b"\x07"), "endian": (5, b"\x02"),
        "ident": (6, b"\x02"), "osabi-gnu": (7, b"\x03"), "osabi": (7, b"\x09"), "abiversion": (8, b"\x01"),
        "abiversion9": (8, b"\x09"), "gnu-abiversion3": (7, b"\x03\x03"), "gnu-abiversion4": (7, b"\x03\x04"),
        "version": (20, b"\x02"), "machine": (18, b"\x03"), "type": (16, b"\x01"), "type-core": (16, b"\x04"),
        "phentsize": (54, b"\x20"), "magic": (0, b"X"),
        "class32-machine": (4, b"\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x03\x00"),
    }
    for name, (offset, value) in faults.items():
        s.patched(good, f"bad/{name}/liba.so", offset, value)
    with open(good, "rb") as file:
        head = file.read(64)
    s.write("bad/empty/liba.so", "")
    s.write("bad/short/liba.so", head[:63])
    s.write("bad/text/liba.so", "#!/bin/sh\n")
    s.write("bad/script/liba.so", "/* GNU ld script */\n" * 10)
    os.makedirs(s.path("bad/folder/liba.so"))
    os.makedirs(s.path("bad/dangling"))
    os.makedirs(s.path("bad/loop"))
    os.symlink("nowhere", s.path("bad/dangling/liba.so"))
    os.symlink("liba.so", s.path("bad/loop/liba.so"))
    p = s.program("bad/prog", ["liba.so"])
    for name in [*faults, "empty", "short", "text", "script", "folder", "dangling", "loop"]:
        d = s.path("bad", name)
        j.compare(f"{name}, then good", p, env={"LD_LIBRARY_PATH": f"{d}:{s.path('bad/good')}"})
        j.compare(f"{name}, then loop", p, env={"LD_LIBRARY_PATH": f"{d}:{s.path('bad/loop')}:{s.path('bad/good')}"})
        j.compare(f"{name} alone", p, env={"LD_LIBRARY_PATH": d})
        j.compare(f"{name} by path", p, [d + "/liba.so", f"bad/{name}/liba.so"], {"LD_LIBRARY_PATH": s.path("bad/good")})
    names = ["lib" + "x" * 300 + ".so", "/nonexistent/lib.so", "bad/prog/lib.so", "libc.so.06", "libnone.so", "/",
             "bad", "/" + "y" * 5000]
    j.compare("odd names", p, names, {"LD_LIBRARY_PATH": s.path("bad/good")})
    j.compare("odd names, without LD_LIBRARY_PATH", s.program("bad/plain"), names)


@case
def preload(j):
    s = j.shop
    s.library("pre/d/libp.so", ["libq.so"])
    s.library("pre/d/libq.so")
    p = s.program("pre/prog", runpath="$ORIGIN/d")
    for name in ("libp.so", s.path("pre/d/libp.so"), "d/libp.so", "$ORIGIN/d/libp.so", "libz.so.1",
                 "libnone.so", "/nonexistent/libp.so"):
        j.compare(f"LD_PRELOAD={name}", p, env={"LD_PRELOAD": name}, cwd=s.path("pre"))


@case
def unreadable(j):
    """Root may read everything, so somebody else looks (root only: others run it as they are)."""
    s = j.shop
    p = s.program("acc/prog", ["liba.so"])
    s.library("acc/good/liba.so")
    os.chmod(s.library("acc/closed/liba.so"), 0)
    s.library("acc/shut/in/liba.so")
    os.chmod(s.path("acc/shut"), 0)
    closed, shut, good = s.path("acc/closed"), s.path("acc/shut/in"), s.path("acc/good")
    for value in (closed, f"{closed}:{good}", shut, f"{shut}:{good}", f"{good}:{shut}", f"{shut}:{closed}"):
        j.compare(f"LD_LIBRARY_PATH={value}, not readable", p, ["libnone.so", closed + "/liba.so", shut + "/liba.so"],
                  {"LD_LIBRARY_PATH": value}, nobody=True)
    for kind in ("rpath", "runpath"):
        q = s.program(f"acc/{kind}", ["libz.so.1", "libnone.so"], **{kind: f"{shut}:{closed}"}, flags=["-Wl,-z,nodefaultlib"])
        j.compare(f"{kind} not readable", q, env={"LD_LIBRARY_PATH": "/lib/x86_64-linux-gnu"}, nobody=True)
    os.chmod(s.path("acc/shut"), 0o755)


@case
def many_dlopens(j):
    """What is learnt about folders by one search shows in the next ones."""
    s = j.shop
    s.library("many/d/libx.so", ["liby.so"], rpath="/nonexistent:$ORIGIN/more")
    s.library("many/d/more/liby.so", ["libw.so"])
    s.library("many/d/libw.so")
    p = s.program("many/prog", runpath="$ORIGIN/d:/none/of/this")
    names = ["libnone.so", "libx.so", "libnone.so", "liby.so", "libother.so", "libnone.so"]
    j.compare("dlopen after dlopen", p, names)
    j.compare("dlopen after dlopen, LD_LIBRARY_PATH", p, names, {"LD_LIBRARY_PATH": "/nonexistent:many/d"})
    gone = s.program("many/gone", rpath="/none/of/this:/nor/that")
    j.compare("a path without folders", gone, ["libnone.so", "libnone.so", "libnone.so"])


@case
def dlinfo_paths(j):
    s = j.shop
    for n, (kind, path) in enumerate((("rpath", "$ORIGIN/a:/b/:/nonexistent"), ("runpath", "/b/c:$ORIGIN"),
                                      ("rpath", ":/"), ("runpath", "/lib"))):
        p = s.program(f"ser/prog{n}", **{kind: path})
        for value in (None, "", "/tmp/:/x;;", "/lib:."):
            env = {} if value is None else {"LD_LIBRARY_PATH": value}
            run = subprocess.run([p, "--serinfo"], env=env, capture_output=True, text=True, cwd=s.folder)
            words = ["--env-path", value] if value is not None else []
            command = [j.ldx, p, "--serinfo"] if j.ldx else [j.searcher, "--serinfo", *words, p]
            own = subprocess.run(command, env=env, capture_output=True, text=True, cwd=s.folder)
            j.same(f"dlinfo, {kind} {path}, LD_LIBRARY_PATH={value}", run.stdout.splitlines(), own.stdout.splitlines())


@case
def help_text(j):
    for words in ([], ["--glibc-hwcaps-prepend", "foo:bar:"], ["--glibc-hwcaps-mask", "x86-64-v3:x86-64-v2"],
                  ["--glibc-hwcaps-mask", ""], ["--library-path", "/a//:/lib:;b"], ["--inhibit-cache"]):
        for mask in (None, "0", "4"):
            env = {"LD_HWCAP_MASK": mask} if mask else {}
            run = subprocess.run([SYSTEM_LOADER, *words, "--help"], env=env, capture_output=True, text=True)
            system = run.stdout[run.stdout.index("\nShared library search path:"):].splitlines()
            more = ["--hwcap-mask", mask] if mask else []
            command = [j.ldx, *words, "--help"] if j.ldx else [j.searcher, *more, *words, "--help-text"]
            own = subprocess.run(command, env=env, capture_output=True, text=True)
            text = own.stdout[max(own.stdout.find("\nShared library search path:"), 0):]
            j.same(f"--help {words} LD_HWCAP_MASK={mask}", system, text.splitlines())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--searcher", help="the program built from searcher.c")
    what.add_argument("--ldx", help="the loader")
    names = ", ".join(f.__name__ for f in CASES)
    parser.add_argument("--only", action="append", metavar="CASE", help=f"one group of cases: {names}")
    parser.add_argument("--keep", metavar="FOLDER", help="work there and leave the files")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ldx-search-") as scratch:
        judge = Judge(args.searcher, args.ldx, Workshop(args.keep or scratch))
        for function in CASES:
            if not args.only or function.__name__ in args.only:
                function(judge)
    for fault in judge.faults:
        print(fault)
    print(f"{judge.compared} comparisons, {len(judge.faults)} differ")
    sys.exit(bool(judge.faults) or not judge.compared)


if __name__ == "__main__":
    main()
