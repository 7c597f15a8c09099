#ifndef LOAD_FRAME_H
#define LOAD_FRAME_H

#include <stddef.h>

enum {
	FRAME_TEXT = 1,
	FRAME_CLOSE = 8,
	FRAME_PING = 9,
	FRAME_PONG = 10,
	FRAME_MAX_HEAD = 8,
	FRAME_MAX = 4096, /* payload that we send or accept */
};

enum frame_result {
	FRAME_PARTIAL,
	FRAME_WHOLE,
	FRAME_BAD,
};

/* A websocket frame from the server (RFC 6455). The payload points into the bytes it was found in.
 */
struct frame {
	unsigned opcode;
	const unsigned char *payload;
	size_t n;
	size_t size; /* of the whole frame */
};

enum frame_result frame_parse(struct frame *f, const unsigned char *bytes, size_t n);

/*
 * Write a final, masked frame of n <= FRAME_MAX bytes. out holds n + FRAME_MAX_HEAD. Returns its
 * size.
 */
size_t frame_write(unsigned char *out, unsigned opcode, const void *payload, size_t n,
	const unsigned char mask[4]);

#endif
