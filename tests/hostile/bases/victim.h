/* What the hosts call in whichever base stands in for libvictim.so. */
#pragma once

enum { VICTIM_VALUE = 42 };
int victim_value(void);
extern int victim_data;
int dep_value(void);
extern int dep_data;
extern int dep_copied[4];
