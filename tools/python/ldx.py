"""ldx for Python: what the loader does in this process, in another one, and policies for those to be started.

In a process that ldx started (`ldx python3 ...`):

    import ldx
    ldx.keep("mapped", "bind")          # have the history keep these events, too
    import ssl
    for event in ldx.events():          # read what was
        print(event.seq, event.type, event.path)
    for o in ldx.objects():             # what is there now
        print(o.path, o.reason)

From outside: `ldx.dump(pid)`, `ldx.history(pid)`, `ldx.load_tool(pid, path)` ask a running process as ldx-ctl does.
For programs to be started: `ldx.Policy()` and `ldx.run()`.

Nothing of Python runs inside the loader: events are read from the history, so that no thread that loads waits for the
interpreter. Standard library only.
"""

import collections
import ctypes
import json
import os
import shutil
import subprocess
import tempfile

__all__ = ["active", "keep", "events", "objects", "threads", "tools", "Policy", "run", "dump", "history", "load_tool",
           "Error"]

ABI = 1


class Error(Exception):
    """ldx refuses, or is not there."""


class _Lib(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("path", ctypes.c_char_p), ("reason", ctypes.c_char_p),
                ("author", ctypes.c_char_p), ("base", ctypes.c_size_t)]


class _Load(ctypes.Structure):
    _fields_ = [("objects", ctypes.c_uint32), ("status", ctypes.c_int32), ("text", ctypes.c_char_p)]


class _Bind(ctypes.Structure):
    _fields_ = [("symbol", ctypes.c_char_p), ("version", ctypes.c_char_p), ("slot", ctypes.c_void_p),
                ("relocation", ctypes.c_uint32), ("lazy", ctypes.c_uint32), ("was", ctypes.c_void_p)]


class _Call(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("error", ctypes.c_char_p), ("mode", ctypes.c_int32)]


class _Union(ctypes.Union):
    _fields_ = [("lib", _Lib), ("load", _Load), ("bind", _Bind), ("call", _Call), ("raw", ctypes.c_uint64 * 5)]


class _Event(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("type", ctypes.c_uint16), ("flags", ctypes.c_uint16),
                ("seq", ctypes.c_uint64), ("time", ctypes.c_uint64), ("tid", ctypes.c_uint32), ("pid", ctypes.c_uint32),
                ("ns", ctypes.c_int64), ("object", ctypes.c_uint64), ("other", ctypes.c_uint64),
                ("addr", ctypes.c_void_p), ("u", _Union)]


class _Desc(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("abi", ctypes.c_uint32), ("name", ctypes.c_char_p),
                ("version", ctypes.c_char_p), ("before", ctypes.c_void_p), ("after", ctypes.c_void_p),
                ("conflicts", ctypes.c_void_p), ("provides", ctypes.c_void_p), ("priority", ctypes.c_int32),
                ("flags", ctypes.c_uint32)]


class _Object(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("id", ctypes.c_uint64),
                ("real", ctypes.c_uint64), ("requested_by", ctypes.c_uint64), ("ns", ctypes.c_int64),
                ("name", ctypes.c_char_p), ("path", ctypes.c_char_p), ("soname", ctypes.c_char_p),
                ("reason", ctypes.c_char_p), ("base", ctypes.c_size_t), ("low", ctypes.c_size_t),
                ("high", ctypes.c_size_t), ("phdr", ctypes.c_void_p), ("phnum", ctypes.c_uint32),
                ("opens", ctypes.c_uint32), ("dynamic", ctypes.c_void_p), ("link_map", ctypes.c_void_p),
                ("tls_module", ctypes.c_uint64), ("build_id", ctypes.c_void_p), ("build_id_size", ctypes.c_size_t)]


class _Thread(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("tid", ctypes.c_uint32), ("id", ctypes.c_uint64),
                ("stack_low", ctypes.c_size_t), ("stack_high", ctypes.c_size_t), ("tcb", ctypes.c_size_t)]


