/*
 * Ties each container to its port of the bridge. The rules of root/bridge know which addresses belong
 * together, but not who may use them: a frame with another container's addresses would have the
 * bridge send what comes for that one to its sender.
 */
#ifndef PORTS_H
#define PORTS_H

struct mnl_socket;

/* Listens for new ports, and ties those that are there. Returns NULL, errno set, where it cannot. */
struct mnl_socket *ports_open(void);

/* Ties the ports that events are about: to be called when the socket can be read. */
void ports_read(struct mnl_socket *events);

#endif
