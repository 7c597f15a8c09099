/* Finds the connections of this host to the ports of a service address, and ends some. */
#ifndef SOCKETS_H
#define SOCKETS_H

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <stdint.h>

/* States of a connection, as bits. linux/tcp.h has their numbers for the kernel itself. */
enum { SOCKETS_ESTABLISHED = 1 << 1, SOCKETS_SYN_SENT = 1 << 2, SOCKETS_CLOSE_WAIT = 1 << 8 };

/*
 * Hands each connection in one of states to ports first to last of address to on_socket, as a
 * message with a struct inet_diag_msg. socket is one of NETLINK_SOCK_DIAG. Returns 0 or an errno.
 */
int sockets_list(struct mnl_socket *socket, uint32_t address, uint16_t first, uint16_t last,
	uint32_t states, mnl_cb_t on_socket, void *context);

/*
 * Ends the connection of this name if it is in one of states. Without CONFIG_INET_DIAG_DESTROY the
 * kernel refuses that, and the connection goes on.
 */
void sockets_end(struct mnl_socket *socket, uint32_t states, const struct inet_diag_sockid *name);

#endif
