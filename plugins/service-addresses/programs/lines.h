/*
 * The lines that the map reads from stdin:
 *
 *   set SERVICE PORT IP:PORT…   connections to SERVICE:PORT go to these containers in turn, to at
 *                               most LINES_SHARES of them
 *   add SERVICE PORT IP:PORT…   the same, but nothing changes if connections to SERVICE:PORT go to
 *                               any container by then
 *   unset SERVICE PORT          connections to SERVICE:PORT are refused
 *   get SERVICE PORT            print what the kernel has for SERVICE:PORT after the changes
 *   reached IP                  print how many connections to services have reached the container,
 *                               since the table was made, or "unknown"
 *   keep SERVICE…               nginx may keep connections to the app that has these addresses, the
 *                               first one first, to at most LINES_SHARES (see kept.h)
 *   hold SERVICE SECONDS        new connections to SERVICE wait for at most SECONDS (see held.h),
 *                               or until a line sets SERVICE at the port for visitors
 *   complete                    connections to all ports at which nginx asks go to the containers
 *                               of the first one, as an older version left it
 *   list                        print the whole map after the changes
 *
 * Words are separated by spaces or tabs. A line without a word is ignored. SERVICE must lie in the
 * lower half of our network and IP in the upper half.
 */
#ifndef LINES_H
#define LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "network.h"

enum { LINES_SHARES = 12 };

enum line_verb { LINE_SET, LINE_ADD, LINE_UNSET, LINE_GET, LINE_REACHED, LINE_KEEP, LINE_HOLD };

struct line {
	enum line_verb verb;
	/* Its port is that for visitors, if the verb is LINE_HOLD. A container, if LINE_REACHED. */
	struct endpoint service;
	uint32_t seconds; /* 0 unless the verb is LINE_HOLD */
	size_t nr; /* of targets; 0 unless the verb is LINE_SET, LINE_ADD or LINE_KEEP */
	struct endpoint target[LINES_SHARES]; /* services, if the verb is LINE_KEEP */
};

/* What stdin says. A zeroed struct has no lines. */
struct lines {
	struct line *line;
	size_t nr;
	bool want_list, want_complete;
};

/*
 * Parses one line, without its newline, and adds it to lines. Returns true, or false with *refusal
 * filled in and lines as it was.
 */
bool lines_add(struct lines *lines, const struct network *network, const char *text, size_t length,
	struct refusal *refusal);

/* Frees the lines and leaves none. */
void lines_release(struct lines *lines);

#endif
