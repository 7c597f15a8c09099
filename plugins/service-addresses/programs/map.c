/*
 * map - reads lines from stdin (lines.h), changes the address map in the kernel accordingly, in one
 * transaction, and prints what was asked for. All lines take effect or none.
 *
 * The user dokku runs this program. It has the capability CAP_NET_ADMIN, and its group keeps other
 * users from running it.
 *
 *   map                changes the map; "get" and "list" print lines of the form "SERVICE PORT
 *                      IP:PORT…", as shares.h says, and "reached" one of the form "reached IP
 *                      COUNT"
 *   map --lines        prints the lines of stdin, for root/by-nginx, and asks the kernel nothing
 *   map --unreachable  adds the route of guard.h and ends
 *   map --guard        guards the map, as guard.h says
 *
 * The table is made by root/table, which documents it. The elements that a line is about are read
 * first, one by one, so the time does not grow with the size of the map. Elements that are right
 * are left alone. If another process changes one of them meanwhile, the kernel refuses the
 * transaction, and this program starts again. A line about the port for new connections (kept.h)
 * counts for all ports at which nginx asks, and if it sets them, connections that wait (held.h) are
 * let go in the same transaction.
 *
 * Exit status: 0; 1 and a line on stderr if anything fails, and then nothing has changed; 3 if the
 * table is missing or of an older version, and for "list" also if the bridge's table (root/bridge)
 * is missing, unless the chain no_bridge says that the kernel cannot have one.
 */
#include "guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "held.h"
#include "kept.h"
#include "lines.h"
#include "netlink.h"
#include "network.h"
#include "replies.h"
#include "route.h"
#include "shares.h"
#include "util.h"

enum {
	FAILED = 1,
	NO_TABLE = 3,
	/* How often a change is tried while other processes change the same addresses. */
	TRIES = 100,
	/* More bytes than one message of a batch has. */
	OP_SIZE = 256,
	REQUEST_SIZE = 1024
};

const struct util_program util_program = { " !     address map: ", FAILED };

static const char NETWORK[] = "/etc/dokku/network";
static const char *const MAPS[] = { [MAP_SERVICES] = "services", [MAP_SHARES] = "shares" };
/* The set with a counter of connections for each container. */
static const char REACHED[] = "reached";

/* The connection to netfilter, and the number of the last message on it. */
struct kernel {
	struct mnl_socket *socket;
	uint32_t sequence;
};

static struct network
read_network(void)
{
	char text[64];
	struct network network;
	FILE *file = fopen(NETWORK, "re");

	if (!file || !fgets(text, sizeof(text), file))
		die(FAILED, "%s is missing: run make install", NETWORK);
	fclose(file);
	if (!network_parse(&network, text, strcspn(text, "\n")))
		die(FAILED, "%s is not understood", NETWORK);
	return network;
}

static void
read_lines(struct lines *lines, const struct network *network)
{
	char *text = NULL;
	size_t size = 0;
	ssize_t n;
	struct refusal refusal;

	while ((n = getline(&text, &size, stdin)) > 0) {
		size_t length = (size_t)n - (text[n - 1] == '\n');

		if (!lines_add(lines, network, text, length, &refusal))
			die(FAILED, "%s", refusal.reason);
	}
	free(text);
}

/* --- questions ------------------------------------------------------------------------------ */

/*
 * Begins a message about elements of the map or set of this name. The caller adds the elements to
 * *set, builds the payload from it, and frees it.
 */
static struct nlmsghdr *
message(struct kernel *kernel, void *at, uint16_t type, uint16_t flags, const char *name,
	struct nftnl_set **set)
{
	struct nlmsghdr *header =
		nftnl_nlmsg_build_hdr(at, type, NFPROTO_IPV4, flags, ++kernel->sequence);

	*set = nftnl_set_alloc();
	if (!*set)
		die(FAILED, "out of memory");
	nftnl_set_set_str(*set, NFTNL_SET_TABLE, REPLIES_TABLE);
	nftnl_set_set_str(*set, NFTNL_SET_NAME, name);
	return header;
}

