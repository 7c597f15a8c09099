/*
 * A growing buffer with a limit that is set when it is made, so no input can make it larger. It
 * knows nothing about what the bytes mean.
 */
#ifndef CHECK_RUNNER_BUF_H
#define CHECK_RUNNER_BUF_H

#include <stdbool.h>
#include <stddef.h>

/*
 * len <= max always holds. A zeroed struct is an empty buffer that takes nothing. bytes is NULL
 * until the first byte; after that bytes[len] is a NUL that does not count.
 */
struct buf {
	char *bytes;
	size_t len;
	size_t room;
	size_t max;
};

void buf_init(struct buf *b, size_t max);

/* Forget the bytes and keep the memory. */
void buf_clear(struct buf *b);

/* Free the bytes. The limit stays, so the buffer can be used again. */
void buf_release(struct buf *b);

/* Append n bytes. Returns false, and adds nothing, if that would pass max. */
bool buf_add(struct buf *b, const void *bytes, size_t n);

/* Append as many of n bytes as there is room for. Returns how many. */
size_t buf_add_some(struct buf *b, const void *bytes, size_t n);

/* Append what printf would print. Returns false, and adds nothing, if that would pass max. */
bool buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Append text in a form that is safe on a terminal. Controls and broken UTF-8 become \xNN, marks
 * that reverse or hide text become \u{…}. At most limit characters of text are taken. Returns false
 * if the limit or max cut the text short. In any case only whole characters were added.
 */
bool buf_add_shown(struct buf *b, const char *text, size_t len, size_t limit);

/* Drop the first n bytes. */
void buf_drop(struct buf *b, size_t n);

/* The bytes as a string, "" when there are none. Valid until the buffer changes. */
const char *buf_text(const struct buf *b);

/*
 * Returns how many bytes the UTF-8 character at text has, and its number in *code. Returns 0 if
 * there is none.
 */
size_t buf_utf8(const char *text, size_t len, unsigned *code);

#endif
