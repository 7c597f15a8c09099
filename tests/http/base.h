/* Numbers and time, for the servers of the tests. */
#ifndef HTTP_BASE_H
#define HTTP_BASE_H

#include <stdbool.h>
#include <stdint.h>

/* Parses a whole decimal number of at most max. *out stays as it was on false. */
bool parse_unsigned(const char *text, uint64_t max, uint64_t *out);

/* Milliseconds of the monotonic clock. */
uint64_t now_ms(void);

void sleep_ms(uint64_t ms);

#endif
