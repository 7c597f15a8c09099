/*
 * When somebody flushes all of nftables' rules, the map's table goes, and with it the translation
 * of the packets of open connections. The kernel then resets those, and new connections go to an
 * address that no host has. A table with an owner survives a flush: it lives as long as the owner's
 * socket. So this process owns a second, small table. In it
 *   - an empty chain of type nat makes the kernel go on translating open connections;
 *   - a packet to a service address that no rule has translated is dropped. Its sender repeats it
 *     after a second, when the map may be repaired. If the map is not repaired within HOLD_S
 *     seconds, such packets are refused instead.
 *
 * Kernels before 5.12 have no owners. There the process can only report events. It also owns no
 * table if the administrator's saved rules contain one: the kernel would refuse to load those rules
 * over a table that another process owns.
 */
#include "guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "netlink.h"
#include "ports.h"
#include "replies.h"

enum {
	/* Seconds that new connections wait after the map was lost. */
	HOLD_S = 5,
	/* Seconds that Docker may take to write its rules again. */
	DOCKER_S = 2,
	/* Seconds between two attempts to make the table. */
	TRY_S = 2,
	BATCH_SIZE = 16384,
	REQUEST_SIZE = 256,
	/* The ports of service addresses. */
	PORT_FIRST = 80,
	PORT_LAST = 85,
	/* Priorities after and before the filter chains of the map's table, which have 0. */
	BEHIND = 10,
	BEFORE = -10
};

/* The rules that nftables.service loads at boot. */
static const char RULES[] = "/etc/nftables.conf";
static const char GUARD[] = "dokku_guard";
static const char WAIT[] = "wait", HOLD[] = "hold";

struct guard {
	struct network network;
	struct mnl_socket *own, *events, *routes, *ports;
	uint32_t sequence;
	bool has_table, is_lost, is_held, refuses, is_saved, has_docker;
	/* When to act, in seconds of the monotonic clock. 0 means never. */
	time_t give_up, look_at_docker, next_try;
	struct timespec rules_time; /* when RULES had changed at the last look */
};

static time_t
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

/* --- the route ------------------------------------------------------------------------------ */

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
guard_route(struct network network)
{
	char buffer[REQUEST_SIZE];
	struct mnl_socket *socket = netlink_open(NETLINK_ROUTE, 0);

	if (!socket)
		return errno;
	int error = netlink_exchange(socket, route_message(buffer, network), NULL, NULL);
	netlink_close(socket);
	return error == EEXIST ? 0 : error;
}

/* --- a change of the guard's table ------------------------------------------------------------ */

/* A batch that is being written. */
struct change {
	struct guard *guard;
	size_t used;
	char at[BATCH_SIZE];
};

/* Begins the next message of the batch. The caller adds its length to used when it is complete. */
static struct nlmsghdr *
begin(struct change *change, uint16_t type, uint16_t flags)
{
	return nftnl_nlmsg_build_hdr(change->at + change->used, type, NFPROTO_IPV4,
		flags | NLM_F_ACK, ++change->guard->sequence);
}

static void
start_change(struct change *change, struct guard *guard)
{
	change->guard = guard;
	change->used = nftnl_batch_begin(change->at, ++guard->sequence)->nlmsg_len;
}

/* Returns 0, or the first error that the kernel gives. Then nothing has changed. */
static int
commit(struct change *change)
{
	change->used +=
		nftnl_batch_end(change->at + change->used, ++change->guard->sequence)->nlmsg_len;
	return netlink_commit(change->guard->own, change->at, change->used);
}

static void
add_table(struct change *change)
{
	struct nftnl_table *table = nftnl_table_alloc();
	struct nlmsghdr *header = begin(change, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);

	nftnl_table_set_str(table, NFTNL_TABLE_NAME, GUARD);
	nftnl_table_set_u32(table, NFTNL_TABLE_FLAGS, NFT_TABLE_F_OWNER);
	nftnl_table_nlmsg_build_payload(header, table);
	nftnl_table_free(table);
	change->used += header->nlmsg_len;
}

static void
add_chain(
	struct change *change, const char *name, const char *type, uint32_t hook, int32_t priority)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *header = begin(change, NFT_MSG_NEWCHAIN, NLM_F_CREATE);

	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, GUARD);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, type);
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hook);
	nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, priority);
	nftnl_chain_nlmsg_build_payload(header, chain);
	nftnl_chain_free(chain);
	change->used += header->nlmsg_len;
}

