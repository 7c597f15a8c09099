/*
 * What the unit tests share: a check that prints file, line, got and want, and a count that becomes
 * the exit status. A test program that checks nothing fails.
 */
#ifndef CHECK_RUNNER_TEST_H
#define CHECK_RUNNER_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define TEST_COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct test_count {
	unsigned passed;
	unsigned failed;
};

static struct test_count test_count;

static inline bool
test_say(bool good, const char *file, int line, const char *what)
{
	if (good) {
		test_count.passed++;
	} else {
		test_count.failed++;
		printf("%s:%d: %s\n", file, line, what);
	}
	return good;
}

static inline void
test_int(long long got, long long want, const char *file, int line, const char *what)
{
	if (!test_say(got == want, file, line, what))
		printf("\tgot  %lld\n\twant %lld\n", got, want);
}

static inline void
test_text(const char *got, const char *want, const char *file, int line, const char *what)
{
	if (!test_say(got && strcmp(got, want) == 0, file, line, what))
		printf("\tgot  %s\n\twant %s\n", got ? got : "(null)", want);
}

static inline void
test_has(const char *got, const char *part, const char *file, int line, const char *what)
{
	if (!test_say(got && strstr(got, part), file, line, what))
		printf("\tgot  %s\n\twant …%s…\n", got ? got : "(null)", part);
}

#define IS(condition) test_say((condition), __FILE__, __LINE__, #condition)
#define INT(got, want) test_int((long long)(got), (long long)(want), __FILE__, __LINE__, #got)
#define TEXT(got, want) test_text((got), (want), __FILE__, __LINE__, #got)
#define HAS(got, part) test_has((got), (part), __FILE__, __LINE__, #got)
/* For a row of a table: what says which row it was. */
#define ROW_INT(got, want, what) \
	test_int((long long)(got), (long long)(want), __FILE__, __LINE__, what)
#define ROW_TEXT(got, want, what) test_text((got), (want), __FILE__, __LINE__, what)
#define ROW_HAS(got, part, what) test_has((got), (part), __FILE__, __LINE__, what)

/* The last line of main. */
static inline int
test_end(const char *name)
{
	printf("%s: %u passed, %u failed\n", name, test_count.passed, test_count.failed);
	return test_count.failed > 0 || test_count.passed == 0;
}

#endif
