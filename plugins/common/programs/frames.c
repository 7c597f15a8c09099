#include "frames.h"

/* Looks at the bytes of a header so far. If the first one is none, the log has no frames. */
static void
take_head(struct frames *frames, FILE *out)
{
	const unsigned char *head = frames->head;

	if (!frames->begun && frames->have == 4 && (head[0] > 2 || head[1] || head[2] || head[3])) {
		frames->plain = true;
		frames_end(frames, out);
	} else if (frames->have == 8) {
		frames->left = (uint32_t)head[4] << 24 | (uint32_t)head[5] << 16 |
			(uint32_t)head[6] << 8 | head[7];
		frames->have = 0;
		frames->begun = true;
	}
}

void
frames_print(struct frames *frames, const char *data, size_t size, FILE *out)
{
	while (size > 0) {
		size_t n = 1;

		if (frames->plain || frames->left > 0) {
			n = frames->plain || frames->left > size ? size : frames->left;
			fwrite(data, 1, n, out);
			frames->left -= frames->plain ? 0 : (uint32_t)n;
		} else {
			frames->head[frames->have++] = (unsigned char)*data;
			take_head(frames, out);
		}
		data += n;
		size -= n;
	}
}

void
frames_end(struct frames *frames, FILE *out)
{
	if (!frames->begun)
		fwrite(frames->head, 1, frames->have, out);
	frames->have = 0;
}
