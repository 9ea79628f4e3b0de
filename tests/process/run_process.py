#!/usr/bin/env python3
"""Events of threads, processes, thread-local storage and allocations, and queries of the state.

The tool libwatcher.so writes what it is told; the programs say what is true, or strace and ltrace do."""

import argparse
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile

TIMEOUT = 120


class Runner:
    def __init__(self, args, work):
        self.ldx, self.mode, self.work = args.ldx, args.mode, work
        for name in os.listdir(args.built):
            path = os.path.join(args.built, name)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                shutil.copy(path, work)
                if args.mode == "interp" and not name.endswith(".so"):
                    subprocess.run([args.interp_tool, "--set", self.ldx, self.path(name)], check=True)

    def path(self, name):
        return os.path.join(self.work, name)

    def start(self, tool, follow, words):
        """The command and environment that run `words` with a tool ("PATH,ARG,..."), "in-app:" in front."""
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TMPDIR": self.work}
        option, variable = "--tool", "LDX_TOOLS"
        if tool and tool.startswith("in-app:"):
            option, variable, tool = "--tool-in-app", "LDX_TOOLS_IN_APP", tool.removeprefix("in-app:")
        if self.mode == "command":
            options = ([option, tool] if tool else []) + (["--follow"] if follow else [])
            return [self.ldx, *options, *words], env
        return words, env | ({variable: tool} if tool else {}) | ({"LDX_FOLLOW": "1"} if follow else {})

    def run(self, words, tool=None, follow=False, before=(), **options):
        command, env = self.start(tool, follow, words)
        result = subprocess.run([*before, *command], capture_output=True, text=True, timeout=TIMEOUT, check=False,
                                env=env | options.pop("env", {}), cwd=self.work, **options)
        return result

    def watch(self, words, events, follow=False, status=0, in_app=False):
        """Runs a program under the watching tool; its output, and the events as dictionaries."""
        log = self.path("events.log")
        if os.path.exists(log):
            os.unlink(log)
        tool = ",".join([self.path("libwatcher.so"), log, *events])
        result = self.run(words, "in-app:" + tool if in_app else tool, follow)
        if result.returncode != status or result.stderr:
            raise Wrong(f"exit status {result.returncode}\n{result.stdout}{result.stderr}")
        with open(log, encoding="utf-8") as file:
            return result.stdout, [parse(line) for line in file]


class Wrong(Exception):
    pass


def expect(condition, *what):
    if not condition:
        raise Wrong(" ".join(map(str, what)))


def parse(line):
    name, *words = line.split()
    return {"name": name} | dict(word.split("=", 1) for word in words)


def named(events, name):
    return [event for event in events if event["name"] == name]


# --- T01 ---------------------------------------------------------------------------------------------------

THREADS = ["thread_start", "thread_exit"]


def check_threads(runner, words, count, program="threads", **options):
    output, events = runner.watch([runner.path(program), *words], THREADS, **options)
    starts, exits = named(events, THREADS[0]), named(events, THREADS[1])
    expect(len(starts) == len(exits) == count + 1, len(starts), "starts,", len(exits), "exits")
    expect({e["thread"] for e in starts} == {e["thread"] for e in exits}, "a thread without start or end")
    expect(len({e["thread"] for e in starts}) == count + 1, "a number is used twice")
    expect(starts[0]["tid"] == starts[0]["pid"] and exits[-1]["tid"] == exits[-1]["pid"], "the main thread")
    by_tid = {e["tid"]: e for e in starts}
    told = {e["tid"] for e in exits}
    expect(told == set(by_tid), "told by another thread")
    for line in output.splitlines():
        if "tid=" in line:
            fact = parse(line)
            event = by_tid[fact["tid"]]
            for key in ("low", "high", "tcb"):
                expect(int(fact[key], 16) == int(event[key], 16), line, "but told", event)


def threads_eight(runner):
    check_threads(runner, ["eight"], 8)


def threads_ends(runner):
    check_threads(runner, ["return", "exit", "cancel", "key", "own-stack", "c11"], 6)


def threads_cxx(runner):
    check_threads(runner, [], 5, "cxx-threads")


def threads_in_app(runner):
    check_threads(runner, ["return", "exit", "cancel", "key", "own-stack", "c11"], 6, in_app=True)


def threads_reused_stacks(runner):
    check_threads(runner, ["return"] * 50, 50)


