#!/usr/bin/env python3
"""Names of functions made at run time: perf's map and jitdump, read by a parser of our own and by perf; valgrind."""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import jitdump

if sys.argv[1:] == ["--packages"]:  # Debian packages that the tests stand on
    sys.exit(print("gdb linux-perf strace util-linux valgrind"))

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--ldx", required=True)
parser.add_argument("--folder", required=True, help="where the test programs were built")
parser.add_argument("--way", choices=["command", "interp"], required=True)
parser.add_argument("cases", nargs="*")
options = parser.parse_args()

folder = ""  # of the case
# In a chroot "/" is no mount point, whose propagation could be changed.
OWN_MOUNTS = ["unshare", "-m", "--propagation", "unchanged", "/bin/sh", "-c"]
PRIVATELY = "mount --make-rprivate / 2>/dev/null; "
WORKER = os.path.join(options.folder, "perf-worker" if options.way == "command" else "perf-worker-interp")


def check(good, text):
    if not good:
        raise AssertionError(text)


def command(*words, by_option=None):
    start = [options.ldx] if options.way == "command" else []
    if by_option:
        check(start, "an option needs ldx as a command")
        start.append("--perf=" + by_option)
    return start + [WORKER, *words]


def run(words, env=None, timeout=120, status=0, **more):
    base = {k: v for k, v in os.environ.items() if k not in ("LDX_PERF", "JITDUMPDIR")}
    r = subprocess.run(words, capture_output=True, text=True, timeout=timeout, cwd=more.pop("cwd", folder),
                       env=dict(base, HOME=folder, **(env or {})), errors="backslashreplace", **more)
    check(status is None or r.returncode == status,
          f"{words}: status {r.returncode}\n{r.stdout[-2000:]}\n{r.stderr[-2000:]}")
    return r


class Told:
    """A function, as the worker tells of it."""

    def __init__(self, line):
        words = line.split(" ")
        self.pid, self.name, self.address = int(words[0]), words[1], int(words[2], 16)
        self.name = re.sub(r"\\x(..)", lambda m: chr(int(m[1], 16)), self.name)
        self.code = bytes.fromhex(words[3])
        self.file = words[4] if len(words) > 4 else ""
        self.lines = [tuple(map(int, pair.split(":"))) for pair in words[5:]]


def told(out):
    return [Told(line) for line in out.splitlines()]


def map_path(pid):
    return f"/tmp/perf-{pid}.map"


def read_map(pid):
    """(address, size, name) of each line; the file goes."""
    with open(map_path(pid)) as file:
        text = file.read()
    check(os.stat(map_path(pid)).st_mode & 0o777 == 0o600, "others may read the map")
    os.unlink(map_path(pid))
    check(text.endswith("\n"), "the last line is not whole")
    lines = [re.fullmatch("([0-9a-f]+) ([0-9a-f]+) (.+)", line) for line in text[:-1].split("\n")]
    check(all(lines), "a line is not as it should be")
    return [(int(m[1], 16), int(m[2], 16), m[3]) for m in lines]


def read_dump(pid, where=None):
    path = os.path.join(where or folder, f"jit-{pid}.dump")
    with open(path, "rb") as file:
        dump = jitdump.parse(file.read())
    check(dump.pid == pid, "the dump is of another process")
    return dump


def compare_map(lines, functions):
    want = [(f.address, len(f.code), f.name.replace("\n", "?")) for f in functions]
    check(lines == want, f"the map differs: {[x for x in zip(lines, want) if x[0] != x[1]][:3]} {len(lines)} {len(want)}")


def compare_dump(dump, functions):
    def shape(f):
        return f.name, f.address, f.code, f.file, f.lines
    differ = [(a, b) for a, b in zip(map(shape, dump.functions), map(shape, functions)) if a != b]
    check(not differ and len(dump.functions) == len(functions),
          f"the dump differs: {str(differ[:1])[:500]} {len(dump.functions)} {len(functions)}")


def no_map_of(pid):
    check(not os.path.exists(map_path(pid)), "there is a map, and nobody wanted one")


# --- files ---------------------------------------------------------------------------------------------------


def case_both_by_environment():
    r = run(command("files"), env={"LDX_PERF": "map,dump"})
    functions = told(r.stdout)
    compare_map(read_map(functions[0].pid), functions)
    dump = read_dump(functions[0].pid)
    compare_dump(dump, functions)
    check(dump.closed, "the dump does not say that it is at its end")
    check({f.thread for f in dump.functions} == {dump.pid}, "another thread is named")
    check(abs(dump.begun / 1e9 - time.monotonic()) < 100, "another clock was used")
    check(not r.stderr, r.stderr)


