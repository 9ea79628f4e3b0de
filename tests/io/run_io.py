#!/usr/bin/env python3
"""Providers of file-system calls: what they are asked is what the kernel would be, and what they make up it never sees."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

TIMEOUT = 120
PACKAGES = "strace"
CASES = ["counts", "nested", "made_up", "strange", "cycles", "collfs", "slots", "spindle", "calls"]
CALLS = "open,openat,close,close_range,read,pread64,fstat,newfstatat,stat,mmap,munmap,access,readlink"


class Runner:
    def __init__(self, args, work):
        self.ldx, self.mode, self.work = args.ldx, args.mode, work
        for name in os.listdir(args.built):
            if name.endswith(".so") or name == "providers":
                shutil.copy(os.path.join(args.built, name), work)
        if self.mode == "interp":
            subprocess.run([args.interp_tool, "--set", self.ldx, self.path("providers")], check=True)
        with open(self.path("libio-a.so"), "rb") as file:
            whole = file.read()
        open(self.path("empty.so"), "wb").close()
        with open(self.path("cut.so"), "wb") as file:
            file.write(whole[: len(whole) // 3])
        shutil.copy(self.path("libio-b.so"), self.path("libio-refused.so"))
        os.symlink("libio-a.so", self.path("alias.so"))
        os.link(self.path("libio-a.so"), self.path("second-name.so"))
        with open(self.path("text.py"), "w", encoding="ascii") as file:
            file.write("print('text')\n")
        os.makedirs(self.path("folder"), exist_ok=True)

    def path(self, name):
        return os.path.join(self.work, name)

    def command(self, program, *words):
        return ([self.ldx] if self.mode == "command" else []) + [self.path(program), *words]

    def run(self, command, **options):
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False, **options)

    def traced(self, command):
        log = self.path("strace.log")
        result = self.run(["strace", "-f", "-o", log, "-e", "trace=" + CALLS + ",write", *command])
        with open(log, encoding="utf-8", errors="replace") as file:
            return result, [re.sub(r"^\d+ +", "", line) for line in file]


def between_marks(lines):
    marks = [i for i, line in enumerate(lines) if '"mark"' in line]
    return lines[marks[0] + 1 : marks[1]] if len(marks) == 2 else None


def check_counts(runner):
    result, lines = runner.traced(runner.command("providers", "counts", runner.work))
    lines = between_marks(lines)
    if result.returncode or lines is None:
        return f"status {result.returncode}: {result.stderr}"
    told = dict(line.split() for line in result.stdout.splitlines() if " " in line)
    # allocations of ldx and libc are anonymous, and neither fixed nor of a file
    seen = {
        "open": sum(line.startswith("openat(") for line in lines),
        "close": sum(line.startswith("close(") for line in lines),
        "read": sum(line.startswith("read(") for line in lines),
        "pread": sum(line.startswith("pread64(") for line in lines),
        "fstat": sum(line.startswith("fstat(") or 'newfstatat(3, ""' in line for line in lines),
        "stat": sum(line.startswith("newfstatat(AT_FDCWD") or line.startswith("stat(") for line in lines),
        "mmap": sum(line.startswith("mmap(") and "MAP_ANONYMOUS" not in line for line in lines),
        "zero": sum(line.startswith("mmap(") and "MAP_FIXED|MAP_ANONYMOUS" in line for line in lines),
    }
    wrong = [f"{k}: told {told.get(k)}, seen {v}" for k, v in seen.items() if told.get(k) != str(v)]
    if not seen["open"] or not seen["mmap"]:
        wrong.append("nothing seen")
    return "; ".join(wrong) and "; ".join(wrong) + "\n" + "".join(lines)


def check_made_up(runner):
    result, lines = runner.traced(runner.command("providers", "made_up", runner.work))
    if result.returncode:
        return f"status {result.returncode}: {result.stderr}"
    bad = [line for line in lines if re.search(r"[(, ](1000\d|5368709\d\d)[,)]", line) and "write(" not in line]
    return "the kernel was given: " + "".join(bad) if bad else None


def check_case(runner, case, **options):
    result = runner.run(runner.command("providers", case, runner.work), **options)
    if result.returncode or result.stdout.splitlines()[-1:] != ["done"]:
        return f"status {result.returncode}: {result.stdout}{result.stderr}"
    return None


def check_with_tool(runner):
    environment = dict(os.environ, LDX_TOOLS=runner.path("libio-tool.so"))
    return check_case(runner, "calls", env=environment) or check_case(runner, "nested", env=environment)


def main():
    if sys.argv[1:] == ["--packages"]:
        print(PACKAGES)
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ldx", required=True)
    parser.add_argument("--mode", choices=["command", "interp"], required=True)
    parser.add_argument("--built", required=True, help="folder of the built programs")
    parser.add_argument("--interp-tool", required=True, help="ldx-interp: sets a program's interpreter")
    args = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        runner = Runner(args, os.path.realpath(work))
        checks = [(case, check_case) for case in CASES]
        for case, check in checks:
            error = check(runner, case)
            failed += error is not None
            print(f"{case}: {error or 'ok'}")
        for name, check in (("beside a tool", check_with_tool), ("counts equal strace's", check_counts), ("made-up descriptors", check_made_up)):
            error = check(runner)
            failed += bool(error)
            print(f"{name}: {error or 'ok'}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