# --- T02 ---------------------------------------------------------------------------------------------------

PROCESSES = ["fork", "vfork", "clone", "spawn", "child", "exec"]


def pids_of(output):
    return dict(line.split() for line in output.splitlines())


def processes_each_way(runner, **options):
    program = runner.path("processes")
    words = [program, program, "fork", "vfork", "clone", "spawn", "shell", "pty", "exec"]
    output, events = runner.watch(words, PROCESSES, **options)
    pids = pids_of(output)
    forks = [e["of"] for e in named(events, "fork")]
    expect(forks[:2] == [pids["fork"], pids["_Fork"]] and pids["forkpty"] in forks and len(forks) == 3 + 8, "forks", forks)
    expect([e["of"] for e in named(events, "vfork")] == [pids["vfork"]], "vfork")
    expect([e["of"] for e in named(events, "clone")] == [pids["clone"]], "clone")
    spawns = named(events, "spawn")
    expect([e["of"] for e in spawns[:2]] == [pids["spawn"], pids["spawnp"]], "spawn", spawns)
    expect([e["path"] for e in spawns] == [program, "/usr/bin/true", "/bin/sh", "/bin/sh"], "spawn", spawns)
    expect(spawns[3]["of"] != "0", "popen's child")
    parent = forks and named(events, "fork")[0]["pid"]
    children = named(events, "child")
    expect(all(e["of"] == parent and e["pid"] != parent for e in children), "parents", children)
    made = set(forks) | {pids["vfork"], pids["clone"]}
    expect({e["pid"] for e in children} == made and len(children) == len(made), "children", children)
    paths = [e["path"] for e in named(events, "exec")]
    expect(paths == ["/nowhere/at/all"] + [program] * 8 + ["/usr/bin/sh"], "exec", paths)
    for child in children:
        first = next(e for e in events if e["pid"] == child["pid"])
        expect(first is child, "first event of a child", first)


def processes_in_app(runner):
    processes_each_way(runner, in_app=True)


def processes_unwatched(runner):
    """The same without a tool, and under a tool that wants other things: nothing differs."""
    program = runner.path("processes")
    words = [program, program, "fork", "vfork", "clone", "spawn", "shell", "pty", "exec"]
    result = runner.run(words)
    expect(result.returncode == 0 and not result.stderr, result.stderr)


def follow_each_way(runner):
    program = runner.path("processes")
    output, events = runner.watch([program, program, "vfork", "spawn", "shell", "exec"], ["main", *PROCESSES], follow=True)
    followed = [e for e in named(events, "child") if e["path"] != "-"]
    first = named(events, "main")[0]["pid"]
    pids = pids_of(output)
    expect(pids["spawn"] in {e["pid"] for e in followed}, "spawn is not followed")
    expect(pids["vfork"] in {e["pid"] for e in followed}, "exec after vfork is not followed")
    # vfork, two spawns, system, popen, eight execs
    expect(len(followed) == 13, len(followed), "followed")
    expect(len(named(events, "main")) == 14, len(named(events, "main")), "programs")
    expect(all(e["of"] == first for e in followed), "parents", followed)


def follow_pipeline(runner):
    """sh -c with a pipeline, a script and a relative path: every program tells who its parent is."""
    script = runner.path("script")
    with open(script, "w", encoding="ascii") as file:
        file.write("#! /bin/sh -e\necho \"$0 $1\" $#; exec /bin/true\n")
    os.chmod(script, 0o755)
    shell = shutil.copy("/bin/sh", runner.path("sh"))
    if runner.mode == "interp":
        subprocess.run([OPTIONS.interp_tool, "--set", runner.ldx, shell], check=True)
    text = "cat /etc/hostname | wc -l; ./script 'a  b' c; (cd / && ls | head -n 1); env -u LDX_TOOLS -u LDX_FOLLOW uname -s"
    output, events = runner.watch([shell, "-c", text], ["main", *PROCESSES], follow=True)
    expect(output.splitlines()[1:] == ["./script a  b 2", "bin", "Linux"], output)
    mains, children = named(events, "main"), [e for e in named(events, "child") if e["path"] != "-"]
    # sh; cat wc; script true; ls head; env uname
    expect(len(mains) == 9 and len(children) == 8, len(mains), "programs,", len(children), "followed")
    known = {e["pid"] for e in events}
    expect(all(e["of"] in known for e in children), "unknown parents")
    names = sorted(os.path.basename(e["path"]) for e in children)
    expect(names == ["cat", "env", "head", "ls", "sh", "true", "uname", "wc"], names)


