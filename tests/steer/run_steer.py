#!/usr/bin/env python3
"""Tools and policies that steer: names, paths, search, order, images, bindings; both ways to be started under ldx."""

import argparse
import ctypes
import itertools
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

NEED_GDB = shutil.which("gdb")
NEED_STRACE = shutil.which("strace")


class Failed(Exception):
    pass


def check(ok, text):
    if not ok:
        raise Failed(text)


def same(got, expected, text):
    check(got == expected, f"{text}\n  got      {got!r}\n  expected {expected!r}")


class Run:
    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout.splitlines()
        self.err = done.stderr.splitlines()

    def of(self, tool):
        """What one tool has said."""
        return [line[len(tool) + 3:] for line in self.err if line.startswith(f"[{tool}] ")]

    def inits(self):
        return [line.split()[1] for line in self.out if line.startswith("init ")]

    def ok(self):
        check(self.code == 0, f"exit status {self.code}: {self.err}")
        return self

    def fails(self, *parts):
        """Ends with 127 and one line that has all these parts, before any code of the program has run."""
        check(self.code == 127, f"exit status {self.code}: {self.out} {self.err}")
        line = self.err[-1] if self.err else ""
        check(line.startswith("ldx: ") and not self.out, f"{self.out} {self.err}")
        for part in parts:
            check(part in line, f"{part!r} is not in {line!r}")
        return self


class World:
    def __init__(self, args):
        self.ldx, self.mode, self.built = args.ldx, args.mode, Path(args.built)
        self.interp_tool = args.interp_tool
        self.tools_folder = Path(args.tools)
        self.temp = Path(tempfile.mkdtemp(prefix="ldx-steer-"))
        self.files = 0

    def lib(self, name):
        return str(self.built / f"libs-{name}.so")

    def tool(self, *words, name=None):
        return ",".join([str(self.built / "steer-tool.so")] + ([f"name={name}"] if name else []) + list(words))

    def example(self, name):
        return str(self.tools_folder / "examples" / name / f"libldx-{name}.so")

    def folder(self, name):
        path = self.temp / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def copy(self, name, folder, as_name=None):
        target = self.folder(folder) / (as_name or f"libs-{name}.so")
        shutil.copy(self.lib(name), target)
        return str(target)

    def policy_file(self, policy):
        self.files += 1
        path = self.temp / f"policy{self.files}.json"
        path.write_text(policy if isinstance(policy, str) else json.dumps(policy))
        return str(path)

    def program(self, name):
        """The program of that name, or any path; as PT_INTERP it is a copy."""
        path = Path(name) if "/" in name else self.built / f"steer-{name}"
        if self.mode == "command":
            return str(path)
        copy = (self.built if "/" not in name else self.temp) / (path.name + ".ldx")
        if not copy.exists():
            part = str(copy) + f".{os.getpid()}"
            subprocess.run([self.interp_tool, "--set", self.ldx, "-o", part, path], check=True, capture_output=True)
            os.rename(part, copy)
        return str(copy)

    def command(self, program, *words, tools=(), in_app=(), policy=None, env=None):
        full = {k: v for k, v in os.environ.items() if not k.startswith(("LD_", "LDX_"))} | (env or {})
        before = []
        if self.mode == "command":
            before = [self.ldx]
            for t in tools:
                before += ["--tool", t]
            for t in in_app:
                before += ["--tool-in-app", t]
            if policy:
                before += ["--policy", self.policy_file(policy)]
        else:
            full |= {"LDX_TOOLS": ":".join(tools)} if tools else {}
            full |= {"LDX_TOOLS_IN_APP": ":".join(in_app)} if in_app else {}
            full |= {"LDX_POLICY": self.policy_file(policy)} if policy else {}
        return before + [self.program(program), *words], full

    def run(self, program, *words, prefix=(), cwd=None, **how):
        command, env = self.command(program, *words, **how)
        done = subprocess.run([*prefix, *command], env=env, capture_output=True, text=True, timeout=120,
                              cwd=cwd, errors="replace")
        return Run(done)


# --- order of initialisation and of tools

def init_orders(w):
    """T07: any order of four libraries' constructors."""
    for p in itertools.permutations("abcd"):
        pairs = [[f"libs-{x}.so", f"libs-{y}.so"] for x, y in zip(p, p[1:])]
        same(w.run("four", policy={"init_order": pairs}).ok().inits(), [*p, "main"], f"order {pairs}")
    same(w.run("four").ok().inits(), [*"dcba", "main"], "without a policy")


def init_section(w):
    """T08: the same from a section of the program."""
    program, started = w.built / f"section-{w.mode}", w.built / f"section-{w.mode}.ldx"
    for p in "cabd", "abcd":
        file = w.policy_file({"init_order": [[f"libs-{x}.so", f"libs-{y}.so"] for x, y in zip(p, p[1:])]})
        shutil.copy(w.built / "steer-four", program)
        subprocess.run([str(w.tools_folder / "ldx-policy"), "add", file, str(program)], check=True)
        subprocess.run([w.interp_tool, "--set", w.ldx, "-o", started, program], check=True, capture_output=True)
        command = [w.ldx, str(program)] if w.mode == "command" else [str(started)]
        run = Run(subprocess.run(command, capture_output=True, text=True)).ok()
        same(run.inits(), [*p, "main"], f"order {p}")
        started.unlink()
        program.unlink()


def init_circle(w):
    pairs = [["libs-a.so", "libs-b.so"], ["libs-b.so", "libs-c.so"], ["libs-c.so", "libs-a.so"]]
    run = w.run("four", policy={"init_order": pairs})
    check(run.code == 127 and not run.out, f"{run.code} {run.out}")
    for name in "abc":
        check(f'"libs-{name}.so" before' in run.err[-1], run.err)


def load_order(w):
    """"load_order" is the order of symbol search: who answers first."""
    same(w.run("answer", "answer").ok().out[-2], "answers 1 1", "usual order")
    run = w.run("answer", "answer", policy={"load_order": ["libs-b.so", "libs-a.so"]}).ok()
    same(run.out[-2], "answers 2 2", "b before a")


