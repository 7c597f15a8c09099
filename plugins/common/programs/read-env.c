/*
 * read-env FILE - prints the entries of an ENV file (see env.h), a NUL after each: NAME=VALUE for a
 * pair, "=N TEXT" for text from line N on that is not understood, "= TEXT" for a comment.
 *
 * read-env FILE NAME - prints the value of NAME and a newline. The last pair of that name counts.
 *
 * Exit status: 0, or 1 and a line on stderr. If FILE has no NAME, 1 and nothing on stderr.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "env.h"
#include "process.h"
#include "util.h"

/* A file that shrinks while it is read is as long as what could be read. */
static size_t
read_file(int fd, const char *file, char *text, size_t size)
{
	size_t got = 0;
	ssize_t n = 1;

	for (; n > 0 && got < size; got += (size_t)n) {
		n = read(fd, text + got, size - got);
		if (n == -1)
			fail(file);
	}
	return got;
}

/* A NUL ends an entry in our output, so what follows one in the file could be anything. */
static void
refuse_nul(const char *file, const char *text, size_t size)
{
	const char *nul = size == 0 ? NULL : memchr(text, '\0', size);
	unsigned long line = 1;

	if (nul == NULL)
		return;
	for (const char *at = text; at < nul; at++)
		line += *at == '\n';
	fprintf(stderr, " !     %s:%lu: a NUL byte: remove it\n", file, line);
	exit(1);
}

static void
print_entry(const struct env_entry *entry)
{
	if (entry->kind == ENV_COMMENT)
		fputs("= ", stdout);
	else if (entry->kind == ENV_ODD)
		printf("=%lu ", entry->line);
	fwrite(entry->text, 1, entry->length, stdout);
	putchar('\0');
}

static void
print_all(struct env *env)
{
	struct env_entry entry;

	while (env_next(env, &entry))
		print_entry(&entry);
}

/* Returns true if there is a pair of that name. */
static bool
print_value(struct env *env, const char *name)
{
	struct env_entry entry;
	char *value = NULL;
	size_t length = 0, skip = strlen(name) + 1;

	while (env_next(env, &entry)) {
		if (entry.kind != ENV_PAIR || entry.length < skip ||
			memcmp(entry.text, name, skip - 1) != 0 || entry.text[skip - 1] != '=')
			continue;
		length = entry.length - skip;
		value = xrealloc(value, length + 1, 1);
		memcpy(value, entry.text + skip, length);
	}
	if (value == NULL)
		return false;
	fwrite(value, 1, length, stdout);
	putchar('\n');
	free(value);
	return true;
}

int
main(int argc, char **argv)
{
	struct stat status;
	struct env env;
	bool found = true;

	if (argc != 2 && argc != 3)
		misuse("read-env FILE [NAME]");
	int fd = open_regular(argv[1], 0, &status);
	size_t size = (size_t)status.st_size;
	char *text = xrealloc(NULL, size, 1);
	size = read_file(fd, argv[1], text, size);
	refuse_nul(argv[1], text, size);
	env_open(&env, text, size);
	if (argc == 2)
		print_all(&env);
	else
		found = print_value(&env, argv[2]);
	env_release(&env);
	free(text);
	return fflush(stdout) == EOF || !found;
}
