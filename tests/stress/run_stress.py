#!/usr/bin/env python3
"""Stress: programs that load, unload, look up, throw, fork, start threads and take signals all at once, under ldx.

Each program checks every answer it gets, and that memory, mappings and descriptors do not grow. A wrong answer, a crash, or
a program that does not come to its end is a failure: then gdb shows the threads of all its processes, where they are.

Every case runs twice: as a command (ldx ./PROGRAM) and as a copy whose PT_INTERP names ldx.

  run_stress.py --build BUILD                      all cases, 2 seconds each: what the tests run
  run_stress.py --build BUILD --seconds 60         the long form, for whoever changes the loader
  run_stress.py --build BUILD --seconds 600 --mode interp --threads 4 mix forks

A failure prints the line that repeats it. Which steps threads take follows from --seed; how they meet does not, so repeat it
some times. --mode system runs the programs under the system loader: some of them hang or fail there too.
"""

import argparse
import collections
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

# env, before: what the program runs with, and under
Case = collections.namedtuple("Case", "program threads prepare modes env before help",
                              defaults=(2, None, ("command", "interp"), {}, (), ""))

PLAIN = {"STRESS_PLAIN": "1"}
GRACE = 60  # seconds more than asked for, until a program counts as hanging
MANY = 500


def copies(folder):
    """500 objects: copies of one library."""
    for number in range(MANY):
        shutil.copy(os.path.join(folder, "libmany.so"), os.path.join(folder, f"libmany{number}.so"))


def last_segment(image):
    """Offset in the file of the last segment to load."""
    offset, = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    headers = [struct.unpack_from("<IIQ", image, offset + size * i) for i in range(count)]
    return max(start for kind, _, start in headers if kind == 1)


def damage(folder):
    """Files that cannot be loaded, each for another reason; more come from the build."""
    with open(os.path.join(folder, "libpiece5.so"), "rb") as file:
        good = file.read()
    files = {
        "empty.so": b"",
        "text.so": b"not an object at all\n" * 100,
        "short.so": good[:40],
        "headers.so": good[:64],
        "cut.so": good[: last_segment(good) + 16],
        "machine.so": good[:18] + b"\x03\x00" + good[20:],
        "class.so": good[:4] + b"\x01" + good[5:],
        "program.so": good[:16] + b"\x02\x00" + good[18:],
        "holes.so": good[:64] + bytes(56 * 12) + good[64 + 56 * 12 :],
    }
    for name, data in files.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
    os.remove(os.path.join(folder, "libgone.so"))
    shutil.copy(os.path.join(folder, "libother-versions.so"), os.path.join(folder, "libversions.so"))


CASES = {
    "mix": Case("stress-mix", help="everything at random, with a profiler's signals"),
    "forks": Case("stress-forks", 3, help="forks while others load and ask; the children load, start threads, fork"),
    "tls": Case("stress-tls", help="thousands of threads with variables of libraries that come and go"),
    "inside": Case("stress-inside", help="constructors and destructors that load, look up and ask; libraries loaded at once"),
    "constructor_waits": Case("stress-waits", help="constructors and destructors that wait for a thread which loads"),
    "lazy": Case("stress-lazy", 4, help="slots bound by all threads at once, and in signal handlers"),
    "unwinding": Case("stress-unwinding", 2, copies, help="exceptions without pause through some of 500 libraries, others go"),
    "errors": Case("stress-errors", 3, damage, help="loads that fail: each thread's own error, and no trace of any"),
    "address": Case("stress-mix-address", env=PLAIN | {"ASAN_OPTIONS": "detect_leaks=0"},
                    help="the mix, without forks and signals, built with AddressSanitizer"),
    "thread": Case("stress-mix-thread", env=PLAIN | {"TSAN_OPTIONS": "halt_on_error=1"},
                   help="the same with ThreadSanitizer"),
    "memcheck": Case("stress-mix", modes=("interp",), env=PLAIN, before=("valgrind", "-q", "--error-exitcode=99"),
                     help="the same under valgrind"),
}


def processes(group):
    """Ids of the live processes of a process group."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(entry))
    return sorted(found)


def backtraces(group):
    """Where all threads of the group's processes are, by gdb; the first few processes only."""
    text = ""
    for pid in processes(group)[:6]:
        command = ["gdb", "-nx", "-batch", "-p", str(pid), "-ex", "thread apply all backtrace 24"]
        text += f"--- process {pid}\n"
        try:
            run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=60, check=False)
            text += "".join(f"{line[:200]}\n" for line in run.stdout.splitlines() if line.startswith(("Thread", "#")))
        except (OSError, subprocess.TimeoutExpired) as error:
            text += f"no backtrace: {error}\n"
    return text


