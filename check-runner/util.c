#define _GNU_SOURCE 1

#include "util.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void
die(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs(util_program.prefix, stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(status);
}

void *
xrealloc(void *p, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / size)
		die(util_program.failure, "out of memory");
	size_t n = count * size;
	void *moved = realloc(p, n == 0 ? 1 : n);
	if (!moved)
		die(util_program.failure, "out of memory");
	return moved;
}

char *
xcopy(const char *bytes, size_t n)
{
	char *copy = xrealloc(NULL, n + 1, 1);

	if (n > 0)
		memcpy(copy, bytes, n);
	copy[n] = '\0';
	return copy;
}

void *
xgrow(void *array, size_t nr, size_t size)
{
	/* Full exactly when nr is 0 or a power of two: the capacity needs no field of its own. */
	if ((nr & (nr - 1)) != 0)
		return array;
	return xrealloc(array, nr == 0 ? 1 : 2 * nr, size);
}

bool
parse_unsigned(const char *text, size_t len, unsigned long max, unsigned long *out)
{
	unsigned long n = 0;

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		unsigned long digit = (unsigned long)(text[i] - '0');
		if (n > (max - digit) / 10 || digit > max)
			return false;
		n = n * 10 + digit;
	}
	*out = n;
	return true;
}

static bool
parse_unit(const char *text, size_t len, int64_t *unit)
{
	static const struct {
		const char *name;
		int64_t length;
	} units[] = {
		{ "", UTIL_SECOND },
		{ "ms", UTIL_MS },
		{ "s", UTIL_SECOND },
		{ "m", 60 * UTIL_SECOND },
	};

	for (size_t i = 0; i < UTIL_COUNT(units); i++) {
		if (len == strlen(units[i].name) && memcmp(text, units[i].name, len) == 0) {
			*unit = units[i].length;
			return true;
		}
	}
	return false;
}

bool
parse_duration(const char *text, size_t len, int64_t *out)
{
	unsigned long whole;
	int64_t unit;
	int64_t fraction = 0;
	size_t i = 0;

	while (i < len && text[i] >= '0' && text[i] <= '9')
		i++;
	if (!parse_unsigned(text, i, 86400000, &whole))
		return false;
	int64_t place = UTIL_SECOND / 10;
	if (i < len && text[i] == '.') {
		size_t dot = i++;
		for (; i < len && text[i] >= '0' && text[i] <= '9'; i++, place /= 10)
			fraction += place * (text[i] - '0');
		if (i == dot + 1)
			return false;
	}
	if (!parse_unit(text + i, len - i, &unit))
		return false;
	int64_t length = (int64_t)whole * unit + fraction * unit / UTIL_SECOND;
	if (length > 86400 * UTIL_SECOND)
		return false;
	*out = length;
	return true;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool
same_word(const char *text, size_t len, const char *word)
{
	if (strlen(word) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (lower(text[i]) != lower(word[i]))
			return false;
	return true;
}

const char *
find_bytes(const char *hay, size_t hay_len, const char *needle, size_t len)
{
	if (len == 0)
		return hay;
	/* The C library's memmem is linear: it takes at most some 12 ns for each byte of hay. */
	return hay_len < len ? NULL : memmem(hay, hay_len, needle, len);
}

bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

int64_t
clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * UTIL_SECOND + t.tv_nsec / 1000;
}