/* with_data: the element has its target, not only its key. */
static void
add_element(struct nftnl_set *set, const struct entry *entry, bool with_data)
{
	struct nftnl_set_elem *element = nftnl_set_elem_alloc();
	uint32_t key_size = entry->map == MAP_SHARES ? sizeof(struct key) : sizeof(struct endpoint);

	if (!element)
		die(FAILED, "out of memory");
	nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, &entry->key, key_size);
	if (with_data)
		nftnl_set_elem_set(
			element, NFTNL_SET_ELEM_DATA, &entry->target, sizeof(entry->target));
	nftnl_set_elem_add(set, element);
}

static _Noreturn void
fail_to_read(int error)
{
	if (error == EPERM)
		die(FAILED, "the kernel does not let us: run make install");
	if (error == EBADMSG)
		die(FAILED, "the kernel's table is not understood; nothing was changed");
	die(FAILED, "the kernel's table cannot be read: %s; nothing was changed", strerror(error));
}

/* Ends the program unless the set that the request asks for exists. */
static void
require_set(struct kernel *kernel, struct nlmsghdr *request)
{
	int error = netlink_exchange(kernel->socket, request, NULL, NULL);

	if (error == ENOENT)
		exit(NO_TABLE);
	if (error)
		fail_to_read(error);
}

/* Ends the program unless both maps exist. */
static void
require_table(struct kernel *kernel)
{
	char buffer[REQUEST_SIZE];
	struct nftnl_set *set;

	for (int map = MAP_SERVICES; map <= MAP_SHARES; map++) {
		struct nlmsghdr *request =
			message(kernel, buffer, NFT_MSG_GETSET, NLM_F_ACK, MAPS[map], &set);
		nftnl_set_nlmsg_build_payload(request, set);
		nftnl_set_free(set);
		require_set(kernel, request);
	}
}

/* Ends the program if a line holds connections and the table has no set for that. */
static void
require_held(struct kernel *kernel, const struct lines *lines)
{
	char buffer[REQUEST_SIZE];
	size_t i = 0;

	while (i < lines->nr && lines->line[i].verb != LINE_HOLD)
		i++;
	if (i == lines->nr)
		return;
	struct nlmsghdr *request = held_question(buffer, ++kernel->sequence);
	if (!request)
		die(FAILED, "out of memory");
	require_set(kernel, request);
}

/* Whether new connections to this address wait. */
static bool
is_held(struct kernel *kernel, uint32_t address)
{
	char buffer[REQUEST_SIZE];
	struct nlmsghdr *request =
		held_message(buffer, NFT_MSG_GETSETELEM, NLM_F_ACK, ++kernel->sequence, address, 0);

	if (!request)
		die(FAILED, "out of memory");
	int error = netlink_exchange(kernel->socket, request, NULL, NULL);
	if (error && error != ENOENT)
		fail_to_read(error);
	return error == 0;
}

/* Returns 0 if our table of this family has a chain of this name. */
static int
look_for_chain(struct kernel *kernel, uint16_t family, const char *name)
{
	char buffer[REQUEST_SIZE];
	struct nlmsghdr *request = nftnl_nlmsg_build_hdr(
		buffer, NFT_MSG_GETCHAIN, family, NLM_F_ACK, ++kernel->sequence);

	mnl_attr_put_strz(request, NFTA_CHAIN_TABLE, REPLIES_TABLE);
	mnl_attr_put_strz(request, NFTA_CHAIN_NAME, name);
	return netlink_exchange(kernel->socket, request, NULL, NULL);
}

/* Ends the program unless the bridge's table exists or the kernel cannot have one. */
static void
require_bridge(struct kernel *kernel)
{
	if (look_for_chain(kernel, NFPROTO_BRIDGE, "between") != 0 &&
		look_for_chain(kernel, NFPROTO_IPV4, "no_bridge") != 0)
		exit(NO_TABLE);
}

