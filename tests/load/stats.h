#ifndef LOAD_STATS_H
#define LOAD_STATS_H

#include <stdbool.h>
#include <stdint.h>

/* Every way in which a request can fail. A failed request is counted once, in one of these. */
enum failure {
	FAILURE_REFUSED, /* a fresh connection was refused */
	FAILURE_CONNECT_TIMEOUT, /* TCP or TLS took longer than --connect-timeout */
	FAILURE_CONNECT_ERROR, /* any other error of connect */
	FAILURE_TLS, /* no TLS there, or none that we accept */
	FAILURE_RESET_FRESH, /* reset or closed before its first answer, no byte of which came */
	FAILURE_RESET_REUSED, /* the same on a connection that had answered before */
	FAILURE_TRUNCATED, /* the answer began and did not end */
	FAILURE_MALFORMED, /* no HTTP, no websocket frame, or bytes after the answer */
	FAILURE_TIMEOUT, /* nothing went out or came in for --timeout */
	FAILURE_STATUS_4XX,
	FAILURE_STATUS_5XX,
	FAILURE_WRONG_APP, /* X-App or the page names another app than --expect-app */
	FAILURE_WRONG_BODY, /* not the body that was sent or requested */
	FAILURE_STALE, /* sent after a mark, answered by an older release */
	FAILURE_FORBIDDEN, /* answered by a release that was refused */
	FAILURE_COUNT,
};

extern const char *const failure_names[FAILURE_COUNT];

enum {
	HISTOGRAM_STEPS = 32, /* per doubling: 3 % */
	HISTOGRAM_SIZE = HISTOGRAM_STEPS * 36,
	STATUS_COUNT = 600,
};

struct histogram {
	uint32_t count[HISTOGRAM_SIZE];
	uint64_t total;
	uint64_t max;
};

/* Counters of the clients of one mode. Times are those of now_us. */
struct stats {
	uint64_t ok;
	uint64_t failed; /* the sum of failure[] */
	uint64_t failure[FAILURE_COUNT];
	uint32_t status[STATUS_COUNT]; /* of the failures by status */
	uint64_t opened; /* connections that were established */
	uint64_t closed_idle; /* by the server, between requests */
	uint64_t closed_announced; /* by the server, after a response that said so */
	uint64_t closed_midway; /* by the server, during a request */
	uint64_t closed_politely; /* of closed_idle: websockets that ended with a close frame */
	uint64_t first_connections; /* clients that got a connection at the start */
	uint64_t kept; /* of those: it was still open at the end */
	uint64_t handshakes;
	uint64_t resumed; /* of those: by an earlier session */
	bool ended;
	uint64_t last_ok; /* or the start */
	uint64_t longest_gap;
	uint64_t gap_wall_ms; /* when that gap began */
	struct histogram latency;
};

void stats_begin(struct stats *s, uint64_t now);
void stats_ok(struct stats *s, uint64_t now, uint64_t latency_us);
void stats_fail(struct stats *s, enum failure failure, unsigned status);
/* An answer that was counted as ok turns out to be stale. */
void stats_retract(struct stats *s);
/* No new requests are started from now on: end the last gap. Running requests still count. */
void stats_end(struct stats *s, uint64_t now);
/* Add b to a; the gaps are not added. */
void stats_add(struct stats *a, const struct stats *b);

/* The latency in microseconds that this part of all, 0 to 1, stays at or below; within 3 %. */
uint64_t histogram_at(const struct histogram *h, double part);

#endif
