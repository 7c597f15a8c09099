#include "route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "netlink.h"

/* RULE_OURS is the priority of our rule; the others are those of the rules that every host has. */
enum { REQUEST_SIZE = 256, RULE_LOCAL = 0, RULE_OURS = 1, RULE_MAIN = 32766, RULE_DEFAULT = 32767 };

static const uint16_t CREATE = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;

/* Begins a request. buffer has REQUEST_SIZE bytes. */
static struct nlmsghdr *
begin(char *buffer, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);

	header->nlmsg_type = type;
	header->nlmsg_flags = flags;
	header->nlmsg_seq = 1;
	return header;
}

/* The length of the prefix that all addresses of network have in common. */
static uint8_t
prefix_bits(struct network network)
{
	uint8_t bits = 31;

	for (uint32_t half = network.half; half > 1; half /= 2)
		bits--;
	return bits;
}

/* A request for the route to network that has the worst metric and says "unreachable". */
static struct nlmsghdr *
route_message(char *buffer, struct network network)
{
	struct nlmsghdr *header = begin(buffer, RTM_NEWROUTE, CREATE);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(header, sizeof(*route));

	route->rtm_family = AF_INET;
	route->rtm_dst_len = prefix_bits(network);
	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_protocol = RTPROT_STATIC;
	route->rtm_scope = RT_SCOPE_UNIVERSE;
	route->rtm_type = RTN_UNREACHABLE;
	mnl_attr_put_u32(header, RTA_DST, htonl(network.low));
	mnl_attr_put_u32(header, RTA_PRIORITY, UINT32_MAX);
	return header;
}

/* A request for the rule by which packets to network take the routes of the main table. */
static struct nlmsghdr *
rule_message(char *buffer, struct network network)
{
	struct nlmsghdr *header = begin(buffer, RTM_NEWRULE, CREATE);
	struct fib_rule_hdr *rule = mnl_nlmsg_put_extra_header(header, sizeof(*rule));

	rule->family = AF_INET;
	rule->dst_len = prefix_bits(network);
	rule->table = RT_TABLE_MAIN;
	rule->action = FR_ACT_TO_TBL;
	mnl_attr_put_u32(header, FRA_DST, htonl(network.low));
	mnl_attr_put_u32(header, FRA_PRIORITY, RULE_OURS);
	return header;
}

/* For libmnl: copies the priority of a rule to context, a uint32_t. */
static int
take_priority(const struct nlattr *attribute, void *context)
{
	if (mnl_attr_get_type(attribute) == FRA_PRIORITY &&
		mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
		*(uint32_t *)context = mnl_attr_get_u32(attribute);
	return MNL_CB_OK;
}

/* For libmnl: sets context, a bool, if this rule is not one that every host has. */
static int
note_rule(const struct nlmsghdr *header, void *context)
{
	uint32_t priority = RULE_LOCAL;

	mnl_attr_parse(header, sizeof(struct fib_rule_hdr), take_priority, &priority);
	if (priority != RULE_LOCAL && priority != RULE_MAIN && priority != RULE_DEFAULT)
		*(bool *)context = true;
	return MNL_CB_OK;
}

/* Whether the host has policy routing. Without it the kernel finds routes a little faster. */
static bool
has_rules(struct mnl_socket *socket)
{
	char buffer[REQUEST_SIZE];
	struct nlmsghdr *header = begin(buffer, RTM_GETRULE, NLM_F_REQUEST | NLM_F_DUMP);
	struct fib_rule_hdr *rule = mnl_nlmsg_put_extra_header(header, sizeof(*rule));
	bool found = false;

	rule->family = AF_INET;
	return netlink_exchange(socket, header, note_rule, &found) == 0 && found;
}

int
route_keep(struct network network)
{
	char buffer[REQUEST_SIZE];
	struct mnl_socket *socket = netlink_open(NETLINK_ROUTE, 0);

	if (!socket)
		return errno;
	int error = netlink_exchange(socket, route_message(buffer, network), NULL, NULL);
	if ((error == 0 || error == EEXIST) && has_rules(socket))
		error = netlink_exchange(socket, rule_message(buffer, network), NULL, NULL);
	netlink_close(socket);
	return error == EEXIST ? 0 : error;
}
