/* The kernel's routes to our network: by its bridge, or nowhere. */
#ifndef ROUTE_H
#define ROUTE_H

#include "network.h"

/*
 * Keeps packets to our network from other routes than that of its bridge. Adds a route that makes
 * the network unreachable, with the worst metric, which takes effect only when the bridge is
 * missing. If the host has policy routing, also adds a rule that comes before all others: else a
 * VPN's rule could send these packets to its tunnel. Returns 0, also if both exist, or an errno.
 */
int route_keep(struct network network);

#endif