def tool_first(w):
    """A tool permutes; one that loses objects is refused."""
    same(w.run("four", tools=[w.tool("first=libs-b.so")]).ok().inits(), [*"bdca", "main"], "b first")
    w.run("four", tools=[w.tool("lose", name="loser")]).fails("tool loser gives back other objects")


def tool_order(w):
    """Tools A (before C), B (after A), C: A B C, however they come; then equal priority, priority, edges."""
    specs = {"A": ["before=C"], "B": ["after=A", "before=C"], "C": []}
    for p in itertools.permutations("ABC"):
        tools = [w.tool(*specs[n], *(["list-tools"] if n == "A" else []), name=n) for n in p]
        same(w.run("alone", tools=tools).ok().of("A"), ["tool A", "tool B", "tool C"], f"registered {p}")
    plain = [w.tool("list-tools", name="x"), w.tool(name="y"), w.tool("priority=5", name="z")]
    same(w.run("alone", tools=plain).ok().of("x"), ["tool z", "tool x", "tool y"], "priority, then registration")
    edges = {"order": {"edges": [["y", "x"]]}}
    order = w.run("alone", tools=plain, policy=edges).ok().of("x")
    check(order.index("tool y") < order.index("tool x"), order)


def tool_circle(w):
    tools = [w.tool("before=y", name="x"), w.tool("before=x", name="y")]
    w.run("alone", tools=tools).fails("x before y (wanted by x)", "y before x (wanted by y)")
    run = w.run("alone", tools=tools + [w.tool("list-tools", name="z")], policy={"order": {"remove": [["y", "x"]]}})
    order = run.ok().of("z")
    check(order.index("tool x") < order.index("tool y"), order)


def tool_conflicts(w):
    w.run("alone", tools=[w.tool(name="one"), w.tool(name="one")]).fails("two tools are called one")
    w.run("alone", tools=[w.tool("provides=mpi", name="one"), w.tool("conflicts=mpi", name="two")]).fails(
        "tool two refuses to run together with tool one (mpi)")


# --- rewriting

def redirect(w):
    """T10: a library from elsewhere; dladdr tells."""
    moved = w.copy("a", "elsewhere")
    rule = {"rewrite": [{"when": {"kind": "name", "match": "libs-a.so"}, "to": moved}]}
    same(w.run("four", "where=a_value", policy=rule).ok().out[-2], f"a_value in {moved}", "policy")
    run = w.run("four", "where=a_value", tools=[w.tool(f"rename=libs-a.so={moved}")]).ok()
    same(run.out[-2], f"a_value in {moved}", "tool")


def empty(w):
    w.run("four", tools=[w.tool("rename=libs-a.so=", name="eraser")]).fails("libs-a.so: tool eraser makes an empty name of it")


def odd_images(w):
    """Bytes that are no library."""
    short = w.temp / "short"
    short.write_bytes(Path(w.lib("a")).read_bytes()[:3000])
    nothing = w.temp / "nothing"
    nothing.write_bytes(b"")
    for file, fault in ("/etc/passwd", "invalid ELF header"), (nothing, "file too short"), (short, "file too short"), (
            w.built / "steer-alone", "cannot dynamically load position-independent executable"):
        for how in "image", "image-fd":
            run = w.run("alone", f"open=libghost.so", f"open={w.lib('a')}", tools=[w.tool(f"{how}=libghost.so={file}")]).ok()
            check(f"libghost.so: {fault}" in run.out[1] and run.out[3].endswith("yes"), run.out)
    run = w.run("alone", "open=libghost.so", tools=[w.tool("image-fd=libghost.so=/nowhere")]).ok()
    check("gives no usable image" in run.out[1], run.out)


def kinds(w):
    """T26: one rule of each kind, with what the pattern caught."""
    alt = w.copy("a", "alt")
    for name in "bcd":
        w.copy(name, "alt")
    w.copy("a", "alt", "libs-a-2.so")
    folder = str(w.built)

    def where(kind, match, to, program="four", **how):
        rule = {"rewrite": [{"when": {"kind": kind, "match": match}, "to": to}]}
        return w.run(program, "where=a_value", policy=rule, **how).ok().out[-2]

    same(where("name", "*-?.so", f"{w.temp}/alt/$1-$2.so"), f"a_value in {alt}", "name, with $1 and $2")
    same(where("name", "libs-a*", f"{w.temp}/alt/libs-a-2$1"), f"a_value in {w.temp}/alt/libs-a-2.so", "name, with $1")
    same(where("soname", "libs-a.so", alt), f"a_value in {alt}", "soname")
    same(where("path", f"{folder}/libs-a.so", alt), f"a_value in {alt}", "path")
    same(where("dir", folder, f"{w.temp}/alt"), f"a_value in {alt}", "dir")
    same(where("search", folder, f"{w.temp}/alt:{folder}"), f"a_value in {alt}", "search path")
    # a rule for sonames is not for dlopen; one for names is
    rule = {"rewrite": [{"when": {"kind": "soname", "match": "libs-d.so"}, "to": alt}]}
    same(w.run("alone", f"open={w.lib('d')}", "where=d_value", policy=rule).ok().out[-2], f"d_value in {w.lib('d')}",
         "soname and dlopen")


def origin(w):
    """A moved library finds what lies beside it; with keep_origin, what lay beside the original."""
    here, there = w.folder("origin/here"), w.folder("origin/there")
    for folder in here, there:
        shutil.copy(w.lib("right"), folder)
        shutil.copy(w.lib("a"), folder)
        shutil.copy(w.lib("leaf"), folder)
    rule = {"rewrite": [{"when": {"kind": "path", "match": f"{here}/libs-right.so"}, "to": f"{there}/libs-right.so"}]}
    words = [f"open={here}/libs-right.so", "where=right_value", "where=leaf_value"]
    same(w.run("alone", *words, policy=rule).ok().out[-3:-1],
         [f"right_value in {there}/libs-right.so", f"leaf_value in {there}/libs-leaf.so"], "new $ORIGIN")
    rule["search"] = {"keep_origin": True}
    same(w.run("alone", *words, policy=rule).ok().out[-3:-1],
         [f"right_value in {there}/libs-right.so", f"leaf_value in {here}/libs-leaf.so"], "kept $ORIGIN")


