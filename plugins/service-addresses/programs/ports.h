/*
 * Ties each container to its port of the bridge. The rules of root/bridge know which addresses
 * belong together, but not which port may use them. Without this, a container could send a frame
 * with another container's addresses, and the bridge would then deliver that container's traffic to
 * it.
 */
#ifndef PORTS_H
#define PORTS_H

#include <stdbool.h>

struct mnl_socket;

/*
 * Opens a socket that hears about new ports, and ties the ports that exist. Returns NULL, with
 * errno set, if it cannot. The caller closes the socket with netlink_close.
 */
struct mnl_socket *ports_open(void);

/*
 * Ties the ports that events are about. To be called when the socket is readable. Never waits.
 * Returns whether a port was removed, or may have been.
 */
bool ports_read(struct mnl_socket *events);

#endif
