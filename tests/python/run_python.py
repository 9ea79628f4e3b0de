#!/usr/bin/env python3
"""tools/python/ldx.py: inside a process, from outside, and for policies (X20)."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

if sys.argv[1:] == ["--packages"]:  # Debian packages that the tests stand on
    sys.exit(print("python3 libc-bin coreutils"))

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--ldx", required=True)
parser.add_argument("--interp-tool", required=True)
parser.add_argument("--ctl", required=True)
parser.add_argument("--module", required=True, help="the folder of ldx.py")
parser.add_argument("--way", choices=["command", "interp"], required=True)
options = parser.parse_args()
sys.dont_write_bytecode = True
sys.path.insert(0, options.module)
os.environ.update(LDX_PROGRAM=options.ldx, LDX_CTL_PROGRAM=options.ctl)
import ldx

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"
failed = 0


def check(good, text):
    global failed
    failed += not good
    print(f"{'ok      ' if good else 'FAILED  '}{text}")


with tempfile.TemporaryDirectory() as folder:
    if options.way == "interp":
        python = os.path.join(folder, "python3")
        subprocess.run([options.interp_tool, "--set", options.ldx, "-o", python, os.path.realpath(PYTHON)], check=True)
        command = [python]
        env = dict(os.environ, PYTHONHOME="/usr")
    else:
        command = [options.ldx, PYTHON]
        env = dict(os.environ)
    r = subprocess.run([*command, "-B", os.path.join(HERE, "inside.py"), options.module], capture_output=True, text=True,
                       timeout=120, env=env)
    check(r.returncode == 0, f"runs {r.stderr[-500:]}")
    said = json.loads(r.stdout or "{}")
    if said:
        check(said["active"] and said["tools"] == ["python"], "is a tool of its own")
        numbers = said["numbers"]
        check(len(numbers) > 5 and numbers == list(range(numbers[0], numbers[0] + len(numbers))), "numbers have no gaps")
        check(any("_sqlite3" in p for p in said["mapped"]), "hears of what another thread loads")
        check(any("/nonexistent.so" in e for e in said["failed"]) and "/nonexistent.so" in said["dlopen"],
              f"hears of what fails: {said['failed']}")
        check(said["binds"] > 50, "hears of bindings")
        known = {os.path.realpath(p) for p in said["objects"]}
        check(not {p for p in map(os.path.realpath, said["maps"]) if p.endswith(".so") and p not in known},
              "knows all that is mapped")
        check(said["tid"] in said["threads"], "knows its thread")
        check("no such event: dance" in (said["refused"] or ""), "names an event that there is not")

    p = subprocess.Popen([*command, "-c", "import time; print('ready', flush=True); time.sleep(30)"],
                         stdout=subprocess.PIPE, text=True, env=env)
    p.stdout.readline()
    try:
        check(ldx.dump(p.pid)["pid"] == p.pid, "asks another process")
        check(ldx.history(p.pid) == [], "which has no history without tools")
    finally:
        p.kill()
        p.wait()
    try:
        ldx.dump(2 ** 22 - 1)
        check(False, "no process")
    except ldx.Error as e:
        check("no such process" in str(e), "names a process that there is not")

check(not ldx.active(), "knows that this process is not ldx's")
try:
    ldx.objects()
    check(False, "no ldx")
except ldx.Error as e:
    check("not started by ldx" in str(e), "says so")
denied = ldx.run(["/bin/ls", "/"], policy=ldx.Policy().deny("libpcre2*", why="not here"), capture_output=True, text=True)
check(denied.returncode == 127 and "denied by tool policy: not here" in denied.stderr, "a policy denies")
with tempfile.TemporaryDirectory() as folder:
    other = os.path.join(folder, "libpcre2-8.so.0")
    real = [line.split()[2] for line in subprocess.run(["ldd", "/bin/ls"], capture_output=True, text=True).stdout.splitlines()
            if "libpcre2-8" in line][0]
    subprocess.run(["cp", real, other], check=True)
    listed = ldx.run(["/bin/ls", "/"], policy=ldx.Policy().rewrite("libpcre2-8.so.*", folder + "/$0"), options=["--list"],
                     capture_output=True, text=True)
    check(other in listed.stdout, "a policy rewrites")
print(f"{failed} failed")
sys.exit(bool(failed))