/* Removes all rules of a chain. */
static void
empty_chain(struct change *change, const char *name)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct nlmsghdr *header = begin(change, NFT_MSG_DELRULE, 0);

	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, GUARD);
	nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, name);
	nftnl_rule_nlmsg_build_payload(header, rule);
	nftnl_rule_free(rule);
	change->used += header->nlmsg_len;
}

/* From here to verdict: each function adds one step of a rule, which works on register 1. */
static void
load_bytes(struct nftnl_rule *rule, uint32_t base, uint32_t offset, uint32_t size)
{
	struct nftnl_expr *e = nftnl_expr_alloc("payload");

	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, size);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	nftnl_rule_add_expr(rule, e);
}

static void
mask_bits(struct nftnl_rule *rule, uint32_t mask)
{
	struct nftnl_expr *e = nftnl_expr_alloc("bitwise");
	const uint32_t none = 0;

	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, sizeof(mask));
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, &mask, sizeof(mask));
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, &none, sizeof(none));
	nftnl_rule_add_expr(rule, e);
}

static void
compare(struct nftnl_rule *rule, uint32_t operation, const void *value, uint32_t size)
{
	struct nftnl_expr *e = nftnl_expr_alloc("cmp");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, operation);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, value, size);
	nftnl_rule_add_expr(rule, e);
}

/* The address at offset of the IP header must lie in the half that begins at first. */
static void
match_half(struct nftnl_rule *rule, uint32_t offset, uint32_t first, uint32_t half)
{
	const uint32_t value = htonl(first);

	load_bytes(rule, NFT_PAYLOAD_NETWORK_HEADER, offset, sizeof(value));
	mask_bits(rule, htonl(~(half - 1)));
	compare(rule, NFT_CMP_EQ, &value, sizeof(value));
}

/* The packet must be TCP to a port of service addresses. */
static void
match_ports(struct nftnl_rule *rule)
{
	const uint16_t first = htons(PORT_FIRST), last = htons(PORT_LAST);
	const uint8_t tcp = IPPROTO_TCP;
	struct nftnl_expr *e = nftnl_expr_alloc("meta");

	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, NFT_META_L4PROTO);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
	nftnl_rule_add_expr(rule, e);
	compare(rule, NFT_CMP_EQ, &tcp, sizeof(tcp));
	load_bytes(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, sizeof(first));
	compare(rule, NFT_CMP_GTE, &first, sizeof(first));
	compare(rule, NFT_CMP_LTE, &last, sizeof(last));
}

/* The packet must be one that conntrack calls invalid. */
static void
match_invalid(struct nftnl_rule *rule)
{
	const uint32_t none = 0;
	struct nftnl_expr *e = nftnl_expr_alloc("ct");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_STATE);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	nftnl_rule_add_expr(rule, e);
	mask_bits(rule, NF_CT_STATE_INVALID_BIT);
	compare(rule, NFT_CMP_NEQ, &none, sizeof(none));
}

/* Refuses the packet with a reset, or drops it. */
static void
verdict(struct nftnl_rule *rule, bool refuse)
{
	struct nftnl_expr *e = nftnl_expr_alloc(refuse ? "reject" : "immediate");

	if (refuse) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_TCP_RST);
		nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, 0);
	} else {
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, NF_DROP);
	}
	nftnl_rule_add_expr(rule, e);
}

static struct nftnl_rule *
new_rule(const char *chain)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();

	nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, NFPROTO_IPV4);
	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, GUARD);
	nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain);
	return rule;
}

static void
add_rule(struct change *change, struct nftnl_rule *rule)
{
	struct nlmsghdr *header = begin(change, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);

	nftnl_rule_nlmsg_build_payload(header, rule);
	nftnl_rule_free(rule);
	change->used += header->nlmsg_len;
}

/* Adds a rule for packets that go to a service address, because no rule has translated it. */
static void
add_untranslated(struct change *change, const char *chain, bool refuse)
{
	struct nftnl_rule *rule = new_rule(chain);
	const struct network *network = &change->guard->network;

	match_half(rule, 16, network->low, network->half);
	match_ports(rule);
	verdict(rule, refuse);
	add_rule(change, rule);
}

