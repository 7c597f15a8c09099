#define _DEFAULT_SOURCE 1

#include "util.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "status.h"
#include "test.h"

static void
numbers(void)
{
	static const struct {
		const char *text;
		unsigned long max;
		bool good;
		unsigned long value;
	} table[] = {
		{ "0", 10, true, 0 },
		{ "10", 10, true, 10 },
		{ "11", 10, false, 0 },
		{ "007", 10, true, 7 },
		{ "", 10, false, 0 },
		{ "-1", 10, false, 0 },
		{ "+1", 10, false, 0 },
		{ " 1", 10, false, 0 },
		{ "1 ", 10, false, 0 },
		{ "1x", 10, false, 0 },
		{ "9", 8, false, 0 },
		{ "65535", 65535, true, 65535 },
		{ "65536", 65535, false, 0 },
		{ "18446744073709551615", (unsigned long)-1, true, (unsigned long)-1 },
		{ "18446744073709551616", (unsigned long)-1, false, 0 },
		{ "99999999999999999999999999", (unsigned long)-1, false, 0 },
	};

	for (size_t i = 0; i < TEST_COUNT(table); i++) {
		unsigned long n = 77;
		bool good = parse_unsigned(table[i].text, strlen(table[i].text), table[i].max, &n);
		ROW_INT(good, table[i].good, table[i].text);
		ROW_INT(n, table[i].good ? table[i].value : 77, table[i].text);
	}
}

static void
durations(void)
{
	static const struct {
		const char *text;
		int64_t value; /* -1: refused */
	} table[] = {
		{ "30", 30 * UTIL_SECOND },
		{ "0", 0 },
		{ "0.5", 500 * UTIL_MS },
		{ "0.25s", 250 * UTIL_MS },
		{ "500ms", 500 * UTIL_MS },
		{ "2s", 2 * UTIL_SECOND },
		{ "1m", 60 * UTIL_SECOND },
		{ "1.5m", 90 * UTIL_SECOND },
		{ "0.0000001", 0 },
		{ "1440m", 86400 * UTIL_SECOND },
		{ "1441m", -1 },
		{ "86401", -1 },
		{ "86400000ms", 86400 * UTIL_SECOND },
		{ "", -1 },
		{ ".5", -1 },
		{ "5.", -1 },
		{ "5h", -1 },
		{ "5 s", -1 },
		{ "-5", -1 },
		{ "1e3", -1 },
		{ "5ms5", -1 },
		{ "999999999999999999999", -1 },
	};

	for (size_t i = 0; i < TEST_COUNT(table); i++) {
		int64_t time = -1;
		bool good = parse_duration(table[i].text, strlen(table[i].text), &time);
		ROW_INT(good, table[i].value >= 0, table[i].text);
		ROW_INT(time, table[i].value, table[i].text);
	}
}

static void
bytes(void)
{
	IS(same_word("Host", 4, "hOST"));
	IS(!same_word("Host", 3, "host"));
	IS(!same_word("h@st", 4, "h`st"));
	static const char hay[] = "abcabd";
	IS(find_bytes(hay, 6, "abd", 3) == hay + 3);
	IS(find_bytes("abc", 3, "abcd", 4) == NULL);
	IS(find_bytes("abab", 3, "bab", 3) == NULL);
	IS(find_bytes("", 0, "", 0) != NULL);
	IS(is_blank(' ') && is_blank('\t') && !is_blank('\n'));
}

static void
arrays(void)
{
	int *list = NULL;

	for (size_t nr = 0; nr < 1000; nr++) {
		list = xgrow(list, nr, sizeof(list[0]));
		list[nr] = (int)nr;
	}
	for (int i = 0; i < 1000; i++)
		if (list[i] != i)
			IS(list[i] == i);
	free(list);
	char *copy = xcopy("abc", 2);
	TEXT(copy, "ab");
	free(copy);
	copy = xcopy(NULL, 0);
	TEXT(copy, "");
	free(copy);
	free(xrealloc(NULL, 0, 0));
}

/* A size that is too large, or that overflows, ends the program with 5. */
static void
no_memory(void)
{
	static const size_t counts[] = { SIZE_MAX / 2 + 1, SIZE_MAX / 16 };

	for (size_t i = 0; i < TEST_COUNT(counts); i++) {
		int status = 0;
		pid_t child = fork();
		if (child == 0) {
			(void)!freopen("/dev/null", "w", stderr);
			free(xrealloc(NULL, counts[i], 8));
			_exit(0);
		}
		waitpid(child, &status, 0);
		IS(WIFEXITED(status));
		INT(WEXITSTATUS(status), EXIT_INTERNAL);
	}
}

static void
clock_goes_on(void)
{
	int64_t before = clock_now();

	usleep(2000);
	IS(clock_now() - before >= 2000);
}

int
main(void)
{
	numbers();
	durations();
	bytes();
	arrays();
	no_memory();
	clock_goes_on();
	return test_end("util");
}