def case_by_flags_of_an_object():
    functions = told(run(command("files", "map")).stdout)
    compare_map(read_map(functions[0].pid), functions)
    check(not os.listdir(folder), "there is a dump, and nobody wanted one")
    functions = told(run(command("files", "dump")).stdout)
    no_map_of(functions[0].pid)
    compare_dump(read_dump(functions[0].pid), functions)


def case_nothing_unless_wanted():
    functions = told(run(command("files")).stdout)
    no_map_of(functions[0].pid)
    check(not os.listdir(folder), "there is a dump, and nobody wanted one")


def case_by_option():
    if options.way == "interp":
        return
    functions = told(run(command("files", by_option="map,dump")).stdout)
    compare_map(read_map(functions[0].pid), functions)
    compare_dump(read_dump(functions[0].pid), functions)
    functions = told(run(command("files", by_option="dump"), env={"LDX_PERF": "map"}).stdout)  # the option's word holds
    no_map_of(functions[0].pid)
    r = run([options.ldx, "--perf", "maps", "/bin/true"], status=127)
    check(r.stderr == "ldx: --perf: 'maps' is neither map nor dump\n", r.stderr)


def case_wrong_word():
    r = run(command("files"), env={"LDX_PERF": "map,what"}, status=127)
    check(r.stderr == "ldx: LDX_PERF: 'what' is neither map nor dump\n" and not r.stdout, r.stderr)


def case_folder_of_dumps():
    for where, name in ((os.path.join(folder, "dumps"), os.path.join(folder, "dumps")), ("beside", os.path.join(folder, "beside"))):
        os.mkdir(name)
        functions = told(run(command("files"), env={"LDX_PERF": "dump", "JITDUMPDIR": where}).stdout)
        compare_dump(read_dump(functions[0].pid, name), functions)


def case_closed_descriptors():
    """The files are opened again, and the program's own descriptors are left alone."""
    functions = told(run(command("close"), env={"LDX_PERF": "map,dump"}).stdout)
    check(len(functions) == 2, "the program has not told all")
    compare_map(read_map(functions[0].pid), functions)
    compare_dump(read_dump(functions[0].pid), functions)


def case_forked():
    """Each process has files of its own, with what it got and what it made."""
    functions = told(run(command("fork"), env={"LDX_PERF": "map,dump"}).stdout)
    parent = functions[0].pid
    pids = {f.name: f.pid for f in functions}
    check(pids["libc_parent"] == pids["kernel_parent"] == parent, "the parent has another number")
    check(len({parent, pids["libc_child"], pids["kernel_child"]}) == 3, "there are not three processes")
    want = {parent: ["common", "libc_parent", "kernel_parent"], pids["libc_child"]: ["common", "libc_child"],
            pids["kernel_child"]: ["common", "libc_parent", "kernel_child"]}
    places = {(f.name, f.address, f.code) for f in functions}
    for pid, names in want.items():
        lines, dump = read_map(pid), read_dump(pid)
        check({name for _, _, name in lines} == set(names), f"map: {lines}, not {names}")
        check({f.name for f in dump.functions} == set(names), f"dump: {dump.functions}, not {names}")
        check({(f.name, f.address, f.code) for f in dump.functions} <= places, "code of another process")


def case_old_files():
    """What a process of the same number has left goes; what this process has written to its map stays."""
    script = 'printf "1 1 older\\n" > /tmp/perf-$$.map; touch -d 1990-01-01 /tmp/perf-$$.map; '
    script += 'echo old > jit-$$.dump; LDX_PERF=map,dump exec "$@"'
    functions = told(run(["/bin/sh", "-c", script, "sh", *command("files")]).stdout)
    compare_map(read_map(functions[0].pid), functions)
    compare_dump(read_dump(functions[0].pid), functions)
    script = 'printf "1 1 of_another_compiler\\n" > /tmp/perf-$$.map; chmod 600 /tmp/perf-$$.map; LDX_PERF=map exec "$@"'
    functions = told(run(["/bin/sh", "-c", script, "sh", *command("files")]).stdout)
    lines = read_map(functions[0].pid)
    check(lines[0] == (1, 1, "of_another_compiler"), f"{lines[0]}")
    compare_map(lines[1:], functions)


def one_line(r, text):
    """The program went on, and was told of once."""
    check(re.fullmatch(r"ldx: \S*perf-worker(-interp)?: " + text + "\n", r.stderr), f"not {text}: {r.stderr}")
    check(len(told(r.stdout)) > 5000, "the program has not gone on")
    return told(r.stdout)


