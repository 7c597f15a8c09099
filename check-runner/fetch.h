/*
 * HTTP requests that can go to one address only, redirects included. This is the only module that
 * knows libcurl. It reports how each request ended and does not judge the answer.
 */
#ifndef CHECK_RUNNER_FETCH_H
#define CHECK_RUNNER_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "checks.h"
#include "options.h"
#include "watch.h"

#define FETCH_SLOTS 8
#define FETCH_MAX_HEADERS ((size_t)64 << 10)
/* libcurl 8.9 takes at most 5,000, and reports more like a header that is too long. */
#define FETCH_MAX_HEADER_LINES 4096
#define FETCH_MAX_REDIRECTS 10

/* Every way a request can end. */
enum fetch_end {
	FETCH_ANSWERED, /* the whole answer, or as much of it as was needed */
	FETCH_TOO_BIG, /* the taker refused the body */
	FETCH_BIG_HEADER, /* more than FETCH_MAX_HEADERS of response headers */
	FETCH_MANY_HEADERS, /* more than FETCH_MAX_HEADER_LINES of them */
	FETCH_ENCODING, /* the body cannot or may not be decoded */
	FETCH_CUT, /* the connection ended before the body did */
	FETCH_REDIRECTS, /* more than FETCH_MAX_REDIRECTS */
	FETCH_NOT_HTTP, /* an answer that is not HTTP/1 */
	FETCH_RESET, /* accepted, then reset */
	FETCH_EMPTY, /* accepted, then closed without an answer */
	FETCH_TIMEOUT,
	FETCH_REFUSED,
	FETCH_UNREACHABLE,
	FETCH_TLS,
	FETCH_NO_MEMORY,
	FETCH_FAILED, /* libcurl's own words are in error */
};

/* The answer of the taker of a body to each piece. */
enum fetch_take {
	FETCH_MORE,
	FETCH_ENOUGH, /* the rest is not needed */
	FETCH_TOO_MUCH,
	FETCH_TOO_LATE, /* the search in the body has used up the time of the request */
};

/* All pointers are borrowed until the request has ended. */
struct fetch_request {
	const struct check *check; /* method, path, headers, body, redirects, wanted status */
	const char *host; /* with a port if it is not the default one */
	bool https;
	int64_t until; /* point in time */
	enum fetch_take (*take)(void *taker, const char *bytes, size_t n);
	void *taker; /* gets the decoded body of the last answer */
};

/* Zero it before its first use; fetch_ask resets it, fetch_response_release frees it. */
struct fetch_response {
	enum fetch_end end;
	int status; /* of the last answer; 0: no answer */
	unsigned redirects;
	uint64_t bytes; /* of the decoded body that was taken */
	int64_t connect;
	int64_t first_byte;
	int64_t total;
	struct buf url; /* of the last request */
	struct buf headers; /* of the last answer, "Name: value\r\n" each */
	struct buf location; /* of the last answer, as it came */
	char error[256];
	void *owner; /* the caller's */
};

enum fetch_event {
	FETCH_TIME, /* the time is over, and nothing has happened */
	FETCH_DONE, /* a request ended */
	FETCH_OPEN, /* the probe found a listening port */
	FETCH_CLOSED, /* the probe was refused */
	FETCH_NO_ROUTE, /* the probe got no answer, or an error other than "refused" */
	FETCH_EXITED, /* the watched process exited */
	FETCH_BROKEN, /* libcurl has failed */
};

struct fetch;

/* Load libcurl's state. Returns NULL when libcurl or memory fails. Everything is borrowed. */
struct fetch *fetch_new(
	const struct options *o, const struct checks *checks, const struct watch *watch);

/* Drop all requests that are running. Their responses are not written to any more. */
void fetch_stop(struct fetch *f);

void fetch_free(struct fetch *f);

/*
 * Start a request; at most FETCH_SLOTS at a time. Returns 0, or -1 for no memory or no slot;
 * the response is filled in by the FETCH_DONE that names it.
 */
int fetch_ask(
	struct fetch *f, const struct fetch_request *request, struct fetch_response *response);

/*
 * Tell how many more requests wait for a slot. No more idle connections than these can use are
 * kept, because a server that serves one connection at a time would wait on an idle one.
 */
void fetch_expect(struct fetch *f, size_t requests);

/* Start to find out whether the port listens. The next request uses the probe's connection. */
void fetch_probe(struct fetch *f, int64_t until);

/* Wait for the next event, at most until the point in time. *done is set with FETCH_DONE. */
enum fetch_event fetch_wait(struct fetch *f, int64_t until, struct fetch_response **done);

void fetch_response_release(struct fetch_response *r);

#endif