def lists(w):
    """A tool's own list comes first; a list may be replaced; ld.so.cache may be switched off."""
    moved = w.copy("a", "lists")
    run = w.run("four", "where=a_value", tools=[w.tool(f"own-list={w.temp}/lists")]).ok()
    same(run.out[-2], f"a_value in {moved}", "own list")
    run = w.run("four", "where=a_value", tools=[w.tool(f"list=RUNPATH={w.temp}/lists")])
    run.fails("libs-b.so: cannot open shared object file: No such file or directory")
    run = w.run("alone", "open=libz.so.1", tools=[w.tool("list=cache", "list=system search path")]).fails("libc.so.6")
    run = w.run("alone", tools=[w.tool("log-lists")]).ok()
    same([line.split()[1] for line in run.of("tool") if line.endswith("for libc.so.6")], ["(own)", "LD_LIBRARY_PATH", "RUNPATH", "cache"], "lists in order")


def long_lists(w):
    """Rules count in lists of any length."""
    moved = w.copy("a", "long")
    folders = ":".join(f"{w.temp}/{'x' * 90}{i}" for i in range(80)) + f":{w.temp}/none"
    rule = {"rewrite": [{"when": {"kind": "search", "match": f"{w.temp}/none"}, "to": f"{w.temp}/long"}]}
    run = w.run("four", "where=a_value", env={"LD_LIBRARY_PATH": folders}, policy=rule).ok()
    same(run.out[-2], f"a_value in {moved}", "last folder")


def deny(w):
    """T16"""
    rule = {"deny": [{"match": "libs-*", "why": "not here"}]}
    run = w.run("alone", f"open={w.lib('a')}", policy=rule).ok()
    check("denied by tool policy: not here (" in run.out[1], run.out)
    check(re.search(r"policy\d+\.json:1:\d+\): Permission denied$", run.out[1]), run.out)
    w.run("four", policy=rule).fails("libs-a.so: denied by tool policy: not here", "Permission denied")
    run = w.run("alone", f"open={w.lib('a')}", policy={"deny": [{"match": "*-a.so", "errno": "ENOENT"}]}).ok()
    check(run.out[1].endswith("No such file or directory"), run.out)
    tool = w.tool(f"deny={w.lib('a')}=2", "events", name="guard")
    run = w.run("alone", f"open={w.lib('a')}", f"open={w.lib('b')}", tools=[tool]).ok()
    check("denied by tool guard: it is forbidden: No such file" in run.out[1] and run.out[3].endswith("yes"), run.out)
    check(f"denied {w.lib('a')} by guard" in run.of("guard"), run.err)
    run = w.run("alone", f"new={w.lib('a')}", policy=rule).ok()
    check("denied by tool policy" in run.out[1], f"dlmopen: {run.out}")
    run = w.run("alone", f"open={w.lib('a')}", policy={"deny": [{"match": "*", "from": "*nobody*"}]}).ok()
    check(run.out[2].endswith("yes"), f"another asker: {run.out}")
    run = w.run("alone", f"open={w.lib('filter')}", policy={"deny": [{"match": "libs-b.so"}]}).ok()
    check("libs-b.so: denied by tool policy" in run.out[1], f"filtee: {run.out}")
    folder = {"deny": [{"match": f"{w.folder('denied')}/*"}]}
    env = {"LD_LIBRARY_PATH": str(w.folder("denied"))}
    w.run("four", policy=folder, env=env).ok()  # it has none of the libraries
    w.copy("a", "denied")
    w.run("four", policy=folder, env=env).fails("libs-a.so: denied by tool policy", "Permission denied")


def chain(w):
    """T30: three tools, each takes what the one before made."""
    last = w.copy("a", "chain", "libs-four.so")
    tools = [w.tool("rename=libs-a.so=libs-two.so", "log", name="t1"),
             w.tool("rename=libs-two.so=libs-three.so", "log", name="t2"),
             w.tool(f"rename=libs-three.so={last}", "log", "events", name="t3")]
    run = w.run("four", "where=a_value", tools=tools).ok()
    same(run.out[-2], f"a_value in {last}", "result")
    seen = [[line for line in run.of(t) if "libs-" in line and "origin" in line][0].split()[1] for t in ("t1", "t2", "t3")]
    same(seen, ["libs-a.so", "libs-two.so", "libs-three.so"], "what each saw")
    check("rewritten libs-two.so to libs-three.so by t2" in run.of("t3"), run.err)
    if w.mode == "command":
        command, env = w.command("four", tools=tools)
        out = subprocess.run([command[0], "--explain", *command[1:]], env=env, capture_output=True, text=True).stdout
        for step in "t1", "t2", "t3":
            check(step in out, f"--explain does not name {step}: {out}")


def pipeline(w):
    """Names, then lists, then paths: each step's tool acts on the step before."""
    moved = w.copy("b", "pipe/new", "libs-x.so")
    tools = [w.tool(f"path={w.temp}/pipe/old={w.temp}/pipe/new", name="paths"),
             w.tool(f"own-list={w.temp}/pipe/old", name="lists"), w.tool("rename=libs-b.so=libs-x.so", name="names")]
    run = w.run("four", "where=b_value", tools=tools).ok()
    same(run.out[-2], f"b_value in {moved}", "all three")


