/*
 * Understands what netfilter says: the elements of our maps, counters, and events about tables. It
 * reads messages only and asks for nothing, so that tests and a fuzzer can be the kernel.
 */
#ifndef REPLIES_H
#define REPLIES_H

#include <libmnl/libmnl.h>

#include "shares.h"

/* The table of the address map. */
#define REPLIES_TABLE "dokku"

/* What replies_collect fills in. */
struct replies {
	enum map map; /* the map that was asked about */
	struct entries entries; /* its elements; the caller releases them */
};

/*
 * For netlink_run: adds the elements that a message has to the struct replies at context. Returns
 * MNL_CB_ERROR, with errno EBADMSG, for a message that does not belong to a map like ours.
 */
int replies_collect(const struct nlmsghdr *header, void *context);

/*
 * For netlink_run: sets the uint64_t at context to what the counter of an element has counted. For
 * an element without a counter, and in case of errors, as replies_collect.
 */
int replies_count(const struct nlmsghdr *header, void *context);

enum event {
	EVENT_OTHER,
	EVENT_LOST, /* the map's table, or a part of it, was removed */
	EVENT_DOCKER, /* something changed in the table nat, where Docker's rules are */
};

/* What an event of the kernel is about. */
enum event replies_event(const struct nlmsghdr *header);

#endif
