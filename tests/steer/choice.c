/* A function that exists in three variants, behind a resolver; one is called from inside, too. */
int chosen(void);
int inside(void);

static __attribute__((used, noinline)) int variant_one(void) { return 101; }
static __attribute__((used, noinline)) int variant_two(void) { return 102; }
static __attribute__((used, noinline)) int variant_three(void) { return 103; }

static int (*resolve(void))(void) { return variant_one; }

int chosen(void) __attribute__((ifunc("resolve")));
static int own(void) __attribute__((ifunc("resolve")));
int inside(void) { return chosen() * 1000 + own(); }

int (*const all[])(void) = {variant_two, variant_three};