def conflict(w):
    """T31"""
    one, two = w.copy("a", "conflict", "libs-one.so"), w.copy("a", "conflict", "libs-two.so")
    tools = [w.tool(f"rename=libs-a.so={one}", "events", name="first"),
             w.tool(f"rename=libs-a.so={two}", f"rename={one}={one}.more", name="second")]

    def result(how):
        return w.run("four", "where=a_value", tools=tools, policy={"order": {"on_conflict": how}})

    same(result("first").ok().out[-2], f"a_value in {one}", "first")
    check(any(line.startswith("tool_conflict first second") or line.startswith("tool-conflict first second")
              or "conflict first second" in line for line in result("first").of("first")), "event of the conflict")
    same(result("last").ok().out[-2], f"a_value in {two}", "last")
    result("error").fails("tools first and second both change the name")
    shutil.copy(two, one + ".more")
    same(result("chain").ok().out[-2], f"a_value in {one}.more", "chain")
    same(w.run("four", "where=a_value", tools=tools).ok().out[-2], f"a_value in {one}.more", "the usual: chain")


def stacked(w):
    """T12: a rewriter, a watcher and a binder: what each says alone is what it says among the others."""
    moved = w.copy("a", "stacked")
    tools = {"spack": w.tool(f"rename=libs-a.so={moved}", "log", name="spack"),
             "watch": w.tool("events", name="watch"),
             "wrap": w.tool("bind=answer", "log", name="wrap")}

    def kept(run, name):
        # the events of the rewriter are the only ones that others cause
        return [re.sub(r"\S*/libs-a", "libs-a", line) for line in run.of(name) if not line.startswith("rewritten")]

    for p in itertools.permutations(tools):
        together = w.run("answer-now", "answer", tools=[tools[n] for n in p]).ok()
        same(together.out[-2], "answers 77 77", "together")
        for name in tools:
            alone = w.run("answer-now", "answer", tools=[tools[name]]).ok()
            check(alone.of(name), name)
            same(sorted(kept(together, name)) if name == "watch" else kept(together, name),
                 sorted(kept(alone, name)) if name == "watch" else kept(alone, name), f"{name} in {p}")


# --- search

def tries(text):
    """All but those of the guest's own loader, which the system loader need not look for."""
    return [line.split("trying file=")[1].strip() for line in text if "trying file=" in line and "/ld-linux" not in line]


def default_search(w):
    """T27: the usual order is the system loader's, tool or not."""
    for program in "graph", "four", "/usr/bin/python3", "/usr/bin/git":
        path = str(Path(program) if "/" in program else w.built / f"steer-{program}")
        env = {k: v for k, v in os.environ.items() if not k.startswith("LD")} | {"LD_DEBUG": "libs"}
        asked = ["--version"] if "/" in program else []
        system = tries(subprocess.run([path, *asked], env=env, capture_output=True, text=True).stderr.splitlines())
        same(tries(w.run(program, *asked, env={"LD_DEBUG": "libs"}).ok().err), system, f"{program} without tools")
        with_tool = w.run(program, *asked, env={"LD_DEBUG": "libs"}, tools=[w.tool("log", "log-lists")]).ok()
        mine = tries(with_tool.err)  # the tool's own libraries come first
        same(mine[-len(system):], system, f"{program} with a tool")


def mapped(run):
    return [line.split()[1] for line in run.of("tool") if line.startswith("mapped libs-")]


def algorithms(w):
    """T27: what each built-in algorithm finds, against its rule."""
    watch = [w.tool("events")]
    needs = {"main": ["left", "right", "d"], "left": ["mid", "b"], "right": ["leaf", "a"], "mid": ["leaf"]}
    deep, wide = [], []

    def descend(n):
        for x in needs.get(n, []):
            if x not in deep:
                deep.append(x)
                descend(x)
    descend("main")
    queue = ["main"]
    for n in queue:
        wide += [x for x in needs.get(n, []) if x not in wide]
        queue += [x for x in needs.get(n, []) if x not in queue]
    same(mapped(w.run("graph", tools=watch).ok()), [f"libs-{n}.so" for n in wide], "breadth first")
    for policy in {"search": {"algorithm": "depth-first"}},:
        same(mapped(w.run("graph", tools=watch, policy=policy).ok()), [f"libs-{n}.so" for n in deep], "depth first")
    # a store: one folder has all
    for name in "left", "right", "d", "mid", "b", "leaf", "a":
        w.copy(name, "store")
    shutil.copy("/lib/x86_64-linux-gnu/libc.so.6", w.folder("store"))
    shutil.copy("/lib64/ld-linux-x86-64.so.2", w.folder("store"))
    store = {"search": {"algorithm": "store", "store": [str(w.folder("store"))]}}
    run = w.run("graph", "where=leaf_value", policy=store).ok()
    same(run.out[-2], f"leaf_value in {w.temp}/store/libs-leaf.so", "store")
    (w.folder("store") / "libs-mid.so").unlink()
    w.run("graph", policy=store).fails("libs-mid.so: cannot open shared object file")


def musl_search(w):
    """musl's rule: LD_LIBRARY_PATH, run paths of the chain, then the folders of its path file."""
    own = w.folder("musl-own")
    for file in "libc.so.6", "libm.so.6":
        shutil.copy(f"/lib/x86_64-linux-gnu/{file}", own)
    shutil.copy("/lib64/ld-linux-x86-64.so.2", own)
    w.copy("a", "musl-own")
    policy = {"search": {"algorithm": "musl"}}
    run = w.run("four", "where=a_value", policy=policy, env={"LD_LIBRARY_PATH": str(own)}).ok()
    same(run.out[-2], f"a_value in {own}/libs-a.so", "LD_LIBRARY_PATH before RUNPATH")
    run = w.run("four", "where=libintl", policy=policy)  # no ld.so.cache: Debian's libc is nowhere
    check(run.code == 127 and "libc.so.6: cannot open shared object file" in run.err[-1], run.err)
    policy["search"]["append"] = [str(own)]
    run = w.run("four", "where=a_value", "where=qsort", policy=policy).ok()
    same(run.out[-3:-1], [f"a_value in {w.lib('a')}", f"qsort in {own}/libc.so.6"], "append")


