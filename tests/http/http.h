/*
 * The HTTP/1 server of the tests: it reads requests from a connection and answers them. The sample
 * app, the faulty server of the load tests and the hostile server of check-runner's tests use it.
 * They accept connections themselves, in as many threads or processes as they like.
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How a connection ends after its last answer. */
enum closing {
	CLOSE_FIRST, /* we close it */
	CLOSE_LAST, /* we wait for the peer to close it */
	CLOSE_RESET, /* we reset it */
};

/* One client. The caller sets the first four members and closing, and zeroes the rest. */
struct conn {
	int fd;
	int stop_fd; /* readable (hung up) once the server stops; -1: it never does */
	const atomic_bool *stopping; /* the same, readable without a system call */
	const char *identity; /* header lines for every response */
	bool close; /* no further request on this connection */
	bool asked; /* a request has come */
	bool linger; /* unread bytes may be left, so that a plain close would send a reset */
	enum closing closing; /* which side ends it */
	size_t start;
	size_t end;
	char in[16384]; /* bytes start to end are received and not yet used */
};

struct request {
	char head[16384]; /* as received, up to and with the empty line */
	size_t head_len;
	char method[16];
	char path[4096]; /* percent-decoded, without the query; starts with / */
	char query[4096]; /* as received, without the ? */
	bool head_only;
	bool http10;
	bool expects_continue;
	bool chunked;
	bool body_done;
	uint64_t left; /* of the body, or of the current chunk */
};

/*
 * Listens on 127.0.0.1 and this port, 0 for a free one, and stores the port in *got. Returns the
 * socket, which child programs do not inherit, or -1 with errno set.
 */
int http_listen(uint16_t port, uint16_t *got);

/*
 * Wait for the next request on c and read its head. Returns false if there is none: the peer has
 * left, the server stops before a request has come, or the head is not HTTP and was answered with
 * an error.
 */
bool http_next(struct conn *c, struct request *r);

/*
 * Read up to n bytes of the body. Returns their number, 0 at its end, -1 if the peer left or broke
 * HTTP.
 */
ssize_t http_body(struct conn *c, struct request *r, void *bytes, size_t n);
/* Read the rest of the body and drop it. False if it could not be read whole. */
bool http_drain(struct conn *c, struct request *r);

/*
 * Returns the value of a header and its length in *n, or NULL. The value is borrowed from r->head.
 */
const char *http_header(const struct request *r, const char *name, size_t *n);
bool http_header_has(const struct request *r, const char *name, const char *word);

/* Get the decoded value of a query parameter. False if there is none or it does not fit. */
bool http_param(const struct request *r, const char *name, char *out, size_t size);
/* Returns its value as a number of at most max, or otherwise if it has none. */
uint64_t http_param_number(
	const struct request *r, const char *name, uint64_t max, uint64_t otherwise);

/*
 * Answer. extra holds further header lines, each ended by CR LF, or is "". After a HEAD only the
 * head is sent. A peer that has left sets c->close and nothing else.
 */
void http_reply(struct conn *c, const struct request *r, unsigned status, const char *type,
	const char *extra, const void *body, size_t n);
/* The same in pieces: length UINT64_MAX makes it chunked, and http_piece with n 0 ends it. */
bool http_reply_start(struct conn *c, const struct request *r, unsigned status, const char *type,
	const char *extra, uint64_t length);
bool http_piece(struct conn *c, const void *bytes, size_t n, bool chunked);

/* Send all of it. False, and c->close, if the peer has left. */
bool conn_write(struct conn *c, const void *bytes, size_t n);
/* Read up to n bytes, first those already received. As recv. */
ssize_t conn_read(struct conn *c, void *bytes, size_t n);
/* End the connection so that the last answer still arrives. Closes c->fd. */
void conn_end(struct conn *c);

#endif
