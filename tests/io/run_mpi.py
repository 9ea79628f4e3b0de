#!/usr/bin/env python3
"""Files opened once for all ranks: with each MPI, strace of every rank tells who opens what."""

import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

RANKS = 4
TIMEOUT = 120
PACKAGES = "gdb libmpich-dev libopenmpi-dev mpich openmpi-bin python3 strace"
CALLS = "open,openat,stat,lstat,newfstatat,statx,access,faccessat,readlink,readlinkat"
# What is loaded before the tool can answer: the program, the tool, and what the tool itself needs.
EARLY = ("ld-linux-x86-64.so.2", "libldx-coll.so", "ld.so.cache", "libc.so.6")
RANK_SCRIPT = """#!/bin/sh
exec strace -f -o %s/trace.${PMI_RANK-$OMPI_COMM_WORLD_RANK} -e trace=%s "$@"
"""


# Also in a child of fork, in another folder, and beside a process that is started.
PYTHON = """
import json, ctypes, os, subprocess, iopack.two
child = os.fork()
if child == 0:
    os.chdir("/")
    import iopack.child
    os._exit(iopack.child.value)
status = os.waitpid(child, 0)[1]
words = subprocess.run(["/bin/echo", "from echo"], capture_output=True, text=True).stdout
assert os.waitstatus_to_exitcode(status) == 7 and words == "from echo\\n", (status, words)
print(json.dumps(iopack.two.value))
"""


class Job:
    """One parallel run: each rank's output, and the system calls of each."""

    def __init__(self, runner, mpi, program, tool=None, preload=None, words=(), environment=None):
        for trace in glob.glob(runner.path("trace.*")) + glob.glob(runner.path("log")):
            os.remove(trace)
        variables = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", LC_ALL="C")
        variables.update(environment or {})
        command = ["mpiexec." + mpi] + (["--oversubscribe"] if mpi == "openmpi" else []) + ["-n", str(RANKS)]
        command += [runner.path("rank")]
        if runner.mode == "command":
            command += [runner.ldx] + (["--tool", tool] if tool else []) + (["--preload", preload] if preload else [])
        elif tool:
            variables["LDX_TOOLS"] = tool
        elif preload:
            variables["LDX_TEST_PRELOAD"] = preload
        if runner.mode == "interp" and preload:  # for the program only: strace and the shell have another libc's loader
            command += ["env", "LD_PRELOAD=" + preload]
        command += [program, *words]
        self.result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False, env=variables)
        self.lines = {r: self.read(runner.path(f"trace.{r}")) for r in range(RANKS)}

    @staticmethod
    def read(path):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.readlines()
        except FileNotFoundError:
            return []

    def touched(self, rank, pattern):
        return [line for line in self.lines[rank] if re.search(pattern, line)]

    def opened(self, rank, pattern):
        return [line for line in self.touched(rank, r'open(at)?\(.*"[^"]*' + pattern) if "ENOENT" not in line]

    def output(self):
        return sorted(line for line in self.result.stdout.splitlines() if line)


class Runner:
    def __init__(self, args, work):
        self.ldx, self.mode, self.work, self.tools, self.interp_tool = args.ldx, args.mode, work, args.tools, args.interp_tool
        for path in glob.glob(os.path.join(args.built, "mpi-*")) + glob.glob(os.path.join(args.built, "libio-part*.so")):
            if os.path.isfile(path):
                shutil.copy(path, work)
        for name in ("providers", "libio-a.so", "libio-b.so"):
            shutil.copy(os.path.join(args.built, name), work)
        for path in glob.glob(self.path("mpi-*")) + [self.path("providers")]:
            self.prepare(path)
        with open(self.path("rank"), "w", encoding="ascii") as file:
            file.write(RANK_SCRIPT % (work, CALLS))
        os.chmod(self.path("rank"), 0o755)

    def path(self, name):
        return os.path.join(self.work, name)

    def prepare(self, program):
        if self.mode == "interp":
            subprocess.run([self.interp_tool, "--set", self.ldx, program], check=True)
        return program

    def tool(self, *words):
        return ",".join([os.path.join(self.tools, "libldx-coll.so"), "log=" + self.path("log"), *words])


def same_everywhere(job, line, status=0):
    if job.result.returncode != status or job.output() != [line] * RANKS:
        return f"status {job.result.returncode}, {job.output()}, {job.result.stderr[-2000:]}"
    return None


