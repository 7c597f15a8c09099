#include "clean.h"

#include <string.h>

/* What the bytes that are held back can be. */
enum part {
	PART_OPEN, /* the beginning of something: wait for more */
	PART_COLOUR, /* kept */
	PART_MARK, /* one question mark */
	PART_TEXT, /* plain text, and the last byte does not belong to it */
};

static enum part
colour_part(const char *s, size_t n)
{
	if (n == 1)
		return PART_OPEN;
	if (n == 2)
		return s[1] == '[' ? PART_OPEN : PART_TEXT;
	if (s[n - 1] == 'm')
		return PART_COLOUR;
	return (s[n - 1] >= '0' && s[n - 1] <= '9') || s[n - 1] == ';' ? PART_OPEN : PART_TEXT;
}

/* C1 controls are C2 80 to C2 9F; U+200E, 200F, 202A to 202E and 2066 to 2069 reverse text. */
static enum part
utf8_part(const unsigned char *s, size_t n)
{
	if (n == 1)
		return PART_OPEN;
	if (s[0] == 0xc2)
		return s[1] >= 0x80 && s[1] <= 0x9f ? PART_MARK : PART_TEXT;
	if (n == 2)
		return s[1] == 0x80 || s[1] == 0x81 ? PART_OPEN : PART_TEXT;
	if (s[1] == 0x81)
		return s[2] >= 0xa6 && s[2] <= 0xa9 ? PART_MARK : PART_TEXT;
	if (s[2] == 0x8e || s[2] == 0x8f || (s[2] >= 0xaa && s[2] <= 0xae))
		return PART_MARK;
	return PART_TEXT;
}

static enum part
part_of(const struct clean *c)
{
	if (c->held[0] == '\r')
		return c->nr_held == 1 ? PART_OPEN : PART_TEXT;
	if (c->held[0] == '\x1b')
		return c->nr_held == CLEAN_HELD ? PART_TEXT : colour_part(c->held, c->nr_held);
	return utf8_part((const unsigned char *)c->held, c->nr_held);
}

static bool
begins_part(unsigned char b)
{
	return b == '\r' || b == 0x1b || b == 0xc2 || b == 0xe2;
}

/* Writes a byte that begins nothing. */
static size_t
put_byte(struct clean *c, char byte, char *out)
{
	size_t n = 0;
	unsigned char b = (unsigned char)byte;

	if (byte == '\n' && c->coloured) {
		memcpy(out, "\x1b[0m", 4);
		n = 4;
		c->coloured = false;
	}
	out[n++] = (b < 0x20 && byte != '\n' && byte != '\t') || b == 0x7f ? '?' : byte;
	return n;
}

/* Writes the bytes that are held back, which are no escape and no mark. */
static size_t
put_held(struct clean *c, size_t nr, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < nr; i++)
		n += put_byte(c, c->held[i], out + n);
	c->nr_held = 0;
	return n;
}

static size_t
take_byte(struct clean *c, char byte, char *out)
{
	size_t n;

	if (c->nr_held == 0 && !begins_part((unsigned char)byte))
		return put_byte(c, byte, out);
	c->held[c->nr_held++] = byte;
	switch (part_of(c)) {
	case PART_OPEN:
		return 0;
	case PART_MARK:
		c->nr_held = 0;
		*out = '?';
		return 1;
	case PART_COLOUR:
		n = c->nr_held;
		memcpy(out, c->held, n);
		c->nr_held = 0;
		c->coloured = true;
		return n;
	case PART_TEXT:
	default:
		/* The last byte is taken again by itself, because it may begin a new sequence. */
		n = c->held[0] == '\r' && byte == '\n' ? 0 : put_held(c, c->nr_held - 1, out);
		c->nr_held = 0;
		return n + take_byte(c, byte, out + n);
	}
}

size_t
clean_bytes(struct clean *c, const char *text, size_t n, char *out)
{
	size_t nr = 0;

	for (size_t i = 0; i < n; i++)
		nr += take_byte(c, text[i], out + nr);
	return nr;
}

size_t
clean_end(struct clean *c, char *out)
{
	size_t n = put_held(c, c->nr_held, out);

	if (c->coloured) {
		memcpy(out + n, "\x1b[0m", 4);
		n += 4;
		c->coloured = false;
	}
	return n;
}
