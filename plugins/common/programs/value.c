#include "value.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

static const char no_memory[] = "it makes too much text";

void *
arena_take(struct arena *arena, size_t size)
{
	if (size > ARENA_MAX - arena->used)
		return NULL;
	arena->used += size;
	arena->chunk = xgrow(arena->chunk, arena->count, sizeof(arena->chunk[0]));
	arena->chunk[arena->count] = xrealloc(NULL, size + 1, 1);
	return arena->chunk[arena->count++];
}

void
arena_release(struct arena *arena)
{
	for (size_t i = 0; i < arena->count; i++)
		free(arena->chunk[i]);
	free(arena->chunk);
	*arena = (struct arena){ 0 };
}

struct value
value_text(const char *text, size_t length)
{
	return (struct value){ .kind = VALUE_TEXT, .text = text, .length = length };
}

struct value
value_number(long number)
{
	return (struct value){ .kind = VALUE_NUMBER, .number = number };
}

struct value
value_truth(bool truth)
{
	return (struct value){ .kind = VALUE_TRUTH, .number = truth };
}

bool
value_is_true(const struct value *value)
{
	switch (value->kind) {
	case VALUE_NONE:
		return false;
	case VALUE_ROOT:
		return true;
	case VALUE_TEXT:
	case VALUE_LIST:
		return value->length > 0;
	case VALUE_NUMBER:
	case VALUE_TRUTH:
		return value->number != 0;
	}
	return false;
}

bool
value_print(struct buf *out, const struct value *value)
{
	switch (value->kind) {
	case VALUE_NONE:
	case VALUE_ROOT:
		return buf_addf(out, "<no value>");
	case VALUE_TEXT:
		return buf_add(out, value->text, value->length);
	case VALUE_NUMBER:
		return buf_addf(out, "%ld", value->number);
	case VALUE_TRUTH:
		return buf_addf(out, "%s", value->number ? "true" : "false");
	case VALUE_LIST:
		break;
	}
	bool fits = buf_add(out, "[", 1);
	for (size_t i = 0; fits && i < value->length; i++)
		fits = (i == 0 || buf_add(out, " ", 1)) && value_print(out, &value->item[i]);
	return fits && buf_add(out, "]", 1);
}

/* --- functions ------------------------------------------------------------------------------- */

/*
 * A function of templates. Its arguments have the types that the table says. Returns NULL and fills
 * in *result, or returns why it refuses them.
 */
typedef const char *call(
	struct arena *arena, const struct value *argument, size_t count, struct value *result);

static const char *
call_and(struct arena *arena, const struct value *argument, size_t count, struct value *result)
{
	(void)arena;
	size_t i = 0;
	while (i + 1 < count && value_is_true(&argument[i]))
		i++;
	*result = argument[i];
	return NULL;
}

static const char *
call_or(struct arena *arena, const struct value *argument, size_t count, struct value *result)
{
	(void)arena;
	size_t i = 0;
	while (i + 1 < count && !value_is_true(&argument[i]))
		i++;
	*result = argument[i];
	return NULL;
}

static const char *
call_not(struct arena *arena, const struct value *argument, size_t count, struct value *result)
{
	(void)arena;
	(void)count;
	*result = value_truth(!value_is_true(argument));
	return NULL;
}

static bool
same(const struct value *a, const struct value *b)
{
	if (a->kind != b->kind || a->kind == VALUE_LIST)
		return false;
	if (a->kind == VALUE_TEXT)
		return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
	return a->number == b->number;
}

/* Like Go's eq: the first argument equals one of the others. */
static const char *
call_eq(struct arena *arena, const struct value *argument, size_t count, struct value *result)
{
	bool found = false;
	(void)arena;
	for (size_t i = 1; i < count; i++)
		found |= same(argument, &argument[i]);
	*result = value_truth(found);
	return NULL;
}

static const char *
call_ne(struct arena *arena, const struct value *argument, size_t count, struct value *result)
{
	(void)arena;
	(void)count;
	*result = value_truth(!same(argument, &argument[1]));
	return NULL;
}

static const char *
call_index(struct arena *arena, const struct value *argument, size_t count, struct value *result)
{
	(void)arena;
	(void)count;
	if (argument[1].number < 0 || (size_t)argument[1].number >= argument->length)
		return "index: the list has no such element";
	*result = argument->item[argument[1].number];
	return NULL;
}

static const char *
call_len(struct arena *arena, const struct value *argument, size_t count, struct value *result)
{
	(void)arena;
	(void)count;
	if (argument->kind != VALUE_TEXT && argument->kind != VALUE_LIST)
		return "len: not a text or a list";
	*result = value_number((long)argument->length);
	return NULL;
}

/* split SEPARATOR TEXT. Like Go's, it gives one empty element for an empty text. */
static const char *
call_split(struct arena *arena, const struct value *argument, size_t count, struct value *result)
{
	const char *at = argument[1].text, *end = at + argument[1].length, *next;
	size_t parts = 1, step = argument->length;

	(void)count;
	if (step == 0)
		return "split: the separator is empty";
	for (next = at; (next = find_bytes(next, (size_t)(end - next), argument->text, step));
		next += step)
		parts++;
	struct value *item = arena_take(arena, parts * sizeof(*item));
	if (!item)
		return no_memory;
	for (size_t i = 0; i < parts; i++) {
		next = find_bytes(at, (size_t)(end - at), argument->text, step);
		item[i] = value_text(at, (size_t)((next ? next : end) - at));
		at = next ? next + step : end;
	}
	*result = (struct value){ .kind = VALUE_LIST, .item = item, .length = parts };
	return NULL;
}