/* Returns the target of an element, which is none if there is no such element. */
static struct endpoint
read_element(struct kernel *kernel, enum map map, struct endpoint service, uint32_t share)
{
	char buffer[REQUEST_SIZE];
	struct entry entry = { .key = { service, share }, .map = map };
	struct replies replies = { .map = map };
	struct nftnl_set *set;
	struct nlmsghdr *request =
		message(kernel, buffer, NFT_MSG_GETSETELEM, NLM_F_ACK, MAPS[map], &set);
	struct endpoint target = { 0 };

	add_element(set, &entry, false);
	nftnl_set_elems_nlmsg_build_payload(request, set);
	nftnl_set_free(set);
	int error = netlink_exchange(kernel->socket, request, replies_collect, &replies);
	if (error && error != ENOENT)
		fail_to_read(error);
	if (replies.entries.nr > 0)
		target = replies.entries.entry[0].target;
	entries_release(&replies.entries);
	return target;
}

/*
 * Sets port to the ports of the kernel's map that a line with this service changes: all at which
 * nginx asks, if it names one of them, else its own. Returns their number.
 */
static size_t
ports_of(struct endpoint service, uint16_t port[KEPT_PORTS])
{
	if (!kept_is_visited(service.port)) {
		port[0] = service.port;
		return 1;
	}
	for (size_t i = 0; i < KEPT_PORTS; i++)
		port[i] = htons(kept_ports[i]);
	return KEPT_PORTS;
}

static struct shares
read_port(struct kernel *kernel, struct endpoint service)
{
	struct shares present = { .single = read_element(kernel, MAP_SERVICES, service, 0) };

	for (uint32_t i = 0; i < LINES_SHARES; i++)
		present.share[i] = read_element(kernel, MAP_SHARES, service, i);
	return present;
}

static struct shares
read_shares(struct kernel *kernel, struct endpoint service)
{
	uint16_t port[KEPT_PORTS];
	size_t nr = ports_of(service, port);
	struct shares first = read_port(kernel, service);

	for (size_t i = 1; i < nr; i++) {
		struct shares other;

		service.port = port[i];
		other = read_port(kernel, service);
		first.differ = first.differ || !shares_equal(&first, &other);
	}
	return first;
}

/* Adds all elements of one map to entries. */
static void
read_map(struct kernel *kernel, enum map map, struct entries *entries)
{
	char buffer[REQUEST_SIZE];
	struct nftnl_set *set;
	struct replies replies = { .map = map, .entries = *entries };
	struct nlmsghdr *request =
		message(kernel, buffer, NFT_MSG_GETSETELEM, NLM_F_DUMP, MAPS[map], &set);

	nftnl_set_elems_nlmsg_build_payload(request, set);
	nftnl_set_free(set);
	int error = netlink_exchange(kernel->socket, request, replies_collect, &replies);
	if (error)
		fail_to_read(error);
	*entries = replies.entries;
}

/* --- a change ------------------------------------------------------------------------------- */

/* A transaction that is being written. */
struct batch {
	struct kernel *kernel;
	char *at;
	size_t size, used;
	size_t changes;
	bool moves_visitors;
	bool lets_go; /* of connections that wait */
};

/* Makes room for one more message. */
static void
make_room(struct batch *batch)
{
	if (batch->size - batch->used >= OP_SIZE)
		return;
	batch->size = batch->size == 0 ? 65536 : 2 * batch->size;
	batch->at = xrealloc(batch->at, batch->size, 1);
}

static void
add_change(struct batch *batch, uint16_t type, uint16_t flags, const struct entry *entry)
{
	struct nftnl_set *set;

	make_room(batch);
	struct nlmsghdr *header = message(batch->kernel, batch->at + batch->used, type,
		flags | NLM_F_ACK, MAPS[entry->map], &set);
	add_element(set, entry, type == NFT_MSG_NEWSETELEM);
	nftnl_set_elems_nlmsg_build_payload(header, set);
	nftnl_set_free(set);
	batch->used += header->nlmsg_len;
	batch->changes++;
}