class _Tool(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("state", ctypes.c_uint32), ("name", ctypes.c_char_p),
                ("version", ctypes.c_char_p), ("path", ctypes.c_char_p), ("why_here", ctypes.c_char_p),
                ("ns", ctypes.c_int64), ("events", ctypes.c_uint64), ("calls", ctypes.c_uint64),
                ("nanoseconds", ctypes.c_uint64)]


Event = collections.namedtuple(
    "Event", "seq time type tid pid ns object other addr name path reason author symbol version error")
Object = collections.namedtuple("Object", "id ns name path soname reason base low high opens build_id")
Thread = collections.namedtuple("Thread", "id tid stack_low stack_high tcb")
Tool = collections.namedtuple("Tool", "name version path why_here ns ready calls nanoseconds")

_LIB = {"search", "found", "denied", "rewritten", "mapped", "relocated", "init", "ready", "fini", "unloaded", "dlclose",
        "start", "main", "exit"}
_BIND = {"bind", "ifunc", "dlsym"}
_CALL = {"dlopen", "dlopened"}

_state = {}


def _text(value):
    return None if value is None else value.decode(errors="replace")


def _api():
    """The functions of ldx in this process."""
    if "api" not in _state:
        api = ctypes.CDLL(None)
        try:
            api.ldx_event_name.restype = ctypes.c_char_p
        except AttributeError:
            raise Error("this process was not started by ldx") from None
        api.ldx_tool_register.restype = ctypes.c_void_p
        api.ldx_history.restype = ctypes.c_uint64
        api.ldx_history_lost.restype = ctypes.c_uint64
        _state["api"] = api
        _state["types"] = {}
        for number in range(1, 64):
            name = api.ldx_event_name(ctypes.c_uint32(number))
            if name:
                _state["types"][name.decode()] = number
    return _state["api"]


def active():
    """Whether ldx started this process."""
    try:
        _api()
    except Error:
        return False
    return True


def _tool():
    api = _api()
    if "tool" not in _state:
        desc = _Desc(size=ctypes.sizeof(_Desc), abi=ABI, name=b"python")
        tool = api.ldx_tool_register(ctypes.byref(desc))
        if not tool:
            raise Error("ldx does not take Python as a tool")
        _state["tool"] = ctypes.c_void_p(tool)
    return _state["tool"]


def keep(*types):
    """Has the history keep events of these types from now on ("bind", "alloc", ...); without any: all the common ones."""
    api = _api()
    unknown = [t for t in types if t not in _state["types"]]
    if unknown:
        raise Error(f"no such event: {', '.join(unknown)}; there are: {', '.join(sorted(_state['types']))}")
    mask = sum(1 << _state["types"][t] for t in types) or 1 << _state["types"]["mapped"]
    error = api.ldx_subscribe(_tool(), ctypes.c_uint64(mask), None, None, ctypes.c_uint32(0))
    if error:
        raise Error(os.strerror(-error))


def _event(e):
    kind = _text(_api().ldx_event_name(ctypes.c_uint32(e.type)))
    name = path = reason = author = symbol = version = error = None
    if kind in _LIB:
        name, path, reason, author = (_text(getattr(e.u.lib, f)) for f in ("name", "path", "reason", "author"))
    elif kind in _BIND:
        symbol, version = _text(e.u.bind.symbol), _text(e.u.bind.version)
    elif kind in _CALL:
        name, error = _text(e.u.call.name), _text(e.u.call.error)
    elif kind == "load_end":
        error = _text(e.u.load.text)
    return Event(e.seq, e.time, kind, e.tid, e.pid, e.ns, e.object, e.other, e.addr or 0, name, path, reason, author,
                 symbol, version, error)


def events(since=0):
    """The events that the history has, from number `since` on."""
    kept = []
    callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(_Event))(
        lambda ctx, event: kept.append(_event(event.contents)))
    _api().ldx_history(ctypes.c_uint64(since), callback, None)
    return kept


