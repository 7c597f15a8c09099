/* Numbers, words and time, for the HTTP servers of the tests and the load client. */
#ifndef HTTP_BASE_H
#define HTTP_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parses a whole decimal number of at most max. *out stays as it was on false. */
bool parse_unsigned(const char *text, uint64_t max, uint64_t *out);

/* The value of a hexadecimal digit, or -1. */
int hex_digit(char c);

/* Whether the n bytes of a header's value contain word, in any case of letters. */
bool has_word(const char *value, size_t n, const char *word);

/* Milliseconds of the monotonic clock. */
uint64_t now_ms(void);

void sleep_ms(uint64_t ms);

#endif