/* Adds what turns one element from present to wanted. */
static void
replace(struct batch *batch, enum map map, struct key key, struct endpoint present,
	struct endpoint wanted)
{
	struct entry entry = { .key = key, .map = map, .target = wanted };

	if (endpoint_equals(present, wanted))
		return;
	if (!endpoint_is_none(present))
		add_change(batch, NFT_MSG_DELSETELEM, 0, &entry);
	if (!endpoint_is_none(wanted))
		add_change(batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, &entry);
}

/* Adds what turns the elements of one port into those that are wanted. */
static void
replace_port(struct batch *batch, struct endpoint service, const struct shares *wanted)
{
	struct shares present = read_port(batch->kernel, service);

	replace(batch, MAP_SERVICES, (struct key){ .service = service }, present.single,
		wanted->single);
	for (uint32_t i = 0; i < LINES_SHARES; i++)
		replace(batch, MAP_SHARES, (struct key){ service, i }, present.share[i],
			wanted->share[i]);
}

static bool
is_change(const struct line *line)
{
	return line->verb == LINE_SET || line->verb == LINE_ADD || line->verb == LINE_UNSET;
}

static void
add_held(struct batch *batch, uint16_t type, uint16_t flags, const struct line *line)
{
	make_room(batch);
	struct nlmsghdr *header = held_message(batch->at + batch->used, type, flags | NLM_F_ACK,
		++batch->kernel->sequence, line->service.address, line->seconds);
	if (!header)
		die(FAILED, "out of memory");
	batch->used += header->nlmsg_len;
	batch->changes++;
}

/* New connections wait. If they do already, the time begins again. */
static void
add_hold(struct batch *batch, const struct line *line)
{
	if (is_held(batch->kernel, line->service.address))
		add_held(batch, NFT_MSG_DELSETELEM, 0, line);
	add_held(batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, line);
	batch->moves_visitors = true;
}

/* Adds what one line asks for. */
static void
add_line(struct batch *batch, const struct line *line)
{
	uint16_t port[KEPT_PORTS];
	size_t nr = ports_of(line->service, port), before = batch->changes;
	struct shares wanted = shares_wanted(line);
	struct endpoint service = line->service;

	if (line->verb == LINE_ADD) {
		struct shares present = read_shares(batch->kernel, service);

		if (!shares_is_empty(&present))
			return;
	}
	for (size_t i = 0; i < nr; i++) {
		service.port = port[i];
		replace_port(batch, service, &wanted);
	}
	if (batch->changes > before && kept_is_visited(line->service.port))
		batch->moves_visitors = true;
	if (line->verb == LINE_SET && kept_is_visited(line->service.port) &&
		is_held(batch->kernel, line->service.address)) {
		add_held(batch, NFT_MSG_DELSETELEM, 0, line);
		batch->lets_go = true;
	}
}

/*
 * Forbids kept connections to the apps in lines. The files of an app's pools are named after its
 * first address, which is among the lines, because an input has all addresses of an app. If this
 * fails, the program ends and says what has become of the map.
 */
static void
forbid_kept(const struct lines *lines, const char *changed)
{
	for (size_t i = 0; i < lines->nr; i++) {
		const struct line *line = &lines->line[i];
		int error = 0;

		if ((is_change(line) || line->verb == LINE_HOLD) &&
			kept_is_visited(line->service.port))
			error = kept_forbid(line->service.address);
		if (error)
			die(FAILED, "kept connections cannot be forbidden: %s; %s", strerror(error),
				changed);
	}
}

/*
 * Adds the changes after which the ports of each service's pools have the elements of its first
 * port.
 */
