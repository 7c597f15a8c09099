/*
 * What keeps service addresses safe while the kernel's table of the address map is not there.
 */
#ifndef GUARD_H
#define GUARD_H

#include <stdint.h>

/* Our network, addresses in the host's byte order: its first address, and half of its size. */
struct guard_network {
	uint32_t low, half;
};

/*
 * Makes the route that says that nobody has our network, with the worst metric: it counts while
 * there is no bridge, when packets would leave by the default route. Returns 0, or an errno.
 */
int guard_route(struct guard_network network);

/*
 * Keeps the guard's table and the route until stdin ends, and returns the exit status. Prints a
 * line per event: "lost" when somebody takes the map's table or a part of it, "docker gone" and
 * "docker back" when Docker's own NAT rules go and come, "saved" when it gave up its table for the
 * administrator's saved rules. Until a line "settled" comes on stdin, or for GUARD_HOLD_S, new
 * connections to service addresses wait after "lost".
 */
int guard_run(struct guard_network network);

#endif
