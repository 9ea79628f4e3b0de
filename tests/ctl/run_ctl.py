#!/usr/bin/env python3
"""ldx-ctl against running processes: started by ldx as a command or as PT_INTERP, with and without a control thread."""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time

if sys.argv[1:] == ["--packages"]:  # Debian packages that the tests stand on
    sys.exit(print("binutils gdb util-linux"))

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--ldx", required=True)
parser.add_argument("--ctl", required=True)
parser.add_argument("--folder", required=True, help="where the test programs were built")
parser.add_argument("--way", choices=["command", "interp"], required=True)
parser.add_argument("cases", nargs="*")
options = parser.parse_args()

LIBRARY = os.path.join(options.folder, "libctlpiece.so")
TOOL = os.path.join(options.folder, "counter.so")
failed = []


def check(good, text):
    if not good:
        raise AssertionError(text)


class Worker:
    """A running test program; leaving the block ends it and checks what it says of itself."""

    def __init__(self, *args, env=None, plain=False, program="worker"):
        path = os.path.join(options.folder, program if options.way == "command" or plain else program + "-interp")
        command = [path, *args]
        if options.way == "command" and not plain:
            command = [options.ldx, *command]
        self.env = dict(os.environ, **(env or {}))
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, env=self.env)
        self.pid = self.process.pid
        check(self.process.stdout.readline() == "ready\n", "the program does not start")

    def __enter__(self):
        return self

    def end(self):
        out, self.errors = self.process.communicate(timeout=30)
        return out, self.process.returncode

    def __exit__(self, kind, *rest):
        if kind:
            self.process.kill()
            self.process.communicate()
            return
        if self.process.returncode is None:
            out, status = self.end()
            check(out.endswith("wrong 0\n") and status == 0, f"the program noticed: {out!r} {self.errors!r} {status}")

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))


def ctl(pid, *words, status=0):
    r = subprocess.run([options.ctl, str(pid), *words], capture_output=True, text=True, timeout=60)
    check(r.returncode == status, f"ldx-ctl {' '.join(words)}: status {r.returncode}: {r.stderr}")
    return r.stdout if status == 0 else r.stderr


def mapped_files(pid):
    with open(f"/proc/{pid}/maps") as maps:
        return {line.split(maxsplit=5)[5].strip() for line in maps if re.search(r"\.so(\.\d+)*$", line.strip())}


def case_brought_in():
    for what in (["wait"], ["spin"], ["busy"], ["sleep"], ["load", LIBRARY]):
        with Worker(*what) as w:
            for _ in range(3):
                ctl(w.pid, "ping")


def case_there_from_the_start():
    with Worker("wait", env={"LDX_CTL": "1"}) as w:
        check(w.threads() == 2, "no control thread")
        ctl(w.pid, "ping")
        check(w.threads() == 2, "one more thread")


def case_none_unasked():
    with Worker("wait") as w:
        check(w.threads() == 1, "a thread that nobody asked for")


def case_guest_goes_again():
    with Worker("wait") as w:
        ctl(w.pid, "ping")
        deadline = time.monotonic() + 60
        while w.threads() > 1 and time.monotonic() < deadline:
            time.sleep(0.2)
        check(w.threads() == 1, "the control thread stays")
        ctl(w.pid, "ping")


def case_asked_while_it_forks():
    for env in {"LDX_CTL": "1"}, {}:
        with Worker("fork", LIBRARY, env=env) as w:
            for _ in range(300):
                ctl(w.pid, "dump")


def case_child_of_fork():
    with Worker("child", env={"LDX_CTL": "1"}) as w:
        child = int(w.process.stdout.readline())
        check(json.loads(ctl(child, "dump"))["pid"] == child, "another process answers for the child")
        check(json.loads(ctl(w.pid, "dump"))["pid"] == w.pid, "another process answers for the parent")


def case_descriptors_closed():
    with Worker("close", env={"LDX_CTL": "1"}) as w:
        for _ in range(3):
            ctl(w.pid, "ping")


def case_no_signal_is_lost():
    with Worker("signals") as w:
        for _ in range(3):
            ctl(w.pid, "ping")
            deadline = time.monotonic() + 60
            while w.threads() > 1 and time.monotonic() < deadline:
                time.sleep(0.1)


def case_thread_tells_tools_of_itself():
    with Worker("wait", env={"LDX_CTL": "1", "LDX_TOOLS": f"{TOOL},all"}) as w:
        kinds = [json.loads(line)["type"] for line in ctl(w.pid, "history").splitlines()]
        check(kinds, "no events")
    with Worker("wait", env={"LDX_TOOLS": f"{TOOL},all"}) as w:
        ctl(w.pid, "ping")
        deadline = time.monotonic() + 60
        while w.threads() > 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        ctl(w.pid, "ping")


