/*
 * The log of a container, as the Engine API sends it: frames that each have a header of 8 bytes,
 * which is the stream (0, 1 or 2), three zeros and the size, and then so many bytes of the log. The
 * log of a container with a terminal has no frames.
 */
#ifndef FRAMES_H
#define FRAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What has been read so far. All zero is the beginning. */
struct frames {
	unsigned char head[8];
	size_t have;
	uint32_t left;
	bool begun, plain;
};

/* Prints what the next size bytes of data have of the log. */
void frames_print(struct frames *frames, const char *data, size_t size, FILE *out);

/* At the end of the data: prints what could have been the beginning of a header. */
void frames_end(struct frames *frames, FILE *out);

#endif
