"""Reads a jitdump as tools/perf/Documentation/jitdump-specification.txt in the Linux sources describes it, strictly:
whatever is not as it says there is an error."""

import dataclasses
import struct

LOAD, MOVE, DEBUG_INFO, CLOSE, UNWINDING_INFO = range(5)
X86_64 = 62


class Damaged(Exception):
    pass


def need(good, text):
    if not good:
        raise Damaged(text)


@dataclasses.dataclass
class Function:
    name: str
    address: int
    code: bytes
    index: int
    time: int
    thread: int
    file: str = ""
    lines: list = dataclasses.field(default_factory=list)  # (offset, line)


@dataclasses.dataclass
class Dump:
    pid: int
    begun: int
    functions: list
    closed: bool


class Bytes:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        need(self.at + struct.calcsize(form) <= len(self.data), "a record ends too early")
        values = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return values

    def text(self):
        end = self.data.find(b"\0", self.at)
        need(end >= 0, "a text does not end")
        text, self.at = self.data[self.at:end], end + 1
        return text.decode()

    def rest(self):
        rest, self.at = self.data[self.at:], len(self.data)
        return rest


def _debug(record):
    code, count = record.take("<QQ")
    files, lines = set(), []
    for _ in range(count):
        address, line, column = record.take("<QII")
        files.add(record.text())
        need(column == 0, "nobody has told a column")
        lines.append((address - code, line))
    need(record.at == len(record.data), "more in a record of lines than its lines")
    need(len(files) == 1 and lines == sorted(lines) and lines[0][0] >= 0, "lines are not in order, or of several files")
    return code, files.pop(), lines


def _load(record, pid, time, debug):
    process, thread, address, code_address, size, index = record.take("<IIQQQQ")
    need(process == pid, f"code of process {process}")
    need(address == code_address, "two addresses of one function")
    name = record.text()
    code = record.rest()
    need(len(code) == size, f"{name}: {len(code)} bytes of code where {size} are told of")
    f = Function(name, address, code, index, time, thread)
    if debug:
        need(debug[0] == address, "lines that no function follows")
        f.file, f.lines = debug[1:]
    return f


def parse(data):
    whole = Bytes(data)
    magic, version, size, machine, padding, pid, begun, flags = whole.take("<IIIIIIQQ")
    need(magic == 0x4A695444, f"magic number {magic:#x}")
    need((version, size, machine, padding, flags) == (1, 40, X86_64, 0, 0), "the header is not as it should be")
    dump, debug, last = Dump(pid, begun, [], False), None, begun
    while whole.at < len(data):
        need(not dump.closed, "records behind the last one")
        begin = whole.at
        kind, size, time = whole.take("<IIQ")
        need(size >= 16 and begin + size <= len(data), "a record is cut off")
        need(time >= last, "times go backwards")
        last = time
        record = Bytes(data[whole.at:begin + size])
        whole.at = begin + size
        if kind == LOAD:
            dump.functions.append(_load(record, pid, time, debug))
            debug = None
        elif kind == DEBUG_INFO:
            need(debug is None, "lines that no function follows")
            debug = _debug(record)
        else:
            need(kind == CLOSE and not record.data, f"a record of kind {kind}")
            dump.closed = True
    need(debug is None, "lines that no function follows")
    numbers = [f.index for f in dump.functions]
    need(len(set(numbers)) == len(numbers), "two functions have one number")
    return dump