def case_dump():
    with Worker("busy") as w:
        state = json.loads(ctl(w.pid, "dump"))
        check(state["pid"] == w.pid, "another process")
        paths = {os.path.realpath(o["path"]) for o in state["objects"] if o["path"].startswith("/")}
        missing = {p for p in mapped_files(w.pid) if os.path.realpath(p) not in paths}
        check(not missing, f"not told of: {missing}")
        tids = {t["tid"] for t in state["threads"]}
        check({int(t) for t in os.listdir(f"/proc/{w.pid}/task")} <= tids, "threads are missing")
        check(any(t["module"] for t in state["tls"]), "no thread-local storage")


def case_dump_as_gdb_sees_it():
    with Worker("busy", env={"LDX_CTL": "1"}) as w:
        state = json.loads(ctl(w.pid, "dump"))
        gdb = subprocess.run(["gdb", "-q", "-nx", "-batch", "-p", str(w.pid), "-ex", "info sharedlibrary", "-ex",
                              "info threads"], capture_output=True, text=True, timeout=60)
        listed = set(re.findall(r"^0x\S+\s+0x\S+\s+\S+(?:\s+\(\*\))?\s+(/\S+)$", gdb.stdout, re.M))
        ours = {o["path"] for o in state["objects"] if o["path"].startswith("/") and not o["flags"].count("loader")}
        check(listed and ours <= {p for p in listed} | {os.path.realpath(options.ldx)},
              f"gdb: {sorted(listed)}, ldx: {sorted(ours)}")
        shown = set(map(int, re.findall(r"\(LWP (\d+)\)|LWP (\d+)", gdb.stdout) and
                        re.findall(r"LWP (\d+)", gdb.stdout)))
        told = {t["tid"] for t in state["threads"]}
        check(shown and told <= shown, f"gdb: {shown}, ldx: {told}")


def case_tool_loaded():
    with Worker("load", LIBRARY) as w:
        ctl(w.pid, "tool", "load", TOOL)
        listed = ctl(w.pid, "tools")
        check("counter\tready" in listed, f"tools: {listed!r}")
        tools = json.loads(ctl(w.pid, "dump"))["tools"]
        check([t for t in tools if t["name"] == "counter" and t["version"] == "late"], f"tools: {tools}")
        loaded = json.loads(ctl(w.pid, "dump"))["events"]["next"]
        deadline = time.monotonic() + 60
        while not {"mapped", "unloaded"} <= {json.loads(line)["type"] for line in ctl(w.pid, "history", str(loaded)).splitlines()}:
            check(time.monotonic() < deadline, "nothing is loaded")
            time.sleep(0.1)
        out, status = w.end()
        check(status == 0 and out.endswith("wrong 0\n"), f"{out} {status}")
        check("counter: mapped some, unloaded some, letters some" in w.errors, w.errors)


def case_tool_disabled():
    with Worker("load", LIBRARY) as w:
        ctl(w.pid, "tool", "load", TOOL)
        ctl(w.pid, "tool", "disable", "counter")
        out, status = w.end()
        check(status == 0 and "counter:" not in w.errors, f"{out} {w.errors}")


def case_history():
    with Worker("wait", env={"LDX_CTL": "1", "LDX_TOOLS": TOOL}) as w:
        events = [json.loads(line) for line in ctl(w.pid, "history").splitlines()]
        numbers = [e["seq"] for e in events]
        check(numbers == list(range(1, len(numbers) + 1)) and numbers, f"gaps: {numbers}")
        later = [json.loads(line)["seq"] for line in ctl(w.pid, "history", "5").splitlines()]
        check(later and later[0] == 5, f"from 5: {later[:3]}")


def case_errors():
    with Worker("wait") as w:
        check("cannot open shared object file" in ctl(w.pid, "tool", "load", "/nonexistent.so", status=1), "")
        check("is no tool" in ctl(w.pid, "tool", "load", LIBRARY, status=1), "")
        check("no such tool" in ctl(w.pid, "tool", "disable", "nobody", status=1), "")
        check("unknown request" in ctl(w.pid, "dance", status=1), "")
        ctl(w.pid, "ping")
    check("no such process" in ctl(2 ** 22 - 1, "ping", status=2), "")
    with Worker("wait", plain=True) as w:
        check("not started by ldx" in ctl(w.pid, "ping", status=2), "")
    for words in ([], ["x", "ping"], ["1"]):
        r = subprocess.run([options.ctl, *words], capture_output=True, text=True, timeout=10)
        check(r.returncode == 2 and "--help" in r.stderr, r.stderr)


def output_of(*command):
    """Of a program that has nothing to complain of."""
    r = subprocess.run(command, capture_output=True, text=True, timeout=60)
    complaint = re.search(r".*(?:warning|error|<unknown|<corrupt|invalid).*", r.stdout + r.stderr, re.I)
    check(r.returncode == 0 and r.stderr == "" and not complaint,
          f"{' '.join(command)}: status {r.returncode}: {r.stderr} {complaint and complaint[0]}")
    return r.stdout


MADE = {f"made_{i}" for i in range(1000) if not 100 <= i < 200} | {
    "made_data", "made_text", "made_weak", "made_absolute", "made_follows"}
