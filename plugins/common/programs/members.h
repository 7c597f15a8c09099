/*
 * Picks members out of a JSON value by JSON pointers (RFC 6901) and prints them as words, so that a
 * shell can read them with `read`.
 *
 * A list of pointers is a string of pointers with one space between them, such as "/Id /State".
 */
#ifndef MEMBERS_H
#define MEMBERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* The longest key in a pointer, with its NUL. */
enum { MEMBERS_MAX_KEY = 256 };

/* Whether each key of these pointers is shorter than MEMBERS_MAX_KEY. */
bool members_are_valid(const char *pointers);

/*
 * Returns the member of value that the first of pointers names, or NULL if there is none. The
 * member belongs to value. pointers must be valid.
 */
json_t *members_find(json_t *value, const char *pointers);

/*
 * Prints the members that pointers name as one line: a word each, with a space between them. A
 * member that is absent, null or empty is "-". Of an array the elements are printed, of an object
 * the keys, with commas between them. Control characters and spaces are "?".
 */
void members_print(FILE *out, json_t *value, const char *pointers);

#endif
