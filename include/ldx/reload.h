/* Objects whose memory is a file: an ordinary shared object, opened with RTLD_RELOADABLE (<ldx/dlfcn.h>).
 *
 * The object is mapped from a private copy of its file. In the copy every byte of every segment has its place, that
 * of .bss too; pages of segments that can be written are mapped MAP_SHARED: what the program writes into its data is
 * in the file at once. The copy is a complete ELF file, with section headers and debug information. It lies in memory
 * (/proc/PID/fd/N) until the object is closed or the process ends, or in a folder, where it outlives both: its pages
 * are the kernel's, so it is whole after a crash of the process (not of the machine).
 *
 * The one part that the program sees otherwise than the file has it are the pages in which the dynamic section lies,
 * if they are sealed (RELRO) or nothing else that can be written is there: in them the file keeps what the linker
 * wrote. Else l_ld has offsets, not addresses, as musl and the vDSO have them.
 *
 * To salvage is to read it: readelf, objdump and gdb do, and `objcopy --dump-section`. Pointers in it are addresses
 * of that process, as struct ldx_copy_record tells. No loader takes it for a library by mistake (its relocations have
 * been applied): bytes 9 to 15 of e_ident, the padding, are "ldxcopy", which loaders refuse. dlopen with
 * RTLD_RELOADABLE opens it again with its data kept: relocations are applied anew, but words with a relocation that
 * makes an address (R_X86_64_RELATIVE, R_X86_64_64, DT_RELR) keep what the program wrote there if it was NULL, or led
 * into the object: then it leads to the same place of the object where it lies now. Any other address there becomes
 * what it was at first. Pointers that the program made in words without a relocation are not known, and stay as they
 * are. Constructors run.
 *
 * link_map, dladdr and dl_iterate_phdr tell the file that was opened, for there a debugger finds all it wants. From
 * the first ldx_reload on they tell the copy, for only there are the new symbols.
 *
 * fork (libc's; not vfork, posix_spawn or a system call of the program's own) gives the child a copy in memory of its
 * own, made before the child begins. It costs as much as copying the object's file.
 *
 * No libc has these functions: they are found in a process that ldx started, by programs linked with libldx.a, by
 * references that are left undefined, or by dlsym(RTLD_DEFAULT, ...). Any thread may call them, but not from a signal
 * handler. Results are 0 or a negative errno value unless said otherwise; dlerror tells what was wrong. */
#ifndef LDX_RELOAD_H
#define LDX_RELOAD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* dlopen(file, mode | RTLD_RELOADABLE), with the copy as a file in that folder: the last part of its name, the number
 * of the process, and a number that makes it new. NULL: as dlopen does, which takes the folder from LDX_PERSIST_DIR
 * of the environment that the process began with; without one the copy lies in memory. A handle; NULL: see dlerror.
 */
void *ldx_dlopen_in(const char *file, int mode, const char *folder);

/* Where the copy is found: writes at most size bytes with a NUL, and returns the length of the whole text. */
int ldx_reload_path(void *handle, char *path, size_t size);

/* The object's symbols were changed: its dynamic section, hash table, symbols, strings and versions are read anew and
 * checked; then dlsym, dladdr and bindings to come find what they say. Searches in other threads find the one state
 * or the other. What is bound already stays as it is, and so do the handle, all addresses, how the object is
 * unwound, its dependencies, its soname, and what its own relocations refer to.
 *
 * The tables may be changed where they are (they must then be fit to be searched at every moment), or new ones may be
 * written into other memory of the object's segments, and the dynamic section be led to them: by the view that
 * ldx_reload_alias gives, where its entries have link-time addresses as the linker wrote them (l_ld has what loaders
 * make of them, and follows with ldx_reload). Symbols that are STB_GNU_UNIQUE must stay. Old tables must stay as they
 * are until no thread can be searching in them.
 *
 * Debuggers, tools (LDX_EV_SYMBOLS) and readers of _ldx_debug are told once: in the copy the section headers follow
 * the tables, and where there is a .symtab its global symbols are replaced by those of .dynsym. gdb then takes the
 * object for another one in the same place, and reads it again.
 *
 * Costs one pass over .dynsym, a copy of .symtab where there is one, and no more for a larger process.
 *
 * EINVAL: no handle of an object opened with RTLD_RELOADABLE. ENOEXEC: the tables are damaged. EBADF: the program has
 * closed the copy's descriptor. ENOMEM, ENOSPC, EFBIG. On failure everything is found as before. */
int ldx_reload(void *handle);

/* Where the byte at addr of the object can be written, whatever its segment's protection: a second view of the copy,
 * at an address that no constant distance leads to. It is readable and writable, not executable, covers the whole
 * object, and is there until the next ldx_reload of the object. What is written is seen at once; for code by the
 * CPU's rules for cross-modifying code, and but for pages in which a debugger has a breakpoint: they follow with
 * ldx_reload. EINVAL: addr is not in the object. */
int ldx_reload_alias(void *handle, const void *addr, void **out);

/* What stands in the copy at the first multiple of 4096 behind its PT_LOAD segments. Numbers are little-endian. */
enum { LDX_COPY_VERSION = 1, LDX_COPY_SEGMENTS = 64 };
struct ldx_copy_record {
  char magic[8]; /* "LDXCOPY" */
  uint32_t version, size;
  uint64_t base; /* an address in the process less that in the file */
  uint64_t pid;
  uint32_t complete; /* 0: the process ended before all relocations were applied */
  uint32_t count;    /* of `initial` */
  uint64_t tail;     /* from here on: the rest of the original file, with all that follows in it */
  /* What segments that can be written were at first: size bytes for that address, at that offset of the copy; zeros
   * behind them */
  struct {
    uint64_t address, size, offset;
  } initial[LDX_COPY_SEGMENTS];
  char path[1024]; /* the file that was opened */
};

#ifdef __cplusplus
}
#endif
#endif
