#include "env.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

enum { MAX_NAME = 255 };

/* Adds a byte to the value. A NUL makes the entry odd, because no variable can hold it. */
static void
add(struct env *env, int c)
{
	if (c == '\0')
		env->odd = true;
	else
		env->value[env->length++] = (char)c;
}

static bool
next_is(const struct env *env, const char *set)
{
	return env->at < env->end && *env->at != '\0' && strchr(set, *env->at) != NULL;
}

static void
skip(struct env *env, const char *set)
{
	while (next_is(env, set))
		env->at++;
}

static void
skip_line(struct env *env)
{
	size_t left = env->at < env->end ? (size_t)(env->end - env->at) : 0;
	const char *newline = memchr(env->at, '\n', left);

	env->at = newline ? newline : env->end;
}

/* A dollar sign that a shell would expand makes the entry odd, because nothing here expands it. */
static void
check_dollar(struct env *env)
{
	if (next_is(env, "$") && env->at + 1 < env->end &&
		(isalnum((unsigned char)env->at[1]) || strchr("_{(", env->at[1])))
		env->odd = true;
}

/* Reads a value up to the closing single quote. Every byte stands for itself. */
static void
read_single(struct env *env)
{
	while (env->at < env->end && *env->at != '\'')
		add(env, *env->at++);
}

/*
 * Reads a value up to the closing double quote. Backslashes mean what they mean to the library
 * godotenv.
 */
static void
read_double(struct env *env)
{
	while (env->at < env->end && *env->at != '"') {
		check_dollar(env);
		if (*env->at == '\\' && env->at + 1 < env->end) {
			env->at++;
			add(env, *env->at == 'n' ? '\n' : *env->at == 'r' ? '\r' : *env->at);
		} else {
			add(env, *env->at);
		}
		env->at++;
	}
}

/* Reads a number of at most this many digits to base 8 or 16. Returns its lowest 8 bits. */
static int
read_code(struct env *env, int base, int digits)
{
	char text[4] = "";

	for (int i = 0; i < digits && env->at < env->end; i++) {
		if (base == 8 ? !next_is(env, "01234567") : !isxdigit((unsigned char)*env->at))
			break;
		text[i] = *env->at++;
	}
	return (int)strtol(text, NULL, base) & 0xff;
}

/* Reads what follows a backslash within $'…'. */
static void
read_dollar_escape(struct env *env)
{
	static const char letters[] = "abeEfnrtv\\'\"?",
			  meanings[] = "\a\b\033\033\f\n\r\t\v\\'\"?";
	const char *letter = next_is(env, letters) ? strchr(letters, *env->at) : NULL;

	if (letter) {
		add(env, meanings[letter - letters]);
		env->at++;
	} else if (next_is(env, "01234567")) {
		add(env, read_code(env, 8, 3));
	} else if (next_is(env, "x")) {
		env->at++;
		add(env, read_code(env, 16, 2));
	} else {
		env->odd = true;
	}
}

/* Reads a value up to the closing quote of $'…'. */
static void
read_dollar(struct env *env)
{
	while (env->at < env->end && *env->at != '\'') {
		if (*env->at++ == '\\')
			read_dollar_escape(env);
		else
			add(env, env->at[-1]);
	}
}

/*
 * Reads one quoted part, or a backslash and the character after it. A quote that is not closed
 * takes the rest of the file and makes the entry odd.
 */
static void
read_part(struct env *env)
{
	bool dollar = env->at + 1 < env->end && env->at[0] == '$' && env->at[1] == '\'';
	char quote = *env->at;

	env->at += 1 + dollar;
	if (quote == '\\' && env->at < env->end) {
		add(env, *env->at);
	} else if (dollar) {
		read_dollar(env);
	} else if (quote == '\'') {
		read_single(env);
	} else if (quote == '"') {
		read_double(env);
	} else {
		env->odd = true;
		return;
	}
	if (env->at == env->end)
		env->odd = true;
	else
		env->at++;
}

/* Reads an unquoted value. It ends with the line, or at a # after a blank. */
static void
read_bare(struct env *env)
{
	while (env->at < env->end && *env->at != '\n') {
		check_dollar(env);
		if (*env->at == '#' && env->length > 0 &&
			strchr(" \t", env->value[env->length - 1]))
			break;
		if (*env->at == '\\' && env->at + 1 < env->end && env->at[1] == '$')
			env->at++;
		add(env, *env->at++);
	}
	while (env->length > 0 && strchr(" \t\r", env->value[env->length - 1]))
		env->length--;
}

/* Reads an entry from its name on. Afterwards env->value is NAME=VALUE, or the entry is odd. */
static void
read_entry(struct env *env)
{
	if (env->end - env->at > 6 && strncmp(env->at, "export", 6) == 0 &&
		strchr(" \t", env->at[6])) {
		env->at += 6;
		skip(env, " \t");
	}
	env->odd = env->at < env->end && isdigit((unsigned char)*env->at);
	while (env->at < env->end && (isalnum((unsigned char)*env->at) || *env->at == '_'))
		add(env, *env->at++);
	env->odd |= env->length == 0 || env->length > MAX_NAME;
	skip(env, " \t");
	if (!next_is(env, "=")) {
		env->odd = true;
		return;
	}
	add(env, *env->at++);
	skip(env, " \t");
	if (!next_is(env, "'\"") &&
		!(env->end - env->at > 1 && env->at[0] == '$' && env->at[1] == '\''))
		read_bare(env);
	else
		while (next_is(env, "'\"\\$") && !(env->odd && *env->at == '$'))
			read_part(env);
	skip(env, " \t\r");
	env->odd |= env->at < env->end && *env->at != '\n' && *env->at != '#';
}

void
env_open(struct env *env, const char *text, size_t length)
{
	*env = (struct env){
		.at = text,
		.end = text + length,
		.line = 1,
		/* An entry without a newline can need one byte for its "=". */
		.value = xrealloc(NULL, length + 2, 1),
	};
}

void
env_release(struct env *env)
{
	free(env->value);
	*env = (struct env){ 0 };
}

/* Moves past the end of the current line, and counts the lines since start. */
static void
end_line(struct env *env, const char *start)
{
	for (const char *at = start; at < env->at; at++)
		env->line += *at == '\n';
	if (env->at < env->end) {
		env->at++;
		env->line++;
	}
}

bool
env_next(struct env *env, struct env_entry *entry)
{
	while (env->at < env->end) {
		const char *start = env->at;

		entry->line = env->line;
		env->length = 0;
		env->odd = false;
		skip(env, " \t\r");
		bool comment = next_is(env, "#"), blank = env->at == env->end || *env->at == '\n';
		if (!comment && !blank)
			read_entry(env);
		skip_line(env);
		bool raw = comment || env->odd;
		entry->kind = comment ? ENV_COMMENT : env->odd ? ENV_ODD : ENV_PAIR;
		entry->text = raw ? start : env->value;
		entry->length = raw ? (size_t)(env->at - start) : env->length;
		end_line(env, start);
		if (!blank)
			return true;
	}
	return false;
}
