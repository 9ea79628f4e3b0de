int odd_pc32 = 32;
