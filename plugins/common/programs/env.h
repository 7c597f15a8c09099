/*
 * Reads an app's ENV file. The forms are those that Dokku has written over the years: values in
 * single quotes as a shell reads them, in double quotes as the library godotenv writes them, in
 * $'…', and bare. A value that a shell would compute ($VAR, $(command)) is not understood.
 */
#ifndef ENV_H
#define ENV_H

#include <stdbool.h>
#include <stddef.h>

enum env_kind {
	ENV_PAIR, /* text is NAME=VALUE; VALUE is decoded and has no NUL */
	ENV_COMMENT, /* text is the line as it stands in the file */
	ENV_ODD, /* not understood; text is the lines as they stand in the file */
};

struct env_entry {
	enum env_kind kind;
	unsigned long line; /* where the entry begins; the first line is 1 */
	const char *text; /* borrowed, valid until the next call of env_next */
	size_t length;
};

/* A file that is being read. Only env.c looks into it. */
struct env {
	const char *at, *end;
	unsigned long line;
	char *value; /* as long as the file */
	size_t length; /* of value */
	bool odd;
};

/* Begins to read the text of a file. text is borrowed until env_release. */
void env_open(struct env *env, const char *text, size_t length);

/* Fills in *entry and returns true, or returns false at the end of the file. */
bool env_next(struct env *env, struct env_entry *entry);

void env_release(struct env *env);

#endif
