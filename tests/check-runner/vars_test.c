#include "vars.h"

#include "test.h"

static const struct {
	const char *text;
	int result;
	const char *want; /* the name without a value, for -1 */
} expands_table[] = {
	{ "plain", 0, "plain" },
	{ "", 0, "" },
	{ "{{ var \"A\" }}", 0, "one" },
	{ "x{{var \"A\"}}y{{\tvar\t`B`\t}}z", 0, "xoneytwo wordsz" },
	{ "{{var\"A\"}}", 0, "one" },
	{ "{{ var \"EMPTY\" }}", 0, "" },
	{ "{{ var \"NONE\" }}", -1, "NONE" },
	{ "a {{ var \"A\" }} {{ var \"NONE\" }} b", -1, "NONE" },
	{ "{{\"{\"}}", 0, "{" },
	{ "{{ \"}\" }}", 0, "}" },
	{ "{{`{{`}}", 0, "{{" },
	{ "{{\"}}\"}}", 0, "}}" },
	{ "{{ foo }}", 0, "{{ foo }}" },
	{ "{{ var A }}", 0, "{{ var A }}" },
	{ "{{ var \"A }}", 0, "{{ var \"A }}" },
	{ "{{ var \"A\" }", 0, "{{ var \"A\" }" },
	{ "{{ var \"A\"", 0, "{{ var \"A\"" },
	{ "{{ var \"A\"  x }}", 0, "{{ var \"A\"  x }}" },
	{ "{{ var", 0, "{{ var" },
	{ "{{ var ", 0, "{{ var " },
	{ "{{", 0, "{{" },
	{ "{", 0, "{" },
	{ "{{ \"x\" }}", 0, "{{ \"x\" }}" },
	{ "{{ \"\" }}", 0, "{{ \"\" }}" },
	{ "{{ var \"\" }}", 0, "{{ var \"\" }}" },
	{ "{{ var \"1A\" }}", 0, "{{ var \"1A\" }}" },
	{ "{{{ var \"A\" }}}", 0, "{one}" },
	/* A value is not searched for templates. */
	{ "{{ var \"NEST\" }}", 0, "{{ var \"A\" }}" },
};

static void
expands(void)
{
	static const char pairs[] = "A=zero\0A=one\0\0B=two words\0EMPTY=\0NEST={{ var \"A\" }}";
	struct vars v = { 0 };

	INT(vars_add_all(&v, pairs, sizeof(pairs) - 1), 0);
	for (size_t i = 0; i < TEST_COUNT(expands_table); i++) {
		struct buf out;
		const char *name = NULL;
		size_t len = 0;
		buf_init(&out, 1000);
		int result = vars_expand(&v, expands_table[i].text, strlen(expands_table[i].text),
			&out, &name, &len);
		ROW_INT(result, expands_table[i].result, expands_table[i].text);
		if (result == 0)
			ROW_TEXT(buf_text(&out), expands_table[i].want, expands_table[i].text);
		else
			IS(len == strlen(expands_table[i].want) &&
				memcmp(name, expands_table[i].want, len) == 0);
		buf_release(&out);
	}
	vars_clear(&v);
	INT(v.nr, 0);
}

static void
pairs_that_are_none(void)
{
	static const char *const table[] = { "", "A", "=x", "1A=x", "A B=x", "A-B=x",
		"\xc3\xa9=x" };
	struct vars v = { 0 };

	for (size_t i = 0; i < TEST_COUNT(table); i++)
		ROW_INT(vars_add(&v, table[i], strlen(table[i])), -1, table[i]);
	INT(vars_add(&v, "_a1=b=c", 7), 0);
	TEXT(v.pair[0].value, "b=c");
	INT(vars_add_all(&v, "X=1\0bad", 7), -1);
	INT(v.nr, 2);
	INT(vars_add_all(&v, "Y=1", 3), 0);
	INT(v.nr, 3);
	vars_clear(&v);
}

static void
full(void)
{
	struct vars v = { 0 };
	struct buf out;
	const char *name = NULL;
	size_t len = 0;

	INT(vars_add(&v, "A=long value", 12), 0);
	buf_init(&out, 4);
	INT(vars_expand(&v, "{{ var \"A\" }}", 13, &out, &name, &len), -2);
	buf_release(&out);
	buf_init(&out, 1);
	INT(vars_expand(&v, "ab", 2, &out, &name, &len), -2);
	buf_release(&out);
	vars_clear(&v);
}

static void
spans(void)
{
	INT(vars_span("{{ var \"A\" }} more", 18), 13);
	INT(vars_span("x{{ var \"A\" }}", 14), 0);
	INT(vars_span("{{ var \"A\" }}", 12), 0);
	INT(vars_span("{{\"{\"}}", 7), 7);
	INT(vars_span("", 0), 0);
}

int
main(void)
{
	expands();
	pairs_that_are_none();
	full();
	spans();
	return test_end("vars");
}