def origin_cache(w):
    """The nearest package's own ld.so.cache."""
    package = w.folder("package")
    lib = w.folder("package/lib")
    w.folder("package/etc"), w.folder("package/far")
    shutil.copy(w.lib("right"), lib)
    for name in "leaf", "a":
        w.copy(name, "package/far")
    (package / "conf").write_text(f"{package}/far\n")
    made = subprocess.run(["ldconfig", "-C", f"{package}/etc/ld.so.cache", "-f", f"{package}/conf", "-X"], capture_output=True,
                          env=os.environ | {"PATH": os.environ.get("PATH", "") + ":/sbin:/usr/sbin"})
    check(made.returncode == 0, made.stderr)
    words = [f"open={lib}/libs-right.so", "where=leaf_value"]
    run = w.run("alone", *words, policy={"search": {"algorithm": "origin-cache"}}).ok()
    same(run.out[-2], f"leaf_value in {package}/far/libs-leaf.so", "cache of the package")
    check("libs-leaf.so: cannot open" in " ".join(w.run("alone", *words).ok().out), "it is nowhere else")


def own_search(w):
    """An algorithm in a tool: its tries, in its order."""
    shutil.copy(w.lib("a"), w.folder("own") / "libs-a.so.real")
    w.copy("b", "own")
    tool = w.tool(f"search={w.temp}/own", "log-lists", name="finder")
    run = w.run("answer", "where=a_value", tools=[tool]).ok()
    same(run.out[-2], f"a_value in {w.temp}/own/libs-a.so.real", "found")
    said = [line for line in run.of("finder") if line.startswith("try libs-")]
    same(said, ["try libs-a.so.real: found", "try libs-b.so.real: No such file or directory", "try libs-b.so: found"], "tries")
    lists_told = [line for line in run.of("finder") if line.startswith("would search")][:3]
    check("would search RUNPATH" in lists_told and "would search cache" in lists_told, lists_told)
    w.run("answer", tools=[w.tool(f"search={w.temp}/nowhere", "only")]).fails("cannot open shared object file")
    other = w.tool(f"search={w.temp}/nowhere", "only", name="other")
    run = w.run("answer", "where=a_value", tools=[tool, other], policy={"search": {"algorithm": "tool:finder"}}).ok()
    same(run.out[-2], f"a_value in {w.temp}/own/libs-a.so.real", "only the one that is named")
    run = w.run("answer", tools=[tool, other], policy={"search": {"algorithm": "tool:other"}})
    run.fails("cannot open shared object file")


# --- images from memory

def images(w):
    """T28: bytes, and a descriptor; no file of that name is opened; gdb sees the symbols."""
    for how in "image", "image-fd":
        tool = w.tool(f"{how}=libghost.so={w.lib('a')}")
        run = w.run("alone", "open=libghost.so", "where=a_value", "ask=a_value", "close", tools=[tool]).ok()
        check(run.out[2].endswith("yes") and run.out[4] == "a_value() = 1", run.out)
        same(run.out[3], "a_value in libghost.so", "name")
    provide = {"provide": [{"name": "libghost.so", "from": f"memfd:{w.lib('a')}"}]}
    run = w.run("alone", "open=libghost.so", "ask=a_value", policy=provide).ok()
    same(run.out[3], "a_value() = 1", "policy: memfd")
    run = w.run("alone", "open=libghost.so", "where=a_value", policy={"provide": [{"name": "libghost.so", "from": f"file:{w.lib('a')}"}]}).ok()
    same(run.out[3], f"a_value in {w.lib('a')}", "policy: file")
    log = w.temp / "strace.out"
    run = w.run("alone", "open=libghost.so", tools=[w.tool(f"image=libghost.so={w.lib('a')}")],
                prefix=["strace", "-f", "-e", "trace=openat,open", "-o", str(log)]).ok()
    opened = [line for line in log.read_text().splitlines() if "libghost" in line]
    same(opened, [], "files opened by that name")


def images_are_let_go(w):
    """Opened and closed again and again, a provided library takes no more memory."""
    big = w.folder("big") / "libbig.so"
    big.write_bytes(Path(w.lib("a")).read_bytes() + bytes(8 << 20))
    provide = {"provide": [{"name": "libghost.so", "from": f"memfd:{big}"}]}
    run = w.run("alone", *["open=libghost.so", "close"] * 100, "open=libghost.so", "ask=a_value", policy=provide).ok()
    same(run.out[-2], "a_value() = 1", "policy: memfd")
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    check(most < 400 << 10, f"{most} KiB")


def image_in_gdb(w):
    tool = w.tool(f"image=libghost.so={w.lib('a')}")
    command, env = w.command("alone", "open=libghost.so", "ask=a_value", tools=[tool])
    env |= {"LC_ALL": "C"}
    done = subprocess.run(["gdb", "-batch", "-nx", "-ex", "set breakpoint pending on", "-ex", "break a_value", "-ex", "run",
                           "-ex", "bt 1", "-ex", "continue", "--args", *command], env=env, capture_output=True, text=True, timeout=100)
    check(re.search(r"Breakpoint 1, .*a_value", done.stdout) and "a_value() = 1" in done.stdout, done.stdout + done.stderr)


# --- bindings

def bindings(w):
    """References, lazy ones, pointers in data, dlsym."""
    for program in "answer", "answer-now":
        run = w.run(program, "answer", "ask=answer", policy={"bind": [{"sym": "answer", "to": "libs-b.so"}]}).ok()
        same(run.out[-3:-1], ["answers 2 2", "answer() = 2"], f"policy, {program}")
        run = w.run(program, "answer", "ask=answer", tools=[w.tool("bind=answer")]).ok()
        same(run.out[-3:-1], ["answers 77 77", "answer() = 77"], f"tool, {program}")
        other = {"bind": [{"sym": "answer", "to": "libs-b.so", "caller": "*nobody*"}]}
        same(w.run(program, "answer", policy=other).ok().out[-2], "answers 1 1", f"another caller, {program}")