def follow_leaves_alone(runner):
    """What ldx cannot load runs as always: static programs, what is missing, what may not be run."""
    shell = shutil.copy("/bin/sh", runner.path("sh"))
    if runner.mode == "interp":
        subprocess.run([OPTIONS.interp_tool, "--set", runner.ldx, shell], check=True)
    open(runner.path("empty"), "w", encoding="ascii").close()
    os.chmod(runner.path("empty"), 0o755)
    open(runner.path("plain"), "w", encoding="ascii").close()
    text = "./empty; echo $?; ./missing 2>/dev/null; echo $?; ./plain 2>/dev/null; echo $?; /sbin/ldconfig -V | head -n1"
    result = runner.run([shell, "-c", text], follow=True)
    lines = result.stdout.splitlines()
    expect(lines[:3] == ["0", "127", "126"] and lines[3].startswith("ldconfig"), result.stdout, result.stderr)


# --- T04 ---------------------------------------------------------------------------------------------------

MEMORY = ["alloc", "realloc", "free"]
N = 1000
# libstdc++ frees the exception by a jump, so that it looks like the program's call.
WANTED = {
    ("alloc", "malloc"): 2 * N + 1, ("alloc", "calloc"): N, ("realloc", "realloc"): N, ("alloc", "aligned_alloc"): N,
    ("alloc", "memalign"): N, ("alloc", "posix_memalign"): N, ("alloc", "reallocarray"): N,
    ("alloc", "_Znwm"): N, ("alloc", "_Znam"): N, ("alloc", "_ZnwmSt11align_val_t"): N,
    ("alloc", "_ZnwmRKSt9nothrow_t"): N, ("free", "munmap"): N, ("free", "free"): 7 * N + 2,
    ("free", "_ZdlPvm"): 2 * N, ("free", "_ZdaPv"): N, ("free", "_ZdlPvmSt11align_val_t"): N,
}


def allocations_of(runner, program, **options):
    output, events = runner.watch([runner.path(program)], MEMORY, **options)
    expect(output == f"{13 * N + 1} blocks\n", output)
    library = collections.Counter(e["object"] for e in events if e["function"] == "_Znam").most_common(1)[0][0]
    own = collections.Counter((e["name"], e["function"]) for e in events if e["object"] == library)
    maps = own.pop(("alloc", "mmap"), 0) + own.pop(("alloc", "mmap64"), 0)
    expect(maps == N, maps, "mmap")
    expect(own == WANTED, {k: (own[k], WANTED.get(k)) for k in set(own) | set(WANTED) if own[k] != WANTED.get(k)})
    live = set()
    for e in events:  # what goes has come, and is not there twice
        if e["old"] not in ("(nil)", "0x0"):
            live.discard(e["old"])
        if e["name"] == "free":
            live.discard(e["block"])
        else:
            expect(e["block"] not in live, "came twice", e)
            live.add(e["block"])
    return own


def allocations(runner):
    allocations_of(runner, "allocations")


def allocations_in_app(runner):
    """The tool allocates with the program's malloc, while it is told: not told again."""
    allocations_of(runner, "allocations-now", in_app=True)


def allocations_bound_now(runner):
    allocations_of(runner, "allocations-now")


def allocations_by_ltrace(runner):
    """ltrace counts what the program's PLT calls: all but what goes through the pointer in data."""
    if runner.mode == "interp":
        return
    log = runner.path("ltrace.log")
    subprocess.run(["ltrace", "-o", log, "-e", "malloc+calloc+realloc+free+memalign+aligned_alloc+posix_memalign",
                    runner.path("allocations")], check=True, capture_output=True, timeout=TIMEOUT)
    with open(log, encoding="utf-8", errors="replace") as file:
        counts = collections.Counter(match[1] for line in file if (match := re.match(r"(?:allocations->)?(\w+)\(", line)))
    wanted = collections.Counter({name: n for (_, name), n in WANTED.items() if name in counts})
    wanted["malloc"] -= N
    wanted["free"] -= 1
    expect(counts == wanted, "ltrace:", counts, "told:", wanted)


# --- T17 ---------------------------------------------------------------------------------------------------

