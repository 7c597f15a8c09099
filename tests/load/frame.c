#include "frame.h"

#include <stdbool.h>

enum frame_result
frame_parse(struct frame *f, const unsigned char *bytes, size_t n)
{
	size_t head = 2;

	if (n < 2)
		return FRAME_PARTIAL;
	f->opcode = bytes[0] & 0x0f;
	f->n = bytes[1] & 0x7f;
	bool known = f->opcode <= 2 || (f->opcode >= FRAME_CLOSE && f->opcode <= FRAME_PONG);
	/* A server that echoes our frames has no reason to send fragments, extensions or masks. */
	if (!known || (bytes[0] & 0xf0) != 0x80 || (bytes[1] & 0x80) != 0 || f->n == 127)
		return FRAME_BAD;
	if (f->n == 126) {
		head = 4;
		if (n < head)
			return FRAME_PARTIAL;
		f->n = (size_t)bytes[2] << 8 | bytes[3];
	}
	if (f->n > FRAME_MAX)
		return FRAME_BAD;
	f->size = head + f->n;
	f->payload = bytes + head;
	return n < f->size ? FRAME_PARTIAL : FRAME_WHOLE;
}

size_t
frame_write(unsigned char *out, unsigned opcode, const void *payload, size_t n,
	const unsigned char mask[4])
{
	const unsigned char *from = payload;
	size_t used = 0;

	out[used++] = (unsigned char)(0x80 | opcode);
	if (n < 126) {
		out[used++] = (unsigned char)(0x80 | n);
	} else {
		out[used++] = 0x80 | 126;
		out[used++] = (unsigned char)(n >> 8);
		out[used++] = (unsigned char)n;
	}
	for (size_t i = 0; i < 4; i++)
		out[used++] = mask[i];
	for (size_t i = 0; i < n; i++)
		out[used++] = from[i] ^ mask[i % 4];
	return used;
}
