/* What every module needs: ending with a reason, memory that is there, numbers, time. */
#ifndef CHECK_RUNNER_UTIL_H
#define CHECK_RUNNER_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the program ends; the numbers are documented in check-runner(1). */
enum exit_status {
	EXIT_PASS = 0,
	EXIT_FAIL = 1,
	EXIT_MISUSE = 2,
	EXIT_PROCESS_GONE = 3,
	EXIT_NEVER_ANSWERED = 4,
	EXIT_INTERNAL = 5,
};

/* All times are microseconds: points in time on the monotonic clock, and lengths of time. */
#define UTIL_MS ((int64_t)1000)
#define UTIL_SECOND ((int64_t)1000000)
#define UTIL_NEVER INT64_MAX

#define UTIL_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Print "check-runner: …" on stderr and exit. Only for misuse and for what nobody can mend. */
_Noreturn void die(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Like realloc(p, count * size), but never returns NULL: no memory ends the program with 5. */
void *xrealloc(void *p, size_t count, size_t size);

/* A copy of n bytes with a NUL after them. The caller frees it. */
char *xcopy(const char *bytes, size_t n);

/*
 * Make room for one more item in an array that holds nr items and was only ever grown by this
 * function. Returns the array, which may have moved.
 */
void *xgrow(void *array, size_t nr, size_t size);

/* Digits only, at most max. Returns false, and leaves *out alone, for anything else. */
bool parse_unsigned(const char *text, size_t len, unsigned long max, unsigned long *out);

/* "30", "0.5", "500ms", "2s", "1m", at most a day. Returns false for anything else. */
bool parse_duration(const char *text, size_t len, int64_t *out);

/* Is it this word, without regard to ASCII case? word is NUL-terminated. */
bool same_word(const char *text, size_t len, const char *word);

/* Where needle first occurs, or NULL. An empty needle occurs at once. */
const char *find_bytes(const char *hay, size_t hay_len, const char *needle, size_t len);

bool is_blank(char c);

int64_t clock_now(void);

#endif