CALL = "import ctypes, sys; l = ctypes.CDLL(sys.argv[1]); print(l.made_7(), l.made_999(), ctypes.c_int.in_dll(l, 'made_data').value)"


def case_saved_object():
    with Worker(program="made") as w, tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "saved.so")
        ctl(w.pid, "save", "libctl-made.so", file)
        output_of("readelf", "-aW", "--debug-dump=frames", file)
        names = {line.split()[-1]: line.split() for line in output_of("nm", file).splitlines()}
        check(set(names) == MADE | {"made_version"}, f"nm: {set(names) ^ MADE}")
        kinds = {name: names[name][1] for name in ("made_7", "made_weak", "made_data", "made_text", "made_absolute")}
        check(list(kinds.values()) == list("TWDRA"), f"nm: {kinds}")
        dynamic = set(re.sub("@@?", "@", line.split()[-1]) for line in output_of("nm", "-D", file).splitlines())
        check(dynamic == MADE | {"made_version@MADE_1", "made_version@MADE_2"}, f"nm -D: {dynamic ^ MADE}")
        code = output_of("objdump", "-d", "--no-show-raw-insn", file)
        for i in 0, 7, 99, 200, 999:
            check(re.search(rf"<made_{i}>:\n.*\smov +\$0x{i:x},%eax\n.*\sret", code), f"objdump: made_{i}: {code[:2000]}")
        at = names["made_7"][0]
        out = output_of("gdb", "-nx", "-batch", "-ex", f"info symbol 0x{at}", "-ex", "x/dw &made_data", "-ex", "x/s &made_text", file)
        check("made_7 in section .text" in out and "4711" in out and '"what was made"' in out, f"gdb: {out}")
        with open(f"/proc/{w.pid}/maps") as maps:
            lines = [line.split() for line in maps if "libctl-made.so" in line]
        inside = [line[1] for line in lines if int(line[0].split("-")[0], 16) <= int(at, 16) < int(line[0].split("-")[1], 16)]
        check(len(inside) == 1 and inside[0].startswith("r-x"), f"made_7 is not at {at}: {lines}")
        check(output_of(sys.executable, "-c", CALL, file) == "7 999 4711\n", "it cannot be loaded")


def case_saved_by_path_and_while_it_changes():
    with Worker(program="made", env={"LDX_CTL": "1"}) as w, tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, name) for name in ("a", "b")]
        state = json.loads(ctl(w.pid, "dump"))
        made = {o["soname"]: o["path"] for o in state["objects"] if "runtime" in o["flags"]}
        check(set(made) == {"libctl-made.so", "libctl-empty.so", "changing object"}, f"{made}")
        for name, path in made.items():
            ctl(w.pid, "save", path, files[0])
            ctl(w.pid, "save", name, files[1])
            check(f"[{name}]" in output_of("readelf", "-aW", files[0]), f"another object than {name}")
            output_of("readelf", "-aW", files[1])
        for _ in range(30):
            ctl(w.pid, "save", "changing object", files[0])
            output_of("readelf", "-aW", "--debug-dump=frames", files[0])
            names = [line.split()[-1] for line in output_of("nm", files[0]).splitlines()]
            check(len(names) == len(set(names)) and len(names) in (15, 16), f"{names}")


def case_save_errors():
    with Worker(program="made") as w, tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "saved.so")
        for name in "libc.so.6", "nobody.so", "", "/proc/self/exe":
            check("no such object made at run time" in ctl(w.pid, "save", name, file, status=1), name)
        check(not os.path.exists(file), "a file for nothing")
        check("No such file" in ctl(w.pid, "save", "libctl-made.so", folder + "/none/file", status=2), "")
        check("No space" in ctl(w.pid, "save", "libctl-made.so", "/dev/full", status=2), "")
        check("an object and a file" in ctl(w.pid, "save", "libctl-made.so", status=2), "")
    with Worker("wait") as w:
        check("no such object" in ctl(w.pid, "save", "libctl-made.so", "/dev/null", status=1), "")


def case_other_user():
    if os.geteuid():
        return
    with Worker("wait", env={"LDX_CTL": "1"}) as w:
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            copy = os.path.join(folder, "ctl")
            subprocess.run(["install", "-m", "755", options.ctl, copy], check=True)
            r = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy, str(w.pid), "ping"],
                               capture_output=True, text=True, timeout=30)
            check(r.returncode == 1 and "not allowed" in r.stderr, f"{r.returncode} {r.stderr}")


for name, function in sorted(globals().items()):
    if not name.startswith("case_") or (options.cases and name[5:] not in options.cases):
        continue
    try:
        function()
        print(f"ok      {name[5:]}")
    except (AssertionError, subprocess.TimeoutExpired, ValueError, KeyError) as e:
        failed.append(name)
        print(f"FAILED  {name[5:]}: {e}")
print(f"{len(failed)} failed")
sys.exit(bool(failed))
