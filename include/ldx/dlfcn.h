/* What ldx adds to <dlfcn.h>: sharing between namespaces, and objects whose memory is a file (RTLD_RELOADABLE).
 *
 * A namespace made by dlmopen(LM_ID_NEWLM, ...) has its own copy of every library but those of the libc (libc.so.6,
 * ld-linux, libpthread, libdl, librt, ...): one malloc, one errno, one set of threads for the whole process. Any
 * number of namespaces may exist.
 *
 * A shared library is loaded once, in the base namespace, where it stays until the process ends (as with
 * RTLD_NODELETE). In the other namespace a *proxy* stands for it: a link map with a handle, a reference count and
 * RTLD_DI_LMID of its own, and address, dynamic section and program headers of the real one. Lookups through a proxy
 * find the real object's symbols. Its constructors run once. In link order (l_next) proxies come first; a debugger's
 * list (r_debug.r_map) begins behind them.
 *
 * RTLD_GLOBAL works in every namespace. dlopen stays in the namespace of the code that calls it.
 *
 * Source of RTLD_SHARED and DF_GNU_1_UNIQUE: the glibc patch series of 2018-2021 and `ld -z unique` of binutils. */
#ifndef LDX_DLFCN_H
#define LDX_DLFCN_H

#ifndef _GNU_SOURCE
#error dlmopen is an extension of GNU: define _GNU_SOURCE before the first #include
#endif

#include <dlfcn.h>
#include <link.h>

/* Flags of dlmopen and dlopen. Both together: EINVAL.
 * RTLD_SHARED: share the library, as all marked DF_GNU_1_UNIQUE (ld -z unique) are anyhow. An object that is in the
 *   namespace itself already cannot become a proxy: EEXIST.
 * RTLD_ISOLATE: share nothing; on LM_ID_NEWLM: the namespace gets a libc of its own. */
#ifndef RTLD_SHARED
#define RTLD_SHARED 0x00080
#endif
#ifndef RTLD_ISOLATE
#define RTLD_ISOLATE 0x00040
#endif

/* The object that is named (not what it needs) is mapped from a copy of its file that is this process's own, so that
 * what the program writes into its data stands in that file, and its symbols can be changed while it is in use:
 * <ldx/reload.h>. All of its references are bound at once. An object that is loaded already cannot become one:
 * EEXIST. Other loaders refuse the flag in dlopen (EINVAL). No system's <dlfcn.h> uses the bit. */
#ifndef RTLD_RELOADABLE
#define RTLD_RELOADABLE 0x100000
#endif

#ifdef LM_ID_BASE /* musl has no namespaces */

#ifdef __cplusplus
extern "C" {
#endif

/* dl_iterate_phdr for the given namespace; -1: there is none of that number. Lock-free, async-signal-safe. No libc
 * has this function: it is found in a process that ldx started, by a weak reference or dlsym(RTLD_DEFAULT, ...). */
int dl_iterate_ns_phdr(Lmid_t ns, int (*callback)(struct dl_phdr_info *info, size_t size, void *data), void *data)
    __attribute__((weak));

#ifdef __cplusplus
}
#endif

#endif

#endif
