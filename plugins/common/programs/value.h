/*
 * The values of a template, and its functions. All memory is the arena's.
 */
#ifndef VALUE_H
#define VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

/* Pieces of memory that are all freed together. A zeroed struct is empty. */
struct arena {
	void **chunk;
	size_t count;
	size_t used; /* bytes */
};

/* As much as all values of a template may take. */
#define ARENA_MAX ((size_t)64 << 20)

/* Returns size bytes, or NULL if that would pass ARENA_MAX. */
void *arena_take(struct arena *arena, size_t size);
void arena_release(struct arena *arena);

enum value_kind {
	VALUE_NONE, /* a variable that the caller did not give */
	VALUE_ROOT, /* all variables of the caller */
	VALUE_TEXT,
	VALUE_NUMBER,
	VALUE_TRUTH,
	VALUE_LIST,
};

struct value {
	enum value_kind kind;
	const char *text; /* with length bytes, of VALUE_TEXT */
	const struct value *item; /* length of them, of VALUE_LIST */
	size_t length;
	long number; /* of VALUE_NUMBER, and 0 or 1 of VALUE_TRUTH */
};

struct value value_text(const char *text, size_t length);
struct value value_number(long number);
struct value value_truth(bool truth);

/* Whether {{ if }} takes it as true: not empty, not 0, not false. */
bool value_is_true(const struct value *value);

/* Appends the value as Go prints it. Returns false if out is full. */
bool value_print(struct buf *out, const struct value *value);

/* Whether name is a function. */
bool value_is_function(const char *name, size_t length);

/*
 * Calls a function. Returns NULL and fills in *result, or returns why it was refused. arena owns
 * what the result points to.
 */
const char *value_call(struct arena *arena, const char *name, size_t length,
	const struct value *argument, size_t count, struct value *result);

#endif
