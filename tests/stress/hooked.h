/* The program's function that the hooked libraries' constructors and destructors call. */
#ifndef HOOKED_H
#define HOOKED_H

enum hooked_event { CONSTRUCTOR, DESTRUCTOR };

#ifdef __cplusplus
extern "C"
#endif
    void
    stress_hook(int library, enum hooked_event event);

#endif