def watch(command, folder, env, patience):
    """Runs a program; returns what is wrong, or None, and its output."""
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(command, cwd=folder, env=env, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                 start_new_session=True)
        end, fault, trace = time.monotonic() + patience, None, ""
        while child.poll() is None and not fault:
            time.sleep(0.05)
            output.seek(0)
            if "FAULT in process" in output.read():
                fault = "a fault"
            elif time.monotonic() > end:
                fault = f"no end after {patience:.0f} seconds"
        if fault and child.poll() is None:
            trace = backtraces(child.pid)
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait()
        if not fault and child.returncode:
            fault = f"status {child.returncode}"
        output.seek(0)
        return fault, output.read() + trace


class Runner:
    def __init__(self, args):
        self.args = args
        self.results = []
        self.built = os.path.join(args.build, "tests", "stress")
        self.colour = sys.stdout.isatty()

    def say(self, text, failed=False):
        if not self.args.json:
            print(f"\033[31m{text}\033[0m" if failed and self.colour else text, flush=True)

    def folder_for(self, case, folder):
        """Everything the program needs, in one folder: the same for both modes."""
        for name in os.listdir(self.built):
            if name.startswith("lib") and name.endswith(".so") or name == case.program:
                shutil.copy(os.path.join(self.built, name), folder)
        if case.prepare:
            case.prepare(folder)

    def command(self, case, mode, folder):
        program = "./" + case.program
        if mode == "command":
            return [self.args.ldx, program]
        if mode == "interp":
            tool = os.path.join(self.args.build, "tools", "ldx-interp")
            subprocess.run([tool, "--set", self.args.ldx, "-o", "program-interp", case.program], cwd=folder, check=True)
            return ["./program-interp"]
        return [program]

    def run(self, name, mode, folder):
        case, args = CASES[name], self.args
        seed = args.seed or int.from_bytes(os.urandom(3), "little") + 1
        words = [f"{args.seconds:g}", str(args.threads or case.threads), str(seed)]
        env = dict(os.environ, STRESS_DRIVER="1", **case.env)
        start = time.monotonic()
        fault, output = watch(list(case.before) + self.command(case, mode, folder) + words, folder, env, args.seconds + GRACE)
        self.results.append({"case": name, "mode": mode, "seed": seed, "fault": fault, "seconds": round(time.monotonic() - start, 2)})
        self.say(f"{'FAILED' if fault else 'ok':6} {name:20} {mode:8} {self.results[-1]['seconds']:6.1f} s", bool(fault))
        for line in output.splitlines():
            if fault or args.verbose:
                self.say("    " + line)
        if fault:
            self.say(f"    {fault}; again: {sys.argv[0]} --build {args.build} --seconds {args.seconds:g} --threads {words[1]} "
                     f"--seed {seed} --mode {mode} {name}")

    def run_all(self):
        for name in self.args.case or CASES:
            modes = [m for m in CASES[name].modes if self.args.mode in (m, "both")] if self.args.mode != "system" else ["system"]
            with tempfile.TemporaryDirectory(prefix="ldx-stress-") as folder:
                self.folder_for(CASES[name], folder)
                for mode in modes:
                    self.run(name, mode, folder)


def main():
    cases = "\n".join(f"  {name:20} {case.help}" for name, case in CASES.items())
    parser = argparse.ArgumentParser(description=__doc__ + "\ncases:\n" + cases, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", help="build folder")
    parser.add_argument("--packages", action="store_true", help="print the Debian packages that the cases need, and end")
    parser.add_argument("--ldx", help="the loader (default: that of the build folder)")
    parser.add_argument("--seconds", type=float, default=2, help="how long each case runs in each mode (default: 2)")
    parser.add_argument("--threads", type=int, help="working threads (default: the case's)")
    parser.add_argument("--seed", type=int, help="of the random numbers (default: a new one)")
    parser.add_argument("--mode", choices=["command", "interp", "both", "system"], default="both")
    parser.add_argument("--verbose", action="store_true", help="show what the programs print")
    parser.add_argument("--json", action="store_true", help="results as JSON")
    parser.add_argument("case", nargs="*", help="cases (default: all)")
    args = parser.parse_args()
    if args.packages:
        print("gdb valgrind gcc g++")
        return
    if not args.build:
        parser.error("which build folder? --build BUILD")
    if unknown := [c for c in args.case if c not in CASES]:
        parser.error(f"no such case: {' '.join(unknown)}; there are {' '.join(CASES)}")
    args.build = os.path.abspath(args.build)
    args.ldx = os.path.abspath(args.ldx or os.path.join(args.build, "src", "ldx"))
    runner = Runner(args)
    runner.run_all()
    if args.json:
        print(json.dumps(runner.results, indent=1))
    sys.exit(any(r["fault"] for r in runner.results))


if __name__ == "__main__":
    main()
