/* The library that the bases need: enough symbols for a hash table of several buckets. */
#include "victim.h"

int dep_data = 1;
int dep_copied[4] = {3, 5, 7, 11};

int dep_value(void) { return 2; }
int dep_alpha(void) { return 1; }
int dep_beta(void) { return 1; }
int dep_gamma(void) { return 1; }
