/* The route that makes our network unreachable while its bridge is missing. */
#ifndef ROUTE_H
#define ROUTE_H

#include "network.h"

/*
 * Adds a route that makes our network unreachable, with the worst metric. It takes effect only when
 * the bridge is missing; without it, packets would then leave by the default route. Returns 0, also
 * if the route exists, or an errno.
 */
int route_make_unreachable(struct network network);

#endif
