#include "members.h"

#include <stdlib.h>
#include <string.h>

/* Reads the key at *pointer, behind a slash, and moves *pointer to its end. False if it is long. */
static bool
read_key(const char **pointer, char key[MEMBERS_MAX_KEY])
{
	const char *at = *pointer;
	size_t length = 0;

	for (; *at && *at != '/' && *at != ' '; at++) {
		if (length == MEMBERS_MAX_KEY - 1)
			return false;
		key[length++] = *at;
		if (*at == '~' && (at[1] == '0' || at[1] == '1'))
			key[length - 1] = *++at == '1' ? '/' : '~';
	}
	key[length] = '\0';
	*pointer = at;
	return true;
}

bool
members_are_valid(const char *pointers)
{
	char key[MEMBERS_MAX_KEY];

	while (*pointers) {
		pointers++;
		if (!read_key(&pointers, key))
			return false;
	}
	return true;
}

json_t *
members_find(json_t *value, const char *pointers)
{
	char key[MEMBERS_MAX_KEY];

	while (value && *pointers == '/') {
		pointers++;
		if (!read_key(&pointers, key))
			return NULL;
		if (!json_is_array(value))
			value = json_object_get(value, key);
		else if (*key && strspn(key, "0123456789") == strlen(key))
			value = json_array_get(value, strtoul(key, NULL, 10));
		else
			value = NULL;
	}
	return value;
}

static void
print_word(FILE *out, const char *text)
{
	if (!*text)
		putc('-', out);
	for (; *text; text++)
		putc((unsigned char)*text <= ' ' || *text == 0x7f ? '?' : *text, out);
}

static void
print_keys(FILE *out, json_t *object)
{
	const char *comma = "";

	for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
		fputs(comma, out);
		print_word(out, json_object_iter_key(at));
		comma = ",";
	}
}

static void
print_value(FILE *out, json_t *value)
{
	size_t i, count = json_array_size(value);

	if (json_is_string(value))
		print_word(out, json_string_value(value));
	else if (json_is_integer(value))
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_boolean(value))
		fputs(json_is_true(value) ? "true" : "false", out);
	else if (json_object_size(value) > 0)
		print_keys(out, value);
	else if (count == 0)
		putc('-', out);
	for (i = 0; i < count; i++) {
		if (i > 0)
			putc(',', out);
		print_value(out, json_array_get(value, i));
	}
}

void
members_print(FILE *out, json_t *value, const char *pointers)
{
	for (const char *pointer = pointers; pointer; pointer = strchr(pointer + 1, ' ')) {
		if (*pointer == ' ')
			putc(*pointer++, out);
		print_value(out, members_find(value, pointer));
	}
	putc('\n', out);
}