def _each(function, structure, make, *first):
    found = []

    def take(context, info):
        found.append(make(info.contents))
        return 0

    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(structure))(take)
    getattr(_api(), function)(*first, callback, None)
    return found


def objects(namespace=-1):
    """All objects of a namespace; -1: of all of them."""
    def make(o):
        build_id = ctypes.string_at(o.build_id, o.build_id_size).hex() if o.build_id else None
        return Object(o.id, o.ns, _text(o.name), _text(o.path), _text(o.soname), _text(o.reason), o.base, o.low, o.high,
                      o.opens, build_id)
    return _each("ldx_each_object", _Object, make, ctypes.c_int64(namespace))


def threads():
    return _each("ldx_each_thread", _Thread, lambda t: Thread(t.id, t.tid, t.stack_low, t.stack_high, t.tcb))


def tools():
    return _each("ldx_each_tool", _Tool, lambda t: Tool(_text(t.name), _text(t.version), _text(t.path),
                                                        _text(t.why_here), t.ns, t.state == 0, t.calls, t.nanoseconds))


def _program(name, variable):
    path = os.environ.get(variable) or shutil.which(name)
    if not path:
        here = os.path.dirname(os.path.abspath(__file__))
        for folder in ("../../build/tools", "../../build/src"):
            if os.path.exists(os.path.join(here, folder, name)):
                path = os.path.join(here, folder, name)
    if not path:
        raise Error(f"{name} is not in PATH; set {variable}")
    return path


def _ctl(pid, *words):
    r = subprocess.run([_program("ldx-ctl", "LDX_CTL_PROGRAM"), str(pid), *words], capture_output=True, text=True)
    if r.returncode:
        raise Error(r.stderr.strip())
    return r.stdout


def dump(pid):
    """The state of another process, as a dictionary."""
    return json.loads(_ctl(pid, "dump"))


def history(pid, since=0):
    """The history of another process: a list of dictionaries."""
    return [json.loads(line) for line in _ctl(pid, "history", str(since)).splitlines()]


def load_tool(pid, path, *args):
    """Brings a tool into another process."""
    _ctl(pid, "tool", "load", ",".join([os.path.abspath(path), *args]))


class Policy(dict):
    """A policy: a dictionary of the keys of docs/policy.md, and short forms for the usual rules.

        p = ldx.Policy().rewrite("libz.so.*", "/opt/z/$0").deny("libnss_*", why="not here")
        ldx.run(["./program"], policy=p)
    """

    def __init__(self, *args, **kwargs):
        super().__init__(version=1)
        self.update(*args, **kwargs)

    def add(self, key, rule):
        self.setdefault(key, []).append({k: v for k, v in rule.items() if v is not None})
        return self

    def rewrite(self, match, to, kind="name", why=None, requester=None):
        when = {"kind": kind, "match": match}
        if requester:
            when["from"] = requester
        return self.add("rewrite", {"when": when, "to": to, "why": why})

    def deny(self, match, why=None, errno=None, requester=None):
        return self.add("deny", {"match": match, "why": why, "errno": errno, "from": requester})

    def tool(self, path, **settings):
        return self.add("tools", {"path": path, **settings})

    def write(self, path):
        """Writes the file; ldx checks it when it reads it."""
        with open(path, "w", encoding="utf-8") as out:
            json.dump(self, out, indent=2)
            out.write("\n")
        return path


def run(command, policy=None, tools=(), options=(), **settings):
    """subprocess.run of the command under ldx, with a policy and tools."""
    words = [_program("ldx", "LDX_PROGRAM"), *options]
    for tool in tools:
        words += ["--tool", tool]
    if policy is None:
        return subprocess.run([*words, *command], **settings)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        policy.write(f.name)
        return subprocess.run([*words, "--policy", f.name, *command], **settings)
