#!/usr/bin/env python3
"""LD_AUDIT: what auditors hear under ldx is what they hear under the system loader, which runs every case too.

Left out of the comparison is what differs by nature: calls between glibc and its own loader (ldx is another one), ldx's
own entry in the list, and references that only ldx tells of (checked by themselves)."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

TIMEOUT = 120
SYSTEM = "/lib64/ld-linux-x86-64.so.2"
NOT_COMPARED = re.compile(
    r"ld-linux-x86-64|objopen ldx|UNOPENED|__libc_start_main"
    r"|(calloc|malloc|free|realloc) from MAIN to libc\.so\.6 flags 0x8"  # the system loader's own, for itself
    r"|symbind \w+ from libc\.so\.6 to libc\.so\.6 flags 0$"  # what its dlerror needs
)
BY_RELOCATION = re.compile(r"symbind .* flags 0x3$")
ONLY_LDX = re.compile(r"symbind .* flags 0x40000000$")


class Runner:
    def __init__(self, args, work):
        self.ldx, self.mode, self.work = args.ldx, args.mode, work
        self.failures = 0
        for name in os.listdir(args.built):
            path = os.path.join(args.built, name)
            if os.path.isfile(path) and (name.endswith(".so") or os.access(path, os.X_OK)):
                shutil.copy(path, work)
        os.remove(self.path("libaudit-gone.so"))
        shutil.copy("/bin/ls", work)
        for name in os.listdir(work):
            if not name.endswith(".so") and self.mode == "interp":
                subprocess.run([args.interp_tool, "--set", self.ldx, "-o", self.path(name + ".ldx"), self.path(name)],
                               check=True)

    def path(self, name):
        return os.path.join(self.work, name)

    def run(self, who, program, words=(), auditors="", options=(), **variables):
        """who: "system" or "ldx"; exit status and both outputs as one list of lines."""
        command = [self.path(program), *words]
        if who == "ldx" and self.mode == "command" or options:
            command = [self.ldx if who == "ldx" else SYSTEM, *options, *command]
        elif who == "ldx":
            command[0] += ".ldx"
        env = {k: v for k, v in os.environ.items() if not k.startswith(("LD_", "LDX_"))}
        env.update(variables, LC_ALL="C")
        if auditors:
            env["LD_AUDIT"] = ":".join("./auditor-" + a + ".so" for a in auditors.split())
        done = subprocess.run(command, env=env, cwd=self.work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=TIMEOUT, check=False, errors="replace")
        text = done.stdout.decode(errors="replace") if isinstance(done.stdout, bytes) else done.stdout
        text = text.replace(program + ".ldx", program)
        text = re.sub(r"(?m)^lib\S+: (cannot open shared object file: No such)", r"\1", text)  # ldx names what an auditor refuses
        return done.returncode, [re.sub(r"^ +\d+:\t", "PID: ", line) for line in text.splitlines()]

    def check(self, what, good, shown=""):
        if not good:
            self.failures += 1
            print(f"{what}: {shown}", flush=True)


def heard(lines):
    return [line for line in lines if not any(pattern.search(line) for pattern in (NOT_COMPARED, BY_RELOCATION, ONLY_LDX))]


def difference(a, b):
    import difflib
    return "\n" + "\n".join(list(difflib.unified_diff(a, b, "system", "ldx", lineterm="", n=1))[:40])


def compare(r, what, program, words=(), auditors="", options=(), drop=None, **variables):
    """The same lines in the same order; what both tell of relocations in any order."""
    status, system = r.run("system", program, words, auditors, options, **variables)
    other, ldx = r.run("ldx", program, words, auditors, options, **variables)
    r.check(what, status == other, f"exit status {status} under the system loader, {other} under ldx: {ldx[-3:]}")
    a, b = ([line for line in heard(lines) if not drop or not re.search(drop, line)] for lines in (system, ldx))
    r.check(what, a == b, difference(a, b))
    missing = [line for line in system if BY_RELOCATION.search(line) and not NOT_COMPARED.search(line)
               and " from libc.so.6 to libc.so.6 " not in line and not (drop and re.search(drop, line))
               and line not in ldx]
    r.check(what, not missing, f"not told by ldx: {missing[:5]}")
    r.check(what, not any("WRONG SYMBOL" in line for line in ldx), "wrong index or table of a symbol")
    return ldx


def events(r):
    for auditors in ("log", "bind", "bind second", "second log"):
        for program in ("loads", "loads-now", "loads-noplt"):
            compare(r, f"{program} with {auditors}", program, ["opens", "failures", "lookups"], auditors)
    compare(r, "bind now", "loads", ["opens"], "bind", LD_BIND_NOW="1")
    compare(r, "bind not", "loads", ["opens"], "bind", LD_BIND_NOT="1")
    for flags in "0123":
        compare(r, f"objopen returns {flags}", "loads", ["lookups"], "bind", AUDIT_FLAGS=flags)
        compare(r, f"objopen returns {flags}, calls", "loads", [], "exit", AUDIT_FLAGS=flags)
    # libc is one for all namespaces here: the system loader brings another
    compare(r, "namespaces", "loads", ["namespaces"], "bind", drop=r"libc\.so\.6")
    compare(r, "preload", "loads", [], "log", LD_PRELOAD="./libaudit-fourth.so")
    compare(r, "list", "loads", [], "log", ["--list"], drop=r"=>|vdso|/ld")


def calls(r):
    """dlsym under a watched call sends the system loader astray, setjmp too: no such programs are compared."""
    for program in ("loads", "loads-now", "loads-noplt"):
        for auditors in ("enter", "exit", "exit third", "third enter", "third bind", "only-exit"):
            compare(r, f"{program} with {auditors}", program, [], auditors)
    compare(r, "calls, bind now", "loads", [], "exit", LD_BIND_NOW="1")
    for words in (["lookups"], ["opens", "failures"]):
        _, plain = r.run("system", "loads", words)
        for auditors in ("enter", "exit", "exit third"):
            status, lines = r.run("ldx", "loads", words, auditors)
            rest = [line for line in lines if not re.match("(log|third): ", line)]
            r.check(f"{words} with {auditors}", status == 0 and rest == plain, difference(plain, rest))


def shapes(r):
    """Arguments and results of every shape pass unchanged; what an auditor changes arrives."""
    for program in ("calls", "calls-now", "calls-noplt"):
        status, plain = r.run("system", program)
        r.check(program, status == 0 and len(plain) >= 8, plain)
        for auditors in ("", "log", "bind", "enter", "exit", "exit third", "third bind exit"):
            status, lines = r.run("ldx", program, (), auditors, AUDIT_QUIET="1")
            r.check(f"{program} with {auditors}", status == 0 and lines == plain, difference(plain, lines))
        compare(r, f"{program} changed", program, (), "change")
    _, changed = r.run("ldx", "calls", (), "change")
    r.check("changed", changed[0].startswith("int 1001 ") and changed[1] == "nine 5585", changed[:2])
    _, lines = r.run("ldx", "throws", (), "exit third")
    r.check("throws", "caught 3 ends 18" in lines, lines[-3:])
    compare(r, "throws", "throws", (), "exit", drop=r"libgcc|libstdc|libm\.so|libc\.so")


def superset(r):
    """References that the system loader passes over: calls without a PLT, words in .data; and their values count."""
    _, system = r.run("system", "loads-noplt", (), "bind")
    _, ldx = r.run("ldx", "loads-noplt", (), "bind")
    for name, to in (("first", "libaudit-first.so"), ("second", "libaudit-second.so"), ("second_variable", "MAIN|libaudit-second.so")):
        pattern = re.compile(rf"log: symbind {name} from MAIN to ({to}) flags 0x40000000$")
        r.check("superset", not any(map(pattern.match, system)), f"the system loader tells of {name} by now")
        r.check("superset", any(map(pattern.match, ldx)), f"not told: {name}")
    for program, pointer in (("calls", -2), ("calls-now", -2), ("calls-noplt", -2)):
        status, lines = r.run("ldx", program, (), "steer", AUDIT_WRAP="1")
        r.check(f"{program} wrapped", status == 0 and lines[0] == f"int -42 pointer {pointer} choice 101", lines[:1])
    status, lines = r.run("ldx", "calls", (), "steer steer", AUDIT_WRAP="1")
    r.check("wrapped twice", status == 0 and lines[0] == "int 42 pointer 2 choice 101", lines[:1])
    compare(r, "wrapped", "calls", (), "steer", AUDIT_WRAP="1", drop="^int")


def search(r):
    fourth, missing = r.path("libaudit-fourth.so"), "libaudit-none.so"
    for rename in (f"0 libaudit-third.so {fourth}", "1 libaudit-third.so libaudit-fourth.so",
                   f"4 libaudit-third.so {fourth}", f"1 libaudit-third.so {missing}", "1 libaudit-third.so -",
                   "4 libaudit-third.so -", f"4 libaudit-third.so {missing}", f"0x40 libaudit-nowhere.so {fourth}",
                   f"1 libaudit-nowhere.so {fourth}", "1 libaudit-needy.so libaudit-third.so"):
        for auditors in ("log steer", "steer log"):
            compare(r, f"rename {rename}, {auditors}", "loads", ["failures"], auditors, AUDIT_RENAME=rename)
            compare(r, f"rename {rename}, {auditors}", "loads-noplt", ["opens"], auditors, AUDIT_RENAME=rename, drop="dlclose")
    status, lines = r.run("ldx", "loads", [], "steer", AUDIT_RENAME="1 libaudit-second.so -")
    r.check("refused at start", status == 127 and len(lines) == 1 and "libaudit-second.so: cannot open" in lines[0], lines)


def beginnings(r):
    """Which auditors are used, and what is said of others."""
    for version in "0123":
        compare(r, f"la_version returns {version}", "loads", [], "log", AUDIT_VERSION=version, drop="^$")
    compare(r, "none", "loads", [], "nowhere")
    compare(r, "some", "loads", [], "nowhere second log")
    compare(r, "no auditor", "loads", [], LD_AUDIT="./libaudit-abi.so")
    compare(r, "not ELF", "loads", [], LD_AUDIT="/etc/passwd:/dev/null")
    compare(r, "no path", "loads", [], LD_AUDIT="auditor-log.so")  # DT_RUNPATH of the program counts
    compare(r, "empty", "loads", [], LD_AUDIT=":::")
    compare(r, "unset", "loads", [], LD_AUDIT="")
    compare(r, "twice", "loads", [], "log log")
    compare(r, "named by the program", "names-auditors", [])
    compare(r, "named by the program and the user", "names-auditors", [], "enter")
    if r.mode == "command":
        compare(r, "option", "loads", [], "", ["--audit", "./auditor-log.so:./auditor-second.so"])
        compare(r, "option and variable", "loads", [], "second", ["--audit", "./auditor-log.so"])
    many = ":".join(["./auditor-log.so"] * 40)
    status, lines = r.run("ldx", "loads", [], LD_AUDIT=many)
    r.check("40 auditors", status == 0 and sum("log: preinit" in line for line in lines) == 32, lines[-1:])
    r.check("40 auditors", sum("there are 32 already" in line for line in lines) == 8, lines[:1])


def threads(r):
    for auditors in ("heavy", "heavy exit", "exit heavy", "heavy heavy"):
        status, lines = r.run("ldx", "threads", (), auditors, AUDIT_QUIET="1")
        told = [line for line in lines if line.startswith("heavy: enters")]
        count = auditors.split().count("heavy")
        r.check(f"threads with {auditors}", status == 0 and "failed 0" in lines and len(told) == count, lines[-4:])
        r.check(f"threads with {auditors}", all(line == "heavy: enters 48000 exits 48000 threads 8 wrong 0" for line in told), told)


def third_party(r):
    """sotruss, glibc's own tracer."""
    if not os.path.exists("/usr/bin/sotruss"):
        r.check("sotruss", False, "not installed")
        return
    with open("/usr/bin/sotruss", encoding="utf-8") as file:
        script = file.read()
    for program, words in (("loads", []), ("loads", ["-e"]), ("loads", ["-f"]), ("loads", ["-T", "libaudit-first.so"]),
                           ("loads", ["-F", "libaudit-first.so"]), ("ls", []), ("ls", ["-e"])):
        (status, system, lines), other = (sotruss(r, who, script, program, words) for who in ("system", "ldx"))
        what = f"sotruss {' '.join([*words, program])}"
        r.check(what, status == 0 and (status, system) == other[:2], (status, other))
        r.check(what, len(lines) > 0 and lines == other[2], difference(lines, other[2]))