def variants(w):
    """"ifunc": the variant that the policy names, wherever the function is bound; clear words when there is none."""
    for program in "choice", "choice-now":
        for choose, number in ("variant_two", 102), ("variant_three", 103), (None, 101):
            policy = {"ifunc": [{"sym": "chosen", "choose": choose}]} if choose else None
            run = w.run(program, "choice", "ask=chosen", policy=policy).ok()
            same(run.out[-3:-1], [f"choice {number} {number} {number * 1001}", f"chosen() = {number}"], f"{program} {choose}")
        run = w.run(program, "choice", "ask=chosen", tools=[w.tool("bind=chosen")]).ok()
        same(run.out[-3:-1], ["choice 77 77 77101", "chosen() = 77"], f"{program}, a tool binds")
    policy = {"ifunc": [{"sym": "memcpy", "choose": "__memcpy_of_nobody"}]}
    run = w.run("/usr/bin/git", "--version", policy=policy)
    check(run.code == 127 and "libc.so.6: has no function __memcpy_of_nobody, which the policy chooses for memcpy" in run.err[-1],
          run.err)


# --- namespaces, preload, what may be a tool

def namespaces(w):
    """N14: libraries that a namespace shares, by the file that it is made for."""
    words = [f"open={w.lib('b')}", f"new={w.lib('left')}"]

    def mapped_twice(policy):
        run = w.run("alone", *words, tools=[w.tool("events")], policy=policy).ok()
        return run.inits().count("b")

    same(mapped_twice(None), 2, "usual")
    same(mapped_twice({"namespaces": [{"name": "libs-left.so", "share": ["libs-b*"]}]}), 1, "shared")
    same(mapped_twice({"namespaces": [{"name": "libs-right.so", "share": ["libs-b*"]}]}), 2, "of another namespace")


def preload(w):
    same(w.run("answer", "answer", policy={"preload": [w.lib("d")]}).ok().out[-2], "answers 4 4", "policy")
    run = w.run("answer", "answer", policy={"preload": [str(w.temp / "none.so")]}).ok()
    check(any("none.so" in line and "cannot be preloaded" in line for line in run.err), run.err)


def allowed(w):
    file = str(w.built / "steer-tool.so")
    sha = subprocess.run(["sha256sum", file], capture_output=True, text=True, check=True).stdout.split()[0]
    notes = subprocess.run(["readelf", "-n", file], capture_output=True, text=True, check=True).stdout
    build = re.search(r"Build ID: ([0-9a-f]+)", notes).group(1)
    for word in f"sha256:{sha}", f"build-id:{build}", f"{os.path.realpath(w.built)}/*.so":
        run = w.run("alone", tools=[w.tool("hello")], policy={"security": {"allow_tools": [word]}}).ok()
        same(run.of("tool"), ["hello late 0"], word)
    wrong = sha[:-1] + ("0" if sha[-1] != "0" else "1")
    for security in {"allow_tools": [f"sha256:{wrong}"]}, {"allow_tools": ["/usr/lib/*"]}, {"deny_by_default": True}:
        for how in {"tools": [w.tool("hello")]}, {"in_app": [w.tool("hello")]}:
            w.run("alone", policy={"security": security}, **how).fails("steer-tool.so: tool is not allowed by the policy (")
    link = w.folder("usr") / "lib"
    link.symlink_to(w.built)
    run = w.run("alone", tools=[f"{link}/steer-tool.so"], policy={"security": {"allow_tools": [f"{w.temp}/usr/*"]}})
    run.fails("not allowed")


def policy_tools(w):
    """"tools" of the policy: arguments, name, order; in the program's namespace."""
    file = str(w.built / "steer-tool.so")
    tools = [{"path": file, "name": "x", "args": ["list-tools"], "after": ["y"]}, {"path": file, "name": "y"}]
    same(w.run("alone", policy={"tools": tools}).ok().of("tool"), ["tool policy", "tool y", "tool x"], "order")
    tools = [{"path": file, "args": ["hello"], "in_app": True}]
    same(w.run("alone", policy={"tools": tools}).ok().of("tool"), ["hello late 0"], "in_app")


def named_tools(w):
    """A tool that the policy counts on must be there, and do what it is named for."""
    file = str(w.built / "steer-tool.so")
    named = {"search algorithm": {"search": {"algorithm": "tool:x"}},
             "provider": {"io": [{"paths": ["/nfs/*"], "provider": "x"}]},
             "key of the launch cache": {"cache": {"tiers": [str(w.temp / "keyed")], "key": "tool:x"}}}
    for what, policy in named.items():
        w.run("alone", policy=policy).fails("policy", "there is no tool x", what)
        for in_app in False, True:
            here = policy | {"tools": [{"path": file, "name": "x", "in_app": in_app}]}
            if what == "provider":
                w.run("alone", policy=here).ok()
            else:
                w.run("alone", policy=here).fails(f"tool x is no {what}")


# --- tools in the program's namespace

def in_app(w):
    """It speaks after its own constructors, before all others; its symbols come first."""
    for how in {"in_app": [w.tool("hello", "log", "events")]}, {"tools": [w.tool("in-app", "hello", "log", "events")]}:
        run = w.run("four", f"open={w.lib('leaf')}", **how).ok()
        check(run.of("tool")[0] == "hello late 0", run.err)
        check(any(line.startswith(f"name {w.lib('leaf')}") for line in run.of("tool")), run.err)
        same(run.inits(), [*"dcba", "main", "leaf"], "constructors")
    for word in "hello", "in-app":  # while the program runs
        run = w.run("alone", tools=[w.tool(f"load={w.built}/steer-tool.so={word}")]).ok()
        check("load 0" in run.of("tool") and "hello late 1" in run.of("late"), run.err)
    moved = w.copy("leaf", "in-app")
    run = w.run("alone", "open=libghost.so", "where=leaf_value", in_app=[w.tool(f"rename=libghost.so={moved}")]).ok()
    same(run.out[-2], f"leaf_value in {moved}", "it steers")
    w.run("alone", in_app=[w.tool("decline")]).fails_late("tool declines (3)")
    w.run("alone", in_app=[str(w.temp / "none.so")]).fails("none.so: cannot open shared object file")