/*
 * Adds the rule that the map's table has, too: it drops an answer of a container that conntrack
 * does not translate back. Otherwise this host would reset the connection.
 */
static void
add_invalid(struct change *change)
{
	struct nftnl_rule *rule = new_rule("invalid");
	const struct network *network = &change->guard->network;

	match_half(rule, 12, network->low + network->half, network->half);
	match_invalid(rule);
	verdict(rule, false);
	add_rule(change, rule);
}

/* False if the kernel refuses. */
static bool
make_table(struct guard *guard)
{
	struct change change;

	start_change(&change, guard);
	add_table(&change);
	add_chain(&change, "translate", "nat", NF_INET_LOCAL_OUT, BEFORE);
	add_chain(&change, HOLD, "filter", NF_INET_LOCAL_OUT, BEFORE);
	add_chain(&change, WAIT, "filter", NF_INET_LOCAL_OUT, BEHIND);
	add_untranslated(&change, WAIT, false);
	add_chain(&change, "invalid", "filter", NF_INET_LOCAL_IN, BEHIND);
	add_invalid(&change);
	return commit(&change) == 0;
}

/*
 * hold: drop new connections before the map's own rules see them. A map that is only half repaired
 * would refuse the addresses that are not in it yet. refuse: refuse packets that no rule has
 * translated, instead of dropping them.
 */
static void
set_waiting(struct guard *guard, bool hold, bool refuse)
{
	struct change change;

	if (!guard->has_table || (hold == guard->is_held && refuse == guard->refuses))
		return;
	start_change(&change, guard);
	if (hold != guard->is_held)
		empty_chain(&change, HOLD);
	if (hold && !guard->is_held)
		add_untranslated(&change, HOLD, false);
	if (refuse != guard->refuses) {
		empty_chain(&change, WAIT);
		add_untranslated(&change, WAIT, refuse);
	}
	if (commit(&change) == 0) {
		guard->is_held = hold;
		guard->refuses = refuse;
	}
}

/* Whether RULES were saved while the guard's table was there, so that they contain it. */
static bool
is_saved(void)
{
	FILE *file = fopen(RULES, "re");
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	while (file && !found && getline(&line, &size, file) > 0)
		found = strstr(line, GUARD) != NULL;
	free(line);
	if (file)
		fclose(file);
	return found;
}

static void
drop_table(struct guard *guard)
{
	struct change change;
	struct nftnl_table *table = nftnl_table_alloc();
	struct nlmsghdr *header;

	start_change(&change, guard);
	header = begin(&change, NFT_MSG_DELTABLE, 0);
	nftnl_table_set_str(table, NFTNL_TABLE_NAME, GUARD);
	nftnl_table_nlmsg_build_payload(header, table);
	nftnl_table_free(table);
	change.used += header->nlmsg_len;
	commit(&change);
	guard->has_table = guard->is_held = guard->refuses = false;
}

/* Looks at RULES if they have changed, and gives the table up if they contain it. */
static void
check_rules(struct guard *guard)
{
	struct stat now_is = { 0 };

	stat(RULES, &now_is);
	if (now_is.st_mtim.tv_sec == guard->rules_time.tv_sec &&
		now_is.st_mtim.tv_nsec == guard->rules_time.tv_nsec)
		return;
	guard->rules_time = now_is.st_mtim;
	guard->is_saved = is_saved();
	if (guard->is_saved) {
		if (guard->has_table)
			drop_table(guard);
		puts("saved");
	}
}

/* --- events --------------------------------------------------------------------------------- */

/* Whether Docker's own chain is in the table nat. If the kernel does not say, nothing has changed.
 */
static bool
has_docker_chain(struct guard *guard)
{
	char buffer[REQUEST_SIZE];
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *header = nftnl_nlmsg_build_hdr(
		buffer, NFT_MSG_GETCHAIN, NFPROTO_IPV4, NLM_F_ACK, ++guard->sequence);

	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, "nat");
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, "DOCKER");
	nftnl_chain_nlmsg_build_payload(header, chain);
	nftnl_chain_free(chain);
	int error = netlink_exchange(guard->own, header, NULL, NULL);
	return error == 0 || (error != ENOENT && guard->has_docker);
}