TLS = ["tls_module", "tls_module_gone", "tls_block", "tls_block_gone"]


def blocks_of(runner, library, is_static):
    _, events = runner.watch([runner.path("blocks"), runner.path(library)], TLS)
    modules = named(events, "tls_module")
    mine = modules[-1]["object"]
    events = [e for e in events if e["object"] == mine]
    counts = collections.Counter(e["name"] for e in events)
    blocks = [e for e in named(events, "tls_block") if e["static"] == is_static]
    extra = 1 if is_static == "1" else 0  # the main thread has a static one, too
    expect(counts["tls_module"] == 1 and counts["tls_module_gone"] == 1, counts)
    expect(len(blocks) == counts["tls_block"] == 3 + extra, counts)
    gone = named(events, "tls_block_gone")
    expect(len(gone) == 3 + extra, counts)
    expect({e["block"] for e in gone} <= {e["block"] for e in blocks}, "a block goes that has not come")
    expect(len({e["thread"] for e in blocks}) == 3 + extra, "one for each thread")


def blocks_dynamic(runner):
    blocks_of(runner, "libblocks.so", "0")


def blocks_by_descriptor(runner):
    blocks_of(runner, "libblocks-large.so", "0")


def blocks_static(runner):
    blocks_of(runner, "libblocks-static.so", "1")


# --- T23, T24, X17 -----------------------------------------------------------------------------------------


def enumeration(runner):
    result = runner.run([runner.path("enumerate"), runner.path("libblocks.so")])
    expect(result.returncode == 0 and result.stdout.endswith("right\n"), result.stdout, result.stderr)
    expect("soname=libc.so.6" in result.stdout and "soname=libblocks.so" in result.stdout, result.stdout)


def enumeration_with_tool(runner):
    tool = ",".join([runner.path("libwatcher.so"), runner.path("events.log"), *THREADS, *TLS])
    result = runner.run([runner.path("enumerate"), runner.path("libblocks.so")], tool)
    expect(result.returncode == 0 and result.stdout.endswith("right\n"), result.stdout, result.stderr)


def probing(runner):
    result = runner.run([runner.path("probing"), runner.path("libblocks.so"), runner.path("libblocks-large.so"), "10000"])
    expect(result.returncode == 0 and result.stdout == "wrong=0 asked=1 hits=1\n", result.stdout, result.stderr)


def surplus(runner):
    words = [runner.path("surplus")] + [runner.path(f"libsurplus-{i}.so") for i in range(12)]
    alone = runner.run(words)
    beside = runner.run(words, runner.path("liblarge.so"))
    expect(alone.returncode == 0 and int(alone.stdout) >= 4, alone.stdout, alone.stderr)
    expect(alone.stdout == beside.stdout and not beside.stderr, alone.stdout, beside.stdout, beside.stderr)


CASES = [threads_eight, threads_ends, threads_cxx, threads_in_app, threads_reused_stacks,
         processes_each_way, processes_in_app, processes_unwatched,
         follow_each_way, follow_pipeline, follow_leaves_alone, allocations, allocations_in_app, allocations_bound_now,
         allocations_by_ltrace, blocks_dynamic, blocks_by_descriptor, blocks_static, enumeration,
         enumeration_with_tool, probing, surplus]


def main():
    global OPTIONS
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ldx", required=True, help="the loader under test")
    parser.add_argument("--mode", choices=("command", "interp"), default="command")
    parser.add_argument("--built", required=True, help="folder of the built programs")
    parser.add_argument("--interp-tool", required=True, help="the ldx-interp program")
    parser.add_argument("--filter", default="", metavar="REGEX", help="only cases whose name matches")
    OPTIONS = parser.parse_args()
    bad = 0
    cases = [case for case in CASES if re.search(OPTIONS.filter, case.__name__)]
    for case in cases:
        with tempfile.TemporaryDirectory(prefix="process-") as work:
            os.chmod(work, 0o755)
            try:
                case(Runner(OPTIONS, work))
            except (Wrong, subprocess.SubprocessError, LookupError) as error:
                print(f"WRONG {case.__name__}: {error}")
                bad += 1
    print(f"{OPTIONS.mode}: {len(cases) - bad} of {len(cases)} cases are right")
    return 1 if bad or not cases else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--packages"]:  # Debian packages that the tests stand on
        sys.exit(print("ltrace python3 util-linux"))
    sys.exit(main())
