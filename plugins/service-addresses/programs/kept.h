/*
 * Decides by which connections nginx may ask an app: new ones only, or ones that it has kept open.
 *
 * nginx has two pools of kept connections for each app. A pool has ports of its own at the app's
 * service addresses, and nginx uses it only while a file allows that: FOLDER/ADDRESS.1 for the
 * first pool, FOLDER/ADDRESS.2 for the second one, ADDRESS being the app's first address. Without
 * a file nginx opens a connection for each request, and the kernel's map leads it to the right
 * container. A kept connection does not ask the map. So the rule is:
 *
 *   A file exists only if its pool was empty at some time after the map was last changed.
 *
 * Then all connections of that pool lead to the containers that the map names. kept_forbid makes
 * the rule hold across a change of the map, and kept_allow makes a file.
 */
#ifndef KEPT_H
#define KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "network.h"

/*
 * The ports of a service address at which nginx asks for what visitors want. The map has the same
 * containers for all of them. The first one is for new connections, and the only one in the lines
 * that the map reads and prints. Each pool has two of the others, in order. nginx takes the second
 * one of a pool after a connection to the first one has failed, because it would otherwise try one
 * kept connection after the other.
 */
enum { KEPT_POOLS = 2, KEPT_PORTS = 5 };
extern const uint16_t kept_ports[KEPT_PORTS];

/* Whether this port, in network byte order, is the first one, or one of a pool. */
bool kept_is_visited(uint16_t port);
bool kept_is_pool(uint16_t port);

/*
 * Takes back what allows nginx to use kept connections to the service at this address, also what
 * another process is about to allow. Returns 0 or an errno. To be called before the map changes,
 * and again after it.
 */
int kept_forbid(uint32_t address);

/*
 * Allows a pool for the app that has these addresses, the first one first: the first pool if it is
 * empty, because nginx looks for its file first, or else the second one. Does nothing if neither is
 * empty. A pool that is allowed stays so, except that the second one gives way to the first.
 */
void kept_allow(const struct endpoint *services, size_t nr);

#endif