def case_unwritable():
    r = run(command("files"), env={"LDX_PERF": "dump", "JITDUMPDIR": "/nowhere"})
    one_line(r, r"/nowhere/jit-\d+.dump: cannot write names for profilers: No such file or directory")
    for what, error in (("ln -s /dev/null", "Too many levels of symbolic links"), ("mkdir -m 700", "Is a directory"),
                        ("mkfifo", "No such device or address"), ("cp /bin/true target; ln target", "Operation not permitted")):
        script = f'{what} /tmp/perf-$$.map; trap "" EXIT; LDX_PERF=map exec "$@"'
        r = run(["/bin/sh", "-c", script, "sh", *command("files")])
        pid = told(r.stdout)[0].pid
        shutil.rmtree(map_path(pid)) if os.path.isdir(map_path(pid)) else os.unlink(map_path(pid))
        one_line(r, rf"/tmp/perf-{pid}.map: cannot write names for profilers: {error}")


def case_full_disk():
    """No record is cut off where the disk is full, and the program runs on."""
    script = 'mount -t tmpfs -o size=256k none "$1" && shift && exec "$@"'
    full, kept = os.path.join(folder, "full"), os.path.join(folder, "kept")
    os.mkdir(full)
    os.mkdir(kept)
    inner = f'"$@"; cp {full}/jit-*.dump {kept}'
    words = [*OWN_MOUNTS, PRIVATELY + script, "sh", full, "/bin/sh", "-c", inner, "sh", *command("files")]
    r = run(words, env={"LDX_PERF": "dump", "JITDUMPDIR": full})
    functions = one_line(r, r".*/jit-\d+.dump: cannot write names for profilers: No space left on device")
    dump = read_dump(functions[0].pid, kept)
    check(0 < len(dump.functions) < len(functions) and not dump.closed, "the disk was not full")
    compare_dump(dump, functions[:len(dump.functions)])


def case_not_mappable():
    script = 'mount -t tmpfs -o noexec none "$1" && shift && exec "$@"'
    full = os.path.join(folder, "data")
    os.mkdir(full)
    r = run([*OWN_MOUNTS, PRIVATELY + script, "sh", full, *command("files")],
            env={"LDX_PERF": "dump", "JITDUMPDIR": full})
    one_line(r, r".*/jit-\d+.dump: cannot map executable, which is how perf finds it: Operation not permitted")


def case_marker_is_not_writable():
    words = ["strace", "-f", "-e", "trace=mmap,mprotect", *command("files")]
    r = run(words, env={"LDX_PERF": "map,dump"})
    check(not re.search(r"PROT_WRITE\|PROT_EXEC|PROT_EXEC\|PROT_WRITE", r.stderr), "writable and executable")
    check(re.search(r"mmap\(NULL, 4096, PROT_READ\|PROT_EXEC, MAP_PRIVATE, \d+, 0\)", r.stderr), "no marker")
    os.unlink(map_path(told(r.stdout)[0].pid))


def case_privileged():
    """A program that has more rights than its user writes no files for him, by whatever way they are wanted."""
    if options.way == "command":
        return  # there ldx is what the kernel starts, and has no rights
    path = shutil.copy(WORKER, folder)
    os.chmod(path, 0o4755)
    os.chmod(folder, 0o755)
    for words, env in ((["files"], {"LDX_PERF": "map,dump"}), (["files", "map,dump"], {})):
        r = run([path, *words], env=env, user=65534, group=65534)
        no_map_of(told(r.stdout)[0].pid)
        check(os.listdir(folder) == [os.path.basename(path)] and not r.stderr, f"{os.listdir(folder)} {r.stderr}")


# --- perf ----------------------------------------------------------------------------------------------------


def record(case, files, *more):
    """Records a run; the functions that it told of."""
    r = run(["perf", "record", "-q", "-e", "cpu-clock", "-F", "500", "-k", "mono", *more, "-o", "data", "--",
             *command(case)], env={"LDX_PERF": files})
    return told(r.stdout)


def samples(data, fields="ip,sym"):
    """(address, the other words) of each sample."""
    r = run(["perf", "script", "--full-source-path", "-i", data, "-F", fields])
    found = [re.fullmatch(r"\s*([0-9a-f]+) (.*)", line) for line in r.stdout.splitlines()]
    return [(int(m[1], 16), m[2]) for m in found if m]


def check_names(found, functions):
    """Every sample in a function's code has its name; and the hot one has some."""
    for f in functions:
        inside = [name for address, name in found if f.address <= address < f.address + len(f.code)]
        check(inside or "hot" not in f.name, f"no sample in {f.name}")
        check(all(name.startswith(f.name) for name in inside), f"{f.name} is called {set(inside)}")


