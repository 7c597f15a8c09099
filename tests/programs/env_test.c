/* The ENV file: the forms that Dokku has written, and what is not understood. */
#include "env.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

/* The entries as read-env prints them, with a | in place of each NUL. The caller frees them. */
static char *
entries_of(const char *text, size_t length)
{
	struct env env;
	struct env_entry entry;
	char *out = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&out, &size);

	env_open(&env, text, length);
	while (env_next(&env, &entry)) {
		if (entry.kind == ENV_COMMENT)
			fputs("= ", stream);
		else if (entry.kind == ENV_ODD)
			fprintf(stream, "=%lu ", entry.line);
		fwrite(entry.text, 1, entry.length, stream);
		putc('|', stream);
	}
	env_release(&env);
	fclose(stream);
	return out;
}

static const struct {
	const char *text;
	const char *want;
} table[] = {
	{ "", "" },
	{ "\n\n  \n", "" },
	{ "A=b", "A=b|" },
	{ "A=b\n", "A=b|" },
	{ "A=b\r\nC=d\r\n", "A=b|C=d|" },
	{ "export A=b", "A=b|" },
	{ "exportA=b", "exportA=b|" },
	{ "A = b ", "A=b|" },
	{ "A=", "A=|" },
	{ "A=b # why", "A=b|" },
	{ "A=b#c", "A=b#c|" },
	{ "# why\nA=b", "= # why|A=b|" },
	/* Quotes. */
	{ "A='b c'", "A=b c|" },
	{ "A='b\nc'", "A=b\nc|" },
	{ "A='it'\\''s'", "A=it's|" },
	{ "A=''", "A=|" },
	{ "A=\"b\\nc\\rd\\\"e\\\\f\"", "A=b\nc\rd\"e\\f|" },
	{ "A=\"\\$b\"", "A=$b|" },
	{ "A=$'b\\tc\\x41\\101\\'d'", "A=b\tcAA'd|" },
	{ "A='b' # why", "A=b|" },
	/* Not understood: the text stands as it is, with its line. */
	{ "A=$B", "=1 A=$B|" },
	{ "A=\"$(id)\"", "=1 A=\"$(id)\"|" },
	{ "A=b\n1A=b", "A=b|=2 1A=b|" },
	{ "A='b\n\nC=d", "=1 A='b\n\nC=d|" },
	{ "A='b\nc'\nB=$C", "A=b\nc|=3 B=$C|" },
	{ "A='b' c", "=1 A='b' c|" },
	{ "word", "=1 word|" },
	{ "=b", "=1 =b|" },
	{ "A=$'\\q'", "=1 A=$'\\q'|" },
	/* A dollar that means itself. */
	{ "A=5$", "A=5$|" },
	{ "A=\\$B", "A=$B|" },
};

static void
forms(void)
{
	for (size_t i = 0; i < TEST_COUNT(table); i++) {
		char *got = entries_of(table[i].text, strlen(table[i].text));
		ROW_TEXT(got, table[i].want, table[i].text);
		free(got);
	}
}

static void
nul_is_odd(void)
{
	static const char text[] = "A=b\0c\nD=e";
	struct env env;
	struct env_entry entry;

	env_open(&env, text, sizeof(text) - 1);
	IS(env_next(&env, &entry) && entry.kind == ENV_ODD && entry.length == 5);
	IS(env_next(&env, &entry) && entry.kind == ENV_PAIR && entry.line == 2);
	IS(!env_next(&env, &entry));
	env_release(&env);
}

/* A name of 255 bytes is the longest. */
static void
long_names(void)
{
	static const struct {
		size_t length;
		enum env_kind kind;
	} names[] = { { 255, ENV_PAIR }, { 256, ENV_ODD } };
	char text[300];

	for (size_t i = 0; i < TEST_COUNT(names); i++) {
		struct env env;
		struct env_entry entry = { 0 };

		memset(text, 'A', sizeof(text));
		memcpy(text + names[i].length, "=b", 2);
		env_open(&env, text, names[i].length + 2);
		IS(env_next(&env, &entry));
		INT(entry.kind, names[i].kind);
		env_release(&env);
	}
}

int
main(void)
{
	forms();
	nul_is_odd();
	long_names();
	return test_end("env_test");
}
