#include "client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exchange.h"
#include "tls.h"
#include "util.h"

enum {
	SLICE_US = 50000, /* between two parts of an upload */
	LEAVE_US = 1000000, /* how long the server may take to close, after it said that it would */
	BEHIND_US = 1000000, /* a rate that was not kept is caught up with for at most that long */
};

enum phase {
	PHASE_WAITING, /* no connection; the next request is due at due */
	PHASE_CONNECTING,
	PHASE_HANDSHAKE,
	PHASE_BUSY, /* a request is under way */
	PHASE_IDLE, /* connected; the next request is due at due */
	PHASE_LEAVING, /* the answer said that the server closes */
	PHASE_DONE,
};

struct client {
	struct world *world;
	struct group *group;
	size_t index;
	enum phase phase;
	int fd;
	struct tls *tls;
	uint64_t connections; /* so far */
	uint64_t requests; /* so far */
	uint64_t answered; /* on this connection */
	uint64_t due;
	uint64_t slot; /* when the rate allows the next request */
	uint64_t started; /* the request, or the connection that it needs */
	uint64_t since; /* this phase */
	uint64_t progress; /* the last byte out or in */
	uint64_t push_at; /* the next part of an upload */
	uint64_t sent_wall;
	int error; /* errno of a failed connect, for the log */
	bool send_broken;
	bool upgraded; /* to websocket */
	unsigned char ws_in[FRAME_MAX + FRAME_MAX_HEAD];
	size_t ws_len;
	struct exchange exchange;
};

/* Results of reading and writing besides a number of bytes; the same as TLS's. */
enum {
	IO_END = 0,
	IO_AGAIN = TLS_AGAIN,
	IO_RESET = TLS_RESET,
};

struct client *
client_new(struct world *w, struct group *group, size_t index, uint64_t now)
{
	struct client *c = xcalloc(1, sizeof(*c));

	c->world = w;
	c->group = group;
	c->index = index;
	c->fd = -1;
	c->due = c->slot = now;
	c->exchange.options = w->options;
	c->exchange.group = group;
	c->exchange.random = &w->random;
	return c;
}

static void
set_phase(struct client *c, enum phase phase, uint64_t now)
{
	c->phase = phase;
	c->since = now;
}

static ssize_t
sock_read(struct client *c)
{
	ssize_t n;

	if (c->tls != NULL)
		return tls_read(c->tls, c->world->in, sizeof(c->world->in));
	do
		n = recv(c->fd, c->world->in, sizeof(c->world->in), 0);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	return errno == EAGAIN ? IO_AGAIN : IO_RESET;
}

