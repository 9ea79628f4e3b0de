/* Libraries that cannot be loaded, or that others cannot be loaded without: -DREFUSED says which. */
#define FUNCTION 1    /* refers to a function that nobody defines */
#define DATA 2        /* to a variable that nobody defines, and has thread-local storage of the static kind */
#define PLAIN 3       /* defines what others need */
#define WANTS_PLAIN 4 /* needs that */
#define WANTS_TWO 5   /* needs that, and a library with a constructor */
#define WANTS_THREE 6 /* needs that one, and more with constructors */

#if REFUSED == FUNCTION
extern int never_defined(void);
int refused_function(void) { return never_defined(); }
#elif REFUSED == DATA
extern int never_defined_data;
__attribute__((tls_model("initial-exec"))) __thread char refused_tls[64] = {1};
int refused_data(void) { return never_defined_data + refused_tls[3]; }
#elif REFUSED == PLAIN
int plain_value(void) { return 5; }
#elif REFUSED == WANTS_PLAIN
extern int plain_value(void);
int refused_wants(void) { return plain_value(); }
#elif REFUSED == WANTS_TWO
extern int plain_value(void), hooked_value_0(void);
int refused_two(void) { return plain_value() + hooked_value_0(); }
#else
extern int refused_two(void), hooked_value_3(void), piece4_add(int);
int refused_three(void) { return refused_two() + hooked_value_3() + piece4_add(1); }
#endif
