// A plugin that knows nothing of the host's versions: it gets the default one.
int host(void);
int plugin(void) { return host(); }
