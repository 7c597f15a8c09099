#include "buf.h"

#include <stdlib.h>

#include "test.h"

/* Checks what buf.h promises for every buffer at any time. */
static void
is_sound(const struct buf *b)
{
	IS(b->len <= b->max);
	IS(b->bytes || b->len == 0);
	IS(!b->bytes || b->bytes[b->len] == '\0');
	IS(!b->bytes || b->room > b->len);
	INT(strlen(buf_text(b)) <= b->len, 1);
}

static void
limits(void)
{
	struct buf b = { 0 };

	is_sound(&b);
	TEXT(buf_text(&b), "");
	IS(!buf_add(&b, "x", 1));
	IS(buf_add(&b, "", 0));
	buf_init(&b, 5);
	IS(buf_add(&b, "abc", 3));
	is_sound(&b);
	IS(!buf_add(&b, "def", 3));
	TEXT(buf_text(&b), "abc");
	IS(!buf_addf(&b, "%d", 123));
	TEXT(buf_text(&b), "abc");
	INT(buf_add_some(&b, "def", 3), 2);
	TEXT(buf_text(&b), "abcde");
	is_sound(&b);
	buf_drop(&b, 2);
	TEXT(buf_text(&b), "cde");
	buf_drop(&b, 0);
	is_sound(&b);
	buf_clear(&b);
	TEXT(buf_text(&b), "");
	is_sound(&b);
	IS(buf_addf(&b, "%s", ""));
	IS(buf_addf(&b, "%d-%s", 12, "ab"));
	TEXT(buf_text(&b), "12-ab");
	buf_release(&b);
	is_sound(&b);
	IS(buf_add(&b, "again", 5));
	buf_release(&b);
}

static void
growth(void)
{
	struct buf b;

	buf_init(&b, 100000);
	bool full = false;
	for (int i = 0; i < 10000; i++)
		full |= !buf_add(&b, "0123456789", 10);
	IS(!full);
	INT(b.len, 100000);
	IS(!buf_add(&b, "x", 1));
	is_sound(&b);
	buf_release(&b);
}

static void
shown(void)
{
	static const struct {
		const char *text;
		size_t limit;
		const char *want;
		bool whole;
	} table[] = {
		{ "plain", 200, "plain", true },
		{ "a\033[2Jb", 200, "a\\x1B[2Jb", true },
		{ "a\r\n\tb\177", 200, "a\\x0D\\x0A\\x09b\\x7F", true },
		{ "caf\xc3\xa9", 200, "caf\xc3\xa9", true },
		{ "caf\xe9", 200, "caf\\xE9", true },
		{ "\xc3", 200, "\\xC3", true },
		{ "\xc0\x80", 200, "\\xC0\\x80", true },
		{ "\xed\xa0\x80", 200, "\\xED\\xA0\\x80", true },
		{ "\xf4\x90\x80\x80", 200, "\\xF4\\x90\\x80\\x80", true },
		{ "\xf0\x9f\x98\x80", 200, "\xf0\x9f\x98\x80", true },
		{ "\xc2\x9b", 200, "\\u{9B}", true },
		{ "\xe2\x80\xae", 200, "\\u{202E}", true },
		{ "\xe2\x81\xa6", 200, "\\u{2066}", true },
		{ "\xef\xbb\xbf", 200, "\\u{FEFF}", true },
		{ "\xf3\xa0\x81\x81", 200, "\\u{E0041}", true },
		{ "abcdef", 3, "abc", false },
		{ "abc", 3, "abc", true },
		{ "\xc3\xa9\xc3\xa9\xc3\xa9", 2, "\xc3\xa9\xc3\xa9", false },
		{ "", 0, "", true },
	};

	for (size_t i = 0; i < TEST_COUNT(table); i++) {
		struct buf b;
		buf_init(&b, 1000);
		bool whole =
			buf_add_shown(&b, table[i].text, strlen(table[i].text), table[i].limit);
		ROW_TEXT(buf_text(&b), table[i].want, table[i].want);
		ROW_INT(whole, table[i].whole, table[i].want);
		buf_release(&b);
	}
}

static void
shown_is_cut_between_characters(void)
{
	struct buf b;

	buf_init(&b, 5);
	IS(!buf_add_shown(&b, "ab\033cd", 5, 200));
	TEXT(buf_text(&b), "ab");
	buf_release(&b);
	buf_init(&b, 10);
	IS(buf_add_shown(&b, "a\0b", 3, 200));
	TEXT(buf_text(&b), "a\\x00b");
	buf_release(&b);
}

int
main(void)
{
	limits();
	growth();
	shown();
	shown_is_cut_between_characters();
	return test_end("buf");
}
