"""Makes the small libraries and programs that the search tests look for."""

import os
import subprocess

MAIN = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int show_serinfo(void) {
  void *self = dlopen(NULL, RTLD_LAZY);
  Dl_serinfo size;
  dlinfo(self, RTLD_DI_SERINFOSIZE, &size);
  Dl_serinfo *all = malloc(size.dls_size);
  dlinfo(self, RTLD_DI_SERINFOSIZE, all);
  dlinfo(self, RTLD_DI_SERINFO, all);
  for (unsigned i = 0; i < all->dls_cnt; i++)
    puts(all->dls_serpath[i].dls_name);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && !strcmp(argv[1], "--serinfo"))
    return show_serinfo();
  for (int i = 1; i < argc; i++)
    if (!dlopen(argv[i], RTLD_LAZY))
      printf("error: %s\n", dlerror());
  return 0;
}
"""


class Workshop:
    def __init__(self, folder, compiler="cc"):
        self.folder = folder
        self.compiler = compiler
        self.stubs = {}
        self.write("main.c", MAIN)
        self.write("empty.c", "")

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, content):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb" if isinstance(content, bytes) else "w") as file:
            file.write(content)
        return path

    def build(self, *words):
        subprocess.run([self.compiler, *words], check=True)

    def stub(self, name):
        """A library to link with, whose name in DT_NEEDED is `name`, whatever that is."""
        if name not in self.stubs:
            path = self.path(f"stub{len(self.stubs)}.so")
            self.build("-shared", "-nostdlib", f"-Wl,-soname={name}", "-o", path, self.path("empty.c"))
            self.stubs[name] = path
        return self.stubs[name]

    def link_words(self, needed, rpath, runpath, flags):
        words = ["-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined", *map(self.stub, needed), *flags]
        if rpath is not None:
            words += ["-Wl,--disable-new-dtags", "-Xlinker", "-rpath", "-Xlinker", rpath]
        if runpath is not None:
            words += ["-Wl,--enable-new-dtags", "-Xlinker", "-rpath", "-Xlinker", runpath]
        return words

    def library(self, name, needed=(), rpath=None, runpath=None, flags=()):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        soname = os.path.basename(name)
        self.build("-shared", "-nostdlib", f"-Wl,-soname={soname}", "-o", path, self.path("empty.c"),
                   *self.link_words(needed, rpath, runpath, flags))
        return path

    def program(self, name, needed=(), rpath=None, runpath=None, flags=()):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.build("-o", path, self.path("main.c"), *self.link_words(needed, rpath, runpath, flags))
        return path

    def patched(self, source, target, offset, value):
        """A copy of a library with other bytes at an offset."""
        with open(self.path(source), "rb") as file:
            content = bytearray(file.read())
        content[offset:offset + len(value)] = value
        return self.write(target, bytes(content))