static ssize_t
sock_write(struct client *c, const char *bytes, size_t n)
{
	ssize_t sent;

	if (c->tls != NULL)
		return tls_write(c->tls, bytes, n);
	do
		sent = send(c->fd, bytes, n, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return sent;
	return errno == EAGAIN ? IO_AGAIN : IO_RESET;
}

/* Closes the connection. The next request needs a new one. */
static void
disconnect(struct client *c, uint64_t now)
{
	tls_free(c->tls);
	c->tls = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->upgraded = false;
	c->ws_len = 0;
	set_phase(c, PHASE_WAITING, now);
}

void
client_free(struct client *c)
{
	if (c == NULL)
		return;
	disconnect(c, 0);
	free(c->exchange.body);
	free(c);
}

static void
log_failure(const struct client *c, enum failure failure, uint64_t now)
{
	const struct exchange *e = &c->exchange;
	FILE *f = c->world->failures;

	if (f == NULL)
		return;
	fprintf(f,
		"%llu %s %s %s status %u release %s client %zu connection %llu answered %llu "
		"sent %zu of %zu ms %llu%s%s\n",
		(unsigned long long)(wall_us() / 1000), c->group->target->name,
		mode_names[c->group->mode], failure_names[failure], e->response.status,
		e->response.release[0] != '\0' ? e->response.release : "-", c->index,
		(unsigned long long)c->connections, (unsigned long long)c->answered, e->sent,
		e->out_len + e->body_len, (unsigned long long)((now - c->started) / 1000),
		c->error != 0 ? " error " : "", c->error != 0 ? strerror(c->error) : "");
	fflush(f);
}

/* Ends a request that has failed, and its connection. */
static void
fail(struct client *c, enum failure failure, uint64_t now)
{
	stats_fail(&c->group->stats, failure, 0);
	log_failure(c, failure, now);
	/*
	 * If no request was ever answered, the next attempt waits, because it would most likely
	 * fail, too.
	 */
	if (c->answered == 0)
		c->due = now + c->world->options->pause_ms * 1000;
	disconnect(c, now);
}

/* The server has ended the connection while a request was under way. */
static void
fail_cut(struct client *c, uint64_t now)
{
	c->group->stats.closed_midway++;
	fail(c,
		c->exchange.response.begun ? FAILURE_TRUNCATED
			: c->answered == 0 ? FAILURE_RESET_FRESH
					   : FAILURE_RESET_REUSED,
		now);
}

static void
finish(struct client *c, uint64_t now)
{
	unsigned char frame[2 + FRAME_MAX_HEAD];
	static const unsigned char normal[2] = { 1000 >> 8, 1000 & 255 };
	static const unsigned char mask[4] = { 1, 2, 3, 4 };

	if (c->fd >= 0 && c->connections == 1 && c->group->mode != MODE_CLOSE)
		c->group->stats.kept++;
	if (c->upgraded) {
		char goodbye[sizeof(frame)];
		size_t n = frame_write(frame, FRAME_CLOSE, normal, sizeof(normal), mask);
		memcpy(goodbye, frame, n);
		sock_write(c, goodbye, n);
	}
	disconnect(c, now);
	set_phase(c, PHASE_DONE, now);
}

/* Computes when the next request starts, from the end of the last one. */
static void
plan_next(struct client *c, uint64_t now)
{
	const struct options *o = c->world->options;
	uint64_t span = o->think_max_ms - o->think_min_ms + 1;

	c->due = now;
	if (c->group->mode == MODE_IDLE)
		c->due += (o->think_min_ms + random_next(&c->world->random) % span) * 1000;
	if (c->group->mode == MODE_WS)
		c->due += o->ws_ms * 1000;
	if (c->group->rate > 0) {
		if (c->slot + BEHIND_US < now)
			c->slot = now;
		c->slot += 1000000 / c->group->rate;
		if (c->due < c->slot)
			c->due = c->slot;
	}
}

static void
start_request(struct client *c, uint64_t now)
{
	c->requests++;
	if (c->upgraded)
		exchange_begin_message(&c->exchange, c->index, c->requests);
	else
		exchange_begin(&c->exchange, c->index, c->requests);
	c->sent_wall = wall_us();
	c->progress = now;
	c->push_at = now;
	c->send_broken = false;
	set_phase(c, PHASE_BUSY, now);
}

static void
fail_connect(struct client *c, int error, uint64_t now)
{
	c->answered = 0;
	c->error = error;
	response_clear(&c->exchange.response);
	if (error == ECONNREFUSED)
		fail(c, FAILURE_REFUSED, now);
	else if (error == ETIMEDOUT)
		fail(c, FAILURE_CONNECT_TIMEOUT, now);
	else if (error == ECONNRESET || error == ECONNABORTED || error == EPIPE)
		fail_cut(c, now);
	else
		fail(c, FAILURE_CONNECT_ERROR, now);
}

/*
 * Starts to connect, or checks if that has ended; connect does both. Returns false to wait for an
 * event.
 */
static bool
step_connect(struct client *c, uint64_t now)
{
	const struct target *t = c->group->target;
	struct stats *s = &c->group->stats;

	if (connect(c->fd, (const struct sockaddr *)&t->address, t->address_len) < 0 &&
		errno != EISCONN) {
		if (errno == EINPROGRESS || errno == EALREADY || errno == EINTR)
			return false;
		fail_connect(c, errno, now);
		return true;
	}
	s->opened++;
	if (++c->connections == 1 && c->group->mode != MODE_CLOSE)
		s->first_connections++;
	c->answered = 0;
	if (!t->tls) {
		start_request(c, now);
		return true;
	}
	c->tls = tls_new(t->tls_target, c->fd);
	set_phase(c, PHASE_HANDSHAKE, now);
	return true;
}

static bool
step_waiting(struct client *c, uint64_t now)
{
	int one = 1;
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.ptr = c };

	if (c->world->stopping) {
		finish(c, now);
		return true;
	}
	if (now < c->due)
		return false;
	c->started = now;
	c->error = 0;
	c->exchange.sent = 0;
	c->fd = socket(
		c->group->target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || epoll_ctl(c->world->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0) {
		fail_connect(c, errno, now);
		return false;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	set_phase(c, PHASE_CONNECTING, now);
	return true;
}

static bool
step_handshake(struct client *c, uint64_t now)
{
	int result = tls_handshake(c->tls);

	if (result == TLS_AGAIN)
		return false;
	response_clear(&c->exchange.response);
	if (result == TLS_RESET) {
		fail_cut(c, now);
	} else if (result == TLS_FAILED) {
		fail(c, FAILURE_TLS, now);
	} else {
		c->group->stats.handshakes++;
		if (tls_resumed(c->tls))
			c->group->stats.resumed++;
		start_request(c, now);
	}
	return true;
}

/* Returns how many bytes of out and body may have been sent by now. */
static size_t
allowed(const struct client *c, uint64_t now)
{
	const struct exchange *e = &c->exchange;
	uint64_t whole = c->world->options->upload_ms * 1000;
	uint64_t passed = now - c->since;

	if (c->group->mode != MODE_UPLOAD || passed >= whole)
		return e->out_len + e->body_len;
	return e->out_len + (size_t)((double)e->body_len * ((double)passed / (double)whole));
}

static void
push(struct client *c, uint64_t now)
{
	struct exchange *e = &c->exchange;
	size_t goal = allowed(c, now);

	if (c->send_broken || now < c->push_at)
		return;
	while (e->sent < goal) {
		bool head = e->sent < e->out_len;
		const char *from = head ? e->out + e->sent : e->body + (e->sent - e->out_len);
		size_t n = (head ? e->out_len : goal) - e->sent;
		ssize_t sent = sock_write(c, from, n);
		if (sent == IO_AGAIN)
			return;
		if (sent < 0) {
			/* The server may have answered before it closed the connection. */
			c->send_broken = true;
			return;
		}
		e->sent += (size_t)sent;
		c->progress = now;
	}
	if (goal < e->out_len + e->body_len)
		c->push_at = now + SLICE_US;
}

/* Handles a right answer and prepares the next request. */
static void
go_on(struct client *c, uint64_t now)
{
	plan_next(c, now);
	if (c->world->stopping) {
		set_phase(c, PHASE_IDLE, now);
		return;
	}
	if (now >= c->due) {
		c->started = now;
		start_request(c, now);
	} else {
		set_phase(c, PHASE_IDLE, now);
	}
}

static enum failure
judge_release(struct client *c, uint64_t now)
{
	const char *release = c->exchange.response.release;
	struct releases *releases = &c->group->target->releases;

	if (release[0] == '\0')
		return FAILURE_COUNT;
	enum verdict v = releases_answer(releases, release, c->sent_wall, now, &c->group->stats);
	return v == VERDICT_FINE     ? FAILURE_COUNT
		: v == VERDICT_STALE ? FAILURE_STALE
				     : FAILURE_FORBIDDEN;
}

/* Handles a complete answer. rest is the number of bytes that came after it. */
static void
answer_came(struct client *c, size_t rest, uint64_t now)
{
	struct exchange *e = &c->exchange;
	enum failure failure = exchange_judge(e);
	bool upgrade = c->group->mode == MODE_WS && e->response.status == 101;

	if (failure == FAILURE_COUNT && rest > 0 && !upgrade)
		failure = FAILURE_MALFORMED;
	if (failure == FAILURE_COUNT)
		failure = judge_release(c, now);
	if (failure == FAILURE_COUNT) {
		stats_ok(&c->group->stats, now, now - c->started);
	} else {
		stats_fail(&c->group->stats, failure, e->response.status);
		log_failure(c, failure, now);
	}
	c->answered++;
	bool whole = e->sent == e->out_len + e->body_len;
	if (e->response.close || c->group->mode == MODE_CLOSE) {
		plan_next(c, now);
		set_phase(c, PHASE_LEAVING, now);
	} else if (!whole || (rest > 0 && !upgrade) ||
		(c->group->mode == MODE_WS && failure != FAILURE_COUNT)) {
		plan_next(c, now);
		disconnect(c, now);
	} else {
		c->upgraded = upgrade;
		go_on(c, now);
	}
}

static void
send_frame(struct client *c, unsigned opcode, const void *payload, size_t n)
{
	unsigned char frame[FRAME_MAX + FRAME_MAX_HEAD];
	static const unsigned char mask[4] = { 5, 6, 7, 8 };
	const void *bytes = frame;

	/* A control frame that does not fit into the socket's buffer is dropped. */
	sock_write(c, bytes, frame_write(frame, opcode, payload, n, mask));
}

static void
message_came(struct client *c, const struct frame *f, uint64_t now)
{
	const struct exchange *e = &c->exchange;

	if (c->phase != PHASE_BUSY) {
		fail(c, FAILURE_MALFORMED, now);
		return;
	}
	c->answered++;
	if (f->n != strlen(e->expected) || memcmp(f->payload, e->expected, f->n) != 0) {
		/* The next frame may be the echo that was missed, so a new connection is made. */
		fail(c, FAILURE_WRONG_BODY, now);
		return;
	}
	stats_ok(&c->group->stats, now, now - c->started);
	go_on(c, now);
}

static void
frame_came(struct client *c, const struct frame *f, uint64_t now)
{
	if (f->opcode == FRAME_PING) {
		send_frame(c, FRAME_PONG, f->payload, f->n);
	} else if (f->opcode == FRAME_CLOSE) {
		send_frame(c, FRAME_CLOSE, f->payload, f->n < 2 ? f->n : 2);
		if (c->phase == PHASE_BUSY) {
			fail_cut(c, now);
			return;
		}
		c->group->stats.closed_idle++;
		c->group->stats.closed_politely++;
		disconnect(c, now);
	} else if (f->opcode != FRAME_PONG) {
		message_came(c, f, now);
	}
}

static void
feed_frames(struct client *c, const char *bytes, size_t n, uint64_t now)
{
	while (n > 0 && c->upgraded) {
		struct frame f;
		size_t room = sizeof(c->ws_in) - c->ws_len;
		size_t part = n < room ? n : room;
		memcpy(c->ws_in + c->ws_len, bytes, part);
		c->ws_len += part;
		bytes += part;
		n -= part;
		while (c->upgraded) {
			enum frame_result result = frame_parse(&f, c->ws_in, c->ws_len);
			if (result == FRAME_BAD)
				fail(c, FAILURE_MALFORMED, now);
			if (result != FRAME_WHOLE)
				break;
			size_t size = f.size;
			frame_came(c, &f, now);
			if (!c->upgraded)
				return;
			c->ws_len -= size;
			memmove(c->ws_in, c->ws_in + size, c->ws_len);
		}
	}
}

static bool
step_busy(struct client *c, uint64_t now)
{
	struct exchange *e = &c->exchange;

	push(c, now);
	ssize_t n = sock_read(c);
	if (n == IO_AGAIN)
		return false;
	if (n == IO_END && !c->upgraded && response_end(&e->response)) {
		answer_came(c, 0, now);
		return true;
	}
	if (n <= 0) {
		fail_cut(c, now);
		return true;
	}
	c->progress = now;
	if (c->upgraded) {
		feed_frames(c, c->world->in, (size_t)n, now);
		return true;
	}
	size_t used = exchange_feed(e, c->world->in, (size_t)n);
	if (e->response.state == RESPONSE_MALFORMED) {
		fail(c, FAILURE_MALFORMED, now);
	} else if (e->response.state == RESPONSE_DONE) {
		answer_came(c, (size_t)n - used, now);
		/* The first frame may have come with the upgrade. */
		if (c->upgraded && used < (size_t)n)
			feed_frames(c, c->world->in + used, (size_t)n - used, now);
	}
	return true;
}

static bool
step_idle(struct client *c, uint64_t now)
{
	ssize_t n = sock_read(c);

	if (n > 0 && c->upgraded) {
		feed_frames(c, c->world->in, (size_t)n, now);
		return true;
	}
	if (n > 0) {
		response_clear(&c->exchange.response);
		fail(c, FAILURE_MALFORMED, now);
		return true;
	}
	if (n != IO_AGAIN) {
		c->group->stats.closed_idle++;
		disconnect(c, now);
		return true;
	}
	if (c->world->stopping) {
		finish(c, now);
		return true;
	}
	if (now < c->due)
		return false;
	c->started = now;
	start_request(c, now);
	return true;
}

static bool
step_leaving(struct client *c, uint64_t now)
{
	ssize_t n = sock_read(c);

	if (n == IO_AGAIN && now - c->since < LEAVE_US)
		return false;
	if (n <= 0 && n != IO_AGAIN)
		c->group->stats.closed_announced++;
	disconnect(c, now);
	return true;
}

void
client_event(struct client *c, uint64_t now)
{
	bool more = true;

	while (more) {
		switch (c->phase) {
		case PHASE_WAITING:
			more = step_waiting(c, now);
			break;
		case PHASE_CONNECTING:
			more = step_connect(c, now);
			break;
		case PHASE_HANDSHAKE:
			more = step_handshake(c, now);
			break;
		case PHASE_BUSY:
			more = step_busy(c, now);
			break;
		case PHASE_IDLE:
			more = step_idle(c, now);
			break;
		case PHASE_LEAVING:
			more = step_leaving(c, now);
			break;
		case PHASE_DONE:
			more = false;
		}
		if (more)
			now = now_us();
	}
}

void
client_tick(struct client *c, uint64_t now)
{
	const struct options *o = c->world->options;
	const struct exchange *e = &c->exchange;
	bool opening = c->phase == PHASE_CONNECTING || c->phase == PHASE_HANDSHAKE;
	bool resting = c->phase == PHASE_WAITING || c->phase == PHASE_IDLE;

	if (opening && now - c->started > o->connect_timeout_ms * 1000)
		fail_connect(c, ETIMEDOUT, now);
	else if (c->phase == PHASE_BUSY && now - c->progress > o->timeout_ms * 1000)
		fail(c, FAILURE_TIMEOUT, now);
	else if (c->phase == PHASE_LEAVING && now - c->since >= LEAVE_US)
		client_event(c, now);
	else if (resting && (now >= c->due || c->world->stopping))
		client_event(c, now);
	else if (c->phase == PHASE_BUSY && c->group->mode == MODE_UPLOAD &&
		e->sent < e->out_len + e->body_len && now >= c->push_at)
		client_event(c, now);
}

bool
client_done(const struct client *c)
{
	return c->phase == PHASE_DONE;
}

bool
client_connected(const struct client *c)
{
	return c->fd >= 0 && c->phase > PHASE_HANDSHAKE;
}

bool
client_abandon(struct client *c, uint64_t now)
{
	bool busy = c->phase == PHASE_BUSY || c->phase == PHASE_CONNECTING ||
		c->phase == PHASE_HANDSHAKE;

	disconnect(c, now);
	set_phase(c, PHASE_DONE, now);
	return busy;
}
