#include "held.h"

#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "netlink.h"
#include "replies.h"
#include "sockets.h"
#include "util.h"

enum {
	REQUEST_SIZE = 256,
	/* The ports at which nginx asks. The one for previews, between them, is not held. */
	PORT_VISITORS = 80,
	PORT_KEPT = 82,
	PORT_LAST = 299,
	/*
	 * Milliseconds. The first packet is repeated after FIRST_MS, then after twice as long, up
	 * to LONGEST_MS. One that was sent less than FRESH_MS ago may just be answered.
	 */
	FIRST_MS = 1000,
	LONGEST_MS = 64000,
	FRESH_MS = 20
};

static const char SET[] = "held";

/* --- the set -------------------------------------------------------------------------------- */

static struct nftnl_set *
name_set(void)
{
	struct nftnl_set *set = nftnl_set_alloc();

	if (set) {
		nftnl_set_set_str(set, NFTNL_SET_TABLE, REPLIES_TABLE);
		nftnl_set_set_str(set, NFTNL_SET_NAME, SET);
	}
	return set;
}

struct nlmsghdr *
held_message(void *at, uint16_t type, uint16_t flags, uint32_t sequence, uint32_t address,
	uint32_t seconds)
{
	struct nftnl_set *set = name_set();
	struct nftnl_set_elem *element = nftnl_set_elem_alloc();
	struct nlmsghdr *header = NULL;

	if (set && element) {
		nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, &address, sizeof(address));
		if (type == NFT_MSG_NEWSETELEM)
			nftnl_set_elem_set_u64(
				element, NFTNL_SET_ELEM_TIMEOUT, (uint64_t)seconds * 1000);
		nftnl_set_elem_add(set, element);
		element = NULL;
		header = nftnl_nlmsg_build_hdr(at, type, NFPROTO_IPV4, flags, sequence);
		nftnl_set_elems_nlmsg_build_payload(header, set);
	}
	if (element)
		nftnl_set_elem_free(element);
	if (set)
		nftnl_set_free(set);
	return header;
}

struct nlmsghdr *
held_question(void *at, uint32_t sequence)
{
	struct nftnl_set *set = name_set();
	struct nlmsghdr *header = NULL;

	if (set) {
		header = nftnl_nlmsg_build_hdr(
			at, NFT_MSG_GETSET, NFPROTO_IPV4, NLM_F_ACK, sequence);
		nftnl_set_nlmsg_build_payload(header, set);
		nftnl_set_free(set);
	}
	return header;
}

/* --- connections that wait ------------------------------------------------------------------ */

/* The names of some connections. A zeroed struct has none. */
struct names {
	struct inet_diag_sockid *name;
	size_t nr;
};

bool
held_is_waiting(uint32_t ms_left)
{
	if (ms_left < FRESH_MS)
		return false;
	for (uint32_t full = FIRST_MS; full <= LONGEST_MS; full *= 2) {
		if (ms_left <= full && full - ms_left < FRESH_MS)
			return false;
	}
	return true;
}

static int
add_name(const struct nlmsghdr *header, void *context)
{
	struct names *names = context;
	const struct inet_diag_msg *socket = mnl_nlmsg_get_payload(header);

	if (mnl_nlmsg_get_payload_len(header) < sizeof(*socket) ||
		!held_is_waiting(socket->idiag_expires))
		return MNL_CB_OK;
	names->name = xgrow(names->name, names->nr, sizeof(*names->name));
	names->name[names->nr++] = socket->id;
	return MNL_CB_OK;
}

static void
wake_once(struct mnl_socket *socket, uint32_t address)
{
	struct names names = { 0 };

	sockets_list(
		socket, address, PORT_VISITORS, PORT_VISITORS, SOCKETS_SYN_SENT, add_name, &names);
	sockets_list(socket, address, PORT_KEPT, PORT_LAST, SOCKETS_SYN_SENT, add_name, &names);
	for (size_t i = 0; i < names.nr; i++)
		sockets_end(socket, SOCKETS_SYN_SENT, &names.name[i]);
	free(names.name);
}

void
held_wake(uint32_t address)
{
	const struct timespec pause = { .tv_nsec = 2L * FRESH_MS * 1000000 };
	struct mnl_socket *socket = netlink_open(NETLINK_SOCK_DIAG, 0);

	if (!socket)
		return;
	wake_once(socket, address);
	/* Connections that were too fresh the first time are old enough now. */
	nanosleep(&pause, NULL);
	wake_once(socket, address);
	netlink_close(socket);
}
