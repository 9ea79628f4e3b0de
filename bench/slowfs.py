#!/usr/bin/env python3
"""What a start costs on a file system that all ranks share and that serves one open after the other, against the number
of ranks: with every rank for itself, and with libldx-coll.so.

The file system is simulated: each open of a file in the folder of the libraries is held back (seccomp user
notification) by one server that takes a millisecond for each. Ratios count: each time is given as a multiple of that of
one rank by itself. --check ends with status 1 when those of FEATURES (at most 1.2 times with the tool) are missed.
"""

import argparse
import ctypes
import os
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_NO_NEW_PRIVS, SYS_SECCOMP, SYS_OPEN, SYS_OPENAT = 38, 317, 2, 257
SET_MODE_FILTER, NEW_LISTENER = 1, 8
RET_ALLOW, RET_USER_NOTIF = 0x7FFF0000, 0x7FC00000
NOTIF_RECV, NOTIF_SEND = 0xC0502100, 0xC0182101
CONTINUE = 1


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]


def listen_to_opens():
    """In the process whose descendants are to be slow: the descriptor by which a server hears of every open."""
    code = [(0x20, 0, 0, 0), (0x15, 2, 0, SYS_OPENAT), (0x15, 1, 0, SYS_OPEN), (0x06, 0, 0, RET_ALLOW), (0x06, 0, 0, RET_USER_NOTIF)]
    text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *c) for c in code))
    program = Filter(len(code), ctypes.cast(text, ctypes.c_void_p))
    if LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    fd = LIBC.syscall(SYS_SECCOMP, SET_MODE_FILTER, NEW_LISTENER, ctypes.byref(program))
    if fd < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return fd


class Server:
    """Answers opens one after the other."""

    def __init__(self, folder, delay):
        self.folder, self.delay, self.opens = folder.encode(), delay, 0

    def path(self, pid, address):
        try:
            with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
                memory.seek(address)
                return memory.read(256).split(b"\0")[0]
        except OSError:
            return b""

    def answer(self, listener):
        notice = ctypes.create_string_buffer(80)
        if LIBC.ioctl(listener, NOTIF_RECV, notice):
            return
        number, pid, _, call = struct.unpack_from("QIIi", notice.raw)
        arguments = struct.unpack_from("6Q", notice.raw, 32)
        if self.path(pid, arguments[1 if call == SYS_OPENAT else 0]).startswith(self.folder):
            self.opens += 1
            until = time.perf_counter() + self.delay
            while time.perf_counter() < until:
                time.sleep(max(0, until - time.perf_counter() - 0.0002))
        LIBC.ioctl(listener, NOTIF_SEND, struct.pack("QqiI", number, 0, 0, CONTINUE))


def run_ranks(commands):
    """Seconds until all have ended."""
    begin = time.perf_counter()
    children = [subprocess.Popen(c, stdout=subprocess.DEVNULL) for c in commands]
    statuses = [c.wait() for c in children]
    if any(statuses):
        sys.exit(f"a rank ended with status {statuses}")
    return time.perf_counter() - begin


def measure(commands, folder, delay):
    """The seconds, and the number of opens in the folder."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            here.close()
            socket.send_fds(there, [b"listener"], [listen_to_opens()])
            there.recv(1)
            there.send(struct.pack("d", run_ranks(commands)))
            status = 0
        finally:
            os._exit(status)
    there.close()
    _, (listener,), _, _ = socket.recv_fds(here, 16, 1)
    server = Server(folder, delay)
    here.send(b"x")
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    poll.register(here, select.POLLIN)
    seconds = None
    while seconds is None:
        for fd, _ in poll.poll(30000) or sys.exit("a rank hangs"):
            if fd == listener:
                server.answer(listener)
            else:
                data = here.recv(16)
                seconds = struct.unpack("d", data)[0] if data else sys.exit("the ranks have failed")
    os.close(listener)
    here.close()
    os.waitpid(child, 0)
    return seconds, server.opens


def generate(folder, count, cc):
    """A program that needs `count` libraries, found by its RUNPATH."""
    libraries = os.path.join(folder, "shared")
    os.makedirs(libraries)
    for i in range(count):
        source = os.path.join(folder, "part.s")
        with open(source, "w", encoding="ascii") as file:
            file.write(f".globl part_{i}\n.type part_{i},@function\npart_{i}: ret\n.size part_{i},1\n")
        name = f"libpart{i}.so"
        subprocess.run([cc, "-shared", "-nostdlib", "-o", os.path.join(libraries, name), source, "-Wl,-soname," + name], check=True)
    main = os.path.join(folder, "main.c")
    with open(main, "w", encoding="ascii") as file:
        file.write("".join(f"void part_{i}(void);\n" for i in range(count)))
        file.write("int main(void) {\n" + "".join(f"  part_{i}();\n" for i in range(count)) + "  return 0;\n}\n")
    program = os.path.join(folder, "program")
    links = [f"-lpart{i}" for i in range(count)]
    subprocess.run([cc, main, "-o", program, "-L" + libraries, *links, "-Wl,-rpath," + libraries], check=True)
    return program, libraries


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ldx", required=True)
    parser.add_argument("--tool", required=True, help="libldx-coll.so")
    parser.add_argument("--libraries", type=int, default=300)
    parser.add_argument("--ranks", default="1,2,4,8")
    parser.add_argument("--delay", type=float, default=1.0, help="milliseconds that the file system takes for an open")
    parser.add_argument("--times", type=int, default=3, help="runs of each, of which the median counts")
    parser.add_argument("--cc", default=shutil.which("cc") or "gcc")
    parser.add_argument("--check", action="store_true", help="status 1 when the tool does not keep the cost level")
    args = parser.parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    bad = False
    with tempfile.TemporaryDirectory() as folder:
        program, shared = generate(os.path.realpath(folder), args.libraries, args.cc)
        alone = None
        print(f"{args.libraries} libraries, {args.delay:g} ms an open\n")
        print("| ranks | each for itself: times one rank | opens | with libldx-coll.so: times one rank | opens |")
        print("| ---: | ---: | ---: | ---: | ---: |")
        for ranks in (int(r) for r in args.ranks.split(",")):
            plain, tool, opens = [], [], [0, 0]
            for turn in range(args.times):
                seconds, opens[0] = measure([[args.ldx, program]] * ranks, shared, args.delay / 1000)
                plain.append(seconds)
                words = f"{args.tool},job=slowfs-{os.getpid()}-{ranks}-{turn},ranks={ranks}"
                commands = [[args.ldx, "--tool", f"{words},rank={r}", program] for r in range(ranks)]
                seconds, opens[1] = measure(commands, shared, args.delay / 1000)
                tool.append(seconds)
            alone = alone or statistics.median(plain)
            ratios = [statistics.median(x) / alone for x in (plain, tool)]
            bad = bad or ratios[1] > 1.2
            print(f"| {ranks} | {ratios[0]:.2f} | {opens[0]} | {ratios[1]:.2f} | {opens[1]} |", flush=True)
        print(f"\none rank by itself: {alone * 1000:.0f} ms")
    sys.exit(bool(args.check and bad))


if __name__ == "__main__":
    main()
