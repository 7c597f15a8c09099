#ifndef LOAD_UTIL_H
#define LOAD_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* End the program with a line on stderr and status 2, for misuse or when there is no memory. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As realloc and calloc, but they never return NULL. */
void *xrealloc(void *p, size_t n);
void *xcalloc(size_t nr, size_t size);

/* "500ms", "10s", "2m" or plain seconds, to milliseconds. */
bool parse_duration(const char *text, uint64_t *ms);

/* Microseconds of the monotonic clock, and of the wall clock that marks have. */
uint64_t now_us(void);
uint64_t wall_us(void);

/* The next number of a sequence; *state must not be 0. Not for secrets. */
uint64_t random_next(uint64_t *state);

/* Whether the n bytes hold text. */
bool bytes_contain(const char *bytes, size_t n, const char *text);

#endif
