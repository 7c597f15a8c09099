/*
 * Makes the text of a foreign program safe for a terminal and a log, as it comes, in any pieces.
 * Colours stay and end with their line. Other control characters and marks of text direction become
 * question marks, and a carriage return before the end of a line is dropped.
 */
#ifndef CLEAN_H
#define CLEAN_H

#include <stdbool.h>
#include <stddef.h>

enum {
	/* The most bytes of a colour, such as ESC [ 1 ; 31 m. */
	CLEAN_HELD = 32,
	/* The most bytes that clean_bytes writes for each that it takes, and clean_end in all. */
	CLEAN_GROWTH = 6,
	CLEAN_END = CLEAN_HELD + CLEAN_GROWTH,
};

/* A zeroed struct is at the beginning of a text. */
struct clean {
	char held[CLEAN_HELD]; /* the beginning of what may be an escape or a mark */
	size_t nr_held;
	bool coloured; /* a colour has begun in this line */
};

/*
 * Writes what the n bytes at text become to out, which has room for CLEAN_GROWTH * (n + CLEAN_HELD)
 * bytes. Returns how many. What cannot be judged without the next bytes is held back.
 */
size_t clean_bytes(struct clean *c, const char *text, size_t n, char *out);

/* The text has ended: writes what was held back, at most CLEAN_END bytes. Returns how many. */
size_t clean_end(struct clean *c, char *out);

#endif
