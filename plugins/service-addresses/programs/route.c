#include "route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <sys/socket.h>

#include "netlink.h"

enum { REQUEST_SIZE = 256 };

/* A request for the route to network that has the worst metric and says "unreachable". */
static struct nlmsghdr *
route_message(char *buffer, struct network network)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct rtmsg *route;
	uint8_t bits = 31;

	for (uint32_t half = network.half; half > 1; half /= 2)
		bits--;
	header->nlmsg_type = RTM_NEWROUTE;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
	header->nlmsg_seq = 1;
	route = mnl_nlmsg_put_extra_header(header, sizeof(*route));
	route->rtm_family = AF_INET;
	route->rtm_dst_len = bits;
	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_protocol = RTPROT_STATIC;
	route->rtm_scope = RT_SCOPE_UNIVERSE;
	route->rtm_type = RTN_UNREACHABLE;
	mnl_attr_put_u32(header, RTA_DST, htonl(network.low));
	mnl_attr_put_u32(header, RTA_PRIORITY, UINT32_MAX);
	return header;
}

int
route_make_unreachable(struct network network)
{
	char buffer[REQUEST_SIZE];
	struct mnl_socket *socket = netlink_open(NETLINK_ROUTE, 0);

	if (!socket)
		return errno;
	int error = netlink_exchange(socket, route_message(buffer, network), NULL, NULL);
	netlink_close(socket);
	return error == EEXIST ? 0 : error;
}