def fails_late(self, *parts):
    return self.fails(*parts)


Run.fails_late = fails_late


# --- tools that are not as they should be

def broken(w):
    none = str(w.temp / "none.so")
    w.run("alone", tools=[none]).fails("none.so: cannot open shared object file: No such file or directory")
    damaged = w.temp / "damaged.so"
    data = Path(w.built / "steer-tool.so").read_bytes()
    for size in 0, 10, 200, 3000:
        damaged.write_bytes(data[:size])
        w.run("alone", tools=[str(damaged)]).fails("damaged.so: ")
    damaged.write_bytes(b"not ELF" * 100)
    w.run("alone", tools=[str(damaged)]).fails("damaged.so: invalid ELF header")
    run = w.run("alone", tools=[w.lib("a")])
    check(run.code == 127 and "is no tool: it has no function ldx_tool_main" in run.err[-1] and "main" not in run.out, run.err)
    w.run("alone", tools=[str(w.built / "steer-needy.so")]).fails("libsteer-really-gone.so: cannot open shared object file")
    w.run("alone", tools=[w.tool("decline")]).fails("steer-tool.so: tool declines (3)")
    run = w.run("alone", tools=[w.tool("decline", "optional"), w.tool("hello", name="other")]).ok()
    check("tool declines (3)" in run.err[0] and run.of("other") == ["hello late 0"], run.err)
    w.run("alone", tools=[w.tool("abi=99")]).fails("tool wants version 99 of ldx's interface, this is 1")


# --- tools at work in real programs

def kinds_of_tools(w):
    check("[cc] libc.so.6 1" in w.run("alone", tools=[str(w.built / "steer-throws.so")]).ok().err, "C++")
    same(w.run("alone", "tls", tools=[w.tool("threads")]).ok().of("tool"), ["threads worked"], "threads of its own")
    five = [w.tool("threads", name="t"), str(w.built / "steer-throws.so"), w.tool("events", "log", name="u"),
            w.example("profile"), f"{w.example('trace')},{w.temp}/five.json"]
    run = w.run("big", "tls", f"open={w.lib('left')}", tools=five).ok()
    check(run.of("t") == ["threads worked"] and "exit" in run.of("u") and run.out[-1] == "main", run.err)
    json.loads((w.temp / "five.json").read_text())


def programs(w):
    tools = [w.tool("events", "log"), str(w.built / "steer-throws.so")]
    script = ("import ssl, sqlite3, threading, ctypes, subprocess\n"
              "ts = [threading.Thread(target=lambda: __import__('decimal')) for _ in range(4)]\n"
              "[t.start() for t in ts]; [t.join() for t in ts]\n"
              "print(ctypes.CDLL('libz.so.1').zlibVersion is not None, subprocess.run(['/bin/echo', 'hi'], capture_output=True).stdout)")
    same(w.run("/usr/bin/python3", "-c", script, tools=tools).ok().out, ["True b'hi\\n'"], "python3")
    same(w.run("threads", tools=tools).ok().out, ["4200 6"], "threads in C++")
    run = w.run("/usr/bin/git", "--version", tools=tools).ok()
    check(run.out[0].startswith("git version"), run.out)


def thread_local(w):
    """TLS of a program and its libraries when tools were there first."""
    for tools in [], [w.tool("hello")], [w.tool("hello", name=str(i)) for i in range(5)]:
        run = w.run("big", "tls", tools=tools).ok()
        same(run.out[-5:-1], ["tls first 5 0", "library's tls 9 10", "tls first 5 0", "library's tls 9 10"], f"{len(tools)} tools")
        run = w.run("alone", f"open={w.lib('tls')}", "tls", tools=tools).ok()
        same(run.out[-3:-1], ["library's tls 9 10", "library's tls 9 10"], f"dlopen, {len(tools)} tools")


def exec_stack(w):
    for program, expected in ("stack", "rwxp"), ("alone", "rw-p"):
        same(w.run(program, "stack", tools=[w.tool("hello")]).ok().out[-2], f"stack {expected}", program)


def in_gdb(w):
    """Breakpoints in the program and in its libraries, while a tool is there."""
    command, env = w.command("four", "ask=c_value", tools=[w.tool("hello")])
    done = subprocess.run(["gdb", "-batch", "-nx", "-ex", "set breakpoint pending on", *(["-ex", "break main"] if w.mode == "interp" else []), "-ex", "break c_value",
                           "-ex", "run", *(["-ex", "continue"] if w.mode == "interp" else []), "-ex", "info sharedlibrary", "-ex", "continue", "--args", *command],
                          env=env, capture_output=True, text=True, timeout=100)
    check(w.mode == "command" or "main (argc" in done.stdout, done.stdout + done.stderr)
    check(re.search(r"Breakpoint \d, .*c_value", done.stdout), done.stdout + done.stderr)
    for name in "abcd":
        check(re.search(rf"Yes .*libs-{name}\.so", done.stdout), done.stdout)
    check("c_value() = 3" in done.stdout, done.stdout)


def musl_program(w):
    source = w.temp / "m.c"
    source.write_text('#include <stdio.h>\nint main(void) { puts("musl"); return 0; }\n')
    program = w.temp / "m"
    subprocess.run(["musl-gcc", "-o", program, source], check=True)
    w.run(str(program), tools=[w.tool("hello")]).fails("a program of musl has no room for tools of another namespace")
    same(w.run(str(program)).ok().out, ["musl"], "without a tool")
    source.write_text("#include <ldx/event.h>\n#include <stdio.h>\n"
                      "static void told(void *c, const struct ldx_event *e) { printf(\"%s\\n\", ldx_event_name(e->type)); }\n"
                      "int ldx_tool_main(ldx_tool *t, const struct ldx_tool_args *a, struct ldx_tool_desc *d) {\n"
                      "  puts(\"tool\"); return ldx_subscribe(t, LDX_EV_BIT(LDX_EV_EXIT), told, NULL, 0); }\n")
    tool = w.temp / "m.so"
    include = Path(__file__).resolve().parent.parent.parent / "include"
    subprocess.run(["musl-gcc", "-shared", "-fPIC", f"-I{include}", "-o", tool, source], check=True)
    same(w.run(str(program), in_app=[str(tool)]).ok().out, ["tool", "musl", "exit"], "a tool of musl's, with the program")