def opened_by_first_only(job, pattern, least):
    if len(job.opened(0, pattern)) < least:
        return f"rank 0 opened {len(job.opened(0, pattern))} files like {pattern}"
    for rank in range(1, RANKS):
        if not job.lines[rank]:
            return f"no trace of rank {rank}"
        if job.touched(rank, pattern):
            return f"rank {rank}: {job.touched(rank, pattern)[:3]}"
    return None


def early_only(job):
    for rank in range(1, RANKS):
        others = [line for line in job.touched(rank, r'open.*\.so[".]') if not any(name in line for name in EARLY)]
        others = [line for line in others if line.find("strace") < 0 and line.find("libpreload") < 0]
        if others:
            return f"rank {rank}: {others[:3]}"
    return None


MISSING = "libio-missing.so: cannot open shared object file: No such file or directory"


def check_start(runner, mpi):
    job = Job(runner, mpi, runner.path("mpi-start-" + mpi), tool=runner.tool())
    error = same_everywhere(job, f"sum {10 * RANKS + RANKS * (RANKS - 1) // 2}, later 1: " + MISSING)
    error = error or opened_by_first_only(job, r"libio-part\d", 6) or early_only(job)
    with open(runner.path("log"), encoding="utf-8") as file:
        log = file.read()
    for rank in range(RANKS):
        if not re.search(rf"rank {rank} open \S*libio-part3.so \d+ bytes, error 0", log):
            return error or f"the log does not say that rank {rank} got libio-part3.so"
    if len(re.findall(r"open \S*libio-part3.so .*from file system", log)) != 1:
        return error or "the log does not say that libio-part3.so was read once"
    return error


def check_missing(runner, mpi):
    os.rename(runner.path("libio-part4.so"), runner.path("gone"))
    try:
        job = Job(runner, mpi, runner.path("mpi-start-" + mpi), tool=runner.tool())
    finally:
        os.rename(runner.path("gone"), runner.path("libio-part4.so"))
    text = "libio-part4.so: cannot open shared object file: No such file or directory"
    told = [line for line in job.result.stderr.splitlines() if text in line]
    # Open MPI ends the others when the first has failed
    if job.result.returncode == 0 or len(set(told)) != 1 or (mpi == "mpich" and len(told) != RANKS):
        return f"status {job.result.returncode}: {job.result.stderr}"
    return None


def check_late(runner, mpi):
    library = os.path.join(runner.tools, f"libldx-coll-{mpi}.so")
    job = Job(runner, mpi, runner.path("mpi-late-" + mpi), preload=library, environment={"LDX_COLL_PATHS": runner.work})
    return same_everywhere(job, f"sum {15 * RANKS}: " + MISSING) or opened_by_first_only(job, r"libio-part\d", 6)


def check_python(runner, mpi):
    package = runner.path("package/iopack")
    os.makedirs(package, exist_ok=True)
    for name, text in {"__init__": "from . import one", "one": "from . import two", "two": "value = 42", "child": "value = 7"}.items():
        with open(os.path.join(package, name + ".py"), "w", encoding="ascii") as file:
            file.write(text + "\n")
    python = "/usr/bin/python3"
    if runner.mode == "interp":
        python = runner.prepare(shutil.copy(os.path.realpath(python), runner.path("python3")))
    words = ["-c", PYTHON]
    environment = {"PYTHONPATH": runner.path("package"), "PYTHONHOME": "/usr", "PYTHONDONTWRITEBYTECODE": "1"}
    job = Job(runner, mpi, python, tool=runner.tool("files=*.py+*.pyc+*.so*+*/"), words=words, environment=environment)
    error = same_everywhere(job, "42") or opened_by_first_only(job, r"iopack/two\.py", 1)
    for rank in range(1, RANKS):
        if job.touched(rank, r'open.*\.(py|pyc|so)"') and not error:
            lines = [x for x in job.touched(rank, r'open.*\.(py|pyc|so)"') if not any(name in x for name in EARLY)]
            error = f"rank {rank}: {lines[:3]}" if lines else None
    return error


def check_session(runner, mpi):
    session = "session=" + runner.path("session-" + mpi)
    first = Job(runner, mpi, runner.path("mpi-start-" + mpi), tool=runner.tool(session))
    second = Job(runner, mpi, runner.path("mpi-start-" + mpi), tool=runner.tool(session))
    if first.output() != second.output() or len(first.output()) != RANKS or not first.opened(0, r"libio-part\d"):
        return f"{first.output()} {second.output()}"
    for rank in range(RANKS):
        if second.touched(rank, r"libio-part\d"):
            return f"second run, rank {rank}: {second.touched(rank, r'libio-part')[:3]}"
    return None