static void
on_lost(struct guard *guard)
{
	set_waiting(guard, true, false);
	guard->give_up = now() + HOLD_S;
	puts("lost");
}

static int
on_event(const struct nlmsghdr *header, void *context)
{
	struct guard *guard = context;
	enum event event = replies_event(header);

	if (event == EVENT_LOST)
		guard->is_lost = true;
	if (event == EVENT_DOCKER && guard->look_at_docker == 0)
		guard->look_at_docker = now() + DOCKER_S;
	return MNL_CB_OK;
}

static void
read_events(struct guard *guard)
{
	char buffer[NETLINK_SIZE];
	ssize_t n;

	while ((n = recv(mnl_socket_get_fd(guard->events), buffer, sizeof(buffer), MSG_DONTWAIT)) >
		0)
		netlink_run(buffer, (size_t)n, 0, 0, on_event, guard);
	/* The kernel has dropped some events. The map may have been among them. */
	if (n < 0 && errno == ENOBUFS)
		guard->is_lost = true;
	/* A flush makes many events, which are one loss. */
	if (guard->is_lost)
		on_lost(guard);
	guard->is_lost = false;
}

static void
read_routes(struct guard *guard)
{
	char buffer[NETLINK_SIZE];

	while (recv(mnl_socket_get_fd(guard->routes), buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
		;
	guard_route(guard->network);
}

/* Reads from stdin. Returns false at its end, when the process that started us has ended. */
static bool
read_command(struct guard *guard)
{
	char text[256];
	ssize_t n = read(STDIN_FILENO, text, sizeof(text) - 1);

	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0)
		return false;
	text[n] = '\0';
	if (strstr(text, "settled\n")) {
		set_waiting(guard, false, false);
		guard->give_up = 0;
	}
	return true;
}

/* Makes the table if it is missing. Another guard that is about to end may still own it. */
static void
keep_table(struct guard *guard)
{
	if (guard->has_table || guard->is_saved || now() < guard->next_try)
		return;
	guard->next_try = now() + TRY_S;
	guard->has_table = make_table(guard);
}

/* Does what is due by now. */
static void
keep_time(struct guard *guard)
{
	if (guard->give_up != 0 && now() >= guard->give_up) {
		guard->give_up = 0;
		set_waiting(guard, false, true);
	}
	if (guard->look_at_docker != 0 && now() >= guard->look_at_docker) {
		bool has = has_docker_chain(guard);

		guard->look_at_docker = 0;
		if (has != guard->has_docker)
			puts(has ? "docker back" : "docker gone");
		guard->has_docker = has;
	}
}

static void
watch(struct guard *guard)
{
	struct pollfd on[] = { { .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = mnl_socket_get_fd(guard->events), .events = POLLIN },
		{ .fd = mnl_socket_get_fd(guard->routes), .events = POLLIN },
		{ .fd = mnl_socket_get_fd(guard->ports), .events = POLLIN } };

	for (;;) {
		if (fflush(stdout) != 0 || (poll(on, 4, 500) < 0 && errno != EINTR))
			return;
		check_rules(guard);
		keep_table(guard);
		if (on[1].revents != 0)
			read_events(guard);
		if (on[2].revents != 0)
			read_routes(guard);
		if (on[3].revents != 0)
			ports_read(guard->ports);
		if (on[0].revents != 0 && !read_command(guard))
			return;
		keep_time(guard);
	}
}

int
guard_run(struct network network)
{
	struct guard guard = { .network = network,
		.own = netlink_open(NETLINK_NETFILTER, 0),
		.events = netlink_open(NETLINK_NETFILTER, 1U << (NFNLGRP_NFTABLES - 1)),
		.routes = netlink_open(NETLINK_ROUTE, RTMGRP_IPV4_ROUTE),
		.ports = ports_open(),
		.sequence = (uint32_t)time(NULL) };

	if (!guard.own || !guard.events || !guard.routes || !guard.ports) {
		fprintf(stderr, " !     address map: the kernel's events cannot be read: %s\n",
			strerror(errno));
		return 1;
	}
	guard_route(network);
	check_rules(&guard);
	keep_table(&guard);
	guard.has_docker = has_docker_chain(&guard);
	watch(&guard);
	netlink_close(guard.own);
	netlink_close(guard.events);
	netlink_close(guard.routes);
	netlink_close(guard.ports);
	return 0;
}
