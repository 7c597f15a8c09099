#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base.h"

enum { GRACE_MS = 500, LAST_WAIT_S = 5, BACKLOG = 512 };

static const struct {
	unsigned status;
	const char *reason;
} reasons[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 413, "Content Too Large" },
	{ 426, "Upgrade Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
};

static const char *
reason_of(unsigned status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Status";
}

int
http_listen(uint16_t port, uint16_t *got)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t length = sizeof(address);
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, BACKLOG) < 0 ||
		getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	*got = ntohs(address.sin_port);
	return fd;
}

/* Receives into the free part of c->in, which must not be full. Returns what recv returns. */
static ssize_t
conn_fill(struct conn *c)
{
	ssize_t n;

	if (c->start == c->end)
		c->start = c->end = 0;
	if (c->end == sizeof(c->in)) {
		memmove(c->in, c->in + c->start, c->end - c->start);
		c->end -= c->start;
		c->start = 0;
	}
	do
		n = recv(c->fd, c->in + c->end, sizeof(c->in) - c->end, 0);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		c->end += (size_t)n;
	return n;
}

ssize_t
conn_read(struct conn *c, void *bytes, size_t n)
{
	ssize_t got;

	if (c->start < c->end) {
		size_t part = n < c->end - c->start ? n : c->end - c->start;
		memcpy(bytes, c->in + c->start, part);
		c->start += part;
		return (ssize_t)part;
	}
	do
		got = recv(c->fd, bytes, n, 0);
	while (got < 0 && errno == EINTR);
	return got;
}

static bool
write_parts(struct conn *c, struct iovec *part, size_t parts)
{
	struct msghdr m = { .msg_iov = part, .msg_iovlen = parts };

	for (;;) {
		ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			c->close = true;
			return false;
		}
		size_t sent = (size_t)n;
		while (m.msg_iovlen > 0 && sent >= m.msg_iov->iov_len) {
			sent -= m.msg_iov->iov_len;
			m.msg_iov++;
			m.msg_iovlen--;
		}
		if (m.msg_iovlen == 0)
			return true;
		m.msg_iov->iov_base = (char *)m.msg_iov->iov_base + sent;
		m.msg_iov->iov_len -= sent;
	}
}

bool
conn_write(struct conn *c, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n > 0) {
		ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0) {
			c->close = true;
			return false;
		}
		p += sent;
		n -= (size_t)sent;
	}
	return true;
}

void
conn_end(struct conn *c)
{
	char waste[4096];
	struct timeval wait = { .tv_sec = c->closing == CLOSE_LAST ? LAST_WAIT_S : 1 };
	struct linger reset = { .l_onoff = 1 };

	if (c->linger && c->closing != CLOSE_LAST)
		shutdown(c->fd, SHUT_WR);
	if (c->linger || c->closing == CLOSE_LAST) {
		setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
		for (int i = 0; i < 256 && recv(c->fd, waste, sizeof(waste), 0) > 0; i++)
			;
	}
	if (c->closing == CLOSE_RESET)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(c->fd);
}

const char *
http_header(const struct request *r, const char *name, size_t *n)
{
	const char *end = r->head + r->head_len;
	const char *line = memchr(r->head, '\n', r->head_len);
	size_t len = strlen(name);

	while (line != NULL && ++line < end) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		if (stop != NULL && (size_t)(stop - line) > len && line[len] == ':' &&
			strncasecmp(line, name, len) == 0) {
			const char *value = line + len + 1;
			while (value < stop && (*value == ' ' || *value == '\t'))
				value++;
			while (stop > value && (stop[-1] == '\r' || stop[-1] == ' '))
				stop--;
			*n = (size_t)(stop - value);
			return value;
		}
		line = stop;
	}
	return NULL;
}

bool
http_header_has(const struct request *r, const char *name, const char *word)
{
	size_t n;
	const char *value = http_header(r, name, &n);

	return value != NULL && has_word(value, n, word);
}

/* Percent-decode n bytes into a NUL-terminated text. False if it does not fit or holds a NUL. */
static bool
decode(const char *text, size_t n, char *out, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		char c = text[i];
		if (c == '%' && i + 2 < n && hex_digit(text[i + 1]) >= 0 &&
			hex_digit(text[i + 2]) >= 0) {
			c = (char)(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
			i += 2;
		}
		if (c == '\0' || used + 1 >= size)
			return false;
		out[used++] = c;
	}
	out[used] = '\0';
	return true;
}

bool
http_param(const struct request *r, const char *name, char *out, size_t size)
{
	size_t len = strlen(name);

	for (const char *p = r->query; *p != '\0';) {
		size_t n = strcspn(p, "&");
		if (n > len && strncmp(p, name, len) == 0 && p[len] == '=')
			return decode(p + len + 1, n - len - 1, out, size);
		p += n;
		p += *p == '&';
	}
	return false;
}

