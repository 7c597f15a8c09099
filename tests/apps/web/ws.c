#include "ws.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sha1.h"

enum {
	WS_CONTINUATION = 0,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10,
	WS_FIN = 0x80,
	WS_MAX_PAYLOAD = 1024 * 1024,
};

struct frame {
	unsigned char first; /* FIN and opcode */
	size_t n;
	unsigned char *payload; /* WS_MAX_PAYLOAD bytes */
};

static bool
read_exactly(struct conn *c, void *out, size_t n)
{
	char *p = out;

	while (n > 0) {
		ssize_t got = conn_read(c, p, n);
		if (got <= 0)
			return false;
		p += got;
		n -= (size_t)got;
	}
	return true;
}

static bool
send_frame(struct conn *c, unsigned first, const void *payload, size_t n)
{
	unsigned char head[10] = { (unsigned char)first };
	size_t len = 2;

	if (n < 126) {
		head[1] = (unsigned char)n;
	} else {
		size_t width = n < 65536 ? 2 : 8;
		head[1] = n < 65536 ? 126 : 127;
		for (size_t i = 0; i < width; i++)
			head[2 + i] = (unsigned char)((uint64_t)n >> (8 * (width - 1 - i)));
		len += width;
	}
	return conn_write(c, head, len) && conn_write(c, payload, n);
}

static void
send_close(struct conn *c, unsigned code)
{
	unsigned char payload[2] = { (unsigned char)(code >> 8), (unsigned char)code };

	send_frame(c, WS_FIN | WS_CLOSE, payload, sizeof(payload));
}

/* Read a frame and take its mask off. Returns 0, a close code, or -1 when the peer is gone. */
static int
read_frame(struct conn *c, struct frame *f)
{
	unsigned char head[2];
	unsigned char wide[8];
	unsigned char mask[4];

	if (!read_exactly(c, head, sizeof(head)))
		return -1;
	f->first = head[0];
	uint64_t n = head[1] & 0x7f;
	if ((head[1] & 0x80) == 0 || (head[0] & 0x70) != 0)
		return 1002;
	size_t width = n == 126 ? 2 : n == 127 ? 8 : 0;
	if (width > 0) {
		if (!read_exactly(c, wide, width))
			return -1;
		n = 0;
		for (size_t i = 0; i < width; i++)
			n = n << 8 | wide[i];
	}
	if (n > WS_MAX_PAYLOAD)
		return 1009;
	f->n = (size_t)n;
	if (!read_exactly(c, mask, sizeof(mask)) || !read_exactly(c, f->payload, f->n))
		return -1;
	for (size_t i = 0; i < f->n; i++)
		f->payload[i] ^= mask[i % 4];
	return 0;
}

/* Wait for a frame. False once the server stops and the peer is silent. */
static bool
wait_frame(struct conn *c)
{
	struct pollfd p[2] = { { .fd = c->fd, .events = POLLIN },
		{ .fd = c->stop_fd, .events = POLLIN } };

	if (c->start < c->end)
		return true;
	while (poll(p, 2, -1) < 0)
		if (errno != EINTR)
			return false;
	return p[0].revents != 0;
}

static void
echo_frames(struct conn *c, struct frame *f)
{
	while (wait_frame(c)) {
		int code = read_frame(c, f);
		unsigned opcode = f->first & 0x0f;
		if (code < 0)
			return;
		if (code == 0 && opcode > 2 && opcode < WS_CLOSE)
			code = 1002;
		if (code > 0) {
			send_close(c, (unsigned)code);
			return;
		}
		if (opcode == WS_PONG)
			continue;
		unsigned reply = opcode == WS_PING ? WS_FIN | WS_PONG : f->first;
		if (!send_frame(c, reply, f->payload, f->n) || opcode == WS_CLOSE)
			return;
	}
	send_close(c, 1001);
}

void
ws_serve(struct conn *c, const struct request *r)
{
	size_t n;
	const char *key = http_header(r, "Sec-WebSocket-Key", &n);
	char answer[29];
	char extra[128];

	if (key == NULL || !http_header_has(r, "Upgrade", "websocket") ||
		!http_header_has(r, "Connection", "upgrade")) {
		static const char why[] = "this is a websocket\n";
		http_reply(c, r, 426, "text/plain", "Upgrade: websocket\r\nConnection: Upgrade\r\n",
			why, sizeof(why) - 1);
		return;
	}
	websocket_accept(key, n, answer);
	snprintf(extra, sizeof(extra),
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
		answer);
	struct frame f = { .payload = malloc(WS_MAX_PAYLOAD) };
	if (f.payload != NULL && http_reply_start(c, r, 101, "", extra, 0))
		echo_frames(c, &f);
	free(f.payload);
	c->close = true;
	c->linger = true;
}
