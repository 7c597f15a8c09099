#ifndef WEB_ROWS_H
#define WEB_ROWS_H

#include <stdbool.h>

enum { ROWS_TEXT = 256 };

/*
 * Inserts a row into the table "rows" of the PostgreSQL database that the variable DATABASE_URL
 * names, postgres://USER:PASSWORD@HOST:PORT/DATABASE. Returns true if the row is committed; text,
 * of ROWS_TEXT bytes, is its number then. Otherwise text is the reason, and the row may be there.
 */
bool rows_insert(const char *release, const char *name, char *text);

#endif
