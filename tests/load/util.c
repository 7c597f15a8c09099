#include "util.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base.h"

void
die(const char *format, ...)
{
	va_list args;

	fputs("load: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

void *
xrealloc(void *p, size_t n)
{
	p = realloc(p, n);
	if (p == NULL)
		die("no memory");
	return p;
}

void *
xcalloc(size_t nr, size_t size)
{
	void *p = calloc(nr, size);

	if (p == NULL)
		die("no memory");
	return p;
}

bool
parse_duration(const char *text, uint64_t *ms)
{
	char digits[16] = { 0 };
	size_t n = strspn(text, "0123456789");
	const char *unit = text + n;
	uint64_t factor = *unit == '\0' || strcmp(unit, "s") == 0 ? 1000
		: strcmp(unit, "ms") == 0                         ? 1
		: strcmp(unit, "m") == 0                          ? 60000
								  : 0;
	uint64_t value;

	if (n >= sizeof(digits) || factor == 0)
		return false;
	memcpy(digits, text, n);
	if (!parse_unsigned(digits, UINT32_MAX, &value))
		return false;
	*ms = value * factor;
	return true;
}

static uint64_t
read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t
now_us(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t
wall_us(void)
{
	return read_clock(CLOCK_REALTIME);
}

uint64_t
random_next(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return x;
}

bool
bytes_contain(const char *bytes, size_t n, const char *text)
{
	size_t len = strlen(text);
	const char *end = bytes + n;

	if (len == 0)
		return true;
	while ((size_t)(end - bytes) >= len) {
		bytes = memchr(bytes, text[0], (size_t)(end - bytes) - len + 1);
		if (bytes == NULL)
			return false;
		if (memcmp(bytes, text, len) == 0)
			return true;
		bytes++;
	}
	return false;
}
