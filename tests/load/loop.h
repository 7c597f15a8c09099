#ifndef LOAD_LOOP_H
#define LOAD_LOOP_H

#include <stdint.h>

#include "options.h"

/* The result of a run, besides the counters of the groups. */
struct outcome {
	uint64_t begin_wall_ms;
	uint64_t elapsed_us;
	uint64_t active_us; /* of that: until no new requests were started */
	uint64_t abandoned; /* requests that were running when a second signal came */
	unsigned bad_mark; /* the line of a mark file that was not understood, or 0 */
};

/* Run all clients to the end. Returns 0, or -1 with a reason in *why. */
int loop_run(struct options *o, struct outcome *out, const char **why);

#endif
