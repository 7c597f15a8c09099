/*
 * For libFuzzer: the parsers of answers keep the promises of their headers, however the bytes are
 * cut.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	uint64_t bytes;
	uint64_t hash;
};

static void
add_up(void *arg, const char *bytes, size_t n)
{
	struct sum *s = arg;

	s->bytes += n;
	for (size_t i = 0; i < n; i++)
		s->hash = s->hash * 31 + (unsigned char)bytes[i];
}

static size_t
feed_at(struct response *r, struct sum *s, const uint8_t *data, size_t size, size_t cut)
{
	char *copy = malloc(size + 1);
	size_t used;

	if (copy == NULL)
		abort();
	memcpy(copy, data, size);
	used = response_feed(r, copy, cut, add_up, s);
	if (used == cut)
		used += response_feed(r, copy + cut, size - cut, add_up, s);
	free(copy);
	return used;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct response whole = { 0 };
	struct response parts = { 0 };
	struct sum a = { 0 };
	struct sum b = { 0 };
	struct frame f;

	size_t used = feed_at(&whole, &a, data, size, size);
	size_t used_in_parts = feed_at(&parts, &b, data, size, size > 0 ? data[0] % size : 0);
	if (used > size || (used < size && whole.state < RESPONSE_DONE))
		abort();
	if (whole.state != parts.state || a.bytes != b.bytes || a.hash != b.hash)
		abort();
	if (whole.state == RESPONSE_DONE && (used != used_in_parts || whole.status > 599))
		abort();
	if (strlen(whole.app) >= sizeof(whole.app) ||
		strlen(whole.release) >= sizeof(whole.release))
		abort();
	if (frame_parse(&f, data, size) == FRAME_WHOLE &&
		(f.size > size || f.payload + f.n != data + f.size))
		abort();
	return 0;
}