# --- the example tools

def example_trace(w):
    out = w.temp / "trace.json"
    run = w.run("/usr/bin/python3", "-c", "import ssl", tools=[f"{w.example('trace')},{out}"]).ok()
    entries = json.loads(out.read_text())
    same(run.out + run.err, [], "nothing else is said")
    open_bars = {}
    for e in entries:
        check(e["ph"] in "MXBEi" and isinstance(e["pid"], int) and isinstance(e["tid"], int) and isinstance(e["name"], str), e)
        if e["ph"] == "M":
            continue
        check(e["ts"] > 0 and e["cat"] and (e["ph"] != "X" or e["dur"] >= 0) and (e["ph"] != "i" or e["s"] == "t"), e)
        bars = open_bars.setdefault(e["tid"], [])
        if e["ph"] == "B":
            bars.append(e["cat"])
        if e["ph"] == "E":
            check(bars and bars.pop() == e["cat"], f"bars do not nest: {e}")
    check(not any(open_bars.values()), open_bars)
    names = {(e["cat"], e["name"]) for e in entries if "cat" in e}
    for what in "map", "relocate", "constructors":
        check((what, "libssl.so.3") in names, f"no {what} of libssl.so.3")
    check(not any(e.get("cat") == "bind" for e in entries), "binds unasked")
    w.run("four", tools=[f"{w.example('trace')},{out},binds"]).ok()
    check(any(e.get("cat") == "bind" and e["name"] == "printf" for e in json.loads(out.read_text())), "binds")
    w.run("four", tools=[f"{w.example('trace')},/nowhere/x"]).fails("tool declines")


def example_relocate(w):
    old, new = w.temp / "never" / "lib", w.folder("reloc/lib")
    for name in "a", "leaf":
        w.copy(name, "reloc/lib")
    shutil.copy(w.lib("right"), new / "libs-right.so")
    table = w.temp / "map.txt"
    table.write_text(f"# what goes where\n{old}   {new}\nlibs-wrong*  {new}/libs-right.so\n{w.built}/none $ORIGIN/x\n")
    tool = f"{w.example('relocate')},{table}"
    words = [f"open={old}/libs-right.so", "where=right_value", "where=leaf_value"]
    run = w.run("alone", *words, tools=[tool]).ok()
    same(run.out[-3:-1], [f"right_value in {new}/libs-right.so", f"leaf_value in {new}/libs-leaf.so"], "folder, $ORIGIN")
    run = w.run("alone", "open=libs-wrong.so.1", "where=right_value", tools=[tool]).ok()
    same(run.out[-2], f"right_value in {new}/libs-right.so", "name")
    run = w.run("alone", "open=libs-a.so", "where=a_value", tools=[tool], env={"LD_LIBRARY_PATH": str(old)}).ok()
    same(run.out[-2], f"a_value in {new}/libs-a.so", "search path")
    table.write_text("one\n")
    run = w.run("alone", tools=[tool]).fails("tool declines")
    check(any("map.txt:1: not two words" in line for line in run.err), run.err)


def example_profile(w):
    run = w.run("four", tools=[f"{w.example('profile')},json,{w.temp}/p.json"]).ok()
    del run
    found = {lib["name"]: lib for lib in json.loads((w.temp / "p.json").read_text())["libraries"]}
    for name in "a", "b", "c", "d":
        lib = found[f"libs-{name}.so"]
        check(lib["map_ns"] > 0 and lib["relocate_ns"] > 0 and lib["constructors_ns"] > 0, lib)
    shown = subprocess.run(["readelf", "-rW", w.lib("a")], capture_output=True, text=True).stdout
    same(found["libs-a.so"]["references"], len(re.findall(r"R_X86_64_(?:GLOB_DAT|JUMP_SLOT|64|COPY)", shown)), "references")
    run = w.run("/bin/ls", "/", tools=[w.example("profile")]).ok()  # it closes stderr itself
    check(run.err[0].split()[:4] == ["total", "map", "relocate", "references"] and run.err[-1].endswith("all"), run.err)


CASES = [init_orders, init_section, init_circle, load_order, tool_first, tool_order, tool_circle, tool_conflicts, redirect, empty, odd_images, kinds, origin, lists, long_lists,
         deny, chain, pipeline, conflict, stacked, default_search, algorithms, musl_search, origin_cache, own_search, images, images_are_let_go,
         image_in_gdb, bindings, variants, namespaces, preload, allowed, policy_tools, named_tools, in_app, broken, kinds_of_tools, programs,
         thread_local, exec_stack, in_gdb, musl_program, example_trace, example_relocate, example_profile]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for option in "--ldx", "--mode", "--built", "--tools", "--interp-tool":
        parser.add_argument(option, required=True)
    parser.add_argument("names", nargs="*", help="only these cases")
    args = parser.parse_args()
    failed = 0
    w = World(args)
    try:
        for case in CASES:
            if args.names and case.__name__ not in args.names:
                continue
            try:
                case(w)
                print(f"ok {case.__name__}")
            except (Failed, subprocess.SubprocessError, OSError, ValueError, LookupError) as fault:
                failed += 1
                print(f"FAILED {case.__name__}: {type(fault).__name__}: {fault}")
            sys.stdout.flush()
    finally:
        shutil.rmtree(w.temp, ignore_errors=True)
    return failed != 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--packages"]:  # Debian packages that the tests stand on
        sys.exit(print("gdb strace python3 git util-linux"))
    sys.exit(main())