def check_absent(runner, mpi):
    """Forty folders to search: each is read once, and nothing is looked for that is not there."""
    folders = [runner.path(f"d{i}") for i in range(40)]
    for folder in folders:
        os.makedirs(folder, exist_ok=True)
    job = Job(runner, mpi, runner.path("mpi-absent-" + mpi), tool=runner.tool())
    failing = job.touched(0, r"open.*/d\d+/\S+ENOENT")
    others = [line for rank in range(1, RANKS) for line in job.touched(rank, r"/d\d+")]
    if failing or others or job.result.returncode or len(job.opened(0, r'/d\d+"')) != len(folders):
        return f"failing: {failing[:3]}; others: {others[:3]}; {len(job.opened(0, '/d'))} folders; {job.result.stderr[-500:]}"
    return None


def check_debugger(runner):
    """The bytes come from memory, the names and symbols are those of the file."""
    program, library = runner.path("providers"), runner.path("libio-a.so")
    tool = runner.tool(f"job=debugger-{os.getpid()}", "rank=0", "ranks=1")
    command = ["gdb", "-q", "-batch", "-nx", "-ex", "set breakpoint pending on", "-ex", "set startup-with-shell off"]
    command += ["-ex", "set environment LDX_TOOLS " + tool] if runner.mode == "interp" else []
    command += ["-ex", "break io_value", "-ex", "run", "-ex", "bt", "-ex", "info sharedlibrary", "-ex", "info proc mappings", "--args"]
    command += [runner.ldx, "--tool", tool] if runner.mode == "command" else []
    result = subprocess.run(command + [program, "cycles", runner.work], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    lines = result.stdout.splitlines()
    listed = any(line.endswith(library) and " Yes " in line for line in lines)
    where = any(re.search(r"#0 .*io_value \(\).*libio-a\.so", line) for line in lines)
    from_memory = any("memfd:libio-a.so" in line for line in lines)
    return None if listed and where and from_memory else f"{listed}, {where}, {from_memory}:\n{result.stdout[-3000:]}{result.stderr[-500:]}"


def check_policy(runner):
    """Rules of the policy for the provider stand in for what the tool says."""
    policy, library = runner.path("policy.json"), runner.path("libio-a.so")
    with open(policy, "w", encoding="ascii") as file:
        file.write('{"version": 1, "io": [{"provider": "coll", "paths": ["%s"]}]}' % library)
    tool = runner.tool(f"job=policy-{os.getpid()}", "rank=0", "ranks=1")
    environment = dict(os.environ, LDX_POLICY=policy)
    command = [runner.ldx] if runner.mode == "command" else []
    if os.path.exists(runner.path("log")):
        os.remove(runner.path("log"))
    result = subprocess.run(command + [runner.path("providers"), "cycles", runner.work], capture_output=True, text=True,
                            timeout=TIMEOUT, check=False, env=dict(environment, LDX_TOOLS=tool))
    with open(runner.path("log"), encoding="utf-8") as file:
        paths = {line.split()[3] for line in file}
    return None if result.returncode == 0 and paths == {library} else f"{paths}, {result.returncode}: {result.stderr}"


def main():
    if sys.argv[1:] == ["--packages"]:
        print(PACKAGES)
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ldx", required=True)
    parser.add_argument("--mode", choices=["command", "interp"], required=True)
    parser.add_argument("--built", required=True, help="folder of the built programs")
    parser.add_argument("--tools", required=True, help="folder of libldx-coll*.so")
    parser.add_argument("--interp-tool", required=True, help="ldx-interp: sets a program's interpreter")
    args = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        runner = Runner(args, os.path.realpath(work))
        for check in (check_debugger, check_policy):
            error = check(runner)
            failed += error is not None
            print(f"{check.__name__[6:]}: {error or 'ok'}", flush=True)
        for mpi in ("mpich", "openmpi"):
            if not shutil.which("mpiexec." + mpi):
                print(f"{mpi} is not installed")
                failed += 1
                continue
            for check in (check_start, check_missing, check_late, check_python, check_session, check_absent):
                error = check(runner, mpi)
                failed += error is not None
                print(f"{mpi}, {check.__name__[6:]}: {error or 'ok'}", flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
