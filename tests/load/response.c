#include "response.h"

#include <string.h>
#include <strings.h>

#include "base.h"

void
response_clear(struct response *r)
{
	/* All but the head's bytes, of which only head_len are valid. */
	memset(r, 0, offsetof(struct response, head));
}

static void
copy_text(char *out, size_t size, const char *text, size_t n)
{
	if (n >= size)
		n = size - 1;
	memcpy(out, text, n);
	out[n] = '\0';
}

static bool
is_name(const char *line, size_t n, const char *name)
{
	return strlen(name) == n && strncasecmp(line, name, n) == 0;
}

static bool
take_length(struct response *r, const char *value, size_t n)
{
	char digits[24];

	copy_text(digits, sizeof(digits), value, n);
	r->has_length = true;
	return n < sizeof(digits) && parse_unsigned(digits, INT64_MAX, &r->left);
}

static bool
take_header(struct response *r, const char *line, size_t n)
{
	const char *colon = memchr(line, ':', n);

	if (colon == NULL || colon == line)
		return false;
	size_t name = (size_t)(colon - line);
	const char *value = colon + 1;
	const char *end = line + n;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	size_t len = (size_t)(end - value);
	if (is_name(line, name, "Content-Length"))
		return take_length(r, value, len);
	if (is_name(line, name, "Transfer-Encoding"))
		r->chunked = has_word(value, len, "chunked");
	else if (is_name(line, name, "Connection"))
		r->close = has_word(value, len, "close") ? true : r->close;
	else if (is_name(line, name, "Content-Type"))
		r->html = has_word(value, len, "text/html");
	else if (is_name(line, name, "X-App"))
		copy_text(r->app, sizeof(r->app), value, len);
	else if (is_name(line, name, "X-Release"))
		copy_text(r->release, sizeof(r->release), value, len);
	else if (is_name(line, name, "Sec-WebSocket-Accept"))
		copy_text(r->ws_accept, sizeof(r->ws_accept), value, len);
	return true;
}

static bool
take_status(struct response *r, const char *line, size_t n)
{
	unsigned status = 0;

	if (n < 12 || memcmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ' ||
		(n > 12 && line[12] != ' '))
		return false;
	for (size_t i = 9; i < 12; i++) {
		if (line[i] < '0' || line[i] > '9')
			return false;
		status = status * 10 + (unsigned)(line[i] - '0');
	}
	r->status = status;
	r->close = line[7] == '0';
	return status >= 100 && status < 600;
}

static enum response_state
parse_head(struct response *r)
{
	const char *line = r->head;
	const char *end = r->head + r->head_len;
	bool first = true;

	while (line < end) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		if (stop == NULL)
			return RESPONSE_MALFORMED;
		size_t n = (size_t)(stop - line);
		if (n > 0 && line[n - 1] == '\r')
			n--;
		if (n > 0 && !(first ? take_status(r, line, n) : take_header(r, line, n)))
			return RESPONSE_MALFORMED;
		first = false;
		line = stop + 1;
	}
	if (r->status == 101 || r->status == 204 || r->status == 304)
		return RESPONSE_DONE;
	if (r->status < 200) {
		response_clear(r);
		return RESPONSE_HEAD;
	}
	if (r->chunked)
		return RESPONSE_BODY;
	r->until_close = !r->has_length;
	return r->has_length && r->left == 0 ? RESPONSE_DONE : RESPONSE_BODY;
}

/* Collect the head up to its empty line. Returns the bytes used. */
static size_t
feed_head(struct response *r, const char *p, size_t n)
{
	size_t used = 0;

	r->begun = true;
	while (used < n) {
		const char *stop = memchr(p + used, '\n', n - used);
		size_t part = stop == NULL ? n - used : (size_t)(stop - p) + 1 - used;
		if (r->head_len + part > sizeof(r->head)) {
			r->state = RESPONSE_MALFORMED;
			return used;
		}
		memcpy(r->head + r->head_len, p + used, part);
		r->head_len += part;
		used += part;
		const char *end = r->head + r->head_len;
		if (stop == NULL)
			continue;
		if ((r->head_len >= 2 && end[-2] == '\n') ||
			(r->head_len >= 3 && end[-2] == '\r' && end[-3] == '\n')) {
			r->state = parse_head(r);
			return used;
		}
		/* A wrong first byte is known at the first line's end, not after 8 KiB. */
		if (memcmp(r->head, "HTTP/", r->head_len < 5 ? r->head_len : 5) != 0) {
			r->state = RESPONSE_MALFORMED;
			return used;
		}
	}
	return used;
}

/* Takes one byte of the framing around the chunks. */
static void
feed_chunk_byte(struct response *r, char c)
{
	int digit = hex_digit(c);

	if (r->chunk == CHUNK_SIZE && digit >= 0 && r->line_len == 0) {
		if (r->left > (uint64_t)INT64_MAX >> 4)
			r->state = RESPONSE_MALFORMED;
		r->left = r->left << 4 | (uint64_t)digit;
		r->chunk_has_digit = true;
	} else if (r->chunk == CHUNK_SIZE && c == '\n') {
		if (!r->chunk_has_digit)
			r->state = RESPONSE_MALFORMED;
		r->chunk = r->left == 0 ? CHUNK_TRAILER : CHUNK_DATA;
		r->chunk_has_digit = false;
		r->line_len = 0;
	} else if (r->chunk == CHUNK_SIZE) {
		if (c != '\r' && c != ';' && c != ' ' && r->line_len == 0)
			r->state = RESPONSE_MALFORMED;
		r->line_len++;
	} else if (r->chunk == CHUNK_END) {
		if (c == '\n')
			r->chunk = CHUNK_SIZE;
		else if (c != '\r')
			r->state = RESPONSE_MALFORMED;
	} else if (c == '\n') {
		if (r->line_len == 0)
			r->state = RESPONSE_DONE;
		r->line_len = 0;
	} else if (c != '\r') {
		r->line_len++;
	}
}

static size_t
feed_body(struct response *r, const char *p, size_t n, response_sink *sink, void *arg)
{
	size_t used = 0;

	while (used < n && r->state == RESPONSE_BODY) {
		if (r->chunked && r->chunk != CHUNK_DATA) {
			feed_chunk_byte(r, p[used++]);
			continue;
		}
		size_t part = n - used;
		if (!r->until_close && part > r->left)
			part = (size_t)r->left;
		sink(arg, p + used, part);
		used += part;
		if (r->until_close)
			continue;
		r->left -= part;
		if (r->left == 0 && r->chunked)
			r->chunk = CHUNK_END;
		else if (r->left == 0)
			r->state = RESPONSE_DONE;
	}
	return used;
}

size_t
response_feed(struct response *r, const char *p, size_t n, response_sink *sink, void *arg)
{
	size_t used = 0;

	while (used < n && r->state == RESPONSE_HEAD)
		used += feed_head(r, p + used, n - used);
	if (r->state == RESPONSE_BODY)
		used += feed_body(r, p + used, n - used, sink, arg);
	return used;
}

bool
response_end(struct response *r)
{
	if (r->state == RESPONSE_BODY && r->until_close) {
		r->close = true;
		r->state = RESPONSE_DONE;
	}
	return r->state == RESPONSE_DONE;
}
