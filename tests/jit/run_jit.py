#!/usr/bin/env python3
"""Objects made at run time (include/ldx/jit.h): each program of this folder in all its cases, and what is seen of them from outside.

A case is a run of its own; it is silent and ends with 0 when all is as it should be. --mode command runs `ldx PROGRAM`, --mode interp a
copy of the program whose PT_INTERP is ldx.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAMS = ["basics", "memory", "lookups", "swap", "readers", "errors", "forks", "ends", "ends-begin", "seen", "unwinds", "model", "adverse"]
MUSL_PROGRAMS = ["memory", "swap", "readers", "errors", "forks"]
NOT_WITH_MUSL = {"errors.names-taken"}  # its libc has another name
LIMIT = 120


class Failure(Exception):
    pass


def check(good, text):
    if not good:
        raise Failure(text)


class Runner:
    def __init__(self, options, folder):
        self.options, self.folder = options, Path(folder)
        for name in os.listdir(options.built):
            path = Path(options.built) / name
            if path.is_file() and os.access(path, os.X_OK):
                shutil.copy2(path, self.folder)
        for name in "libjit-stub.so", "libjit-versioned-stub.so":  # objects made at run time take their places
            (self.folder / name).unlink(missing_ok=options.musl)
        self.programs = MUSL_PROGRAMS if options.musl else PROGRAMS
        if options.mode == "interp":
            for name in self.programs:
                subprocess.run([options.interp_tool, "--set", options.ldx, "--output", self.folder / (name + ".ldx"), self.folder / name],
                               check=True)

    def command(self, program, *words):
        if self.options.mode == "command":
            return [self.options.ldx, f"./{program}", *words]
        return [f"./{program}.ldx", *words]

    def environment(self, changes):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("LD_", "LDX_"))}
        return {**kept, "LC_ALL": "C", **(changes or {})}

    def run(self, program, *words, env=None, limit=LIMIT):
        try:
            return subprocess.run(self.command(program, *words), cwd=self.folder, env=self.environment(env), stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, errors="replace", timeout=limit)
        except subprocess.TimeoutExpired as e:
            raise Failure(f"it does not end: {e.stdout!r} {e.stderr!r}") from e

    def good(self, program, *words, **more):
        """Standard output of a run that must end well, and say nothing on stderr."""
        r = self.run(program, *words, **more)
        check(r.returncode == 0 and r.stderr == "", f"status {r.returncode}: {r.stderr.strip() or r.stdout.strip()}")
        return r.stdout

    def cases(self, program):
        return self.good(program, "--list").split()


def silent(runner, program, case):
    out = runner.good(program, case)
    check(out == "", f"it says {out!r}")


# --- cases whose output is looked at --------------------------------------------------------------------------

def memory_distance(runner):
    runs = [runner.good("memory", "distance").split() for _ in range(5)]
    distances = [d for run in runs for d in run]
    check(len(distances) == 40 and len(set(distances)) == 40, f"distances that come again: {runs}")


def ends_order(runner):
    wanted = "+lower +upper main -upper -lower again +lower +upper end -upper -lower".split()
    out = runner.good("ends", "order").split()
    check(out == wanted, f"{out}")


def ends_begin_order(runner):
    ends_order(runner)


def at_exit(runner, program, answers):
    out = runner.good(program, "at-exit").split("\n")
    check(out == [*answers, "called at the end", ""], f"{out}")


def ends_at_exit(runner):
    at_exit(runner, "ends", ["7", "8"])


def ends_begin_at_exit(runner):
    """The object that a constructor made comes first: its function is the one that is bound."""
    out = runner.good("ends-begin", "at-exit").split()
    check(out == ["7", "8"], f"{out}")


def ends_atexit_code(runner, program="ends"):
    out = runner.good(program, "atexit-code")
    check(out == "ok\n", f"{out!r}")


def ends_begin_atexit_code(runner):
    ends_atexit_code(runner, "ends-begin")


def ends_begin_in_constructor(runner):
    silent(runner, "ends-begin", "in-constructor")


def events(runner, types):
    to = runner.folder / "events"
    to.write_text("")
    runner.good("seen", "story", env={"LDX_TOOLS": f"./recorder.so,to={to},types={types}"})
    return [json.loads(line) for line in to.read_text().splitlines()]


def seen_story(runner):
    silent(runner, "seen", "story")
    told = events(runner, "all")
    mapped = [e for e in told if e["type"] == "mapped" and e.get("name") == "libjit-story.so"]
    check(len(mapped) == 1, f"mapped: {mapped}")
    made = mapped[0]["object"]
    own = [e["type"] for e in told if e["object"] == made and e["type"] not in ("bind", "dlsym")]
    # "symbols" once because it is global, and for each publish of something
    check(own == ["mapped", "relocated", "load_end", "init", "ready"] + 5 * ["symbols"] + ["dlclose", "fini", "unloaded"],
          f"of the object: {own}")
    begins = [i for i, e in enumerate(told) if e["type"] == "load_begin"]
    ends = [i for i, e in enumerate(told) if e["type"] == "load_end"]
    at = next(i for i, e in enumerate(told) if e is mapped[0])
    check(any(b < at < e for b, e in zip(begins, ends)), "it is not within a load")
    bound = [e for e in told if e["type"] == "bind" and e.get("name") == "jit_answer" and e["other"] == made]
    check(bound, "the binding to its symbol is not told")
    numbers = [e["seq"] for e in told]
    check(numbers == list(range(numbers[0], numbers[0] + len(numbers))), "there are gaps")


def seen_audited(runner):
    r = runner.run("seen", "story", env={"LD_AUDIT": "./auditor.so"})
    check(r.returncode == 0 and "seen.c:" not in r.stderr, f"status {r.returncode}: {r.stderr[-400:]}")
    lines = r.stderr.splitlines()
    opened = [line for line in lines if re.match(r"audit: objopen \d+ lmid 0 cookie map$", line)]
    check(len(opened) == 1, f"opened: {opened}")
    name = opened[0].split()[2]
    closed = [i for i, line in enumerate(lines) if line == f"audit: objclose {name}"]
    check(len(closed) == 1, f"closed: {closed} of {name}: {lines[-20:]}")
    bound = [line for line in lines if f"symbind jit_answer from libjit-user-lazy.so to {name} " in line]
    check(bound, f"the binding is not told: {[line for line in lines if 'jit_answer' in line]}")
    activity = [line.split()[-1] for line in lines if "activity" in line]
    check(activity[-1] == "CONSISTENT" and activity.count("ADD") >= 3, f"{activity}")


def seen_changed(runner):
    def run(**env):
        return runner.run("seen", "changed", env=env)
    loads = "+lower\n+upper\n-upper\n-lower\n"
    for r in run(), run(LD_AUDIT="./changer.so", JIT_CHANGES="1"), run(LDX_TOOLS="./changer.so", JIT_CHANGES="1"):
        check(r.returncode == 0 and r.stderr == "" and r.stdout == loads, f"{r.args} {r.returncode}: {r.stdout}{r.stderr}")


def seen_traced(runner):
    silent(runner, "seen", "traced")
    for what in "all", "bindings", "files", "symbols", "scopes", "statistics", "unused", "versions", "reloc":
        prefix = runner.folder / f"debug-{what}"
        r = runner.run("seen", "traced", env={"LD_DEBUG": what, "LD_DEBUG_OUTPUT": str(prefix)})
        check(r.returncode == 0 and not r.stderr, f"{what}: status {r.returncode}: {r.stderr}")
        text = "".join(p.read_text() for p in runner.folder.glob(f"debug-{what}.*"))
        odd = [line for line in text.splitlines() if not re.match(r" *\d+:(\t|$)", line)]
        check(not odd, f"{what}: lines of another kind: {odd[:5]}")
        if what in ("bindings", "all"):
            check(re.search(r"binding file \./libjit-user-lazy\.so|binding file \S*libjit-user-lazy\.so", text)
                  and re.search(r"to /proc/\d+/fd/\d+ \[0\]: normal symbol `jit_answer'", text), f"{what}: no binding")
        if what in ("symbols", "all"):
            check(re.search(r"symbol=jit_answer;\s+lookup in file=/proc/\d+/fd/\d+ \[0\]", text), f"{what}: no lookup")


class Held:
    """The program of an object with something of everything; leaving the block ends it."""

    def __init__(self, runner, env=None):
        self.process = subprocess.Popen(runner.command("seen", "hold"), cwd=runner.folder, env=runner.environment(env),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        words = self.process.stdout.readline().split()
        if len(words) != 3:
            raise Failure(f"the program does not start: {self.process.communicate()}")
        self.pid, (self.path, self.empty) = int(words[0]), words[1:]

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        try:
            out, err = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        if not kind:
            check(self.process.returncode == 0 and err == "", f"status {self.process.returncode}: {err}")


def readelf(*words):
    r = subprocess.run(["readelf", *words], capture_output=True, text=True, timeout=60)
    check(r.returncode == 0 and r.stderr == "", f"readelf {' '.join(words)}: status {r.returncode}: {r.stderr}")
    complaint = re.search(r".*(?:[Ww]arning|[Ee]rror|<corrupt|invalid).*", r.stdout)
    check(not complaint, f"readelf {' '.join(words)}: {complaint and complaint[0]}")
    return r.stdout


HELD = {f"held_{i}" for i in range(40) if i % 5 or not i}
OTHERS = {"held_weak", "held_follows", "held_version", "held_absolute", "held_data", "held_text"}


def dynamic_symbols(text):
    """Of readelf -D -s: name to the rest of the line."""
    found = {}
    for line in text.splitlines():
        m = re.match(r"\s*\d+: ([0-9a-f]{16})\s+(\S+) (\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)", line)
        if m and m[7]:
            found.setdefault(m[7].split("@")[0], m.groups())
    return found


def seen_hold(runner):
    """B12: while the process lives, its objects are ELF files."""
    with Held(runner) as held:
        for path in held.path, held.empty:
            out = readelf("-lhdDW", path)
            check("There are no sections" in out or "Number of section headers:         0" in out, out)
            check("SONAME" in out and re.search(r"GNU_EH_FRAME", out), out)
            check(not re.search(r"LOAD .*RWE", out), out)
        out = readelf("-sDW", held.path)
        found = dynamic_symbols(out)
        check(HELD | OTHERS <= set(found), f"not there: {(HELD | OTHERS) - set(found)}: {out}")
        gone = {name for name in found if re.fullmatch(r"held_\d+", name)} - HELD
        check(not gone, f"still there: {gone}")
        check("libjit-hold.so" in readelf("-dDW", held.path), "no soname")


def seen_dumped(runner):
    with Held(runner, env={"LDX_CTL": "1"}) as held:
        r = subprocess.run([runner.options.ctl, str(held.pid), "dump"], capture_output=True, text=True, timeout=60)
        check(r.returncode == 0, r.stderr)
        mine = [o for o in json.loads(r.stdout)["objects"] if o["soname"] == "libjit-hold.so"]
        check(len(mine) == 1, f"{mine}")
        check(mine[0]["path"] == held.path and set(mine[0]["flags"]) == {"runtime", "global", "ready"}, f"{mine}")


SPECIAL = {name: function for name, function in globals().items() if name.startswith(("memory_", "ends_", "seen_"))}


def tests(runner):
    """Pairs of a name and a function."""
    taken = set()
    for program in runner.programs:
        for case in runner.cases(program):
            name = f"{program}.{case}"
            own = f"{program}_{case}".replace("-", "_")
            if program == "ends-begin" and own not in SPECIAL:
                continue  # the same as without the object that a constructor makes
            taken.add(own)
            if runner.options.musl and name in NOT_WITH_MUSL:
                continue
            yield name, SPECIAL[own] if own in SPECIAL else lambda r, p=program, c=case: silent(r, p, c)
    for own, function in SPECIAL.items():
        if own not in taken and not runner.options.musl:
            yield own.replace("_", "."), function


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ldx", help="the loader under test")
    parser.add_argument("--ctl", help="ldx-ctl")
    parser.add_argument("--interp-tool", help="ldx-interp")
    parser.add_argument("--built", help="where the programs were built")
    parser.add_argument("--mode", choices=["command", "interp"], default="command")
    parser.add_argument("--musl", action="store_true", help="the programs were built with musl")
    parser.add_argument("--filter", default="", help="only tests whose name matches")
    parser.add_argument("--packages", action="store_true", help="print the Debian packages that the tests stand on")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    if options.packages:
        print("binutils")
        return 0
    failed = count = 0
    with tempfile.TemporaryDirectory(prefix="jit-") as folder:
        runner = Runner(options, folder)
        for name, test in tests(runner):
            if not re.search(options.filter, name):
                continue
            count += 1
            begin = time.monotonic()
            try:
                test(runner)
            except (Failure, subprocess.TimeoutExpired) as e:
                failed += 1
                print(f"FAILED  {name}: {e}", flush=True)
            if options.verbose:
                print(f"{time.monotonic() - begin:6.2f} s  {name}", flush=True)
    print(f"{options.mode}{' with musl' if options.musl else ''}: {count - failed} of {count} tests passed")
    return 0 if count and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
