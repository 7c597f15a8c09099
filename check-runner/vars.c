#include "vars.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

/* The inside of one template: the name of a variable, or quoted braces. */
struct template
{
	size_t len;
	bool is_var;
	const char *text;
	size_t text_len;
};

static bool
is_name(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
		if (!letter && (i == 0 || c < '0' || c > '9'))
			return false;
	}
	return len > 0;
}

int
vars_add(struct vars *v, const char *pair, size_t len)
{
	const char *equals = len == 0 ? NULL : memchr(pair, '=', len);

	if (!equals || !is_name(pair, (size_t)(equals - pair)))
		return -1;
	v->pair = xgrow(v->pair, v->nr, sizeof(v->pair[0]));
	size_t name_len = (size_t)(equals - pair);
	v->pair[v->nr++] = (struct vars_pair){
		.name = xcopy(pair, name_len),
		.value = xcopy(equals + 1, len - name_len - 1),
		.len = len - name_len - 1,
	};
	return 0;
}

int
vars_add_all(struct vars *v, const char *pairs, size_t len)
{
	while (len > 0) {
		const char *end = memchr(pairs, '\0', len);
		size_t n = end ? (size_t)(end - pairs) : len;
		if (n > 0 && vars_add(v, pairs, n) < 0)
			return -1;
		size_t step = end ? n + 1 : n;
		pairs += step;
		len -= step;
	}
	return 0;
}

void
vars_clear(struct vars *v)
{
	for (size_t i = 0; i < v->nr; i++) {
		free(v->pair[i].name);
		free(v->pair[i].value);
	}
	free(v->pair);
	*v = (struct vars){ 0 };
}

static size_t
skip_blanks(const char *text, size_t len, size_t at)
{
	while (at < len && is_blank(text[at]))
		at++;
	return at;
}

static bool
only_braces(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] != '{' && text[i] != '}')
			return false;
	return len > 0;
}

/* "{{" blanks ["var" blanks] quoted blanks "}}" */
static bool
read_template(const char *text, size_t len, struct template *t)
{
	if (len < 2 || memcmp(text, "{{", 2) != 0)
		return false;
	size_t at = skip_blanks(text, len, 2);
	t->is_var = len - at > 3 && memcmp(text + at, "var", 3) == 0;
	if (t->is_var)
		at = skip_blanks(text, len, at + 3);
	if (at >= len || (text[at] != '"' && text[at] != '`'))
		return false;
	const char *end = memchr(text + at + 1, text[at], len - at - 1);
	if (!end)
		return false;
	t->text = text + at + 1;
	t->text_len = (size_t)(end - t->text);
	at = skip_blanks(text, len, (size_t)(end + 1 - text));
	if (len - at < 2 || memcmp(text + at, "}}", 2) != 0)
		return false;
	t->len = at + 2;
	return t->is_var ? is_name(t->text, t->text_len) : only_braces(t->text, t->text_len);
}

size_t
vars_span(const char *text, size_t len)
{
	struct template t;

	return read_template(text, len, &t) ? t.len : 0;
}

static const struct vars_pair *
lookup(const struct vars *v, const char *name, size_t len)
{
	for (size_t i = v->nr; i-- > 0;)
		if (strlen(v->pair[i].name) == len && memcmp(v->pair[i].name, name, len) == 0)
			return &v->pair[i];
	return NULL;
}

int
vars_expand(const struct vars *v, const char *text, size_t len, struct buf *out, const char **name,
	size_t *name_len)
{
	struct template t;

	for (size_t i = 0; i < len;) {
		if (!read_template(text + i, len - i, &t)) {
			if (!buf_add(out, text + i++, 1))
				return -2;
			continue;
		}
		const struct vars_pair *pair = t.is_var ? lookup(v, t.text, t.text_len) : NULL;
		if (t.is_var && !pair) {
			*name = t.text;
			*name_len = t.text_len;
			return -1;
		}
		if (!buf_add(out, pair ? pair->value : t.text, pair ? pair->len : t.text_len))
			return -2;
		i += t.len;
	}
	return 0;
}
