/*
 * A port is tied when the link of a new container comes up, before the container's own process
 * starts. At that time its end of the link has the MAC address that the engine has given it. That is
 * entered in the bridge's table, where no other port can take it over (sticky), and from then on the
 * kernel drops what the port sends with another one (locked), and what it sends to another container
 * (isolated). A container may change its MAC address later, so a port is tied once. When a
 * container ends, its port goes, and the entry with it.
 *
 * Kernels before 5.16 know no locked ports. There the entry alone keeps a container's address.
 */
#include "ports.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

enum {
	BUFFER_SIZE = 65536,
	REQUEST_SIZE = 512,
	MAX_PORTS = 4096,
	MAC_SIZE = 6
};

/* The bridge that plugins/network makes. */
static const char BRIDGE[] = "dokku0";

/* The bridge's end of a container's link; the other end has the index peer in the namespace netns. */
struct port {
	int index;
	uint32_t peer, netns;
};

struct ports {
	unsigned int bridge;
	size_t nr;
	struct port port[MAX_PORTS];
};

/* Which attributes an event has, of those that are asked for here. */
struct link {
	uint32_t master, peer;
	int64_t netns;
	bool is_up;
};

static int
take_attribute(const struct nlattr *attribute, void *context)
{
	struct link *link = context;

	switch (mnl_attr_get_type(attribute)) {
	case IFLA_MASTER:
		link->master = mnl_attr_get_u32(attribute);
		break;
	case IFLA_LINK:
		link->peer = mnl_attr_get_u32(attribute);
		break;
	case IFLA_LINK_NETNSID:
		link->netns = mnl_attr_get_u32(attribute);
		break;
	case IFLA_CARRIER:
		link->is_up = mnl_attr_get_u8(attribute) != 0;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

/* Adds a link to the ports if it is one of the bridge's whose container is ready. */
static int
collect(const struct nlmsghdr *header, void *context)
{
	struct ports *ports = context;
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(header);
	struct link link = { .netns = -1 };

	if (header->nlmsg_type != RTM_NEWLINK || info->ifi_family != AF_UNSPEC)
		return MNL_CB_OK;
	mnl_attr_parse(header, sizeof(*info), take_attribute, &link);
	if (link.master == 0 || link.master != ports->bridge || link.netns < 0 || !link.is_up ||
		ports->nr == MAX_PORTS)
		return MNL_CB_OK;
	for (size_t i = 0; i < ports->nr; i++) {
		if (ports->port[i].index == info->ifi_index)
			return MNL_CB_OK;
	}
	ports->port[ports->nr++] = (struct port){ info->ifi_index, link.peer, (uint32_t)link.netns };
	return MNL_CB_OK;
}

/* Returns 0, or the error that the kernel gives. */
static int
exchange(struct mnl_socket *socket, struct nlmsghdr *request, mnl_cb_t on_answer, void *context)
{
	char buffer[BUFFER_SIZE];
	int more = 1;

	request->nlmsg_seq = 1;
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return errno;
	while (more > 0) {
		ssize_t n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (n < 0)
			return errno;
		more = mnl_cb_run(buffer, (size_t)n, request->nlmsg_seq,
			mnl_socket_get_portid(socket), on_answer, context);
		if (more < 0)
			return errno;
	}
	return 0;
}

static struct nlmsghdr *
link_request(char *buffer, uint16_t type, uint16_t flags, uint8_t family, int index)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info;

	header->nlmsg_type = type;
	header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	info = mnl_nlmsg_put_extra_header(header, sizeof(*info));
	info->ifi_family = family;
	info->ifi_index = index;
	return header;
}

struct mac {
	bool is_known;
	uint8_t byte[MAC_SIZE];
};

static int
take_mac(const struct nlattr *attribute, void *context)
{
	struct mac *mac = context;

	if (mnl_attr_get_type(attribute) == IFLA_ADDRESS &&
		mnl_attr_get_payload_len(attribute) == MAC_SIZE) {
		memcpy(mac->byte, mnl_attr_get_payload(attribute), MAC_SIZE);
		mac->is_known = true;
	}
	return MNL_CB_OK;
}

static int
read_mac(const struct nlmsghdr *header, void *context)
{
	mnl_attr_parse(header, sizeof(struct ifinfomsg), take_mac, context);
	return MNL_CB_OK;
}

/* Of the container's end of the link. */
static struct mac
peer_mac(struct mnl_socket *socket, const struct port *port)
{
	char buffer[REQUEST_SIZE];
	struct mac mac = { 0 };
	struct nlmsghdr *request =
		link_request(buffer, RTM_GETLINK, NLM_F_ACK, AF_UNSPEC, (int)port->peer);

	mnl_attr_put_u32(request, IFLA_TARGET_NETNSID, port->netns);
	if (exchange(socket, request, read_mac, &mac) != 0)
		mac.is_known = false;
	return mac;
}

/* What is asked of the bridge's table: whether this port has a sticky entry. */
struct entries {
	int index;
	bool is_tied;
};

static int
read_entry(const struct nlmsghdr *header, void *context)
{
	struct entries *entries = context;
	const struct ndmsg *entry = mnl_nlmsg_get_payload(header);

	if (header->nlmsg_type == RTM_NEWNEIGH && entry->ndm_ifindex == entries->index &&
		(entry->ndm_flags & NTF_STICKY) != 0)
		entries->is_tied = true;
	return MNL_CB_OK;
}

/* Also where the kernel does not say. */
static bool
is_tied(struct mnl_socket *socket, const struct ports *ports, int index)
{
	char buffer[REQUEST_SIZE];
	struct entries entries = { .index = index };
	struct nlmsghdr *request =
		link_request(buffer, RTM_GETNEIGH, NLM_F_DUMP, AF_BRIDGE, index);

	mnl_attr_put_u32(request, IFLA_MASTER, ports->bridge);
	return exchange(socket, request, read_entry, &entries) != 0 || entries.is_tied;
}

static int
enter_mac(struct mnl_socket *socket, int index, const struct mac *mac)
{
	char buffer[REQUEST_SIZE];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ndmsg *entry;

	request->nlmsg_type = RTM_NEWNEIGH;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK;
	entry = mnl_nlmsg_put_extra_header(request, sizeof(*entry));
	entry->ndm_family = AF_BRIDGE;
	entry->ndm_ifindex = index;
	entry->ndm_state = NUD_NOARP;
	entry->ndm_flags = NTF_MASTER | NTF_STICKY;
	mnl_attr_put(request, NDA_LLADDR, MAC_SIZE, mac->byte);
	return exchange(socket, request, NULL, NULL);
}

static void
set_flag(struct mnl_socket *socket, int index, uint16_t flag)
{
	char buffer[REQUEST_SIZE];
	struct nlmsghdr *request = link_request(buffer, RTM_SETLINK, NLM_F_ACK, AF_BRIDGE, index);
	struct nlattr *nest = mnl_attr_nest_start(request, IFLA_PROTINFO);

	mnl_attr_put_u8(request, flag, 1);
	mnl_attr_nest_end(request, nest);
	/* What a kernel does not know, it does not do: the rules of root/bridge are there as well. */
	exchange(socket, request, NULL, NULL);
}

static void
tie_ports(const struct ports *ports)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

	if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		goto close_socket;
	for (size_t i = 0; i < ports->nr; i++) {
		const struct port *port = &ports->port[i];
		struct mac mac;

		if (is_tied(socket, ports, port->index))
			continue;
		mac = peer_mac(socket, port);
		if (!mac.is_known || enter_mac(socket, port->index, &mac) != 0)
			continue;
		set_flag(socket, port->index, IFLA_BRPORT_LOCKED);
		set_flag(socket, port->index, IFLA_BRPORT_ISOLATED);
	}
close_socket:
	if (socket)
		mnl_socket_close(socket);
}

