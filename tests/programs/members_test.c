/* JSON pointers, and what is printed of a member. */
#include "members.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

static const struct {
	const char *json;
	const char *pointers;
	const char *want;
} table[] = {
	{ "{\"a\": \"x\"}", "/a", "x\n" },
	{ "{\"a\": {\"b\": 7}}", "/a/b", "7\n" },
	{ "{\"a\": [\"p\", \"q\"]}", "/a /a/1", "p,q q\n" },
	{ "{\"a\": [\"p\"]}", "/a/1 /a/x /a/-1 /a/", "- - - -\n" },
	{ "{\"a\": {\"c\": 1, \"d\": 2}}", "/a", "c,d\n" },
	{ "{\"a/b\": 1, \"c~d\": 2}", "/a~1b /c~0d", "1 2\n" },
	{ "{\"\": 3}", "/", "3\n" },
	{ "{\"a\": null, \"b\": \"\", \"c\": [], \"d\": {}}", "/a /b /c /d /e", "- - - - -\n" },
	{ "{\"a\": true, \"b\": false}", "/a /b", "true false\n" },
	{ "{\"a\": \"x y\\nz\\u007f\"}", "/a", "x?y?z?\n" },
	{ "{\"a\": \"caf\\u00e9\"}", "/a", "caf\xc3\xa9\n" },
	{ "7", "/a", "-\n" },
	{ "[[1, 2], [3]]", "/0 /1", "1,2 3\n" },
};

static void
printed(void)
{
	for (size_t i = 0; i < TEST_COUNT(table); i++) {
		char *got = NULL;
		size_t size = 0;
		FILE *out = open_memstream(&got, &size);
		json_t *value = json_loads(table[i].json, JSON_DECODE_ANY, NULL);

		members_print(out, value, table[i].pointers);
		fclose(out);
		ROW_TEXT(got, table[i].want, table[i].json);
		free(got);
		json_decref(value);
	}
}

static void
found(void)
{
	json_t *value = json_loads("{\"a\": {\"b\": \"c\"}}", 0, NULL);

	TEXT(json_string_value(members_find(value, "/a/b")), "c");
	/* Of a list the first one counts. */
	TEXT(json_string_value(members_find(value, "/a/b /a/x")), "c");
	IS(members_find(value, "/a/x") == NULL);
	IS(members_find(NULL, "/a") == NULL);
	json_decref(value);
}

static void
long_keys(void)
{
	char pointers[2 * MEMBERS_MAX_KEY] = "/";

	IS(members_are_valid("/a"));
	IS(members_are_valid("/a/b /c"));
	memset(pointers + 1, 'k', MEMBERS_MAX_KEY - 1);
	IS(members_are_valid(pointers));
	pointers[MEMBERS_MAX_KEY] = 'k';
	IS(!members_are_valid(pointers));
}

int
main(void)
{
	printed();
	found();
	long_keys();
	return test_end("members_test");
}
