#ifndef LOAD_RESPONSE_H
#define LOAD_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum response_state {
	RESPONSE_HEAD, /* zeroed: nothing has come yet */
	RESPONSE_BODY,
	RESPONSE_DONE,
	RESPONSE_MALFORMED,
};

enum chunk_state {
	CHUNK_SIZE,
	CHUNK_DATA,
	CHUNK_END,
	CHUNK_TRAILER,
};

/* An answer as it arrives. A zeroed struct is ready for the first byte. */
struct response {
	enum response_state state;
	bool begun; /* a byte has come that does not belong to an interim answer */
	unsigned status;
	bool chunked;
	bool until_close; /* neither length nor chunks: the end of the connection is its end */
	bool has_length;
	bool close; /* Connection: close, or HTTP/1.0 */
	bool html;
	uint64_t left;
	enum chunk_state chunk;
	bool chunk_has_digit;
	size_t line_len; /* of the trailer line that is being read */
	char app[64];
	char release[64];
	char ws_accept[32];
	size_t head_len;
	char head[8192];
};

typedef void response_sink(void *arg, const char *bytes, size_t n);

/*
 * Take what belongs to the answer from the n bytes at p, and hand its body to sink. Returns how
 * many bytes were used: fewer than n once the state is DONE or MALFORMED. Interim answers (1xx
 * without 101) are skipped. 101 is DONE after its head.
 */
size_t response_feed(struct response *r, const char *p, size_t n, response_sink *sink, void *arg);

/* The connection has ended. True if that completes the answer. */
bool response_end(struct response *r);

void response_clear(struct response *r);

#endif
