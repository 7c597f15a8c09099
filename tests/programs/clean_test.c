/* Text for a terminal: each row in one piece, and again byte by byte. */
#include "clean.h"

#include <string.h>

#include "test.h"

static const struct {
	const char *text;
	const char *want;
} table[] = {
	{ "", "" },
	{ "a\tb\n", "a\tb\n" },
	{ "a\r\nb\rc", "a\nb?c" },
	{ "a\r\r\n", "a?\n" },
	{ "\x1b[1;31mred\nplain\n", "\x1b[1;31mred\x1b[0m\nplain\n" },
	{ "\x1b[31mred", "\x1b[31mred\x1b[0m" },
	{ "\x1b[2Ja", "?[2Ja" },
	{ "\x1b]0;title\x07", "?]0;title?" },
	{ "\x1b\x1b[mx", "?\x1b[mx\x1b[0m" },
	{ "\x1b[1\n", "?[1\n" },
	{ "\x1b[111111111111111111111111111111m", "?[111111111111111111111111111111m" },
	{ "\xc2\x9b"
	  "2J \xc2\xa9",
		"?2J \xc2\xa9" },
	{ "\xe2\x80\xae \xe2\x81\xa6 \xe2\x80\x94 \xe2\x82\xac", "? ? \xe2\x80\x94 \xe2\x82\xac" },
	{ "\xe2\x80\x1b[2J", "\xe2\x80?[2J" },
	{ "\xc2\r\n", "\xc2\n" },
	{ "\x7f\x01", "??" },
	{ "\xe2\x80", "\xe2\x80" },
	{ "\r", "?" },
};

static void
clean_in_pieces(const char *text, size_t piece, const char *want)
{
	char out[CLEAN_GROWTH * (100 + CLEAN_HELD) + CLEAN_END + 1];
	struct clean c = { 0 };
	size_t n = 0, len = strlen(text);

	for (size_t i = 0; i < len; i += piece)
		n += clean_bytes(&c, text + i, len - i < piece ? len - i : piece, out + n);
	n += clean_end(&c, out + n);
	out[n] = '\0';
	ROW_TEXT(out, want, text);
}

int
main(void)
{
	for (size_t i = 0; i < TEST_COUNT(table); i++) {
		clean_in_pieces(table[i].text, 100, table[i].want);
		clean_in_pieces(table[i].text, 1, table[i].want);
	}
	return test_end("clean_test");
}
