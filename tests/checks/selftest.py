#!/usr/bin/env python3
"""Every check rejects what it is there to reject, and accepts a small clean example."""

import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MUSL = "/usr/lib/x86_64-linux-musl/libc.a"
LINK = ["-static-pie", "-nostdlib", "-nostartfiles", "-Wl,-e,_start", "-Wl,-z,relro,-z,now", "-Wl,-z,noexecstack"]
COMPILE = ["-O2", "-fPIE", "-ffreestanding", "-fno-stack-protector", "-mgeneral-regs-only", "-fno-tree-vectorize"]


class Check(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ldx-selftest.")
        self.addCleanup(folder.cleanup)
        self.root = folder.name

    def write(self, name, text):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def check(self, name, *arguments):
        command = [sys.executable, os.path.join(HERE, f"check_{name}.py"), *arguments]
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return run.returncode, run.stdout

    def accepts(self, name, *arguments):
        status, text = self.check(name, *arguments)
        self.assertEqual(status, 0, text)

    def rejects(self, name, complaint, *arguments):
        status, text = self.check(name, *arguments)
        self.assertEqual(status, 1, text)
        self.assertIn(complaint, text)


class Layers(Check):
    def setUp(self):
        super().setUp()
        self.write("src/base/span.h", "#include <stddef.h>\n")
        self.write("src/base/own.h", '#include "span.h"\n#include "base/span.h"\n')
        self.write("src/search/path.c", '#include "base/span.h"\n#include "ldx/ldx.h"\n')
        self.write("include/ldx/ldx.h", "#include <link.h>\n")
        self.write("tools/show.c", '#include "search/path.h"\n')

    def test_clean(self):
        self.accepts("layers", "--root", self.root)

    def test_right(self):
        self.write("src/elf/reader.c", '#include "base/span.h"\n#include "loader/load.h"\n')
        self.rejects("layers", "src/elf/reader.c:2: elf may not include loader/load.h", "--root", self.root)

    def test_sibling(self):
        self.write("src/tls/a.c", '#include "search/path.h"\n')
        self.rejects("layers", "tls may not include search/path.h", "--root", self.root)

    def test_way_around(self):
        self.write("src/tls/layout.h", "")
        self.write("src/base/a.c", '  #  include "../tls/layout.h"\n')
        self.rejects("layers", "base may not include tls/layout.h", "--root", self.root)

    def test_angle_brackets(self):
        self.write("src/loader/load.h", "")
        self.write("src/base/a.c", "#include <loader/load.h>\n")
        self.rejects("layers", "base may not include loader/load.h", "--root", self.root)

    def test_public_header(self):
        self.write("include/ldx/bad.h", '#include "base/span.h"\n')
        self.rejects("layers", "a public header includes base/span.h", "--root", self.root)

    def test_no_layer(self):
        self.write("src/misc/a.c", "")
        self.rejects("layers", "belongs to no layer", "--root", self.root)


class Words(Check):
    def test_clean(self):
        self.write("README.md", "ldx loads programs; a gdb session shows them. /proc/self/workers\n")
        self.accepts("words", "--root", self.root)

    def test_bad(self):
        for text in "/w" + "ork/main", "see iss" + "ue 12", "done in the next ses" + "sion", "the C" + "EO":
            with self.subTest(text):
                self.write("docs/a.md", f"one\n{text}\n")
                self.rejects("words", "docs/a.md:2", "--root", self.root)


class Format(Check):
    def test(self):
        with open(os.path.join(ROOT, ".clang-format"), encoding="utf-8") as file:
            self.write(".clang-format", file.read())
        self.write("src/a.c", "int f(int a) { return a; }\n")
        self.accepts("format", "--root", self.root)
        self.write("tests/b.cc", "int f(int a)\n{ return  a; }\n")
        self.rejects("format", "tests/b.cc: clang-format would change 2 lines", "--root", self.root)


class Cppcheck(Check):
    def test(self):
        self.write("src/a.c", "int f(int *p) { return *p; }\n")
        self.accepts("cppcheck", "--root", self.root)
        self.write("tools/b.c", "int f(void) { int a[2] = {0}; return a[2]; }\n")
        self.rejects("cppcheck", "tools/b.c:1: error", "--root", self.root)


class Tidy(Check):
    def prepare(self, text):
        source = self.write("src/a.c", text)
        with open(os.path.join(ROOT, ".clang-tidy"), encoding="utf-8") as file:
            self.write(".clang-tidy", file.read())
        entry = f'[{{"directory": "{self.root}", "file": "{source}", "command": "gcc -Wshadow=local -c {source}"}}]'
        self.write("build/compile_commands.json", entry)
        return "--root", self.root, "--build", os.path.join(self.root, "build")

    def test_clean(self):
        self.accepts("tidy", *self.prepare("int f(int *p) { return *p; }\n"))

    def test_bad(self):
        self.rejects("tidy", "NullDereference", *self.prepare("int f(void) { int *p = 0; return *p; }\n"))

    def test_uncompilable(self):
        self.rejects("tidy", "clang-diagnostic-error", *self.prepare("int f(void) { return nobody; }\n"))


class Packages(Check):
    def prepare(self, needed):
        os.chmod(self.write("scripts/setup", '#!/bin/sh\n[ "$*" = "--list test" ] && printf "gcc\\nperl\\n"\n'), 0o755)
        self.write("tests/apps/run_apps.py", f"print({needed!r})\n")
        return "--root", self.root

    def test(self):
        self.accepts("packages", *self.prepare("perl\ngcc"))
        self.rejects("packages", "does not install: jq", *self.prepare("perl\njq"))
        self.rejects("packages", "no test names a package", *self.prepare(""))


CLEAN = """
#include <stdint.h>
struct process { int count; void *table[4]; } ldx_self;
extern __typeof(ldx_self.count) first_word __attribute__((alias("ldx_self")));
static void *const sealed[] = {&ldx_self};
void *ldx_thread_pointer(void) { void *p; __asm__ volatile("mov %%fs:0x10, %0; sub %%fs:0x0, %0" : "=r"(p)); return p; }
__asm__("ldx_stub_xsave: xsavec (%rsp)\\nmovaps %xmm0, (%rsp)\\nret");
"""
START = "void _start(void) { ldx_self.count++; ldx_self.table[1] = ldx_thread_pointer(); ldx_self.table[0] = *(void *volatile *)sealed; }\n"


class Linked(Check):
    """A stand-in for ldx, compiled and linked like it, with one fault at a time."""

    def link(self, fault="", body="", compile_with=(), link_with=()):
        start = START.replace("{", "{ " + body, 1)
        source = self.write("ldx.c", CLEAN + fault + "\n" + start)
        os.makedirs(os.path.join(self.root, "ldx.p"), exist_ok=True)
        made, linked = os.path.join(self.root, "ldx.p/ldx.c.o"), os.path.join(self.root, "ldx")
        subprocess.run(["gcc", *COMPILE, *compile_with, "-c", "-o", made, source], check=True)
        subprocess.run(["gcc", *LINK, "-o", linked, made, *link_with, MUSL], check=True, stderr=subprocess.DEVNULL)
        return linked

    def test_clean(self):
        linked = self.link()
        self.accepts("image", "--ldx", linked)
        self.accepts("globals", "--ldx", linked)

    def bad_image(self, complaint, *arguments, **options):
        self.rejects("image", complaint, "--ldx", self.link(*arguments, **options))

    def bad_globals(self, complaint, *arguments, **options):
        self.rejects("globals", complaint, "--ldx", self.link(*arguments, **options))

    def test_thread_local(self):
        self.bad_image("PT_TLS", "static __thread int mine;", "mine++;")

    def test_memory_function_of_libc(self):
        self.bad_image("memcpy comes from libc.a", "void *memcpy(void *, const void *, unsigned long);",
                       "memcpy(&ldx_self, sealed, ldx_self.count);")

    def test_errno_of_libc(self):
        self.bad_image("__errno_location comes from libc.a", "int *__errno_location(void);", "*__errno_location() = 1;")

    def test_stack_protector(self):
        self.bad_image(
            "uses %fs",
            "void take(char *); void take(char *p) { __asm__ volatile(\"\" :: \"r\"(p)); }",
            "char room[64]; take(room);",
            compile_with=["-fstack-protector-all"],
        )

    def test_thread_pointer_accesses(self):
        for access in (
            "mov %rax, %fs:0x10",  # a write
            "sub %rax, %fs:0x0",
            "xchg %rax, %fs:0x0",
            "mov %fs:0x18, %rax",  # another word
            "mov %fs:0x0(%rcx), %rax",  # any word
            "mov %fs:(%rcx), %rax",
            "mov %gs:0x10, %rax",
        ):
            with self.subTest(access):
                self.bad_image("uses %", body=f'__asm__ volatile("{access.replace("%", "%%")}" ::: "rax", "rcx");')

    def test_vectors(self):
        for access in "movaps %xmm1, %xmm2", "fldz", "vzeroupper", "xsave (%rsp)", "kmovw %k1, %k2", "vpxord %zmm1, %zmm1, %zmm1":
            with self.subTest(access):
                self.bad_image("vector or x87", f'__asm__(".globl stub\\nstub: {access}\\nret"); void stub(void);', "stub();")

    def test_stateful_libc(self):
        self.bad_image("strtol comes from libc.a", "long strtol(const char *, char **, int);", 'strtol("1", 0, 10);')

    def test_undefined(self):
        self.bad_image("nobody is undefined", "__attribute__((weak)) void nobody(void);", "if (nobody) nobody();")

    def test_writable_code(self):
        self.bad_image("writable and executable", link_with=["-Wl,-N"])

    def test_no_relro(self):
        self.bad_image("no PT_GNU_RELRO", link_with=["-Wl,-z,norelro"])

    def test_globals(self):
        for fault, body, name in (
            ("int counter = 1;", "counter++;", "counter: 4 writable bytes in .data"),
            ("static int counter;", "counter++; ldx_self.table[2] = &counter;", "counter: 4 writable bytes in .bss"),
            ("", "static void *cache[8]; ldx_self.table[2] = cache;", "cache"),
            ('__asm__(".bss\\n.globl hidden\\nhidden: .skip 64\\n.text"); extern char hidden[];', "hidden[1] = 1;", "belong to no symbol"),
        ):  # fmt: skip
            with self.subTest(fault + body):
                self.bad_globals(name, fault, body)

    def test_no_symbols(self):
        linked = self.link(link_with=["-s"])
        self.rejects("globals", "there is no symbol ldx_self", "--ldx", linked)
        self.rejects("image", "no symbols", "--ldx", linked)


if __name__ == "__main__":
    unittest.main()