static void
add_pools(struct batch *batch)
{
	struct entries entries = { 0 };

	read_map(batch->kernel, MAP_SERVICES, &entries);
	read_map(batch->kernel, MAP_SHARES, &entries);
	for (size_t i = 0; i < entries.nr; i++) {
		struct endpoint service = entries.entry[i].key.service;
		struct shares first;

		/* In the map shares a service has several elements, so look at the first only. */
		if (!kept_is_visited(service.port) || entries.entry[i].key.share > 0)
			continue;
		first = read_shares(batch->kernel, service);
		for (size_t k = 1; first.differ && k < KEPT_PORTS; k++) {
			service.port = htons(kept_ports[k]);
			replace_port(batch, service, &first);
		}
	}
	entries_release(&entries);
}

static int
commit(struct batch *batch)
{
	make_room(batch);
	batch->used +=
		nftnl_batch_end(batch->at + batch->used, ++batch->kernel->sequence)->nlmsg_len;
	return netlink_commit(batch->kernel->socket, batch->at, batch->used);
}

static void
wake(const struct lines *lines)
{
	for (size_t i = 0; i < lines->nr; i++) {
		if (lines->line[i].verb == LINE_SET && kept_is_visited(lines->line[i].service.port))
			held_wake(lines->line[i].service.address);
	}
}

/* Returns 0; ENOENT or EEXIST if another process has changed an element meanwhile; or an errno. */
static int
try_change(struct kernel *kernel, const struct lines *lines)
{
	struct batch batch = { .kernel = kernel };
	int error = 0;

	make_room(&batch);
	batch.used = nftnl_batch_begin(batch.at, ++kernel->sequence)->nlmsg_len;
	for (size_t i = 0; i < lines->nr; i++) {
		if (is_change(&lines->line[i]))
			add_line(&batch, &lines->line[i]);
		else if (lines->line[i].verb == LINE_HOLD)
			add_hold(&batch, &lines->line[i]);
	}
	if (lines->want_complete)
		add_pools(&batch);
	if (batch.moves_visitors)
		forbid_kept(lines, "nothing was changed");
	if (batch.changes > 0)
		error = commit(&batch);
	if (batch.moves_visitors)
		forbid_kept(lines, "the map was changed");
	if (batch.lets_go && error == 0)
		wake(lines);
	free(batch.at);
	return error;
}

static void
change(struct kernel *kernel, const struct lines *lines)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	int error = ENOENT;

	for (int i = 0; i < TRIES && (error == ENOENT || error == EEXIST); i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		error = try_change(kernel, lines);
	}
	if (error)
		die(FAILED, "the kernel refused the change: %s; nothing was changed",
			strerror(error));
}

/* --- answers -------------------------------------------------------------------------------- */

static void
print_map(struct kernel *kernel)
{
	struct entries entries = { 0 };

	read_map(kernel, MAP_SERVICES, &entries);
	read_map(kernel, MAP_SHARES, &entries);
	shares_print_all(stdout, &entries);
	entries_release(&entries);
}

/* Whether connections to all ports of an app's addresses lead to the same containers. */
static bool
has_pools(struct kernel *kernel, const struct line *keep)
{
	for (size_t i = 0; i < keep->nr; i++) {
		struct endpoint service = { .address = keep->target[i].address,
			.port = htons(kept_ports[0]) };
		struct shares present = read_shares(kernel, service);

		if (present.differ || shares_is_empty(&present))
			return false;
	}
	return true;
}

static void
allow_kept(struct kernel *kernel, const struct lines *lines)
{
	for (size_t i = 0; i < lines->nr; i++) {
		const struct line *line = &lines->line[i];

		if (line->verb == LINE_KEEP && has_pools(kernel, line))
			kept_allow(line->target, line->nr);
	}
}

/* Whether the kernel counts connections at all. A table of an older version has no set for it. */
static bool
is_counting(struct kernel *kernel)
{
	char buffer[REQUEST_SIZE];
	struct nftnl_set *set;
	struct nlmsghdr *request =
		message(kernel, buffer, NFT_MSG_GETSET, NLM_F_ACK, REACHED, &set);

	nftnl_set_nlmsg_build_payload(request, set);
	nftnl_set_free(set);
	int error = netlink_exchange(kernel->socket, request, NULL, NULL);
	if (error && error != ENOENT)
		fail_to_read(error);
	return error == 0;
}

