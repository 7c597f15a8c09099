#ifndef LOAD_EXCHANGE_H
#define LOAD_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "options.h"
#include "response.h"

/* One request and its answer: what to send, and what must come back. */
struct exchange {
	const struct options *options; /* set these two once */
	const struct group *group;
	uint64_t *random;
	char out[2048 + FRAME_MAX]; /* request head, or websocket frame */
	size_t out_len;
	char *body; /* sent after out */
	size_t body_len;
	size_t sent; /* of both */
	char expected[FRAME_MAX]; /* sum of the upload, accept key or message of the websocket */
	struct response response;
	uint64_t body_seen;
	bool body_wrong;
	char page[16384]; /* the beginning of the body */
	size_t page_len;
};

/* Write the next HTTP request of the group's mode; number makes its body unique. */
void exchange_begin(struct exchange *e, size_t client, uint64_t number);
/* Write a websocket message, whose echo must equal e->expected. */
void exchange_begin_message(struct exchange *e, size_t client, uint64_t number);

/* Take n bytes of the answer; as response_feed. */
size_t exchange_feed(struct exchange *e, const char *bytes, size_t n);

/* Judge a whole answer by itself. FAILURE_COUNT if nothing is wrong with it. */
enum failure exchange_judge(const struct exchange *e);

#endif
