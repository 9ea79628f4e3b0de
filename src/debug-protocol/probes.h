/* Static probes. Those of the provider "rtld" have the names and arguments that glibc's loader has ("Probe-based
 * debugger interface" in its elf/rtld-debugger-interface.txt): debuggers that know them follow a list by what was
 * added. Those of the provider "ldx" are in docs/debug-protocol.md. A probe is one nop, and a note of where it is and
 * where its arguments are (format: SystemTap's user-space probe implementation, version 3). The note is not loaded,
 * and there are no semaphores. */
#ifndef LDX_DEBUG_PROTOCOL_PROBES_H
#define LDX_DEBUG_PROTOCOL_PROBES_H

/* Readers add what the linker, or prelink, has moved this section by to the addresses in notes. */
#define LDX_PROBE_BASE                                                                                               \
  ".ifndef _.stapsdt.base\n"                                                                                         \
  ".pushsection .stapsdt.base, \"aG\", @progbits, .stapsdt.base, comdat\n"                                           \
  ".weak _.stapsdt.base\n"                                                                                           \
  ".hidden _.stapsdt.base\n"                                                                                         \
  "_.stapsdt.base: .space 1\n"                                                                                       \
  ".size _.stapsdt.base, 1\n"                                                                                        \
  ".popsection\n"                                                                                                    \
  ".endif\n"

#define LDX_PROBE_NOTE(provider, name, arguments)                                                                    \
  "990: nop\n"                                                                                                       \
  ".pushsection .note.stapsdt, \"\", @note\n"                                                                        \
  ".balign 4\n"                                                                                                      \
  ".long 992f - 991f, 994f - 993f, 3\n"                                                                              \
  "991: .asciz \"stapsdt\"\n"                                                                                        \
  "992: .balign 4\n"                                                                                                 \
  "993: .quad 990b, _.stapsdt.base, 0\n"                                                                             \
  ".asciz \"" provider "\", \"" name "\", \"" arguments "\"\n"                                                       \
  "994: .balign 4\n"                                                                                                 \
  ".popsection\n" LDX_PROBE_BASE

/* Namespace, struct r_debug. */
#define LDX_PROBE2(provider, name, id, debug)                                                                        \
  __asm__ volatile(LDX_PROBE_NOTE(provider, name, "-8@%[a] 8@%[b]")                                                  \
                   :                                                                                                 \
                   : [a] "nr"((long)(id)), [b] "nr"((uint64_t)(uintptr_t)(debug))                                    \
                   : "memory")
/* The same and a link map, which may be NULL. */
#define LDX_PROBE3(provider, name, id, debug, map)                                                                   \
  __asm__ volatile(                                                                                                  \
      LDX_PROBE_NOTE(provider, name, "-8@%[a] 8@%[b] 8@%[c]")                                                        \
      :                                                                                                              \
      : [a] "nr"((long)(id)), [b] "nr"((uint64_t)(uintptr_t)(debug)), [c] "nr"((uint64_t)(uintptr_t)(map))           \
      : "memory")
/* Namespace, link map (may be NULL), and three words. */
#define LDX_PROBE5(provider, name, id, map, x, y, z)                                                                 \
  __asm__ volatile(LDX_PROBE_NOTE(provider, name, "-8@%[a] 8@%[b] 8@%[c] 8@%[d] 8@%[e]")                             \
                   :                                                                                                 \
                   : [a] "nr"((long)(id)), [b] "nr"((uint64_t)(uintptr_t)(map)), [c] "nr"((uint64_t)(x)),            \
                     [d] "nr"((uint64_t)(y)), [e] "nr"((uint64_t)(z))                                                \
                   : "memory")

#endif
