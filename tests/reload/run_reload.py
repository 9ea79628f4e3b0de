#!/usr/bin/env python3
"""Objects opened with RTLD_RELOADABLE: their memory is a file, and their symbols can change while they are in use.

--mode command runs `ldx PROGRAM`; --mode interp runs copies of the programs whose PT_INTERP is ldx."""

import argparse
import hashlib
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

OPTIONS = None
PAGE = 4096
MARK = b"ldxcopy"
VARIANTS = ["", "-sysv", "-both", "-versions", "-stripped", "-relr", "-joined", "-large-pages", "-high"]
GDB = ["set pagination off", "set confirm off", "set width 0", "set breakpoint pending on", "set debuginfod enabled off",
       "set print thread-events off"]


def align(n):
    return (n + PAGE - 1) & ~(PAGE - 1)


class Copy:
    """The bytes of a copy, found by address."""

    def __init__(self, data):
        self.data = data
        offset, = struct.unpack_from("<Q", data, 32)
        count, = struct.unpack_from("<H", data, 56)
        headers = [struct.unpack_from("<IIQQQQQQ", data, offset + 56 * i) for i in range(count)]
        self.loads = [h for h in headers if h[0] == 1]
        end = max(align(h[2] + h[5]) for h in self.loads)
        (self.magic, self.version, self.size, self.base, self.pid, self.complete, self.initials,
         self.tail) = struct.unpack_from("<8sIIQQIIQ", data, end)
        self.initial = [struct.unpack_from("<QQQ", data, end + 48 + 24 * i) for i in range(self.initials)]
        self.path = data[end + 48 + 24 * 64:].split(b"\0")[0].decode()
        self.record = end

    def at(self, address, size):
        """What memory at that address was."""
        address -= self.base
        for _, _, offset, start, _, filesz, _, _ in self.loads:
            if start <= address and address + size <= start + filesz:
                return self.data[offset + address - start:][:size]
        raise AssertionError(f"{address:#x} is in no segment")

    def first(self, address, size):
        """What it was before the program ran."""
        address -= self.base
        for start, length, offset in self.initial:
            if start <= address and address + size <= start + length:
                return self.data[offset + address - start:][:size]
        return bytes(size)

    def number(self, address, size=8):
        return int.from_bytes(self.at(address, size), "little")


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="reload-"))
        self.addCleanup(shutil.rmtree, self.folder)
        for file in Path(OPTIONS.built).iterdir():
            if file.is_file():
                shutil.copy2(file, self.folder)
        if OPTIONS.mode == "interp":
            for name in "persist", "reloads", "watched", "musl":
                subprocess.run([OPTIONS.interp_tool, "--set", OPTIONS.ldx, self.folder / name], check=True)
        self.copies = self.folder / "copies"
        self.copies.mkdir()

    def command(self, *words):
        return [OPTIONS.ldx, *words] if OPTIONS.mode == "command" else list(words)

    def environment(self, env):
        return {"PATH": os.environ["PATH"], "LC_ALL": "C", **(env or {})}

    def run_it(self, *words, env=None, before=(), input=None):
        return subprocess.run([*before, *self.command(*words)], cwd=self.folder, env=self.environment(env), capture_output=True,
                              text=True, timeout=100, input=input, check=False)

    def good(self, *words, **more):
        done = self.run_it(*words, **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout

    def start(self, *words, env=None):
        process = subprocess.Popen(self.command(*words), cwd=self.folder, env=self.environment(env), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdin.close)
        return process

    def end(self, process):
        out, _ = process.communicate("go\n", timeout=60)
        self.assertEqual(process.returncode, 0, out)

    def read(self, tool, *words):
        done = subprocess.run([tool, *words], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.args)
        return done.stdout

    def check_file(self, path):
        """Readers of ELF files find nothing to complain of."""
        for words in ["readelf", "-aW"], ["objdump", "-d"], ["nm", "-D"]:
            out = self.read(*words, path)
            self.assertNotRegex(out, "(?i)warning:|error:")
        self.assertEqual(Path(path).read_bytes()[9:16], MARK)


def places(lines):
    """Path and base of the copy, and addresses by name, as the program prints them."""
    path, base = lines[0].split()
    return path, int(base, 16), {name: int(at, 16) for name, at in (line.split() for line in lines[1:])}


class Salvage(Case):
    def check_written(self, copy, base, at):
        self.assertEqual((copy.magic, copy.version, copy.base, copy.complete), (b"LDXCOPY\0", 1, base, 1))
        self.assertEqual(copy.number(at["counter"], 4), 12345)
        self.assertEqual(copy.at(at["text"], 22), b"what the program wrote")
        self.assertEqual(copy.number(at["table"] + 8 * 4999), 424242)
        self.assertEqual(copy.number(at["inside"]), at["counter"])
        self.assertEqual(copy.number(at["none"]), 0)
        self.assertEqual(copy.number(at["chosen"]), at["alpha"])
        self.assertEqual(int.from_bytes(copy.first(at["counter"], 4), "little"), 7)
        self.assertEqual(copy.first(at["text"], 15), b"as it was built")

    def test_written_data_is_in_the_file(self):
        for variant in VARIANTS:
            with self.subTest(variant):
                library = f"./libreload{variant}.so"
                process = self.start("./persist", "show", library)
                lines = [process.stdout.readline().strip() for _ in range(12)]
                self.assertEqual(lines[0], library)
                path, base, at = places(lines[1:])
                self.assertRegex(path, r"^/proc/\d+/fd/\d+$")
                copy = Copy(Path(path).read_bytes())
                self.check_written(copy, base, at)
                self.assertEqual((copy.pid, copy.path), (int(path.split("/")[2]), f"{self.folder}/{library}"))
                self.check_file(path)
                self.check_mappings(process, base, copy)
                self.check_bss(path, at, base)
                self.end(process)
                self.assertFalse(os.path.exists(path))

    def check_mappings(self, process, base, copy):
        """What can be written is the file; nothing can be written and executed."""
        pid = self.find(process)
        maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
        self.assertFalse([line for line in maps if "rwx" in line.split()[1] or line.split()[1].startswith("-wx")])
        for kind, flags, _, start, _, filesz, _, _ in copy.loads:
            for line in maps:
                low, high = (int(word, 16) for word in line.split()[0].split("-"))
                if low < base + start + filesz and high > base + start:
                    self.assertTrue(line.split()[1] in ("rw-s", "r--s", "r--p") if flags & 2 else line.split()[1][3] == "p", line)
                    self.assertIn("memfd:libreload", line)

    def find(self, process):
        return process.pid

    def check_bss(self, path, at, base):
        """It is a section like others now."""
        dump = self.folder / "dump"
        self.read("objcopy", "--dump-section", f".bss={dump}", path, self.folder / "whole")
        section = re.search(r" \.bss +PROGBITS +([0-9a-f]+) ", self.read("readelf", "-SW", path))
        offset = at["table"] + 8 * 4999 - base - int(section[1], 16)
        self.assertEqual(dump.read_bytes()[offset:offset + 8], (424242).to_bytes(8, "little"))

    def test_a_named_copy_outlives_its_process(self):
        for how in "kill", "segv":
            for variant in VARIANTS:
                with self.subTest(how + variant):
                    library = f"./libreload{variant}.so"
                    done = self.run_it("./persist", how, library, env={"LDX_PERSIST_DIR": "copies"})
                    self.assertLess(done.returncode, 0)
                    path, base, at = places(done.stdout.splitlines())
                    self.assertEqual(path, f"{self.folder}/copies/libreload{variant}.so.{Copy(Path(path).read_bytes()).pid}.1")
                    self.assertEqual(os.stat(path).st_mode & 0o7777, 0o600)
                    self.check_written(Copy(Path(path).read_bytes()), base, at)
                    self.check_file(path)

    def salvage(self, variant):
        done = self.run_it("./persist", "kill", f"./libreload{variant}.so", env={"LDX_PERSIST_DIR": "copies"})
        return places(done.stdout.splitlines())[0]

    def test_a_copy_is_opened_again_with_its_data(self):
        for variant in VARIANTS:
            with self.subTest(variant):
                path = self.salvage(variant)
                digest = hashlib.sha256(Path(path).read_bytes()).digest()
                second = self.good("./persist", "again", path, "12345", env={"LDX_PERSIST_DIR": "copies"}).strip()
                self.assertEqual(hashlib.sha256(Path(path).read_bytes()).digest(), digest)
                self.assertNotEqual(second, path)
                self.check_file(second)
                third = self.good("./persist", "again", second, "12346").strip()
                self.assertRegex(third, "^/proc/")

    def test_without_section_headers(self):
        data = bytearray((self.folder / "libreload.so").read_bytes())
        struct.pack_into("<Q", data, 40, 0)
        struct.pack_into("<HH", data, 60, 0, 0)
        (self.folder / "libreload-bare.so").write_bytes(data)
        path = self.salvage("-bare")
        self.assertRegex(self.read("readelf", "-aW", path), "There are no sections in this file")
        self.good("./persist", "again", path, "12345")
        self.good("./reloads", "renames", "./libreload-bare.so", "./libuser.so", input="go\n")

    def test_no_loader_takes_a_copy_for_a_library(self):
        path = self.salvage("")
        self.assertEqual(self.good("./persist", "refuse", path), f"{path}: copy of an object in use (RTLD_RELOADABLE opens it)\n")
        done = subprocess.run(["/lib64/ld-linux-x86-64.so.2", "./persist", "refuse", path], cwd=self.folder, capture_output=True,
                              text=True, timeout=60, check=False)
        self.assertIn("nonzero padding in e_ident", done.stdout)

    def test_a_damaged_copy_is_refused(self):
        path = Path(self.salvage(""))
        data = path.read_bytes()
        record = Copy(data).record

        def changed(at, new):
            return data[:at] + new + data[at + len(new):]

        texts = {"damaged copy of an object": [changed(record, b"X"), changed(record + 8, b"\2"), changed(record + 36, b"\xff\xff"),
                                               changed(record + 40, b"\xff" * 8), changed(record + 48 + 16, b"\xff" * 8),
                                               changed(record + 48 + 8, b"\xff" * 8), data[:record + 100]],
                 "copy of an object that was never ready for use": [changed(record + 32, bytes(4))],
                 "file too short": [data[:PAGE]]}
        for text, files in texts.items():
            for file in files:
                path.write_bytes(file)
                out = self.good("./persist", "refuse-reloadable", str(path), env={"LDX_PERSIST_DIR": "copies"})
                self.assertIn(f"{path}: {text}", out)
                self.assertEqual(os.listdir(self.copies), [path.name])


class Making(Case):
    def refused(self, mode, library, folder, text, before=()):
        out = self.good("./persist", mode, library, *([folder] if folder else []), before=before)
        self.assertEqual(out, f"{library}: {text}\n")

    def test_in_a_named_folder(self):
        for folder in "copies", str(self.copies), "./copies/../copies":
            path = self.good("./persist", "in", "./libreload.so", folder).strip()
            self.assertTrue(os.path.samefile(os.path.dirname(path), self.copies))
            self.check_file(path)
        self.assertRegex(self.good("./persist", "in", "./libreload.so", "", env={"LDX_PERSIST_DIR": "copies"}), "^/proc/")
        self.assertRegex(self.good("./persist", "again", path, "12345", env={"LDX_PERSIST_DIR": ""}), "^/proc/")

    def test_folders_that_take_no_file(self):
        (self.folder / "file").write_text("")
        self.refused("in", "./libreload.so", "none", "cannot make a copy in none: No such file or directory")
        self.refused("in", "./libreload.so", "file", "cannot make a copy in file: Not a directory")
        self.refused("in", "./libreload.so", "/proc", "cannot make a copy in /proc: No such file or directory")
        self.refused("in", "./libreload.so", "/sys", "cannot make a copy in /sys: Permission denied")

    def test_a_full_disk(self):
        # In a chroot "/" is no mount point, whose propagation could be changed, and there are no user namespaces.
        own = ["unshare", "-m" if os.geteuid() == 0 else "-rm", "--propagation", "unchanged"]
        for size in 8, 64, 512:
            script = f'mount --make-rprivate / 2>/dev/null; mount -t tmpfs -o size={size}k none copies && "$@" && ls copies'
            out = self.good("./persist", "in", "./libreload.so", "copies", before=[*own, "sh", "-c", script, "sh"])
            self.assertEqual(out, "./libreload.so: cannot make a copy in copies: No space left on device\n")

    def test_limits(self):
        self.refused("limited", "./libreload.so", "copies", "cannot make a copy in copies: File too large")
        self.refused("limited", "./libreload.so", "", "cannot make a copy in memory: File too large")
        self.refused("no-descriptors", "./libreload.so", None, "cannot make a copy in memory: Too many open files")
        self.assertEqual(os.listdir(self.copies), [])

    def test_libraries_that_cannot_be_opened(self):
        for library, text in {"broken": "undefined symbol: omega", "textrel": "object with text relocations cannot be reloadable"}.items():
            out = self.good("./persist", "in", f"./libreload-{library}.so", "copies")
            self.assertEqual(out, f"./libreload-{library}.so: {text}\n")
        (self.folder / "cut.so").write_bytes((self.folder / "libreload.so").read_bytes()[:9000])
        self.assertIn("file too short", self.good("./persist", "in", "./cut.so", "copies"))
        self.assertEqual(os.listdir(self.copies), [])

    def test_no_function_is_bound_late(self):
        self.assertIn("libreload-broken.so: undefined symbol: omega", self.good("./persist", "refuse-lazy", "./libreload-broken.so"))

    def test_an_unlinked_library(self):
        self.good("./persist", "unlinked", "./libreload.so")

    def test_handles(self):
        self.assertEqual(self.good("./persist", "handles", "./libreload.so"),
                         "./libreload.so: existing object cannot become reloadable: File exists\n"
                         "invalid mode for dlopen(): Invalid argument\n")

    def test_nothing_is_left_open(self):
        self.good("./persist", "leaks", "./libreload.so", "./libreload-broken.so")

    def test_namespaces(self):
        self.good("./persist", "namespaces", "./libreload.so")
        self.good("./persist", "shared", "./libreload.so")

    def test_fork(self):
        for mode in "fork", "fork-reloaded", "fork-threads", "fork-closed", "fork-limited":
            with self.subTest(mode):
                self.good("./persist", mode, "./libreload.so")
                if mode != "fork-closed":
                    self.good("./persist", mode, "./libreload.so", env={"LDX_PERSIST_DIR": "copies"})

    def test_musl(self):
        self.good("./musl", "./libreload-musl.so")


class Reloading(Case):
    def test_renamed(self):
        for variant in VARIANTS:
            with self.subTest(variant):
                process = self.start("./reloads", "renames", f"./libreload{variant}.so", "./libuser.so")
                path = process.stdout.readline().strip()
                self.check_file(path)
                dynamic = self.read("nm", "-D", "--without-symbol-versions", path)
                self.assertRegex(dynamic, r"(?m) T omega$")
                self.assertNotRegex(dynamic, r"(?m) alpha$")
                if variant != "-stripped":
                    symbols = self.read("nm", path)
                    self.assertRegex(symbols, r"(?m) T omega$")
                    self.assertRegex(symbols, r"(?m) t local_function$")
                    self.assertNotRegex(symbols, r"(?m) alpha$")
                    self.assertIn("<omega>:", self.read("objdump", "-d", path))
                self.end(process)

    def test_versions(self):
        self.good("./reloads", "versions", "./libreload-versions.so")

    def test_in_place(self):
        self.good("./reloads", "in-place", "./libreload-sysv.so")

    def test_aliases(self):
        distances = {self.good("./reloads", "aliases", "./libreload.so", before=["setarch", "-R"]) for _ in range(4)}
        self.assertEqual(len(distances), 4)

    def test_added(self):
        for variant in "", "-sysv", "-versions", "-stripped":
            self.good("./reloads", "adds", f"./libreload{variant}.so")

    def test_threads(self):
        for variant in "", "-sysv", "-versions":
            self.good("./reloads", "threads", f"./libreload{variant}.so")

    def test_damaged(self):
        for variant in VARIANTS:
            with self.subTest(variant):
                self.assertEqual(self.good("./reloads", "damaged", f"./libreload{variant}.so"), "")

    def test_random(self):
        for variant in "", "-versions":
            self.good("./reloads", "random", f"./libreload{variant}.so")

    def test_events(self):
        done = self.run_it("./watched", "./libreload.so", "alpha", "one", "two", env={"LDX_TRACE": "symbols"})
        self.assertEqual((done.returncode, done.stdout), (0, "done\n"), done.stderr)
        self.assertEqual(len(re.findall(r"\bsymbols\b.*libreload|\bsymbols\b", done.stderr)), 2, done.stderr)


class Debugging(Case):
    def follow(self, *commands, library, names=("alpha", "omega", "psi")):
        (self.folder / "session").write_text("\n".join([*GDB, *commands]) + "\n")
        done = subprocess.run(["gdb", "-nx", "-batch", "-x", "session", "--args", *self.command("./watched", library, *names)],
                              cwd=self.folder, capture_output=True, text=True, timeout=90, check=False)
        self.output = done.stdout + done.stderr
        self.assertNotIn("Error in sourced command file", self.output)
        self.assertNotIn("Corrupted shared library list", self.output)
        return done.stdout

    def stops(self, out):
        return re.findall(r"^Breakpoint \d+, (?:0x[0-9a-f]+ in )?(\w+) \(", out, re.M)

    def listed(self, out):
        return re.findall(r"^0x[0-9a-f]+ +0x[0-9a-f]+ +Yes(?: \(\*\))? +(\S*(?:libreload\S*|/fd/\d+))$", out, re.M)

    def test_a_renamed_function(self):
        """By its new name after each reload; breakpoints that were there before stay, and leave no trap behind."""
        for library, at_alpha in {"./libreload-stripped.so": ["alpha", "omega", "psi"], "./libreload.so": ["alpha"] * 3}.items():
            with self.subTest(library):
                out = self.follow("break opened", "break renamed", "run", "break stays", "break alpha", "continue", "continue", "continue",
                                  "info sharedlibrary", "break omega", "info symbol omega", "continue", "continue", "continue", "continue",
                                  "info sharedlibrary", "break psi", "continue", "continue", "continue", "continue", library=library)
                names = ["opened"]
                for i, name in enumerate(at_alpha):
                    names += [name] * (1 if i == 0 else 2) + ["stays"] + (["renamed"] if i < 2 else [])
                self.assertEqual(self.stops(out), names)
                self.assertRegex(out, r"(?m)^omega in section \.text")
                self.assertIn("done\n", out)
                self.assertIn("exited normally", out)
                self.assertEqual([re.sub(r"\d+", "N", name) for name in self.listed(out)], ["/proc/N/fd/N", "/proc/N/task/N/fd/N"])

    def test_source_lines_before_and_after(self):
        out = self.follow("break opened", "break renamed", "run", "info sharedlibrary", "break stays", "continue", "backtrace", "continue", "continue",
                          "backtrace", "print counter", "print text", library="./libreload.so")
        self.assertEqual(self.listed(out), ["./libreload.so"])
        self.assertEqual(self.stops(out), ["opened", "stays", "renamed", "stays"])
        self.assertEqual(len(re.findall(r"^#0  (?:0x[0-9a-f]+ in )?stays \(\) at .*library\.c:\d+$", out, re.M)), 2)
        self.assertRegex(out, r'(?m)^\$1 = 7\n\$2 = "as it was built"')

    def test_breakpoints_in_the_child(self):
        out = self.follow("set follow-fork-mode child", "break opened", "run", "break stays", "continue", "continue", "continue",
                          library="./libreload.so", names=["alpha"])
        self.assertRegex(out, r"(?m)^Thread 2\.1 \S+ hit Breakpoint 2, (0x[0-9a-f]+ in )?stays \(")
        self.assertIn("child done\n", out)

    def test_the_block_of_changes(self):
        out = self.follow("break opened", "break renamed", "run", "x/1gd (char *)&_ldx_debug + 16", "continue", "x/1gd (char *)&_ldx_debug + 16",
                          library="./libreload.so")
        before, after = (int(n) for n in re.findall(r"^0x[0-9a-f]+.*:\s+(\d+)$", out, re.M))
        self.assertEqual(after, before + 2)


def main():
    global OPTIONS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ldx", required=True)
    parser.add_argument("--mode", choices=["command", "interp"], required=True)
    parser.add_argument("--built", required=True)
    parser.add_argument("--interp-tool", required=True)
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    if sys.argv[1:] == ["--packages"]:  # Debian packages that the tests stand on
        sys.exit(print("binutils gdb musl-tools util-linux"))
    main()
