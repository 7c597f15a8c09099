/*
 * A port is tied when the link of a new container comes up, before the container's own process
 * starts. At that time the container's end of the link has the MAC address that the engine gave it.
 * That address is entered in the bridge's table as sticky, so no other port can take it over. From
 * then on the kernel drops frames from the port with another address (locked) and frames to another
 * container (isolated). A container may change its MAC address later, so a port is tied only once.
 * When a container ends, the kernel removes its port and the entry.
 *
 * Kernels before 5.16 have no locked ports. With those the entry alone protects an address.
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
#include <sys/socket.h>

#include "links.h"
#include "netlink.h"

/* The bytes of a request; the largest has a header and two attributes. */
enum { REQUEST_SIZE = 512 };

/* The bridge that plugins/network makes. */
static const char BRIDGE[] = "dokku0";

static struct nlmsghdr *
link_request(char *buffer, uint16_t type, uint16_t flags, uint8_t family, int index)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info;

	header->nlmsg_type = type;
	header->nlmsg_seq = 1;
	header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	info = mnl_nlmsg_put_extra_header(header, sizeof(*info));
	info->ifi_family = family;
	info->ifi_index = index;
	return header;
}

/* The MAC address of the container's end of the link. */
static struct link_mac
peer_mac(struct mnl_socket *socket, const struct link_port *port)
{
	char buffer[REQUEST_SIZE];
	struct link_mac mac = { 0 };
	struct nlmsghdr *request =
		link_request(buffer, RTM_GETLINK, NLM_F_ACK, AF_UNSPEC, (int)port->peer);

	mnl_attr_put_u32(request, IFLA_TARGET_NETNSID, port->netns);
	if (netlink_exchange(socket, request, links_read_mac, &mac) != 0)
		mac.is_known = false;
	return mac;
}

/* Whether a port has its entry in the bridge's table. True, too, if the kernel does not say. */
static bool
is_tied(struct mnl_socket *socket, const struct links *links, int index)
{
	char buffer[REQUEST_SIZE];
	struct link_entry entry = { .index = index };
	struct nlmsghdr *request = link_request(buffer, RTM_GETNEIGH, NLM_F_DUMP, AF_BRIDGE, index);

	mnl_attr_put_u32(request, IFLA_MASTER, links->bridge);
	return netlink_exchange(socket, request, links_read_entry, &entry) != 0 || entry.is_sticky;
}

/* Enters mac as the sticky address of a port. Returns 0, or the error that the kernel gives. */
static int
enter_mac(struct mnl_socket *socket, int index, const struct link_mac *mac)
{
	char buffer[REQUEST_SIZE];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ndmsg *entry;

	request->nlmsg_type = RTM_NEWNEIGH;
	request->nlmsg_seq = 1;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK;
	entry = mnl_nlmsg_put_extra_header(request, sizeof(*entry));
	entry->ndm_family = AF_BRIDGE;
	entry->ndm_ifindex = index;
	entry->ndm_state = NUD_NOARP;
	entry->ndm_flags = NTF_MASTER | NTF_STICKY;
	mnl_attr_put(request, NDA_LLADDR, LINKS_MAC_SIZE, mac->byte);
	return netlink_exchange(socket, request, NULL, NULL);
}

/* Switches a property of a port on. */
static void
set_flag(struct mnl_socket *socket, int index, uint16_t flag)
{
	char buffer[REQUEST_SIZE];
	struct nlmsghdr *request = link_request(buffer, RTM_SETLINK, NLM_F_ACK, AF_BRIDGE, index);
	struct nlattr *nest = mnl_attr_nest_start(request, IFLA_PROTINFO);

	mnl_attr_put_u8(request, flag, 1);
	mnl_attr_nest_end(request, nest);
	/* An old kernel refuses this. Then the rules of root/bridge are the only protection. */
	netlink_exchange(socket, request, NULL, NULL);
}

static void
tie_port(struct mnl_socket *socket, const struct link_port *port)
{
	struct link_mac mac = peer_mac(socket, port);

	if (!mac.is_known || enter_mac(socket, port->index, &mac) != 0)
		return;
	set_flag(socket, port->index, IFLA_BRPORT_LOCKED);
	set_flag(socket, port->index, IFLA_BRPORT_ISOLATED);
}

static void
tie_ports(const struct links *links)
{
	struct mnl_socket *socket = netlink_open(NETLINK_ROUTE, 0);

	for (size_t i = 0; socket && i < links->nr; i++) {
		if (!is_tied(socket, links, links->port[i].index))
			tie_port(socket, &links->port[i]);
	}
	netlink_close(socket);
}

/* Ties all ports that there are: at the start, and after events were lost. */
static void
tie_all(void)
{
	static struct links links;
	char buffer[REQUEST_SIZE];
	struct mnl_socket *socket = netlink_open(NETLINK_ROUTE, 0);
	struct nlmsghdr *request = link_request(buffer, RTM_GETLINK, NLM_F_DUMP, AF_UNSPEC, 0);

	links = (struct links){ .bridge = if_nametoindex(BRIDGE) };
	if (socket && links.bridge != 0 &&
		netlink_exchange(socket, request, links_collect, &links) == 0)
		tie_ports(&links);
	netlink_close(socket);
}

struct mnl_socket *
ports_open(void)
{
	struct mnl_socket *events = netlink_open(NETLINK_ROUTE, RTMGRP_LINK);

	if (events)
		tie_all();
	return events;
}

bool
ports_read(struct mnl_socket *events)
{
	static struct links links;
	char buffer[NETLINK_SIZE];
	ssize_t n;

	links = (struct links){ .bridge = if_nametoindex(BRIDGE) };
	while ((n = recv(mnl_socket_get_fd(events), buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
		netlink_run(buffer, (size_t)n, 0, 0, links_collect, &links);
	if (n < 0 && errno == ENOBUFS) {
		tie_all();
		return true;
	}
	if (links.nr > 0)
		tie_ports(&links);
	return links.has_lost;
}