/* A container that no connection has reached has no element. */
static uint64_t
read_reached(struct kernel *kernel, uint32_t container)
{
	char buffer[REQUEST_SIZE];
	struct nftnl_set *set;
	struct nlmsghdr *request =
		message(kernel, buffer, NFT_MSG_GETSETELEM, NLM_F_ACK, REACHED, &set);
	struct nftnl_set_elem *element = nftnl_set_elem_alloc();
	uint64_t count = 0;

	if (!element)
		die(FAILED, "out of memory");
	nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, &container, sizeof(container));
	nftnl_set_elem_add(set, element);
	nftnl_set_elems_nlmsg_build_payload(request, set);
	nftnl_set_free(set);
	int error = netlink_exchange(kernel->socket, request, replies_count, &count);
	if (error && error != ENOENT)
		fail_to_read(error);
	return error ? 0 : count;
}

static void
print_reached(struct kernel *kernel, uint32_t container)
{
	char text[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &container, text, sizeof(text));
	if (is_counting(kernel))
		printf("reached %s %" PRIu64 "\n", text, read_reached(kernel, container));
	else
		printf("reached %s unknown\n", text);
}

static void
print_answers(struct kernel *kernel, const struct lines *lines)
{
	for (size_t i = 0; i < lines->nr; i++) {
		if (lines->line[i].verb == LINE_REACHED)
			print_reached(kernel, lines->line[i].service.address);
		if (lines->line[i].verb == LINE_GET) {
			struct shares present = read_shares(kernel, lines->line[i].service);
			shares_print(stdout, lines->line[i].service, &present);
		}
	}
	if (lines->want_list)
		print_map(kernel);
}

/* Prints the changes as "SERVICE:PORT IP:PORT…", and "list" if there was any question. */
static void
print_lines(const struct lines *lines)
{
	char text[ENDPOINT_SIZE];
	bool question = lines->want_list;

	for (size_t i = 0; i < lines->nr; i++) {
		const struct line *line = &lines->line[i];

		question = question || line->verb == LINE_GET;
		if (!is_change(line))
			continue;
		fputs(endpoint_format(line->service, ':', text), stdout);
		for (size_t k = 0; k < line->nr; k++)
			printf(" %s", endpoint_format(line->target[k], ':', text));
		putchar('\n');
	}
	if (question)
		puts("list");
}

/* --- main ----------------------------------------------------------------------------------- */

static void
answer_from_kernel(const struct lines *lines)
{
	struct kernel kernel = { netlink_open(NETLINK_NETFILTER, 0), (uint32_t)time(NULL) };

	if (!kernel.socket)
		die(FAILED, "the kernel's netfilter cannot be reached: %s; nothing was changed",
			strerror(errno));
	require_table(&kernel);
	require_held(&kernel, lines);
	if (lines->want_list)
		require_bridge(&kernel);
	change(&kernel, lines);
	allow_kept(&kernel, lines);
	print_answers(&kernel, lines);
	netlink_close(kernel.socket);
}

static int
add_route(struct network network)
{
	int error = route_keep(network);

	if (error)
		die(FAILED, "the kernel does not take a route: %s", strerror(error));
	return 0;
}

int
main(int argc, char **argv)
{
	struct network network = read_network();
	struct lines lines = { 0 };
	const char *option = argc == 2 ? argv[1] : "";

	if (strcmp(option, "--guard") == 0)
		return guard_run(network);
	if (strcmp(option, "--unreachable") == 0)
		return add_route(network);
	read_lines(&lines, &network);
	if (strcmp(option, "--lines") == 0)
		print_lines(&lines);
	else if (argc > 1)
		die(FAILED, "too many words");
	else
		answer_from_kernel(&lines);
	lines_release(&lines);
	if (fflush(stdout) != 0)
		die(FAILED, "what the map says cannot be printed: %s", strerror(errno));
	return 0;
}
