// A link of a chain of libraries: ME calls NEXT in the following one, bound by the call itself.
#ifdef NEXT
int NEXT(void);
int ME(void) { return NEXT() + 1; }
#else
int ME(void) { return 1; }
#endif
#ifdef KEEP
// With THREAD_DESTRUCTOR, the library cannot go before the thread that has called this.
#ifdef THREAD_DESTRUCTOR
extern void *__dso_handle;
int __cxa_thread_atexit_impl(void (*)(void *), void *, void *);
static void end_of_thread(void *unused) {}
int keep(void) { return __cxa_thread_atexit_impl(end_of_thread, 0, &__dso_handle) + 40; }
#else
int keep(void) { return 41; }
#endif
#endif
