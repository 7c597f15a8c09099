/*
 * Understands what the kernel says about network links and the table of a bridge. It reads messages
 * only and asks for nothing, so that tests and a fuzzer can be the kernel.
 */
#ifndef LINKS_H
#define LINKS_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINKS_MAX = 4096, LINKS_MAC_SIZE = 6 };

/*
 * A port of the bridge: the bridge's end of a container's link. The container's end has the index
 * peer in the network namespace whose number here is netns.
 */
struct link_port {
	int index;
	uint32_t peer, netns;
};

struct links {
	unsigned bridge; /* the index of the bridge whose ports are wanted, set by the caller */
	bool has_lost; /* a port of the bridge is gone: its container has ended or was cut off */
	size_t nr;
	struct link_port port[LINKS_MAX];
};

/*
 * For netlink_run, as are the others: adds a link to the struct links at context if it is a port of
 * the bridge, is up, and its other end is in another namespace. More than LINKS_MAX are ignored.
 * Sets has_lost if the message is that a port of the bridge is gone.
 */
int links_collect(const struct nlmsghdr *header, void *context);

/* A MAC address. */
struct link_mac {
	bool is_known;
	uint8_t byte[LINKS_MAC_SIZE];
};

/* Fills in the struct link_mac at context if the message is a link that has a MAC address. */
int links_read_mac(const struct nlmsghdr *header, void *context);

/* Whether the bridge's table has a sticky entry for the port index, which the caller sets. */
struct link_entry {
	int index;
	bool is_sticky;
};

/* Sets is_sticky of the struct link_entry at context if the message is such an entry. */
int links_read_entry(const struct nlmsghdr *header, void *context);

#endif