uint64_t
http_param_number(const struct request *r, const char *name, uint64_t max, uint64_t otherwise)
{
	char text[32];
	uint64_t n = otherwise;

	if (http_param(r, name, text, sizeof(text)) && !parse_unsigned(text, max, &n))
		return otherwise;
	return n;
}

/* Returns the length of the head at p, with its empty line, or 0 if it is not complete. */
static size_t
head_length(const char *p, size_t n)
{
	for (const char *at = p; (at = memchr(at, '\n', n - (size_t)(at - p))) != NULL; at++) {
		size_t rest = n - (size_t)(at - p);
		if (rest >= 3 && at[1] == '\r' && at[2] == '\n')
			return (size_t)(at - p) + 3;
		if (rest >= 2 && at[1] == '\n')
			return (size_t)(at - p) + 2;
	}
	return 0;
}

/* METHOD SP target SP HTTP/1.x, the target as a path or as a whole URL. */
static bool
parse_request_line(struct request *r)
{
	const char *p = r->head;
	size_t line = strcspn(p, "\r\n");
	size_t method = strcspn(p, " ");
	if (method >= line || method == 0 || method >= sizeof(r->method))
		return false;
	memcpy(r->method, p, method);
	r->method[method] = '\0';
	p += method + 1;
	line -= method + 1;

	size_t target = strcspn(p, " ");
	if (target >= line || line - target != 9 || strncmp(p + target + 1, "HTTP/1.", 7) != 0)
		return false;
	r->http10 = p[target + 8] == '0';
	r->head_only = strcmp(r->method, "HEAD") == 0;
	if (strncasecmp(p, "http://", 7) == 0) {
		size_t skip = 7 + strcspn(p + 7, "/ ");
		p += skip;
		target -= skip;
	}
	if (target == 0 || *p != '/')
		return false;

	const char *mark = memchr(p, '?', target);
	size_t path = mark == NULL ? target : (size_t)(mark - p);
	if (mark != NULL) {
		size_t n = target - path - 1;
		if (n >= sizeof(r->query))
			return false;
		memcpy(r->query, mark + 1, n);
		r->query[n] = '\0';
	}
	return decode(p, path, r->path, sizeof(r->path));
}

static bool
parse_framing(struct conn *c, struct request *r)
{
	size_t n;
	const char *length = http_header(r, "Content-Length", &n);
	char text[24] = { 0 };

	r->chunked = http_header_has(r, "Transfer-Encoding", "chunked");
	if (length != NULL && !r->chunked) {
		if (n >= sizeof(text))
			return false;
		memcpy(text, length, n);
		if (!parse_unsigned(text, INT64_MAX, &r->left))
			return false;
	}
	r->body_done = !r->chunked && r->left == 0;
	r->expects_continue =
		!r->body_done && !r->http10 && http_header_has(r, "Expect", "100-continue");
	if (http_header_has(r, "Connection", "close") ||
		(r->http10 && !http_header_has(r, "Connection", "keep-alive")))
		c->close = true;
	return true;
}

static void
refuse(struct conn *c, struct request *r, unsigned status, const char *why)
{
	c->close = true;
	c->linger = true;
	http_reply(c, r, status, "text/plain", "", why, strlen(why));
}

/* Waits for a request. Returns false if the server stops meanwhile. */
static bool
wait_idle(struct conn *c)
{
	struct pollfd p[2] = { { .fd = c->fd, .events = POLLIN },
		{ .fd = c->stop_fd, .events = POLLIN } };

	while (poll(p, 2, -1) < 0)
		if (errno != EINTR)
			return false;
	/*
	 * A client that has just connected gets a moment for its request, although the server
	 * stops.
	 */
	if (p[0].revents == 0 && !c->asked)
		poll(p, 1, GRACE_MS);
	return p[0].revents != 0;
}

bool
http_next(struct conn *c, struct request *r)
{
	size_t n;

	r->head_len = 0;
	r->method[0] = '\0';
	r->head_only = r->http10 = r->expects_continue = r->chunked = false;
	r->body_done = true;
	r->left = 0;
	r->query[0] = '\0';
	for (;;) {
		while (c->start < c->end && (c->in[c->start] == '\r' || c->in[c->start] == '\n'))
			c->start++;
		n = head_length(c->in + c->start, c->end - c->start);
		if (n > 0)
			break;
		if (c->end - c->start >= sizeof(r->head) - 1) {
			refuse(c, r, 431, "head too large\n");
			return false;
		}
		if (c->start == c->end && !wait_idle(c))
			return false;
		if (conn_fill(c) <= 0)
			return false;
	}
	if (n >= sizeof(r->head)) {
		refuse(c, r, 431, "head too large\n");
		return false;
	}
	c->asked = true;
	memcpy(r->head, c->in + c->start, n);
	r->head[n] = '\0';
	r->head_len = n;
	c->start += n;
	if (!parse_request_line(r) || !parse_framing(c, r)) {
		refuse(c, r, 400, "bad request\n");
		return false;
	}
	return true;
}

