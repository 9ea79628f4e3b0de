int piece = 1;
