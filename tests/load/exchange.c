#include "exchange.h"

#include <stdio.h>
#include <string.h>

#include "../apps/web/sha1.h"
#include "util.h"

static const char stream_line[] =
	"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n";

/* Letters that differ in every request, so that no answer to another one passes for this one's. */
static void
fill_body(struct exchange *e, size_t n, bool all)
{
	if (e->body == NULL) {
		e->body = xrealloc(NULL, n + 8);
		all = true;
	}
	e->body_len = n;
	for (size_t i = 0; i < (all ? n : n < 64 ? n : 64); i += 8) {
		uint64_t x = random_next(e->random);
		for (size_t k = 0; k < 8; k++)
			e->body[i + k] = (char)('a' + (x >> (8 * k) & 15));
	}
}

static void
begin_upload(struct exchange *e)
{
	struct sha1 s;
	char digest[41];

	fill_body(e, (size_t)e->options->upload_bytes, false);
	sha1_init(&s);
	sha1_add(&s, e->body, e->body_len);
	sha1_hex(&s, digest);
	snprintf(e->expected, sizeof(e->expected), "%zu %s\n", e->body_len, digest);
}

static void
begin_websocket(struct exchange *e, char *extra, size_t size)
{
	unsigned char nonce[16];
	char key[25];
	char answer[29];

	for (size_t i = 0; i < sizeof(nonce); i++)
		nonce[i] = (unsigned char)(random_next(e->random) >> 32);
	base64(nonce, sizeof(nonce), key);
	websocket_accept(key, strlen(key), answer);
	snprintf(e->expected, sizeof(e->expected), "%s", answer);
	snprintf(extra, size,
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: %s\r\n",
		key);
}

static void
clear(struct exchange *e)
{
	response_clear(&e->response);
	e->sent = 0;
	e->body_len = 0;
	e->body_seen = 0;
	e->body_wrong = false;
	e->page_len = 0;
}

void
exchange_begin(struct exchange *e, size_t client, uint64_t number)
{
	const struct target *t = e->group->target;
	char path[128];
	char extra[256] = "";
	const char *where = path;
	const char *method = "GET";

	clear(e);
	switch (e->group->mode) {
	case MODE_POST:
		method = "POST";
		where = "/echo";
		fill_body(e, (size_t)e->options->post_bytes, true);
		break;
	case MODE_UPLOAD:
		method = "POST";
		where = "/sum";
		begin_upload(e);
		break;
	case MODE_DOWNLOAD:
		snprintf(path, sizeof(path), "/stream?ms=%llu&n=%llu",
			(unsigned long long)e->options->download_ms,
			(unsigned long long)e->options->download_bytes);
		break;
	case MODE_WS:
		where = "/ws";
		begin_websocket(e, extra, sizeof(extra));
		break;
	case MODE_GET:
	case MODE_CLOSE:
	case MODE_IDLE:
	case MODE_COUNT:
		where = t->path;
	}
	if (e->group->mode == MODE_CLOSE)
		snprintf(extra, sizeof(extra), "Connection: close\r\n");
	if (method[0] == 'P')
		snprintf(extra, sizeof(extra), "Content-Length: %zu\r\n", e->body_len);
	int n = snprintf(e->out, sizeof(e->out),
		"%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: load/%zu.%llu\r\n%s\r\n", method, where,
		t->host, client, (unsigned long long)number, extra);
	e->out_len = (size_t)n;
}

void
exchange_begin_message(struct exchange *e, size_t client, uint64_t number)
{
	unsigned char frame[256 + FRAME_MAX_HEAD];
	unsigned char mask[4];
	uint64_t x = random_next(e->random);

	clear(e);
	memcpy(mask, &x, sizeof(mask));
	int n = snprintf(e->expected, 256, "message %llu of client %zu, %016llx",
		(unsigned long long)number, client, (unsigned long long)random_next(e->random));
	e->out_len = frame_write(frame, FRAME_TEXT, e->expected, (size_t)n, mask);
	memcpy(e->out, frame, e->out_len);
}

static void
check_stream(struct exchange *e, const char *bytes, size_t n)
{
	while (n > 0) {
		size_t at = e->body_seen % 64;
		size_t part = n < 64 - at ? n : 64 - at;
		if (memcmp(bytes, stream_line + at, part) != 0)
			e->body_wrong = true;
		bytes += part;
		n -= part;
		e->body_seen += part;
	}
}

/* A response_sink. */
static void
take_body(void *arg, const char *bytes, size_t n)
{
	struct exchange *e = arg;
	size_t room = sizeof(e->page) - e->page_len;

	if (e->group->mode == MODE_DOWNLOAD) {
		check_stream(e, bytes, n);
		return;
	}
	if (e->group->mode == MODE_POST) {
		if (n > e->body_len - e->body_seen ||
			memcmp(bytes, e->body + e->body_seen, n) != 0) {
			e->body_wrong = true;
			return;
		}
	} else {
		memcpy(e->page + e->page_len, bytes, n < room ? n : room);
		e->page_len += n < room ? n : room;
	}
	e->body_seen += n;
}

size_t
exchange_feed(struct exchange *e, const char *bytes, size_t n)
{
	return response_feed(&e->response, bytes, n, take_body, e);
}

static bool
is_wrong_app(const struct exchange *e)
{
	const char *app = e->group->target->expect_app;

	if (app == NULL)
		return false;
	if (strncmp(e->response.app, app, sizeof(e->response.app) - 1) != 0)
		return true;
	return e->response.html && !bytes_contain(e->page, e->page_len, app);
}

static bool
is_wrong_body(const struct exchange *e)
{
	size_t expected;

	switch (e->group->mode) {
	case MODE_POST:
		return e->body_wrong || e->body_seen != e->body_len;
	case MODE_DOWNLOAD:
		return e->body_wrong || e->body_seen != e->options->download_bytes;
	case MODE_UPLOAD:
		expected = strlen(e->expected);
		return e->page_len != expected || memcmp(e->page, e->expected, expected) != 0;
	case MODE_WS:
		return e->response.status != 101 || strcmp(e->response.ws_accept, e->expected) != 0;
	case MODE_GET:
	case MODE_CLOSE:
	case MODE_IDLE:
	case MODE_COUNT:
		break;
	}
	return false;
}

enum failure
exchange_judge(const struct exchange *e)
{
	if (e->response.status >= 500)
		return FAILURE_STATUS_5XX;
	if (e->response.status >= 400)
		return FAILURE_STATUS_4XX;
	if (is_wrong_app(e))
		return FAILURE_WRONG_APP;
	if (is_wrong_body(e))
		return FAILURE_WRONG_BODY;
	return FAILURE_COUNT;
}
