/*
 * The matcher: options, pattern and body from one input. The first byte holds the options, and
 * the first newline after it ends the pattern.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "match.h"
#include "require.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct match_error error = { 0 };
	struct match_span span = { 0 };

	if (size < 2)
		return 0;
	const char *pattern = (const char *)data + 1;
	const char *newline = memchr(pattern, '\n', size - 1);
	if (!newline || newline == pattern)
		return 0;
	size_t len = (size_t)(newline - pattern);
	size_t body_len = size - 2 - len;
	char *body = xrealloc(NULL, body_len, 1);
	memcpy(body, newline + 1, body_len);
	enum match_kind kind = data[0] & 1 ? MATCH_REGEX : MATCH_LITERAL;
	bool icase = (data[0] & 2) != 0;
	struct match *m = match_new(kind, icase, pattern, len, &error);
	require(m || (kind == MATCH_REGEX && error.reason[0]));
	if (m) {
		int64_t before = clock_now();
		enum match_answer answer = match_find(m, body, body_len, 20 * UTIL_MS, &span);
		require(clock_now() - before < UTIL_SECOND);
		require(answer != MATCH_YES || (span.start <= span.end && span.end <= body_len) ||
			kind == MATCH_REGEX);
		if (kind == MATCH_LITERAL && !icase) {
			const char *hit = find_bytes(body, body_len, pattern, len);
			require((answer == MATCH_YES) == (hit != NULL));
			require(!hit || (size_t)(hit - body) == span.start);
		}
	}
	(void)match_would(pattern, len, body, body_len);
	match_free(m);
	free(body);
	return 0;
}