def case_perf_map():
    functions = record("spin", "map")
    check_names(samples("data"), functions)
    report = run(["perf", "report", "-i", "data", "--stdio"]).stdout
    check(re.search(r"\d\d\.\d\d% .*jit_hot_spot", report), report)
    os.unlink(map_path(functions[0].pid))


def case_perf_inject():
    functions = record("spin", "dump")
    run(["perf", "inject", "--jit", "-i", "data", "-o", "injected"])
    check_names(samples("injected"), functions)
    report = run(["perf", "report", "-i", "injected", "--stdio"]).stdout
    check(re.search(r"\d\d\.\d\d% .*jit_hot_spot", report), report)
    lines = run(["perf", "script", "-i", "injected", "-F", "ip,sym,srcline"]).stdout
    check("hot.src:7" in lines, lines[:500])


def case_perf_stacks():
    """Frame pointers lead through the code; both names are in the stack."""
    record("spin", "dump", "--call-graph", "fp")
    run(["perf", "inject", "--jit", "-i", "data", "-o", "injected"])
    stacks = run(["perf", "script", "-i", "injected", "-F", "ip,sym"]).stdout
    check(re.search(r"jit_hot_spot\S*\n\s+[0-9a-f]+ jit_caller\S*\n\s+[0-9a-f]+ spin", stacks), stacks[:500])


def case_perf_child():
    """A forked child's memory is mapped anew: names come from its own files."""
    functions = record("child", "map")
    check([f.name for f in functions] == ["jit_inherited"] * 2, "parent or child has told nothing")
    check(functions[0].pid != functions[1].pid, "there is no child")
    check_names(samples("data"), functions)
    report = run(["perf", "report", "-i", "data", "--stdio"]).stdout
    check(re.search(r"\d\d\.\d\d% .*jit_inherited", report), report)
    for f in functions:
        check([name for _, _, name in read_map(f.pid)] == ["jit_inherited"], "a map of another name")


# --- valgrind ------------------------------------------------------------------------------------------------


def valgrind(case, *more):
    return run(["valgrind", "--error-exitcode=9", "--leak-check=full", *more, *command(case)], timeout=300)


def case_valgrind_again():
    check("ERROR SUMMARY: 0 errors" in valgrind("again").stderr, "memcheck finds errors")


def case_valgrind_patch():
    check("ERROR SUMMARY: 0 errors" in valgrind("patch").stderr, "memcheck finds errors")


def case_valgrind_gdb():
    """gdb in a process that valgrind runs: stops in, and names, functions made at run time."""
    prefix = os.path.join(folder, "vgdb")
    words = ["valgrind", "--vgdb-error=0", f"--vgdb-prefix={prefix}", *command("stop")]
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True)
    try:
        script = ["set pagination off", "set breakpoint pending on", "set confirm off",
                  f"target remote | vgdb --vgdb-prefix={prefix} --wait=60 --pid={process.pid}",
                  "break jit_calls", "continue", "info symbol $pc", "break here", "continue", "bt", "continue"]
        words = ["gdb", "-q", "-batch", "-nx", *sum((["-ex", line] for line in script), []), WORKER]
        r = run(words, timeout=240)
        out, errors = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    check(re.search(r"Breakpoint 1, .*jit_calls", r.stdout), r.stdout + r.stderr)
    check(re.search(r"^jit_calls( \+ 4)? in section", r.stdout, re.M), r.stdout + r.stderr)
    check(re.search(r"#0 .*here \(.*\n#1 .*jit_calls \(.*\n#2 .*stop \(.*\n#3 .*main \(", r.stdout), r.stdout + r.stderr)
    check(out == "42\n" and "ERROR SUMMARY: 0 errors" in errors, out + errors)


def main():
    global folder
    failed = []
    cases = {name[5:]: f for name, f in globals().items() if name.startswith("case_")}
    for name, case in cases.items():
        if options.cases and not any(name.startswith(c) for c in options.cases):
            continue
        with tempfile.TemporaryDirectory(prefix="ldx-perf-") as folder:
            try:
                case()
                print(f"ok {name}", flush=True)
            except (AssertionError, jitdump.Damaged, OSError, subprocess.SubprocessError, IndexError, KeyError) as e:
                failed.append(name)
                print(f"FAILED {name}: {type(e).__name__}: {e}", flush=True)
    sys.exit(f"{len(failed)} failed: {' '.join(failed)}" if failed else 0)


main()
