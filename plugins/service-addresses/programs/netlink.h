/* Talks to the kernel through netlink sockets: what the map, the guard and the ports share. */
#ifndef NETLINK_H
#define NETLINK_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>

/* The size of a buffer for what the kernel sends. No message of it is longer. */
enum { NETLINK_SIZE = 65536 };

/*
 * Opens a socket of this bus (NETLINK_ROUTE, NETLINK_NETFILTER) that hears the events of these
 * groups, 0 for none. Returns NULL, with errno set, if it cannot.
 */
struct mnl_socket *netlink_open(int bus, unsigned groups);

/* Closes a socket. NULL is fine. */
void netlink_close(struct mnl_socket *socket);

/*
 * Sends request and hands each answer to on_answer, which may be NULL. Returns 0, or the errno that
 * the kernel or on_answer (by MNL_CB_ERROR) gives. request must ask for an acknowledgement
 * (NLM_F_ACK) or a dump (NLM_F_DUMP), or this waits for ever.
 */
int netlink_exchange(struct mnl_socket *socket, const struct nlmsghdr *request, mnl_cb_t on_answer,
	void *context);

/*
 * Hands each of the messages in bytes to on_message, as mnl_cb_run does; sequence and port 0 stand
 * for any. Returns what mnl_cb_run does: above 0 if more is to come, 0 at the end, and -1 with
 * errno set for an error. Unlike mnl_cb_run it survives a length beyond the end of bytes (EBADMSG).
 */
int netlink_run(const void *bytes, size_t size, unsigned sequence, unsigned port,
	mnl_cb_t on_message, void *context);

/*
 * Sends a batch. Each of its messages must ask for an acknowledgement, but for those that begin and
 * end the batch. Returns 0, or the first error; then nothing has changed. EIO means no answer.
 */
int netlink_commit(struct mnl_socket *socket, const void *batch, size_t size);

/* What the kernel has said to a batch so far. netlink_commit uses it, and the tests. */
struct netlink_answer {
	int error; /* the first one, or 0 */
	bool is_acknowledged; /* at least one message was answered */
};

/* Adds size bytes of the kernel's answer, which are whole messages. */
void netlink_read_answer(struct netlink_answer *answer, const void *bytes, size_t size);

#endif