def sotruss(r, who, script, program, words):
    """The script with another last command: LD_AUDIT must not reach the commands of a shell in between."""
    loader = r.ldx + " " if who == "ldx" and r.mode == "command" else ""
    path = r.path("sotruss.sh")
    with open(path, "w", encoding="utf-8") as file:
        file.write(script.replace('exec "$@"', f'exec {loader}"$@"'))
    if who == "ldx" and not loader:
        program += ".ldx"
    done = subprocess.run(["bash", path, *words, r.path(program), "-d", "."], capture_output=True, text=True, cwd=r.work,
                          timeout=TIMEOUT, check=False, env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
    lines = [re.sub(r"0x[0-9a-f]+|^ *\d+:", "N", line).replace(".ldx", "") for line in done.stderr.splitlines()]
    # the end of setjmp is told by the system loader only, whose setjmp then comes back to a frame that is gone
    lines = [re.sub(" +", " ", line) for line in lines if "_dl_" not in line and "setjmp - " not in line]
    return done.returncode, done.stdout, lines


def privileges(r):
    """A set-user-ID program's user names no paths, and nothing outside of trusted folders."""
    if r.mode == "command":
        return  # it is the kernel that gives privileges, to a program that names ldx
    r.check("privileges", os.geteuid() == 0, "needs root")
    os.chmod(r.work, 0o755)
    for name in ("ls", "ls.ldx"):
        os.chmod(r.path(name), 0o4755)
    outputs = []
    for name in ("ls", "ls.ldx"):
        for auditor in ("./auditor-log.so", r.path("auditor-log.so"), "auditor-log.so"):
            done = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", "env", "LD_AUDIT=" + auditor,
                                   r.path(name), "-d", "."], capture_output=True, text=True, cwd=r.work,
                                  timeout=TIMEOUT, check=False)
            outputs.append((done.returncode, done.stdout, done.stderr))
    r.check("privileges", outputs[:3] == outputs[3:] and "log:" not in str(outputs), outputs)


CASES = [events, calls, shapes, superset, search, beginnings, threads, third_party, privileges]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ldx", required=True)
    parser.add_argument("--built", required=True)
    parser.add_argument("--interp-tool", required=True)
    parser.add_argument("--mode", choices=["command", "interp"], required=True)
    parser.add_argument("--case", action="append", choices=[case.__name__ for case in CASES])
    args = parser.parse_args()
    args.ldx = os.path.abspath(args.ldx)
    with tempfile.TemporaryDirectory() as work:
        runner = Runner(args, work)
        for case in CASES:
            if not args.case or case.__name__ in args.case:
                before = runner.failures
                case(runner)
                print(f"{case.__name__}: {'ok' if runner.failures == before else 'FAILED'}", flush=True)
    return runner.failures != 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--packages"]:  # Debian packages that the tests stand on
        sys.exit(print("libc-devtools util-linux python3"))
    sys.exit(main())
