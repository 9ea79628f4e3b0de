#!/usr/bin/env python3
"""--trace, LDX_TRACE and "events" of a policy: events as lines of JSON."""

import argparse
import json
import os
import subprocess
import sys
import tempfile

if sys.argv[1:] == ["--packages"]:  # Debian packages that the tests stand on
    sys.exit(print(""))

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--ldx", required=True)
parser.add_argument("--interp-program", required=True, help="a program that names ldx as its loader")
parser.add_argument("--program", required=True, help="the same, for `ldx PROGRAM`")
parser.add_argument("--way", choices=["command", "interp"], required=True)
options = parser.parse_args()
failed = 0


def check(good, text):
    global failed
    failed += not good
    print(f"{'ok      ' if good else 'FAILED  '}{text}")


def run(*words, does="wait", **env):
    command = [options.ldx, *words, options.program] if options.way == "command" else [options.interp_program]
    command.append(does)
    return subprocess.run(command, capture_output=True, text=True, input="", timeout=60, env=dict(os.environ, **env))


def events(text):
    return [json.loads(line) for line in text.splitlines()]


r = run(LDX_TRACE="mapped,main,exit")
got = events(r.stderr)
check(r.returncode == 0 and {e["type"] for e in got} == {"mapped", "main", "exit"}, "the variable names types")
check(any(e["type"] == "mapped" and e["path"].endswith("/libc.so.6") for e in got), "libraries have their path")
check([e["seq"] for e in got] == sorted({e["seq"] for e in got}), "numbers rise")
r = run(LDX_TRACE="load_*")
check([e["type"] for e in events(r.stderr)] == ["load_begin", "load_end"], "patterns")
r = run(LDX_TRACE="dance")
check(r.returncode == 127 and "no event is called 'dance'" in r.stderr and r.stderr.count("\n") == 1, "no such type")
if options.way == "command":
    r = run("--trace", "main")
    check([e["type"] for e in events(r.stderr)] == ["main"], "the option")
    r = run("--trace=main", LDX_TRACE="mapped")
    check([e["type"] for e in events(r.stderr)] == ["main"], "the option goes before the variable")
with tempfile.TemporaryDirectory() as folder:
    log, policy = os.path.join(folder, "log"), os.path.join(folder, "policy.json")

    def with_policy(where, types, does="wait"):
        with open(policy, "w") as f:
            json.dump({"version": 1, "events": {"log": where, "types": types}}, f)
        return run(does=does, LDX_POLICY=policy)

    r = with_policy("file:" + log, ["bind"])
    lines = events(open(log).read())
    check(r.returncode == 0 and r.stderr == "" and len(lines) > 10 and {e["type"] for e in lines} == {"bind"}, "a file")
    with_policy("file:" + log, ["main"])
    check(len(events(open(log).read())) == len(lines) + 1, "which is appended to")
    before = len(events(open(log).read()))
    r = with_policy("file:" + log, ["start", "dlopen"], does="close")
    later = [e["type"] for e in events(open(log).read())[before:]]
    check(r.returncode == 0 and r.stdout.endswith("wrong 0\n") and later == ["start"],
          f"not into what the program opens instead: {r.stdout!r} {later}")
    r = with_policy("stderr", ["exit"])
    check([e["type"] for e in events(r.stderr)] == ["exit"], "stderr")
    r = with_policy("fd:1", ["main"])
    check('"type": "main"' in r.stdout, "a descriptor")
    r = with_policy("file:/nonexistent/log", ["main"])
    check(r.returncode == 127 and "/nonexistent/log: cannot write events: No such file or directory" in r.stderr,
          f"a file that cannot be {r.stderr}")
    r = with_policy("file:/dev/full", ["main"])
    check(r.returncode == 0, "a full disk")
reader, writer = os.pipe()
os.close(reader)
command = [options.ldx, options.program] if options.way == "command" else [options.interp_program]
r = subprocess.run(command, stdout=subprocess.PIPE, stderr=writer, input="", text=True, timeout=60,
                   env=dict(os.environ, LDX_TRACE="*"))
os.close(writer)
check(r.returncode == 0 and "wrong 0" in r.stdout, f"a pipe that nobody reads {r.returncode}")
r = run()
check(r.stderr == "", "nothing unasked")
print(f"{failed} failed")
sys.exit(bool(failed))
