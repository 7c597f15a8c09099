#include "template.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"
#include "value.h"

/* Blocks and parentheses within each other, and rounds of all loops together. */
#define DEPTH_MAX 64
#define ROUNDS_MAX 1000000
/* Bytes of the template that the rounds read, and of arguments of functions, all together. */
#define WORK_MAX ((size_t)32 << 20)
#define ARGUMENTS_MAX 16

/* A variable of the template. */
struct variable {
	const char *name; /* points into the template or into the caller's variables */
	size_t length;
	struct value value;
};

/* A template that is being filled in. A position is a pointer into the text. */
struct filling {
	const char *text, *end;
	const char *at;
	const char *limit; /* within an action: where it ends */
	const struct template_variable *given;
	size_t given_count;
	struct variable *variable;
	size_t variables;
	struct value dot;
	struct buf *out;
	struct arena arena;
	struct template_error *error;
	unsigned depth;
	unsigned long rounds;
	size_t work; /* what counts towards WORK_MAX */
};

/* How a block ended. */
enum ending { ENDING_TEXT, ENDING_ELSE, ENDING_END, ENDING_ERROR };

static bool pipe_value(struct filling *f, bool run, struct value *value);
static enum ending fill_block(struct filling *f, bool run);

static bool refuse(struct filling *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Records the first error, with the line of the position. Returns false. */
static bool
refuse(struct filling *f, const char *format, ...)
{
	va_list list;
	if (f->error->line > 0)
		return false;
	f->error->line = 1;
	for (const char *p = f->text; p < f->at; p++)
		f->error->line += *p == '\n';
	va_start(list, format);
	vsnprintf(f->error->reason, sizeof(f->error->reason), format, list);
	va_end(list);
	return false;
}

/* --- words of an action ---------------------------------------------------------------------- */

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Returns the next character that is no space, or NUL at the end of the action. */
static char
peek(struct filling *f)
{
	while (f->at < f->limit && is_space(*f->at))
		f->at++;
	return f->at < f->limit ? *f->at : '\0';
}

/* Takes the sign, such as ":=", if it comes next. */
static bool
take_sign(struct filling *f, const char *sign)
{
	size_t length = strlen(sign);
	peek(f);
	if ((size_t)(f->limit - f->at) < length || memcmp(f->at, sign, length) != 0)
		return false;
	f->at += length;
	return true;
}

/* The length of the name at the position. */
static size_t
name_length(const struct filling *f)
{
	size_t length = 0;
	while (f->at + length < f->limit && is_word(f->at[length]))
		length++;
	return length;
}

/* Takes the keyword if it comes next, whole. */
static bool
take_word(struct filling *f, const char *word)
{
	peek(f);
	size_t length = name_length(f);
	if (length != strlen(word) || memcmp(f->at, word, length) != 0)
		return false;
	f->at += length;
	return true;
}

/* --- values ---------------------------------------------------------------------------------- */

static struct variable *
find_variable(struct filling *f, const char *name, size_t length)
{
	for (size_t i = f->variables; i-- > 0;) {
		struct variable *v = &f->variable[i];
		if (v->length == length && memcmp(v->name, name, length) == 0)
			return v;
	}
	return NULL;
}

static void
add_variable(struct filling *f, const char *name, size_t length, struct value value)
{
	f->variable = xgrow(f->variable, f->variables, sizeof(f->variable[0]));
	f->variable[f->variables++] = (struct variable){ name, length, value };
}

static struct value
given_value(const struct filling *f, const char *name, size_t length)
{
	for (size_t i = f->given_count; i-- > 0;) {
		const struct template_variable *v = &f->given[i];
		if (strlen(v->name) == length && memcmp(v->name, name, length) == 0)
			return value_text(v->value, strlen(v->value));
	}
	return (struct value){ .kind = VALUE_NONE };
}

/* .NAME after value, if it follows without a blank. */
static bool
take_members(struct filling *f, bool run, struct value *value)
{
	while (f->at + 1 < f->limit && *f->at == '.' && is_word(f->at[1])) {
		f->at++;
		size_t length = name_length(f);
		if (run && value->kind != VALUE_ROOT)
			return refuse(f, "%.*s: only the caller's variables have names",
				(int)(length > 40 ? 40 : length), f->at);
		*value = given_value(f, f->at, length);
		f->at += length;
	}
	return true;
}

/* $, $x, $.NAME */
static bool
take_variable(struct filling *f, bool run, struct value *value)
{
	f->at++;
	size_t length = name_length(f);
	*value = (struct value){ .kind = VALUE_ROOT };
	if (length > 0) {
		const struct variable *v = find_variable(f, f->at, length);
		if (run && !v)
			return refuse(f, "there is no variable $%.*s",
				(int)(length > 40 ? 40 : length), f->at);
		*value = v ? v->value : (struct value){ .kind = VALUE_NONE };
		f->at += length;
	}
	return take_members(f, run, value);
}

/* The byte that a backslash and c mean in "text", or -1. */
static int
escaped_byte(char c)
{
	static const char letters[] = "n\nt\tr\r\"\"\\\\";
	for (const char *p = letters; *p; p += 2) {
		if (*p == c)
			return p[1];
	}
	return -1;
}

/* "text" with escapes, or `text` without. */
static bool
take_text(struct filling *f, struct value *value)
{
	char quote = *f->at++;
	const char *from = f->at;
	char *out = arena_take(&f->arena, (size_t)(f->limit - from));
	size_t length = 0;

	if (!out)
		return refuse(f, "it makes too much text");
	for (; f->at < f->limit && *f->at != quote; f->at++) {
		int byte = (unsigned char)*f->at;
		if (quote == '"' && byte == '\\') {
			f->at++;
			byte = f->at < f->limit ? escaped_byte(*f->at) : -1;
			if (byte < 0)
				return refuse(f, "an escape in a text is not understood");
		}
		out[length++] = (char)byte;
	}
	if (f->at == f->limit)
		return refuse(f, "a quote is not closed");
	f->at++;
	*value = value_text(out, length);
	return true;
}

static bool
take_number(struct filling *f, struct value *value)
{
	unsigned long number;
	size_t length = name_length(f);
	if (!parse_unsigned(f->at, length, 1000000000, &number))
		return refuse(f, "not a number: %.*s", (int)(length > 40 ? 40 : length), f->at);
	f->at += length;
	*value = value_number((long)number);
	return true;
}

/* Takes a group: (PIPE) */
static bool
take_group(struct filling *f, bool run, struct value *value)
{
	if (++f->depth > DEPTH_MAX)
		return refuse(f, "too many parentheses");
	f->at++;
	if (!pipe_value(f, run, value))
		return false;
	if (!take_sign(f, ")"))
		return refuse(f, "a parenthesis is not closed");
	f->depth--;
	return true;
}

/* Whether a value, and not a function, begins at the position. */
static bool
at_operand(struct filling *f)
{
	char c = peek(f);
	return c == '.' || c == '$' || c == '"' || c == '`' || c == '(' ||
		isdigit((unsigned char)c) || isalpha((unsigned char)c);
}

/* One value, without calling a function. */
static bool
take_operand(struct filling *f, bool run, struct value *value)
{
	switch (peek(f)) {
	case '.':
		*value = f->dot;
		if (f->at + 1 < f->limit && is_word(f->at[1]))
			return take_members(f, run, value);
		f->at++;
		return true;
	case '$':
		return take_variable(f, run, value);
	case '"':
	case '`':
		return take_text(f, value);
	case '(':
		return take_group(f, run, value);
	}
	if (isdigit((unsigned char)*f->at))
		return take_number(f, value);
	bool truth = take_word(f, "true");
	if (!truth && !take_word(f, "false")) {
		size_t length = name_length(f);
		return refuse(f, "not understood: %.*s", (int)(length > 40 ? 40 : length), f->at);
	}
	*value = value_truth(truth);
	return true;
}

/* FUNCTION ARGUMENT…, or one value. piped, if not NULL, is the last argument. */
static bool
take_command(struct filling *f, bool run, const struct value *piped, struct value *value)
{
	struct value argument[ARGUMENTS_MAX];
	size_t count = 0;
	peek(f);
	const char *name = f->at;
	size_t length = name_length(f);

	if (f->at == f->limit)
		return refuse(f, "a value is missing");
	if (!value_is_function(name, length)) {
		if (piped)
			return refuse(f, "there is no function %.*s after a |",
				(int)(length > 40 ? 40 : length), name);
		return take_operand(f, run, value);
	}
	f->at += length;
	while (at_operand(f)) {
		if (count == ARGUMENTS_MAX - 1)
			return refuse(f, "too many arguments");
		if (!take_operand(f, run, &argument[count++]))
			return false;
	}
	if (piped)
		argument[count++] = *piped;
	*value = (struct value){ .kind = VALUE_NONE };
	const char *reason = NULL;
	for (size_t i = 0; run && i < count; i++)
		f->work += argument[i].length;
	if (f->work > WORK_MAX)
		return refuse(f, "it takes too long");
	if (run)
		reason = value_call(&f->arena, name, length, argument, count, value);
	return !reason || refuse(f, "%.*s: %s", (int)length, name, reason);
}

/* COMMAND | COMMAND … */
static bool
pipe_value(struct filling *f, bool run, struct value *value)
{
	struct value before;
	if (!take_command(f, run, NULL, value))
		return false;
	while (take_sign(f, "|")) {
		before = *value;
		if (!take_command(f, run, &before, value))
			return false;
	}
	return true;
}

/* --- actions --------------------------------------------------------------------------------- */

/* Refuses what is left of an action. */
static bool
action_is_done(struct filling *f)
{
	return peek(f) == '\0' ||
		refuse(f, "not understood: %.*s",
			(int)(f->limit - f->at > 40 ? 40 : f->limit - f->at), f->at);
}

/* A name after a $, and the sign, such as ":=". Takes both, or nothing. */
static bool
take_target(struct filling *f, const char *sign, const char **name, size_t *length)
{
	const char *from = f->at;
	if (peek(f) == '$') {
		const char *start = ++f->at;
		size_t found = name_length(f);
		f->at += found;
		if (found > 0 && take_sign(f, sign)) {
			*name = start;
			*length = found;
			return true;
		}
	}
	f->at = from;
	return false;
}

/* Goes past the action that ends at limit, and past the blanks after it if it ends with -}}. */
static void
leave_action(struct filling *f)
{
	bool trims = *f->limit == '-';
	f->at = f->limit + (trims ? 3 : 2);
	while (trims && f->at < f->end && is_space(*f->at))
		f->at++;
}

/* {{ PIPE }}, {{ $x := PIPE }}, {{ $x = PIPE }} */
static bool
fill_value(struct filling *f, bool run)
{
	const char *name = NULL;
	size_t length = 0;
	struct value value;

	bool declares = take_target(f, ":=", &name, &length);
	bool assigns = !declares && take_target(f, "=", &name, &length);
	if (!pipe_value(f, run, &value) || !action_is_done(f))
		return false;
	if (declares) {
		add_variable(f, name, length, value);
	} else if (assigns && run) {
		struct variable *v = find_variable(f, name, length);
		if (!v)
			return refuse(f, "there is no such variable to set");
		v->value = value;
	} else if (run && !value_print(f->out, &value)) {
		return refuse(f, "it makes too much text");
	}
	leave_action(f);
	return true;
}

/* {{ if PIPE }} … {{ end }}, after the word if. taken: an earlier branch was taken. */
static bool
fill_if(struct filling *f, bool run)
{
	struct value value;
	enum ending ending;
	bool taken = false, chosen = false, more = true;

	while (more) {
		if (!pipe_value(f, run && !taken, &value) || !action_is_done(f))
			return false;
		chosen = run && !taken && value_is_true(&value);
		taken |= chosen;
		leave_action(f);
		ending = fill_block(f, chosen);
		more = ending == ENDING_ELSE && take_word(f, "if");
	}
	if (ending == ENDING_ELSE) {
		if (!action_is_done(f))
			return false;
		leave_action(f);
		ending = fill_block(f, run && !taken);
	}
	if (ending != ENDING_END)
		return refuse(f, "an if has no end");
	leave_action(f);
	return true;
}

/* The names of a loop's variables; NULL where it has none. */
struct loop {
	const char *key, *name;
	size_t key_length, length;
};

/* One round of a loop, whose block begins at from. Returns how the block ended. */
static enum ending
fill_round(struct filling *f, const struct loop *loop, const char *from, size_t i,
	const struct value *item)
{
	size_t variables = f->variables;
	struct value dot = f->dot;
	if (++f->rounds > ROUNDS_MAX || f->work > WORK_MAX) {
		refuse(f, "its loops take too long");
		return ENDING_ERROR;
	}
	f->at = from;
	f->dot = *item;
	if (loop->key)
		add_variable(f, loop->key, loop->key_length, value_number((long)i));
	if (loop->name)
		add_variable(f, loop->name, loop->length, *item);
	enum ending ending = fill_block(f, true);
	f->work += (size_t)(f->at - from);
	f->variables = variables;
	f->dot = dot;
	return ending;
}

/* {{ range … }} … {{ end }}, after the word range. */
static bool
fill_range(struct filling *f, bool run)
{
	struct loop loop = { 0 };
	struct value list;
	enum ending ending = ENDING_TEXT;

	if (take_target(f, ",", &loop.key, &loop.key_length)) {
		if (!take_target(f, ":=", &loop.name, &loop.length))
			return refuse(f, "range $i, $x := LIST is the form");
	} else {
		take_target(f, ":=", &loop.name, &loop.length);
	}
	if (!pipe_value(f, run, &list) || !action_is_done(f))
		return false;
	if (run && list.kind != VALUE_LIST && list.kind != VALUE_NONE)
		return refuse(f, "range wants a list");
	size_t rounds = run && list.kind == VALUE_LIST ? list.length : 0;
	leave_action(f);
	const char *from = f->at;
	for (size_t i = 0; i < rounds && ending != ENDING_ERROR; i++)
		ending = fill_round(f, &loop, from, i, &list.item[i]);
	if (rounds == 0)
		ending = fill_block(f, false);
	if (ending == ENDING_ELSE) {
		if (!action_is_done(f))
			return false;
		leave_action(f);
		ending = fill_block(f, run && rounds == 0);
	}
	if (ending != ENDING_END)
		return refuse(f, "a range has no end");
	leave_action(f);
	return true;
}

/* Sets limit to the end of the action at the position, which is after {{. Quotes may hold }}. */
static bool
find_limit(struct filling *f)
{
	char quote = '\0';
	for (const char *p = f->at; p + 1 < f->end; p++) {
		if (quote) {
			if (*p == '\\' && quote == '"')
				p++;
			else if (*p == quote)
				quote = '\0';
		} else if (*p == '"' || *p == '`') {
			quote = *p;
		} else if (*p == '}' && p[1] == '}') {
			f->limit = p > f->at && p[-1] == '-' ? p - 1 : p;
			return true;
		}
	}
	return refuse(f, "an action is not closed: }} is missing");
}

/* A comment, after {{. */
static bool
pass_comment(struct filling *f)
{
	const char *end = find_bytes(f->at, (size_t)(f->end - f->at), "*/", 2);
	if (!end)
		return refuse(f, "a comment is not closed");
	f->limit = end + 2;
	while (f->limit < f->end && is_space(*f->limit))
		f->limit++;
	size_t left = (size_t)(f->end - f->limit);
	if ((left < 2 || memcmp(f->limit, "}}", 2) != 0) &&
		(left < 3 || memcmp(f->limit, "-}}", 3) != 0))
		return refuse(f, "a comment does not end with */}}");
	leave_action(f);
	return true;
}

/* The action at the position, which is after {{ and its trimming. */
static enum ending
fill_action(struct filling *f, bool run)
{
	bool good;
	peek(f);
	if (f->end - f->at >= 2 && memcmp(f->at, "/*", 2) == 0)
		return pass_comment(f) ? ENDING_TEXT : ENDING_ERROR;
	if (!find_limit(f))
		return ENDING_ERROR;
	if (take_word(f, "end")) {
		return action_is_done(f) ? ENDING_END : ENDING_ERROR;
	} else if (take_word(f, "else")) {
		return ENDING_ELSE;
	} else if (take_word(f, "if")) {
		good = fill_if(f, run);
	} else if (take_word(f, "range")) {
		good = fill_range(f, run);
	} else {
		good = fill_value(f, run);
	}
	return good ? ENDING_TEXT : ENDING_ERROR;
}

/* Text up to the next action, if there is one, which sets *action. Returns false if out is full. */
static bool
fill_text(struct filling *f, bool run, bool *action)
{
	const char *next = find_bytes(f->at, (size_t)(f->end - f->at), "{{", 2);
	const char *stop = next ? next : f->end;
	bool trims = next && f->end - next > 3 && next[2] == '-' && is_space(next[3]);
	const char *last = stop;

	while (trims && last > f->at && is_space(last[-1]))
		last--;
	if (run && !buf_add(f->out, f->at, (size_t)(last - f->at)))
		return refuse(f, "it makes too much text");
	*action = next != NULL;
	f->at = stop + (trims ? 3 : next ? 2 : 0);
	f->limit = f->end;
	return true;
}

/*
 * Fills in text and actions up to the end of this block: the else or end that belongs to it, which
 * is not passed yet, or the end of the template.
 */
static enum ending
fill_block(struct filling *f, bool run)
{
	size_t variables = f->variables;
	enum ending ending = ENDING_TEXT;
	bool action = true;

	if (++f->depth > DEPTH_MAX) {
		refuse(f, "too many blocks in each other");
		return ENDING_ERROR;
	}
	while (ending == ENDING_TEXT && action) {
		if (!fill_text(f, run, &action))
			return ENDING_ERROR;
		if (action)
			ending = fill_action(f, run);
	}
	f->depth--;
	f->variables = variables;
	return ending;
}

int
template_fill(struct buf *out, const char *text, size_t length,
	const struct template_variable *variables, size_t count, struct template_error *error)
{
	struct filling f = { .text = text, .end = text + length, .at = text, .out = out };
	*error = (struct template_error){ 0 };
	f.given = variables;
	f.given_count = count;
	f.error = error;
	f.dot.kind = VALUE_ROOT;
	for (size_t i = 0; i < count; i++)
		add_variable(&f, variables[i].name, strlen(variables[i].name),
			value_text(variables[i].value, strlen(variables[i].value)));
	enum ending ending = fill_block(&f, true);
	if (ending == ENDING_ELSE || ending == ENDING_END)
		refuse(&f, "an else or end has no if or range");
	free(f.variable);
	arena_release(&f.arena);
	return error->line > 0 ? -1 : 0;
}
