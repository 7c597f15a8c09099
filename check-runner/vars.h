/*
 * Finds and replaces templates of the form {{ var "NAME" }}. Other text in double braces has no
 * meaning, and a value is not searched for templates again.
 */
#ifndef CHECK_RUNNER_VARS_H
#define CHECK_RUNNER_VARS_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

struct vars_pair {
	char *name;
	char *value;
	size_t len;
};

/* A zeroed struct has no variables. It owns all its strings. */
struct vars {
	struct vars_pair *pair;
	size_t nr;
};

/* Take NAME=VALUE. Returns -1 if there is no "=" or the name is not valid. The last one wins. */
int vars_add(struct vars *v, const char *pair, size_t len);

/*
 * Take pairs, each ended by a NUL. Returns 0, or -1 at the first that is not valid; those before it
 * stay.
 */
int vars_add_all(struct vars *v, const char *pairs, size_t len);

void vars_clear(struct vars *v);

/*
 * Returns the length of the template at text, or 0 if there is none. text[0] need not be a brace.
 */
size_t vars_span(const char *text, size_t len);

/*
 * Append text to out with every template replaced. Returns 0; -1 when a name has no value, with
 * *name and *name_len pointing into text; -2 when out is full.
 */
int vars_expand(const struct vars *v, const char *text, size_t len, struct buf *out,
	const char **name, size_t *name_len);

#endif
