#include "match.h"

#include <stdlib.h>

#include "test.h"
#include "util.h"

#define SECOND UTIL_SECOND

static const struct {
	enum match_kind kind;
	bool icase;
	const char *pattern;
	const char *subject;
	enum match_answer want;
	size_t start;
	size_t end;
} answers_table[] = {
	{ MATCH_LITERAL, false, "b", "abc", MATCH_YES, 1, 2 },
	{ MATCH_LITERAL, false, "B", "abc", MATCH_NO, 0, 0 },
	{ MATCH_LITERAL, true, "B", "abc", MATCH_YES, 1, 2 },
	{ MATCH_LITERAL, false, "a.c", "abc", MATCH_NO, 0, 0 },
	{ MATCH_LITERAL, false, "a.c", "xa.c", MATCH_YES, 1, 4 },
	{ MATCH_LITERAL, false, "$(function()", "x $(function() {", MATCH_YES, 2, 14 },
	{ MATCH_LITERAL, false, "\\d+", "1 \\d+", MATCH_YES, 2, 5 },
	{ MATCH_LITERAL, false, "(*UTF)x", "(*UTF)x", MATCH_YES, 0, 7 },
	{ MATCH_LITERAL, false, "x", "", MATCH_NO, 0, 0 },
	{ MATCH_LITERAL, false, "a\nb", "xa\nb", MATCH_YES, 1, 4 },
	{ MATCH_LITERAL, true, "\xc3\x89t", "\xc3\xa9T", MATCH_YES, 0, 3 },
	{ MATCH_LITERAL, false, "\xe9", "caf\xe9", MATCH_YES, 3, 4 },
	{ MATCH_LITERAL, true, "\xe9X", "caf\xe9x", MATCH_YES, 3, 5 },
	{ MATCH_LITERAL, true, "b", "\xff\xfe b", MATCH_YES, 3, 4 },
	{ MATCH_REGEX, false, "^v\\d+\\.\\d+$", "v1.22", MATCH_YES, 0, 5 },
	{ MATCH_REGEX, false, "^v\\d+\\.\\d+$", "v1.22\n", MATCH_YES, 0, 5 },
	{ MATCH_REGEX, false, "^v\\d+$", "v1\r\n", MATCH_YES, 0, 2 },
	{ MATCH_REGEX, false, "^v\\d+$", "xv1", MATCH_NO, 0, 0 },
	{ MATCH_REGEX, false, "A", "a", MATCH_NO, 0, 0 },
	{ MATCH_REGEX, true, "A", "a", MATCH_YES, 0, 1 },
	{ MATCH_REGEX, false, "(?i)A", "a", MATCH_YES, 0, 1 },
	{ MATCH_REGEX, false, "x*", "", MATCH_YES, 0, 0 },
	{ MATCH_REGEX, false, ".", "\xff\xc3\xa9", MATCH_YES, 1, 3 },
};

static void
answers(void)
{

	for (size_t i = 0; i < TEST_COUNT(answers_table); i++) {
		struct match_error error = { 0 };
		struct match_span span = { 0 };
		struct match *m = match_new(answers_table[i].kind, answers_table[i].icase,
			answers_table[i].pattern, strlen(answers_table[i].pattern), &error);
		if (!IS(m != NULL))
			continue;
		enum match_answer got = match_find(m, answers_table[i].subject,
			strlen(answers_table[i].subject), SECOND, &span);
		ROW_INT(got, answers_table[i].want, answers_table[i].pattern);
		ROW_INT(span.start, answers_table[i].start, answers_table[i].pattern);
		ROW_INT(span.end, answers_table[i].end, answers_table[i].pattern);
		INT(match_find(m, answers_table[i].subject, strlen(answers_table[i].subject),
			    SECOND, NULL),
			got);
		match_free(m);
	}
}

static void
refused(void)
{
	static const struct {
		const char *pattern;
		size_t offset;
		const char *reason;
	} table[] = {
		{ "a(b", 3, "missing closing parenthesis" },
		{ "[z-a]", 3, "range out of order" },
		{ "*a", 0, "quantifier does not follow" },
		{ "(*NO_JIT)a", 0, "may not start with (*" },
		{ "a\\Cb", 3, "using \\C is disabled" },
		{ "\\p{Nope}", 8, "unknown property" },
		{ "\xe9", 0, "UTF-8 error" },
	};

	for (size_t i = 0; i < TEST_COUNT(table); i++) {
		struct match_error error = { 0 };
		struct match *m = match_new(
			MATCH_REGEX, false, table[i].pattern, strlen(table[i].pattern), &error);
		IS(m == NULL);
		ROW_HAS(error.reason, table[i].reason, table[i].pattern);
		ROW_INT(error.offset, table[i].offset, table[i].pattern);
		IS(!error.no_memory);
		match_free(m);
	}
}

static void
lengths(void)
{
	struct match_error error = { 0 };
	char *pattern = xrealloc(NULL, MATCH_MAX_PATTERN + 1, 1);

	memset(pattern, 'a', MATCH_MAX_PATTERN + 1);
	struct match *m = match_new(MATCH_REGEX, false, pattern, MATCH_MAX_PATTERN, &error);
	IS(m != NULL);
	match_free(m);
	IS(!match_new(MATCH_REGEX, false, pattern, MATCH_MAX_PATTERN + 1, &error));
	HAS(error.reason, "1024 bytes");
	INT(error.offset, MATCH_MAX_PATTERN);
	m = match_new(MATCH_LITERAL, false, pattern, MATCH_MAX_PATTERN + 1, &error);
	IS(m != NULL);
	match_free(m);
	free(pattern);
	/* A pattern whose machine code would be too big is refused, not interpreted. */
	static const char big[] = "((((a{1,60}){1,60}){1,60}){1,60}){1,60}";
	IS(!match_new(MATCH_REGEX, false, big, strlen(big), &error));
	IS(!error.no_memory);
}