/*
 * Reads a line of at most size - 1 bytes, without its end. False if the peer left or it is longer.
 */
static bool
read_line(struct conn *c, char *out, size_t size)
{
	size_t used = 0;

	for (;;) {
		while (c->start < c->end) {
			char byte = c->in[c->start++];
			if (byte == '\n') {
				out[used] = '\0';
				return true;
			}
			if (byte == '\r')
				continue;
			if (used + 1 >= size)
				return false;
			out[used++] = byte;
		}
		if (conn_fill(c) <= 0)
			return false;
	}
}

/* Read the next chunk's size into r->left, and after the last chunk the trailers. */
static bool
next_chunk(struct conn *c, struct request *r)
{
	char line[1024];
	const char *p = line;

	if (!read_line(c, line, sizeof(line)) || hex_digit(*p) < 0)
		return false;
	for (r->left = 0; hex_digit(*p) >= 0; p++) {
		if (r->left > (uint64_t)INT64_MAX >> 4)
			return false;
		r->left = r->left * 16 + (uint64_t)hex_digit(*p);
	}
	if (r->left > 0)
		return true;
	r->body_done = true;
	do
		if (!read_line(c, line, sizeof(line)))
			return false;
	while (line[0] != '\0');
	return true;
}

ssize_t
http_body(struct conn *c, struct request *r, void *bytes, size_t n)
{
	char line[2];

	if (r->expects_continue) {
		static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
		r->expects_continue = false;
		if (!conn_write(c, go_on, sizeof(go_on) - 1))
			return -1;
	}
	if (r->body_done)
		return 0;
	if (r->chunked && r->left == 0 && !next_chunk(c, r))
		return -1;
	if (r->body_done)
		return 0;
	ssize_t got = conn_read(c, bytes, n < r->left ? n : (size_t)r->left);
	if (got <= 0)
		return -1;
	r->left -= (uint64_t)got;
	if (r->left == 0 && !r->chunked)
		r->body_done = true;
	if (r->left == 0 && r->chunked && (!read_line(c, line, sizeof(line)) || line[0] != '\0'))
		return -1;
	return got;
}

bool
http_drain(struct conn *c, struct request *r)
{
	char waste[4096];
	ssize_t n;

	do
		n = http_body(c, r, waste, sizeof(waste));
	while (n > 0);
	return n == 0;
}

static size_t
format_head(struct conn *c, char *out, size_t size, unsigned status, const char *type,
	const char *extra, uint64_t length)
{
	char framing[64] = "";

	if (atomic_load(c->stopping))
		c->close = true;
	if (length == UINT64_MAX)
		snprintf(framing, sizeof(framing), "Transfer-Encoding: chunked\r\n");
	else if (status >= 200 && status != 204 && status != 304)
		snprintf(framing, sizeof(framing), "Content-Length: %llu\r\n",
			(unsigned long long)length);
	int n = snprintf(out, size, "HTTP/1.1 %u %s\r\n%s%s%s%s%s%s%s\r\n", status,
		reason_of(status), c->identity, type[0] != '\0' ? "Content-Type: " : "", type,
		type[0] != '\0' ? "\r\n" : "", framing, extra,
		c->close && status != 101 ? "Connection: close\r\n" : "");
	return n < 0 || (size_t)n >= size ? 0 : (size_t)n;
}

bool
http_reply_start(struct conn *c, const struct request *r, unsigned status, const char *type,
	const char *extra, uint64_t length)
{
	char head[8192];

	if (length == UINT64_MAX && r->http10)
		c->close = true;
	return conn_write(c, head, format_head(c, head, sizeof(head), status, type, extra, length));
}

bool
http_piece(struct conn *c, const void *bytes, size_t n, bool chunked)
{
	char size[24];

	if (!chunked)
		return conn_write(c, bytes, n);
	int len = snprintf(size, sizeof(size), "%zx\r\n", n);
	return conn_write(c, size, (size_t)len) && conn_write(c, bytes, n) &&
		conn_write(c, "\r\n", 2);
}

void
http_reply(struct conn *c, const struct request *r, unsigned status, const char *type,
	const char *extra, const void *body, size_t n)
{
	char head[32768];
	size_t len = format_head(c, head, sizeof(head), status, type, extra, n);
	struct iovec part[2] = { { .iov_base = head, .iov_len = len } };
	size_t parts = 1;

	if (n > 0 && !r->head_only && status != 204 && status != 304) {
		part[1].iov_len = n;
		memcpy(&part[1].iov_base, &body, sizeof(body));
		parts = 2;
	}
	write_parts(c, part, parts);
}
