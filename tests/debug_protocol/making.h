#pragma once
// Does what the word says, if it is about objects made at run time: new=NAME, bind=SYMBOL, unbind=SYMBOL,
// bind-many=COUNT, unbind-many=COUNT, publish, delete.
int make(const char *word, const char *value);