/* All links that there are: at the beginning, and where events were lost. */
static void
tie_all(void)
{
	static struct ports ports;
	char buffer[REQUEST_SIZE];
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct nlmsghdr *request = link_request(buffer, RTM_GETLINK, NLM_F_DUMP, AF_UNSPEC, 0);

	ports = (struct ports){ .bridge = if_nametoindex(BRIDGE) };
	if (socket && ports.bridge != 0 &&
		mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
		exchange(socket, request, collect, &ports) == 0)
		tie_ports(&ports);
	if (socket)
		mnl_socket_close(socket);
}

struct mnl_socket *
ports_open(void)
{
	struct mnl_socket *events = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

	if (events && mnl_socket_bind(events, RTMGRP_LINK, MNL_SOCKET_AUTOPID) < 0) {
		mnl_socket_close(events);
		return NULL;
	}
	if (events)
		tie_all();
	return events;
}

void
ports_read(struct mnl_socket *events)
{
	static struct ports ports;
	char buffer[BUFFER_SIZE];
	ssize_t n;

	ports = (struct ports){ .bridge = if_nametoindex(BRIDGE) };
	while ((n = recv(mnl_socket_get_fd(events), buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
		mnl_cb_run(buffer, (size_t)n, 0, 0, collect, &ports);
	if (n < 0 && errno == ENOBUFS)
		tie_all();
	else if (ports.nr > 0)
		tie_ports(&ports);
}