/* Takes the bytes of b as a text of the arena, and releases b. */
static const char *
take_text(struct arena *arena, struct buf *b, bool fits, struct value *result)
{
	char *text = fits ? arena_take(arena, b->len) : NULL;
	if (text) {
		memcpy(text, buf_text(b), b->len);
		*result = value_text(text, b->len);
	}
	buf_release(b);
	return text ? NULL : no_memory;
}

/* join SEPARATOR LIST */
static const char *
call_join(struct arena *arena, const struct value *argument, size_t count, struct value *result)
{
	struct buf b;
	bool fits = true;

	(void)count;
	buf_init(&b, ARENA_MAX);
	for (size_t i = 0; fits && i < argument[1].length; i++)
		fits = (i == 0 || buf_add(&b, argument->text, argument->length)) &&
			value_print(&b, &argument[1].item[i]);
	return take_text(arena, &b, fits, result);
}

/* contains PART TEXT */
static const char *
call_contains(struct arena *arena, const struct value *argument, size_t count, struct value *result)
{
	(void)arena;
	(void)count;
	*result = value_truth(find_bytes(argument[1].text, argument[1].length, argument->text,
				      argument->length) != NULL);
	return NULL;
}

/* replace OLD NEW TEXT */
static const char *
call_replace(struct arena *arena, const struct value *argument, size_t count, struct value *result)
{
	const char *at = argument[2].text, *end = at + argument[2].length, *next;
	struct buf b;
	bool fits = true;

	(void)count;
	if (argument->length == 0)
		return "replace: the text to replace is empty";
	buf_init(&b, ARENA_MAX);
	while (fits &&
		(next = find_bytes(at, (size_t)(end - at), argument->text, argument->length))) {
		fits = buf_add(&b, at, (size_t)(next - at)) &&
			buf_add(&b, argument[1].text, argument[1].length);
		at = next + argument->length;
	}
	fits = fits && buf_add(&b, at, (size_t)(end - at));
	return take_text(arena, &b, fits, result);
}

static const char *
change_case(
	struct arena *arena, const struct value *argument, int (*change)(int), struct value *result)
{
	char *text = arena_take(arena, argument->length);
	if (!text)
		return no_memory;
	for (size_t i = 0; i < argument->length; i++)
		text[i] = (char)change((unsigned char)argument->text[i]);
	*result = value_text(text, argument->length);
	return NULL;
}

static const char *
call_lower(struct arena *arena, const struct value *argument, size_t count, struct value *result)
{
	(void)count;
	return change_case(arena, argument, tolower, result);
}

static const char *
call_upper(struct arena *arena, const struct value *argument, size_t count, struct value *result)
{
	(void)count;
	return change_case(arena, argument, toupper, result);
}

static const char *
call_trim(struct arena *arena, const struct value *argument, size_t count, struct value *result)
{
	const char *from = argument->text, *end = from + argument->length;
	(void)arena;
	(void)count;
	while (from < end && isspace((unsigned char)*from))
		from++;
	while (end > from && isspace((unsigned char)end[-1]))
		end--;
	*result = value_text(from, (size_t)(end - from));
	return NULL;
}

/* default FALLBACK VALUE */
static const char *
call_default(struct arena *arena, const struct value *argument, size_t count, struct value *result)
{
	(void)arena;
	(void)count;
	*result = argument[value_is_true(&argument[1]) ? 1 : 0];
	return NULL;
}

/* types: a letter for each argument: t text, n number, l list, * any value. The last one may be
 * repeated up to most arguments. */
static const struct {
	const char *name;
	const char *types;
	size_t most;
	call *function;
} functions[] = {
	{ "and", "*", 16, call_and },
	{ "or", "*", 16, call_or },
	{ "not", "*", 1, call_not },
	{ "eq", "**", 16, call_eq },
	{ "ne", "**", 2, call_ne },
	{ "index", "ln", 2, call_index },
	{ "len", "*", 1, call_len },
	{ "split", "tt", 2, call_split },
	{ "join", "tl", 2, call_join },
	{ "contains", "tt", 2, call_contains },
	{ "replace", "ttt", 3, call_replace },
	{ "lower", "t", 1, call_lower },
	{ "upper", "t", 1, call_upper },
	{ "trim", "t", 1, call_trim },
	{ "default", "**", 2, call_default },
};

static size_t
find_function(const char *name, size_t length)
{
	size_t i = 0;
	while (i < UTIL_COUNT(functions) &&
		(strlen(functions[i].name) != length ||
			memcmp(functions[i].name, name, length) != 0))
		i++;
	return i;
}

bool
value_is_function(const char *name, size_t length)
{
	return find_function(name, length) < UTIL_COUNT(functions);
}

static bool
fits_type(const struct value *value, char type)
{
	return type == '*' || (type == 't' && value->kind == VALUE_TEXT) ||
		(type == 'n' && value->kind == VALUE_NUMBER) ||
		(type == 'l' && value->kind == VALUE_LIST);
}

const char *
value_call(struct arena *arena, const char *name, size_t length, const struct value *argument,
	size_t count, struct value *result)
{
	size_t i = find_function(name, length);
	if (i == UTIL_COUNT(functions))
		return "there is no such function";
	const char *types = functions[i].types;
	size_t least = strlen(types);
	if (count < least || count > functions[i].most)
		return "wrong number of arguments for the function";
	for (size_t n = 0; n < count; n++) {
		if (!fits_type(&argument[n], types[n < least ? n : least - 1]))
			return "an argument of the function has another type";
	}
	return functions[i].function(arena, argument, count, result);
}
