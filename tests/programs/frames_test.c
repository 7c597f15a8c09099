/* The log of a container, with frames and without, whatever the pieces in which it arrives. */
#include "frames.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

#define ROW(data, want) \
	{ \
		data, sizeof(data) - 1, want \
	}

static const struct {
	const char *data;
	size_t size;
	const char *want;
} table[] = {
	ROW("", ""),
	ROW("\1\0\0\0\0\0\0\3ab\n", "ab\n"),
	ROW("\1\0\0\0\0\0\0\3ab\n\2\0\0\0\0\0\0\2c\n\0\0\0\0\0\0\0\1d", "ab\nc\nd"),
	ROW("\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\1x", "x"),
	/* Of a frame that is cut off, what has arrived; of a header, nothing. */
	ROW("\1\0\0\0\0\0\1\0ab", "ab"),
	ROW("\1\0\0\0\0\0\0\1a\2\0\0", "a"),
	/* A terminal. */
	ROW("hi\n", "hi\n"),
	ROW("hello\r\n\1", "hello\r\n\1"),
	ROW("\3\1ab", "\3\1ab"),
};

static void
printed(void)
{
	for (size_t i = 0; i < TEST_COUNT(table); i++) {
		for (size_t piece = 1; piece < 20; piece += 3) {
			struct frames frames = { 0 };
			char *got = NULL;
			size_t size = 0;
			FILE *out = open_memstream(&got, &size);

			for (size_t at = 0; at < table[i].size; at += piece) {
				size_t rest = table[i].size - at;

				frames_print(&frames, table[i].data + at,
					rest < piece ? rest : piece, out);
			}
			frames_end(&frames, out);
			fclose(out);
			ROW_TEXT(got, table[i].want, table[i].want);
			free(got);
		}
	}
}

int
main(void)
{
	printed();
	return test_end("frames_test");
}
