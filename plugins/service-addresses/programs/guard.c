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

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
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

#include "guard_table.h"
#include "netlink.h"
#include "ports.h"
#include "replies.h"
#include "route.h"

enum {
	/* Seconds that new connections wait after the map was lost. */
	HOLD_S = 5,
	/* Seconds that Docker may take to write its rules again. */
	DOCKER_S = 2,
	/* The engine notices the end of a container a moment later, and many may end at once. */
	ENDED_S = 2,
	/* Seconds between two attempts to make the table. */
	TRY_S = 2,
	REQUEST_SIZE = 256
};

/* The rules that nftables.service loads at boot. */
static const char RULES[] = "/etc/nftables.conf";

struct guard {
	struct guard_table table;
	struct mnl_socket *events, *routes, *ports;
	bool is_lost, is_saved, has_docker;
	/* When to act, in seconds of the monotonic clock. 0 means never. */
	time_t give_up, look_at_docker, next_try, tell_ended;
	struct timespec rules_time; /* when RULES had changed at the last look */
};

static time_t
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
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
		found = strstr(line, GUARD_TABLE) != NULL;
	free(line);
	if (file)
		fclose(file);
	return found;
}

/*
 * Looks at the file RULES if it has changed. If it contains the guard's table, the guard gives the
 * table up, so that those rules can be loaded.
 */
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
		if (guard->table.exists)
			guard_table_drop(&guard->table);
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
		buffer, NFT_MSG_GETCHAIN, NFPROTO_IPV4, NLM_F_ACK, ++guard->table.sequence);

	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, "nat");
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, "DOCKER");
	nftnl_chain_nlmsg_build_payload(header, chain);
	nftnl_chain_free(chain);
	int error = netlink_exchange(guard->table.socket, header, NULL, NULL);
	return error == 0 || (error != ENOENT && guard->has_docker);
}

static void
on_lost(struct guard *guard)
{
	guard_table_set(&guard->table, true, false);
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
	route_keep(guard->table.network);
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
		guard_table_set(&guard->table, false, false);
		guard->give_up = 0;
	}
	return true;
}

/* Makes the table if it is missing. Another guard that is about to end may still own it. */
static void
keep_table(struct guard *guard)
{
	if (guard->table.exists || guard->is_saved || now() < guard->next_try)
		return;
	guard->next_try = now() + TRY_S;
	guard_table_make(&guard->table);
}

/* Does what is due by now. */
static void
keep_time(struct guard *guard)
{
	if (guard->give_up != 0 && now() >= guard->give_up) {
		guard->give_up = 0;
		guard_table_set(&guard->table, false, true);
	}
	if (guard->look_at_docker != 0 && now() >= guard->look_at_docker) {
		bool has = has_docker_chain(guard);

		guard->look_at_docker = 0;
		if (has != guard->has_docker)
			puts(has ? "docker back" : "docker gone");
		guard->has_docker = has;
	}
	if (guard->tell_ended != 0 && now() >= guard->tell_ended) {
		guard->tell_ended = 0;
		puts("ended");
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
		if (on[3].revents != 0 && ports_read(guard->ports) && guard->tell_ended == 0)
			guard->tell_ended = now() + ENDED_S;
		if (on[0].revents != 0 && !read_command(guard))
			return;
		keep_time(guard);
	}
}

int
guard_run(struct network network)
{
	struct guard guard = { .table = { .network = network,
				       .socket = netlink_open(NETLINK_NETFILTER, 0),
				       .sequence = (uint32_t)time(NULL) },
		.events = netlink_open(NETLINK_NETFILTER, 1U << (NFNLGRP_NFTABLES - 1)),
		.routes = netlink_open(NETLINK_ROUTE, RTMGRP_IPV4_ROUTE | RTMGRP_IPV4_RULE),
		.ports = ports_open() };

	if (!guard.table.socket || !guard.events || !guard.routes || !guard.ports) {
		fprintf(stderr, " !     address map: the kernel's events cannot be read: %s\n",
			strerror(errno));
		return 1;
	}
	route_keep(network);
	check_rules(&guard);
	keep_table(&guard);
	guard.has_docker = has_docker_chain(&guard);
	watch(&guard);
	netlink_close(guard.table.socket);
	netlink_close(guard.events);
	netlink_close(guard.routes);
	netlink_close(guard.ports);
	return 0;
}
