#ifndef LOAD_RELEASES_H
#define LOAD_RELEASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stats;

enum {
	RELEASE_NAME = 64,
	ANSWERS_KEPT = 1 << 18, /* at 20,000 answers a second, 13 seconds */
};

struct release {
	char name[RELEASE_NAME];
	uint64_t order; /* larger is newer */
	bool marked;
	bool forbidden;
	uint64_t answers;
	uint64_t first_us, first_wall_ms;
	uint64_t last_us, last_wall_ms;
};

struct answer;

/*
 * Which release of one target answered, and which may. Releases are ordered by when they were first
 * seen or named. A mark file, to which the harness appends lines, changes what may answer:
 *
 *	EPOCH_MS RELEASE	the deploy of RELEASE has succeeded: requests sent after that time
 *and answered by an older release are stale EPOCH_MS +RELEASE	a deploy of RELEASE begins: it
 *counts as the newest from now on. Needed only where a name comes back (rollback, two alternating
 *releases) EPOCH_MS !RELEASE	RELEASE was refused: no answer may come from it
 *
 * A mark may be read later than answers to which it applies: the last ANSWERS_KEPT answers are
 * remembered and judged again, so the count is exact.
 */
struct releases {
	struct release *release;
	size_t nr;
	size_t last; /* index of the release that answered last */
	uint64_t newest; /* the largest order given */
	uint64_t mark_ms; /* of the newest success, 0 without one */
	uint64_t mark_order;
	unsigned marks;
	unsigned late_marks; /* older than all remembered answers: some may have escaped */
	const char *mark_file; /* NULL: none; points into argv */
	long mark_offset;
	struct answer *answer; /* a ring */
	uint64_t answers;
	const char *log; /* a file that gets a line when a release begins to answer, or NULL */
	const char *label; /* of the target, for that file */
};

enum verdict {
	VERDICT_FINE,
	VERDICT_STALE,
	VERDICT_FORBIDDEN,
};

void releases_release(struct releases *r);

/* The release called name is refused from now on. */
void releases_forbid(struct releases *r, const char *name);

/*
 * An answer came from name to a request that was sent at sent_wall_us. If it is fine now and a mark
 * makes it stale later, stats_retract(stats) follows; stats must outlive r.
 */
enum verdict releases_answer(struct releases *r, const char *name, uint64_t sent_wall_us,
	uint64_t now, struct stats *stats);

/*
 * Read the lines that were appended to the mark file. Returns 0, or the number of a line that is
 * not valid.
 */
unsigned releases_read_marks(struct releases *r);

#endif