/* Only this much of a subject is looked at. */
static void
long_subjects(void)
{
	struct match_error error = { 0 };
	char *subject = xrealloc(NULL, MATCH_MAX_SUBJECT + 1, 1);
	struct match *regex = match_new(MATCH_REGEX, false, "x", 1, &error);
	struct match *literal = match_new(MATCH_LITERAL, false, "x", 1, &error);

	memset(subject, 'a', MATCH_MAX_SUBJECT + 1);
	subject[MATCH_MAX_SUBJECT] = 'x';
	INT(match_find(regex, subject, MATCH_MAX_SUBJECT + 1, SECOND, NULL), MATCH_NO);
	INT(match_find(literal, subject, MATCH_MAX_SUBJECT + 1, 0, NULL), MATCH_YES);
	subject[MATCH_MAX_SUBJECT - 1] = 'x';
	INT(match_find(regex, subject, MATCH_MAX_SUBJECT + 1, SECOND, NULL), MATCH_YES);
	match_free(regex);
	match_free(literal);
	free(subject);
}

/* A search that would never end is stopped in time, and the pattern works again afterwards. */
static void
costly(void)
{
	/* The first ones end by their match limit, the last one only by the alarm. */
	static const char *const patterns[] = { "(a+a+)+b", "(?:a|aa)+$b", "a{1,5000}[bc]" };
	struct match_error error = { 0 };
	size_t len = 1 << 20;
	char *subject = xrealloc(NULL, len, 1);

	memset(subject, 'a', len);
	for (size_t i = 0; i < TEST_COUNT(patterns); i++) {
		struct match *m =
			match_new(MATCH_REGEX, false, patterns[i], strlen(patterns[i]), &error);
		int64_t before = clock_now();
		ROW_INT(match_find(m, subject, len, 50 * UTIL_MS, NULL), MATCH_COSTLY, patterns[i]);
		IS(clock_now() - before < 150 * UTIL_MS);
		ROW_INT(match_find(m, "aab", 3, SECOND, NULL) != MATCH_COSTLY, 1, patterns[i]);
		INT(match_find(m, "a", 1, 0, NULL), MATCH_COSTLY);
		INT(match_find(m, "a", 1, -1, NULL), MATCH_COSTLY);
		match_free(m);
	}
	free(subject);
}

/* The interpreter took minutes for \s+$ on 100,000 blanks. */
static void
blanks(void)
{
	struct match_error error = { 0 };
	size_t len = 100001;
	char *subject = xrealloc(NULL, len, 1);
	struct match *m = match_new(MATCH_REGEX, false, "\\s+$", 4, &error);
	int64_t before = clock_now();

	memset(subject, ' ', len - 1);
	subject[len - 1] = 'x';
	IS(match_find(m, subject, len, 200 * UTIL_MS, NULL) != MATCH_YES);
	IS(clock_now() - before < 300 * UTIL_MS);
	match_free(m);
	free(subject);
}

static void
hints(void)
{
	static const struct {
		const char *text;
		const char *subject;
		bool want;
	} table[] = {
		{ "v[0-9]+", "v12", true },
		{ "v[0-9]+", "v", false },
		{ "plain", "plain", false },
		{ "a(b", "ab", false },
		{ "(*UTF).", "a", false },
		{ "Our.*Team", "Our Amazing Team", true },
		{ "(a+a+)+b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			false },
		{ ".", "", false },
	};

	for (size_t i = 0; i < TEST_COUNT(table); i++) {
		int64_t before = clock_now();
		bool would = match_would(table[i].text, strlen(table[i].text), table[i].subject,
			strlen(table[i].subject));
		ROW_INT(would, table[i].want, table[i].text);
		IS(clock_now() - before < 200 * UTIL_MS);
	}
	/* At each start position the whole rest is read, but only little of the pattern. */
	static char body[65536];
	static const char *const slow[] = { "[ab]+[cd]", "a*?[bc]", ".*?.*?[cd]" };
	memset(body, 'a', sizeof(body));
	for (size_t i = 0; i < TEST_COUNT(slow); i++) {
		int64_t before = clock_now();
		ROW_INT(match_would(slow[i], strlen(slow[i]), body, sizeof(body)), 0, slow[i]);
		IS(clock_now() - before < 100 * UTIL_MS);
	}
	char text[MATCH_MAX_PATTERN + 2];
	memset(text, '.', sizeof(text));
	IS(!match_would(text, sizeof(text), text, sizeof(text)));
}

/*
 * "match_test oom", with failmalloc preloaded: whichever allocation fails, there is an answer or
 * the result that there is no memory.
 */
static int
without_memory(void)
{
	static const struct {
		enum match_kind kind;
		bool icase;
	} table[] = {
		{ MATCH_REGEX, false },
		{ MATCH_LITERAL, true },
		{ MATCH_LITERAL, false },
	};

	for (size_t i = 0; i < TEST_COUNT(table); i++) {
		struct match_error error = { 0 };
		struct match *m = match_new(table[i].kind, table[i].icase, "a.c", 3, &error);
		IS(m ? match_find(m, "xa.c", 4, SECOND, NULL) == MATCH_YES : error.no_memory);
		match_free(m);
	}
	(void)match_would("a.c", 3, "abc", 3);
	return test_end("match without memory");
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "oom") == 0)
		return without_memory();
	IS(match_has_jit());
	HAS(match_version(), ".");
	answers();
	refused();
	lengths();
	long_subjects();
	costly();
	blanks();
	hints();
	match_free(NULL);
	return test_end("match");
}
