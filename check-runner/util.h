/*
 * What every C program here shares, check-runner and those of the plugins: ending with a message,
 * memory that cannot run out unnoticed, numbers, text, time.
 */
#ifndef CHECK_RUNNER_UTIL_H
#define CHECK_RUNNER_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How the program that links this module speaks and fails. check-runner/status.c defines it for
 * check-runner, and plugins/common/programs for the programs of the plugins.
 */
struct util_program {
	const char *prefix; /* what each message on stderr begins with */
	int failure; /* the exit status when there is no memory left */
};

extern const struct util_program util_program;

/* All times are microseconds: points in time on the monotonic clock, and lengths of time. */
#define UTIL_MS ((int64_t)1000)
#define UTIL_SECOND ((int64_t)1000000)
#define UTIL_NEVER INT64_MAX

#define UTIL_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Prints a message on stderr, after the program's prefix, and exits. Only for main paths and
 * misuse. */
_Noreturn void die(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Like realloc(p, count * size), but never returns NULL: without memory the program ends. */
void *xrealloc(void *p, size_t count, size_t size);

/* Returns a copy of n bytes with a NUL after them. The caller frees it. */
char *xcopy(const char *bytes, size_t n);

/*
 * Makes room for one more item of size bytes in an array that holds nr items and has only been
 * grown by this function. Returns the array, which may have moved. NULL is an array of 0 items.
 */
void *xgrow(void *array, size_t nr, size_t size);

/* Parses decimal digits, at most max. Returns false and leaves *out alone for anything else. */
bool parse_unsigned(const char *text, size_t len, unsigned long max, unsigned long *out);

/* Parses "30", "0.5", "500ms", "2s" or "1m", at most a day. Returns false for anything else. */
bool parse_duration(const char *text, size_t len, int64_t *out);

/* Whether text is this NUL-terminated word, without regard to ASCII case. */
bool same_word(const char *text, size_t len, const char *word);

/* Returns where needle first occurs, or NULL. An empty needle occurs at the start. */
const char *find_bytes(const char *hay, size_t hay_len, const char *needle, size_t len);

/* Whether c is a space or a tab. */
bool is_blank(char c);

/* The time of the monotonic clock. */
int64_t clock_now(void);

#endif
