#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->bytes)
		b->bytes[0] = '\0';
}

void
buf_release(struct buf *b)
{
	free(b->bytes);
	buf_init(b, b->max);
}

/* Makes room for n more bytes and the NUL. The caller has checked them against max. */
static void
make_room(struct buf *b, size_t n)
{
	if (b->len + n + 1 <= b->room)
		return;
	size_t room = b->room < 32 ? 64 : b->room * 2;
	if (room > b->max + 1)
		room = b->max + 1;
	if (room < b->len + n + 1)
		room = b->len + n + 1;
	b->bytes = xrealloc(b->bytes, room, 1);
	b->room = room;
}

bool
buf_add(struct buf *b, const void *bytes, size_t n)
{
	if (n > b->max - b->len)
		return false;
	if (n == 0)
		return true;
	make_room(b, n);
	memcpy(b->bytes + b->len, bytes, n);
	b->len += n;
	b->bytes[b->len] = '\0';
	return true;
}

size_t
buf_add_some(struct buf *b, const void *bytes, size_t n)
{
	if (n > b->max - b->len)
		n = b->max - b->len;
	(void)buf_add(b, bytes, n);
	return n;
}

bool
buf_addf(struct buf *b, const char *format, ...)
{
	va_list args;
	va_list again;
	bool added = false;

	va_start(args, format);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, args);
	if (n > 0 && (size_t)n <= b->max - b->len) {
		make_room(b, (size_t)n);
		vsnprintf(b->bytes + b->len, (size_t)n + 1, format, again);
		b->len += (size_t)n;
		added = true;
	}
	va_end(again);
	va_end(args);
	return added || n == 0;
}

size_t
buf_utf8(const char *text, size_t len, unsigned *code)
{
	static const unsigned least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)text[0];
	size_t n = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

	if (n == 0 || n > len || first > 0xf4)
		return 0;
	unsigned c = n == 1 ? first : first & (0xffU >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		unsigned char next = (unsigned char)text[i];
		if ((next & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (next & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*code = c;
	return n;
}

/* Whether a character is invisible: C1 controls, direction marks, joiners, tags. */
static bool
hides(unsigned c)
{
	static const struct {
		unsigned first;
		unsigned last;
	} ranges[] = {
		{ 0x80, 0x9f },
		{ 0xad, 0xad },
		{ 0x61c, 0x61c },
		{ 0x200b, 0x200f },
		{ 0x2028, 0x202e },
		{ 0x2060, 0x206f },
		{ 0xfeff, 0xfeff },
		{ 0xfff9, 0xfffb },
		{ 0xe0000, 0xe007f },
	};

	for (size_t i = 0; i < UTIL_COUNT(ranges); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

bool
buf_add_shown(struct buf *b, const char *text, size_t len, size_t limit)
{
	for (size_t i = 0; i < len; limit--) {
		unsigned c = 0;
		size_t n = buf_utf8(text + i, len - i, &c);
		bool added;
		if (limit == 0)
			return false;
		if (n == 0 || c < 0x20 || c == 0x7f)
			added = buf_addf(b, "\\x%02X", (unsigned)(unsigned char)text[i]);
		else if (hides(c))
			added = buf_addf(b, "\\u{%X}", c);
		else
			added = buf_add(b, text + i, n);
		if (!added)
			return false;
		i += n == 0 ? 1 : n;
	}
	return true;
}

void
buf_drop(struct buf *b, size_t n)
{
	if (n == 0)
		return;
	memmove(b->bytes, b->bytes + n, b->len - n + 1);
	b->len -= n;
}

const char *
buf_text(const struct buf *b)
{
	return b->bytes ? b->bytes : "";
}
